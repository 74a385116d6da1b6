"""How a rule about what runs tells what it found, where nothing needs saying but its words and its evidence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seatrial.rules.finding import Fact, Finding, Rule, Severity
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.world import World


def told(
    rule: Rule,
    title: str,
    about: Iterable[Obj | Ref],
    facts: Iterable[Fact],
    *,
    severity: Severity | None = None,
    cause: str = "",
    fix: str = "",
    patch: Any = None,
    **details: Any,
) -> Finding:
    """A finding of a rule; `about` the objects it concerns, the one to blame first."""
    refs = dict.fromkeys(each if isinstance(each, Ref) else ref_of(each) for each in about)
    words = cause or rule.costs
    return Finding(rule.id, severity or rule.severity, title, tuple(refs), tuple(facts), words, fix or rule.fix, patch, details)


def status(world: World, obj: Obj, path: str, text: str) -> Fact:
    """What a field of an object says, as evidence."""
    return Fact(" ".join(text.split()), world.source(ref_of(obj), path))
