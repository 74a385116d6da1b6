"""Whether a patch mends: it is tried on a copy of the world, where its finding must go and none must come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from seatrial.rules.finding import Finding
from seatrial.rules.overlap import NAMES
from seatrial.rules.patching import applied
from seatrial.world.objects import Ref
from seatrial.world.world import World

#: world -> what the rules find in it.
Find = Callable[[World], Iterable[Finding]]
Key = tuple[object, ...]


class _Trial(NamedTuple):
    """The world after some patches, what speaks against them ("" when nothing does), and what they would bring."""

    world: World
    why: str
    come: tuple[Finding, ...] = ()
    after: Counter[Key] | None = None


class Mended(NamedTuple):
    """The world after the patches that hold, their findings in the order of their making, and what spoke against the others."""

    world: World
    done: tuple[Finding, ...] = ()
    refused: tuple[tuple[Finding, str], ...] = ()


def mend(world: World, findings: Iterable[Finding], find: Find, welcome: Callable[[Finding], bool] = lambda _: False) -> Mended:
    """Try the patches, each on what those before it left. Findings without a patch are passed over.

    Patches of different places are tried together, and by halves where that does not hold: a thousand good ones cost a few looks
    at the world.  Those of one place come one after the other, each made anew for what the one before it left.  Fields of a wrong
    name come first: what they say under the right one, others may have more to say about.  A patch may bring to light what was
    hidden behind its fault: where that has a patch, both are tried together.  Whether such things are to be mended as well is for
    `welcome` to say.
    """
    wanted = Counter(key_of(one) for one in findings if one.patch)  # of one key there may be several, in different fields
    mended = Mended(world)
    while True:
        present = list(find(mended.world))
        open_ = [one for one in present if one.patch and wanted[key_of(one)] > 0]
        batch = _apart([one for one in open_ if names(one)] or open_)
        if not batch:
            return mended
        wanted -= Counter(map(key_of, batch))
        before = Counter(map(key_of, present))
        more = _mend(mended.world, batch, before, find, welcome)
        mended = Mended(more.world, mended.done + more.done, mended.refused + more.refused)
        if any(map(names, more.done)):
            come = [one for one in find(mended.world) if one.patch and not before[key_of(one)] and welcome(one)]
            wanted.update(map(key_of, come))


def _apart(findings: Iterable[Finding]) -> list[Finding]:
    """As many findings as there are whose patches touch different places."""
    chosen: list[Finding] = []
    taken: dict[Ref, list[str]] = {}
    for finding in findings:
        places = [
            (Ref(**part["ref"]), _taken(each, each[key]))
            for part in finding.patch
            for each in part["operations"]
            for key in ("path", "from")
            if key in each
        ]
        if any(path.startswith(other) or other.startswith(path) for ref, path in places for other in taken.get(ref, ())):
            continue
        chosen.append(finding)
        for ref, path in places:
            taken.setdefault(ref, []).append(path)
    return chosen


def _taken(operation: Mapping[str, Any], path: str) -> str:
    """The part of an object that an operation is about: all of a list from which it takes an item, or into which it puts one."""
    above, _, last = path.rpartition("/")
    return f"{above if last.isdigit() and operation['op'] != 'replace' else path}/"


def _mend(
    world: World, findings: Sequence[Finding], present: Counter[Key], find: Find, welcome: Callable[[Finding], bool]
) -> Mended:
    if not findings:
        return Mended(world)
    trial = _tried(world, findings, present, find)
    if not trial.why:
        return Mended(trial.world, tuple(findings))
    if len(findings) == 1:
        if trial.come and trial.after and all(one.patch and welcome(one) for one in trial.come):
            both = _tried(trial.world, trial.come, trial.after, find)
            if not both.why:
                return Mended(both.world, (findings[0], *trial.come))
        return Mended(world, (), ((findings[0], trial.why),))
    half = len(findings) // 2
    first = _mend(world, findings[:half], present, find, welcome)
    present = Counter(map(key_of, find(first.world))) if first.done else present
    rest = [one for one in findings[half:] if present[key_of(one)]]  # the others went with the first half
    second = _mend(first.world, rest, present, find, welcome)
    return Mended(second.world, first.done + second.done, first.refused + second.refused)


def _tried(world: World, findings: Sequence[Finding], present: Counter[Key], find: Find) -> _Trial:
    try:
        world = applied(world, [part for finding in findings for part in finding.patch])
    except ValueError as error:
        return _Trial(world, str(error))
    found = list(find(world))
    after = Counter(map(key_of, found))
    if any(after[key] > present[key] - times for key, times in Counter(map(key_of, findings)).items()):
        return _Trial(world, "the finding stays after its patch")
    # what a field says under its right name was meant before: only what would be refused speaks against the name
    grave = ("error",) if all(map(names, findings)) else ("error", "warning", "note")
    come = tuple(one for one in found if one.severity in grave and after[key_of(one)] > present[key_of(one)])
    rules = dict.fromkeys(str(one.rule) for one in sorted(come, key=lambda one: str(key_of(one))))
    return _Trial(world, f"the patch would bring {', '.join(rules)}" if come else "", come, after)


def harm(world: World, finding: Finding, find: Find) -> str:
    """What a patch would do to a world that its finding is not in; "" where nothing comes."""
    try:
        after = find(applied(world, finding.patch))
    except ValueError as error:
        return str(error)
    before = {key_of(one) for one in find(world)}
    come = {one.rule for one in after if key_of(one) not in before and one.severity != "note"}
    return f"the patch would bring {', '.join(sorted(come))}" if come else ""


def names(finding: Finding) -> bool:
    """Whether a patch only gives things their right name or place: a field, or the object its kind and version."""
    operations = [each for part in finding.patch for each in part["operations"]]
    if finding.rule == "unknown-kind":
        return all(each["path"] in ("/kind", "/apiVersion") for each in operations)
    return finding.rule == NAMES and all(each["op"] == "move" for each in operations)


def key_of(finding: Finding) -> Key:
    """What makes a finding the same one in another world: its rule, what it is about, and its words."""
    return finding.rule, finding.refs, finding.title
