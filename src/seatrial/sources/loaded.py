"""What was loaded: the objects, what they were loaded from, and what could not be."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from seatrial.world.load import Problem, Written
from seatrial.world.objects import Obj, Ref, name_of, namespace_of, ref_of
from seatrial.world.place import Locate, Place
from seatrial.world.world import World

#: What something given was recognised as.
InputKind = Literal["file", "folder", "stdin", "chart", "kustomization", "app", "evidence", "cluster"]


class Input(NamedTuple):
    """One thing that was read. `variant` is the environment or overlay that it was read for, "" where there is one only."""

    name: str
    kind: InputKind
    objects: int
    variant: str = ""


@dataclass(slots=True)
class Loaded:
    """`worlds` by environment or overlay, in the order of a promotion; the only one is called "". What is not of an environment
    (plain manifests beside an app file) is in each of them.

    `duplicates`: objects that are written twice, where first and where again. `problems` with severity `error` mean that
    objects are missing; a caller that sees one has not seen everything.
    """

    worlds: dict[str, World] = field(default_factory=lambda: {"": World()})
    problems: list[Problem] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    duplicates: list[tuple[Ref, Place, Place]] = field(default_factory=list)

    @property
    def world(self) -> World:
        """The only world, or that of the last environment, which is where people mean to get."""
        return next(reversed(self.worlds.values()))


@dataclass(slots=True)
class Gathering:
    """Objects on their way into worlds, by variant. `without`: charts that others depend on, and whose objects are not here;
    the worlds have their names as `facts["without"]`. `pieces`: files of what could not be put together (`facts["pieces"]`);
    `bases`: files of kustomizations that another may take in to give them a namespace and labels (`facts["bases"]`);
    `version`: that of Kubernetes, for charts that ask; `unreachable`: hosts that did not answer, and are not asked again.
    """

    namespace: str = ""
    version: str = ""
    common: list[tuple[Obj, Locate]] = field(default_factory=list)
    variants: dict[str, list[tuple[Obj, Locate]]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    without: set[str] = field(default_factory=set)
    pieces: set[str] = field(default_factory=set)
    bases: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)  # the environments that there are

    def add(self, obj: Obj, written: Locate, variant: str = "") -> None:
        (self.variants.setdefault(variant, []) if variant else self.common).append((obj, written))

    def problem(self, file: str, text: str, hint: str = "", *, line: int = 0, note: bool = False) -> None:
        self.problems.append(Problem(file, line, 0, text, hint, "note" if note else "error"))

    def loaded(self) -> Loaded:
        """The worlds. Of two objects with one name the later counts, as it does for `kubectl apply`."""
        found = Loaded({}, sorted(set(self.problems)), self.inputs)
        for variant in self.variants or {"": []}:
            found.worlds[variant] = self._world(variant, found)
        return found

    def _world(self, variant: str, found: Loaded) -> World:
        world = World()
        for fact, names in (("without", self.without), ("pieces", self.pieces), ("bases", self.bases)):
            if names:
                world.facts[fact] = frozenset(names)
        own = self.variants.get(variant, [])
        for objects in (self.common, own):
            seen: set[Ref] = set()
            unlike: set[Ref] = world.facts.setdefault("unlike", set())
            for obj, written in objects:
                if self.namespace and not namespace_of(obj) and not _outside(obj):
                    obj = {**obj, "metadata": {**obj["metadata"], "namespace": self.namespace}}
                ref = ref_of(obj)
                before = world.place(ref) if ref in seen else None
                if before is not None and name_of(obj):
                    twice = (ref, before, written(""))
                    again = isinstance(written, Written) and len(self.inputs) > 1 and _is_one(*twice[1:])
                    if twice not in found.duplicates and not again:
                        found.duplicates.append(twice)
                    if world.get(ref) != obj:
                        unlike.add(ref)
                seen.add(ref)
                world.put(obj, written=written)
        return world


def _is_one(first: Place, second: Place) -> bool:
    """Whether two places are one: of a file that was given twice, or inside of a folder that was."""
    return first.line == second.line and os.path.realpath(first.file) == os.path.realpath(second.file)


def _outside(obj: Obj) -> bool:
    from seatrial.world.graph.kinds import is_cluster_scoped
    from seatrial.world.objects import group_of

    return is_cluster_scoped(group_of(obj), str(obj.get("kind")))
