"""A finding: what is wrong, with what, how we know, why it is so, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from seatrial.world.objects import Ref

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One piece of evidence. `source` is file:line, or an object and the path in it (`Pod web-1 in shop, status.phase`)."""

    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a stable id (`quota-exceeded`), `title` one line, `cause` why, `fix` words; `patch` a machine can apply."""

    rule: str
    severity: Severity
    title: str
    refs: tuple[Ref, ...] = ()
    evidence: tuple[Fact, ...] = ()
    cause: str = ""
    fix: str = ""
    patch: Any = None
    details: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)  # numbers behind the words, for machines

    def as_json(self) -> dict[str, Any]:
        """The stable JSON form; empty parts are left out."""
        document: dict[str, Any] = {"rule": self.rule, "severity": self.severity, "title": self.title}
        if self.refs:
            document["refs"] = [
                {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name} for ref in self.refs
            ]
        if self.evidence:
            document["evidence"] = [{"text": fact.text, "source": fact.source} for fact in self.evidence]
        for key in ("cause", "fix", "patch", "details"):
            if getattr(self, key):
                document[key] = getattr(self, key)
        return document
