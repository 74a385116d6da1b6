"""Findings about what is written that one edit would mend are one cause: each edit that they suggest is tried on a copy.

A misspelled label is a Service without pods, a budget that protects nothing and a policy for nobody; whoever corrects the label
has mended them all.  That is proven, not guessed: the findings have to go, and none may come.  What is tried is the part of the
world around them, and only so often, so that a large one is judged as fast as without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from seatrial.rules.finding import Fact, Finding
from seatrial.rules.looking import found, told_as
from seatrial.rules.mending import Key, key_of
from seatrial.rules.patching import patched
from seatrial.rules.supposing import Edit, is_between, suggested
from seatrial.world.load.problems import Problem
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.place import Locate, Place
from seatrial.world.world import World

#: At most so many findings are asked for edits, and so many edits are tried; each on so many objects.
ASKED, TRIED, AROUND = 1000, 100, 200
#: A world of so few objects is tried whole.
WHOLE = 100


class Joint(NamedTuple):
    """Findings that one edit would mend: the one that tells it, and the others. `fix` and `fact` say the edit, and its place."""

    finding: Finding
    others: tuple[Finding, ...]
    fix: str = ""
    fact: Fact | None = None


def joined(world: World, findings: Sequence[Finding]) -> list[Joint]:
    """The findings of one world that share an edit; each is in at most one of them."""
    open_: dict[Key, list[Finding]] = {}
    for one in sorted(findings, key=_grave):
        if one.severity != "note":
            open_.setdefault(key_of(one), []).append(one)
    asked = [one for ones in open_.values() for one in ones if is_between(one.rule)][:ASKED]
    edits: dict[Edit, list[Finding]] = {}
    for one in asked:
        for edit in dict.fromkeys(suggested(world, one)):
            edits.setdefault(edit, []).append(one)
    edits |= _own_patches([one for ones in open_.values() for one in ones][:ASKED])
    told: list[Joint] = []
    for edit, gone in sorted(_holding(world, edits), key=_promise):
        left = [one for key in gone for one in open_.get(key, ())]
        if len(left) > 1 and (edit.words or left[0] is edits[edit][0]):
            told.append(_joint(world, edit, left))
            for key in gone:
                open_.pop(key, None)
    return told


def _promise(pair: tuple[Edit, Sequence[Key]]) -> tuple[bool, int, bool]:
    """What was tried before what was not, what mends most first, and what can be said in words before a finding's own patch."""
    edit, gone = pair
    return not edit.operations, -len(gone), not edit.words


def agreed(
    told: Iterable[tuple[Finding, Iterable[str]]],
    joints: Mapping[str, Iterable[Joint]],
    shown: Callable[[Finding, Sequence[str]], Finding],
) -> tuple[list[Finding], list[Joint]]:
    """The findings of several variants of a world as they are shown, and those joints that hold in every variant they are in.

    `told` are the findings with their variants, `joints` those of each variant.
    """
    pairs = [(finding, tuple(names)) for finding, names in told]
    views = {told_as(finding): shown(finding, names) for finding, names in pairs}
    places = {told_as(finding): names for finding, names in pairs}
    kept: dict[tuple[object, ...], tuple[Joint, dict[tuple[object, ...], set[str]]]] = {}
    for name, ones in joints.items():
        for joint in ones:
            _, below = kept.setdefault(told_as(joint.finding), (joint, {}))
            for other in joint.others:
                if told_as(other) != told_as(joint.finding):  # what an alias says again is told once, and is not below itself
                    below.setdefault(told_as(other), set()).add(name)
    agreed = []
    for head, (joint, below) in kept.items():
        others = tuple(views[key] for key, names in below.items() if names.issuperset(places[key]))
        whole = len(others) == len(below)
        if others:
            agreed.append(Joint(views[head], others, joint.fix if whole else "", joint.fact))
    return list(views.values()), agreed


def _own_patches(findings: Sequence[Finding]) -> dict[Edit, list[Finding]]:
    """The patches of findings whose object others are about as well, with those: the first may be why the others are."""
    about: dict[Ref, list[Finding]] = {}
    for one in findings:
        for ref in one.refs:
            about.setdefault(ref, []).append(one)
    edits: dict[Edit, list[Finding]] = {}
    for one in findings:
        for part in one.patch or () if len(one.patch or ()) == 1 else ():
            ref = Ref(**part["ref"])
            others = [each for each in about.get(ref, ()) if each.rule != one.rule and len(one.refs) + len(each.refs) > 2]
            if others:
                edits[Edit(ref, "", "", json.dumps(part["operations"]))] = [one, *others]
    return edits


def _holding(world: World, edits: Mapping[Edit, Sequence[Finding]]) -> Iterator[tuple[Edit, list[Key]]]:
    """The edits that mend several findings, with these. The adding of what is missing is not tried, and needs no proof."""
    several = sorted((pair for pair in edits.items() if len(pair[1]) > 1), key=lambda pair: -len(pair[1]))
    trial, tried = _Trial(world), 0
    for edit, findings in several:
        if not edit.operations:
            yield edit, list(dict.fromkeys(map(key_of, findings)))
        elif tried < TRIED:
            tried += 1
            gone = _gone(trial, edit, findings)
            own = key_of(findings[0])
            yield edit, sorted(gone, key=lambda key: key != own) if not edit.words else gone


#: A finding of a part of the world: its rule, what it is about, its title.
_Told = tuple[str, tuple[Ref, ...], str]


class _Trial:
    """Parts of a world, asked as they are and with an object changed. Where an object begins is place enough there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._before: dict[tuple[Ref, ...], dict[_Told, None]] = {}
        self._places: dict[Ref, Locate | None] = {}

    def before(self, area: Sequence[Ref]) -> dict[_Told, None]:
        key = tuple(area)
        if key not in self._before:
            self._before[key] = _keys(self._part(area))
        return self._before[key]

    def after(self, area: Sequence[Ref], ref: Ref, changed: Obj) -> dict[_Told, None]:
        return _keys(self._part(area, {ref: changed}))

    def _part(self, area: Sequence[Ref], changed: Mapping[Ref, Obj] | None = None) -> World:
        part = World()
        part.facts = self.world.facts
        for ref in area:
            if ref not in self._places:
                place = self.world.place(ref)
                self._places[ref] = partial(_always, place) if place else None
            part.put((changed or {}).get(ref) or self.world.get(ref) or {}, self.world.sources.get(ref, ""), self._places[ref])
        return part


def _always(place: Place, _path: str = "") -> Place:
    return place


def _gone(trial: _Trial, edit: Edit, findings: Iterable[Finding]) -> list[Key]:
    """What is no longer found after an edit; nothing where something else is."""
    world = trial.world
    area = _around(world, (edit.ref, *(ref for one in findings for ref in one.refs)))
    if area is None:
        return []
    try:
        after = patched(world.get(edit.ref) or {}, json.loads(edit.operations))
    except ValueError:
        return []
    ref = ref_of(after)
    if ref != edit.ref and ref in world:
        return []
    before, left = trial.before(area), trial.after(area, edit.ref, after)
    back = {(rule, tuple(edit.ref if each == ref else each for each in refs)) for rule, refs, _ in left}
    gone = [key for key in before if key not in left and (key[0], key[1]) not in back]
    # an autoscaler that finds its target again may say more of it: that was there before, and could not be seen
    mended = {key[1][0] for key in gone if key[1]} - {edit.ref}
    come = [refs for rule, refs in back - {(rule, refs) for rule, refs, _ in before} if not refs or refs[0] not in mended]
    return [] if come else [*gone]


def _around(world: World, refs: Iterable[Ref]) -> list[Ref] | None:
    """Some objects, what they name and select and what names them, in the order of the world; None where that is too much."""
    if len(world) <= WHOLE:
        return list(world.refs())
    core = {ref for ref in refs if ref in world}
    near = set(core)
    for ref in core:
        near.update(one.target for one in world.graph.out(ref))
        near.update(one.source for one in world.graph.into(ref))
        if len(near) > AROUND:
            return None
    near |= {one.target for ref in near - core for one in world.graph.out(ref)}
    near = {ref for ref in near if ref in world}
    return sorted(near) if len(near) <= AROUND else None


def _keys(world: World) -> dict[_Told, None]:
    problems: list[Problem] = []  # told when the whole world was looked at
    keys = ((one.rule, one.refs, one.title) for one in found(world, live=False, problems=problems) if one.severity != "note")
    return dict.fromkeys(keys)


def _grave(finding: Finding) -> int:
    return ("error", "warning", "note").index(finding.severity)


def _joint(world: World, edit: Edit, findings: Sequence[Finding]) -> Joint:
    """Told by the gravest finding, and of these by one about the object that is to be changed; a patch by its own finding."""
    if not edit.words:
        return Joint(findings[0], tuple(findings[1:]))
    head = min(findings, key=lambda one: (_grave(one), edit.ref not in one.refs[:1]))
    others = tuple(one for one in findings if one is not head)
    if not edit.operations:
        return Joint(head, others)
    source = world.source(edit.ref, edit.path)
    below = f"the {len(others)} below" if len(others) > 1 else "the one below"
    fix = f"{edit.words[0].upper()}{edit.words[1:]} ({source}): that mends this and {below}.\nOr mend each: {head.fix}"
    cited = any(fact.source == source for fact in head.evidence)
    return Joint(head, others, fix, None if cited else Fact(f"here: {edit.words}", source))
