"""Places for the boxes of a picture: callers to the left of what they call, and as few crossings as sorting can do.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from seatrial.views.picture.model import Picture
from seatrial.world.objects import Ref

#: How often the rows are sorted by their neighbours.
SWEEPS = 6
#: The kind of what keeps a way free for a long arrow.
STAND_IN = ""

Arrow = tuple[Ref, Ref]


@dataclass(frozen=True, slots=True)
class Layout:
    """`columns` of boxes from left to right, each from top to bottom; in them stand-ins keep a way free for long arrows.

    `ways`: the stand-ins that an arrow passes, from its source to its target.
    """

    columns: list[list[Ref]]
    ways: dict[tuple[Ref, Ref], list[Ref]]

    @property
    def boxes(self) -> Iterator[Ref]:
        for column in self.columns:
            yield from (ref for ref in column if ref.kind != STAND_IN)


def layered(picture: Picture) -> Layout:
    """Places for the boxes. A circle of calls is cut at the arrow that closes it."""
    refs = [node.ref for node in picture.nodes]
    forward = _forward(picture, refs)
    depth = _depths(refs, forward, {node.ref for node in picture.nodes if node.kind != "entry"})
    columns: list[list[Ref]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for ref in refs:
        columns[depth[ref]].append(ref)
    kinds = {node.ref: node.kind for node in picture.nodes}
    for column in columns:
        column.sort(key=lambda ref: (kinds[ref] == "job", ref.name, ref))
    ways = _stand_ins(forward, depth, columns)
    _untangle(columns, ways)
    return Layout(columns, ways)


def _stand_ins(forward: list[Arrow], depth: Mapping[Ref, int], columns: list[list[Ref]]) -> dict[Arrow, list[Ref]]:
    ways: dict[Arrow, list[Ref]] = {}
    for number, (source, target) in enumerate(forward):
        way = [Ref("", STAND_IN, str(number), str(at)) for at in range(depth[source] + 1, depth[target])]
        for at, ref in enumerate(way, depth[source] + 1):
            columns[at].append(ref)
        ways[source, target] = way
    return ways


def _untangle(columns: list[list[Ref]], ways: Mapping[Arrow, list[Ref]]) -> None:
    """Sort each column by where its neighbours stand, to and fro."""
    left: dict[Ref, list[Ref]] = {ref: [] for column in columns for ref in column}
    right: dict[Ref, list[Ref]] = {ref: [] for ref in left}
    for (source, target), way in ways.items():
        for before, after in pairwise([source, *way, target]):
            right[before].append(after)
            left[after].append(before)
    for sweep in range(SWEEPS):
        neighbours, walk = (left, columns[1:]) if sweep % 2 == 0 else (right, columns[-2::-1])
        place = {ref: row / len(column) for column in columns for row, ref in enumerate(column)}
        for column in walk:
            wanted = {ref: _middle(ref, neighbours, place) for ref in column}
            column.sort(key=wanted.__getitem__)
            place |= {ref: row / len(column) for row, ref in enumerate(column)}


def _forward(picture: Picture, refs: list[Ref]) -> list[Arrow]:
    """The arrows without those that close a circle, found by walking from the entries."""
    out: dict[Ref, list[Ref]] = {ref: [] for ref in refs}
    reached = set()
    for edge in picture.edges:
        out[edge.source].append(edge.target)
        reached.add(edge.target)
    forward: list[Arrow] = []
    done: set[Ref] = set()
    for start in [ref for ref in refs if ref not in reached] + refs:
        if start in done:
            continue
        trail, open_ = [(start, iter(out[start]))], {start}
        while trail:
            at, following = trail[-1]
            target = next(following, None)
            if target is None:
                done.add(at)
                open_.discard(at)
                trail.pop()
            elif target not in open_:
                if (at, target) not in forward:
                    forward.append((at, target))
                if target not in done:
                    open_.add(target)
                    trail.append((target, iter(out[target])))
    return forward


def _depths(refs: list[Ref], forward: list[Arrow], late: Collection[Ref]) -> dict[Ref, int]:
    """The longest way from a box that nobody points at; such a box that may be `late` stands just before its first."""
    above: dict[Ref, int] = dict.fromkeys(refs, 0)
    below: dict[Ref, list[Ref]] = {ref: [] for ref in refs}
    for source, target in forward:
        below[source].append(target)
        above[target] += 1
    depth = dict.fromkeys(refs, 0)
    missing = dict(above)
    ready = [ref for ref in refs if not missing[ref]]
    while ready:
        at = ready.pop()
        for target in below[at]:
            depth[target] = max(depth[target], depth[at] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    for ref in refs:
        if ref in late and not above[ref] and below[ref]:
            depth[ref] = min(depth[target] for target in below[ref]) - 1
    return depth


def _middle(ref: Ref, neighbours: Mapping[Ref, list[Ref]], place: Mapping[Ref, float]) -> float:
    near = [place[other] for other in neighbours[ref]]
    return sum(near) / len(near) if near else place[ref]
