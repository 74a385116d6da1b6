"""What was found, as every output shows it: causes with their symptoms, what was ignored, what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from seatrial.rules.causes import Cause
from seatrial.rules.finding import Finding
from seatrial.rules.ignoring import Ignored
from seatrial.world.load.problems import Problem
from seatrial.world.objects import Ref

VERSION = "seatrial.dev/report/v1"
SEVERITIES = ("error", "warning", "note")


class Report(NamedTuple):
    """`objects` and `files` are how many were looked at; `of` is what: `deploy/`, `namespace shop of cluster prod`."""

    of: str
    causes: tuple[Cause, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    unread: tuple[Problem, ...] = ()
    objects: int = 0
    files: int = 0

    @property
    def findings(self) -> list[Finding]:
        """All of them, causes before their symptoms."""
        return [one for one, _ in self.told]

    @property
    def told(self) -> list[tuple[Finding, Finding | None]]:
        """All findings, each with the one that it follows from."""
        pairs = (((cause.finding, None), *((one, cause.finding) for one in cause.symptoms)) for cause in self.causes)
        return [pair for each in pairs for pair in each]

    def counts(self) -> dict[str, int]:
        """How many findings of each severity."""
        counted = Counter[str](one.severity for one in self.findings)
        return {severity: counted[severity] for severity in SEVERITIES}

    def fails(self, level: str) -> bool:
        """Whether there is a finding of this severity or a graver one."""
        return any(self.counts()[severity] for severity in SEVERITIES[: SEVERITIES.index(level) + 1])

    def as_json(self) -> dict[str, Any]:
        """The versioned document; empty parts are left out."""
        document: dict[str, Any] = {
            "apiVersion": VERSION,
            "of": self.of,
            "summary": {
                **self.counts(),
                "causes": len(self.causes),
                "objects": self.objects,
                "files": self.files,
                "ignored": len(self.ignored),
            },
            "causes": [_cause(cause) for cause in self.causes],
        }
        if self.ignored:
            document["ignored"] = [
                {"rule": one.finding.rule, "title": one.finding.title, "reason": one.reason, "source": one.source}
                for one in self.ignored
            ]
        if self.unread:
            document["unread"] = [_unread(one) for one in self.unread]
        return document


def _unread(one: Problem) -> dict[str, str]:
    document: dict[str, str] = {"severity": one.severity, "text": one.text, "source": one.where}
    return document | ({"hint": one.hint} if one.hint else {})


def _cause(cause: Cause) -> dict[str, Any]:
    document = cause.finding.as_json()
    if cause.symptoms:
        document["symptoms"] = [one.as_json() for one in cause.symptoms]
    return document


def named(refs: Sequence[Ref], most: int = 4) -> str:
    """Some objects as a sentence names them: the first few and how many more."""
    words = [f"{ref.kind} {ref.name}" for ref in refs[:most]]
    return ", ".join(words) + (f" and {len(refs) - most} more" if len(refs) > most else "")
