"""Whether a patch mends: it is tried on a copy of the world, where its finding must go and none must come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from seatrial.rules.finding import Finding
from seatrial.rules.patching import applied
from seatrial.world.world import World

#: world -> what the rules find in it.
Find = Callable[[World], Iterable[Finding]]
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Mended:
    """The world after the patches that hold, those patches' findings, and what spoke against the others."""

    world: World
    done: tuple[Finding, ...] = ()
    refused: tuple[tuple[Finding, str], ...] = ()


def mend(world: World, findings: Sequence[Finding], find: Find) -> Mended:
    """Try the patches, each on what those before it left. Findings without a patch are passed over.

    All are tried together, and by halves where that does not hold, so that a thousand good patches cost two looks at the world.
    """
    present = _keys(find(world))
    return _mend(world, [one for one in findings if one.patch and key_of(one) in present], present, find)


def _mend(world: World, findings: Sequence[Finding], present: set[Key], find: Find) -> Mended:
    if not findings:
        return Mended(world)
    tried, why = _tried(world, findings, present, find)
    if not why:
        return Mended(tried, tuple(findings))
    if len(findings) == 1:
        return Mended(world, (), ((findings[0], why),))
    half = len(findings) // 2
    first = _mend(world, findings[:half], present, find)
    present = _keys(find(first.world)) if first.done else present
    rest = [one for one in findings[half:] if key_of(one) in present]  # the others went with the first half
    second = _mend(first.world, rest, present, find)
    return Mended(second.world, first.done + second.done, first.refused + second.refused)


def _tried(world: World, findings: Sequence[Finding], present: set[Key], find: Find) -> tuple[World, str]:
    """The world after all of these patches, and what speaks against them ("" when nothing does)."""
    for finding in findings:
        try:
            world = applied(world, finding.patch)
        except ValueError as error:
            return world, str(error)
    left = _keys(find(world))
    if any(key_of(one) in left for one in findings):
        return world, "the finding stays after its patch"
    if new := dict.fromkeys(str(key[0]) for key in sorted(left - present, key=str)):
        return world, f"the patch would bring {', '.join(new)}"
    return world, ""


def key_of(finding: Finding) -> Key:
    """What makes a finding the same one in another world: its rule, what it is about, and its words."""
    return finding.rule, finding.refs, finding.title


def _keys(findings: Iterable[Finding]) -> set[Key]:
    return {key_of(finding) for finding in findings}
