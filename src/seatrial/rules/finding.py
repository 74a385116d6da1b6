"""A finding: what is wrong, with what, how we know, why it is so, and what mends it; and the table of all rules.

A rule is written down once: its words here in the table, its check beside it in the module of its topic.  Checks of files and
checks of what runs stand in the same table; `live` tells them apart, because the former must not need a status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from seatrial.world.objects import Obj, Ref
from seatrial.world.world import World

Severity = Literal["error", "warning", "note"]


class Fact(NamedTuple):
    """One piece of evidence. `source` is file:line, or an object and the path in it (`Pod web-1 in shop, status.phase`)."""

    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a stable id (`quota-exceeded`), `title` one line, `cause` why, `fix` words; `patch` a machine can apply
    (JSON Patch operations with the objects they are for: `rules.patching`).

    Of what runs, an `error` does not go away by waiting, a `warning` may.
    """

    rule: str
    severity: Severity
    title: str
    refs: tuple[Ref, ...] = ()
    evidence: tuple[Fact, ...] = ()
    cause: str = ""
    fix: str = ""
    patch: Any = field(default=None, hash=False)
    details: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)  # numbers behind the words, for machines
    at: str = field(default="", compare=False)  # the path of the field in the first object, where it is about one

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


class Rule(NamedTuple):
    """What a rule says of itself. `costs` is what it does to production; `wrong` and `right`: examples, its tests.

    Those of what runs are worlds of their own, in `alive.examples`, which a diagnosis does not load.
    """

    id: str
    severity: Severity
    title: str
    costs: str
    fix: str
    wrong: str = ""
    right: str = ""


#: (world, object) -> what is wrong with it. Pure.
Look = Callable[[World, Obj], Iterable[Finding]]


class Check(NamedTuple):
    """A function that finds what some rules are about, in objects of some kinds (`*` for every kind).

    `when` tells what it never finds anything in: checks that share one need not all ask.
    """

    kinds: frozenset[str]
    rules: tuple[Rule, ...]
    look: Look
    live: bool
    when: Callable[[World, Obj], object] | None = None


CHECKS: list[Check] = []
RULES: dict[str, Rule] = {}
#: (live, kind) -> the checks that look at objects of the kind; filled as kinds are met, emptied by a new check.
_FOR_KIND: dict[tuple[bool, str], list[Check]] = {}


def check(
    *kinds: str, rules: Iterable[Rule], live: bool = False, when: Callable[[World, Obj], object] | None = None
) -> Callable[[Look], Look]:
    """Enter a function into the table. Raises ValueError when a rule's id is taken."""

    def enter(look: Look) -> Look:
        entry = Check(frozenset(kinds), tuple(rules), look, live, when)
        for rule in entry.rules:
            if rule.id in RULES:
                raise ValueError(f"two rules have the id {rule.id}")
            RULES[rule.id] = rule
        CHECKS.append(entry)
        _FOR_KIND.clear()
        return look

    return enter


def look_at(world: World, obj: Obj, *, live: bool) -> Iterator[Finding]:
    """What the rules say of one object: those of what runs, or those of what is written."""
    for entry in checks_for(str(obj.get("kind", "")), live):
        yield from entry.look(world, obj)


def checks_for(kind: str, live: bool) -> list[Check]:
    """The checks that look at objects of a kind."""
    found = _FOR_KIND.get((live, kind))
    if found is None:
        found = [entry for entry in CHECKS if entry.live is live and (kind in entry.kinds or "*" in entry.kinds)]
        _FOR_KIND[live, kind] = found
    return found
