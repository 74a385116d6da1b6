"""How a rule about what is written tells what it found: its words from the table, its evidence from the field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seatrial.rules.finding import RULES, Fact, Finding, Severity
from seatrial.rules.patching import Operation, Path, move, patch_of, put, take
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.paths import join
from seatrial.world.world import World

__all__ = ["Operation", "Path", "brief", "move", "put", "take", "tell"]

#: A value in evidence is cut here.
LONG = 80


def tell(
    world: World,
    rule: str,
    obj: Obj,
    path: Path,
    says: str,
    *,
    who: str = "",
    title: str = "",
    severity: Severity | None = None,
    ops: Iterable[Operation] = (),
    also: Iterable[tuple[Obj, Path, str]] = (),
    fix: str = "",
    details: dict[str, Any] | None = None,
) -> Finding:
    """A finding of a rule in an object.

    `says` is what stands at `path`; `who` the container or part of the object it is about; `also` what other objects say;
    `ops` what mends the object.
    """
    known = RULES[rule]
    ref = ref_of(obj)
    others = [(other, ref_of(other), there, words) for other, there, words in also]
    subject = f"{ref.kind} {ref.name}" + (f", {who}" if who else "")
    operations = list(ops)
    facts = [Fact(says, world.source(ref, join(path)))]
    facts += [Fact(words, world.source(other, join(there))) for _, other, there, words in others]
    refs: dict[Ref, None] = dict.fromkeys([ref, *(other for _, other, _, _ in others)])
    return Finding(
        rule,
        severity or known.severity,
        f"{subject}: {title or known.title}",
        tuple(refs),
        tuple(facts),
        known.costs,
        fix or known.fix,
        patch_of(ref, operations) if operations else None,
        details or {},
        join(path),
    )


def brief(value: Any) -> str:
    """A value as evidence shows it."""
    text = str(value).replace("\n", " ")
    return text if len(text) <= LONG else text[: LONG - 1] + "…"
