"""Where in the tree each object and each patch is said, so that it is said once.

An object has a form in each environment, and some are the same.  One form is what the base or a component has; the others grow
from it as a tree grows, each from the form of which the least patch makes it, and the patch stands where the environments that
need it meet.  What two of them change in the same way makes a form between: its patch is in the component of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations
from math import inf
from typing import Any

from seatrial.package.kustomize import common
from seatrial.package.kustomize.patch import Patch, called, difference
from seatrial.package.paths import Key
from seatrial.world.objects import Obj, clone, name_of

#: What a patch costs besides its own text, in characters: a file, and an entry in a kustomization.
OVERHEAD = 120
#: What it costs, in the same, to say in a component what one of its overlays says in another way.
DETOUR = 200
#: From how many forms on none is looked for between them.
MANY = 4


@dataclass(slots=True)
class Folder:
    """What a kustomization of several environments, or of one, holds."""

    resources: dict[Key, Obj] = field(default_factory=dict)
    patches: dict[Key, tuple[Obj, Patch]] = field(default_factory=dict)  # with the object they are laid over


#: By the environments that have what it holds.
Folders = dict[tuple[str, ...], Folder]


def spread(worlds: Mapping[str, Mapping[Key, Obj]], images: Sequence[Obj]) -> Folders:
    """Each object and each patch with the environments that have it. `images` are the tags that Kustomize gives all objects."""
    folders: Folders = {}
    for key in dict.fromkeys(key for world in reversed(list(worlds.values())) for key in world):
        there = {environment: worlds[environment][key] for environment in worlds if key in worlds[environment]}
        if key[1] == "Secret":  # values are different everywhere, and stay apart
            for environment, obj in there.items():
                folders.setdefault((environment,), Folder()).resources[key] = obj
        else:
            _spread(folders, key, there, images)
    return folders


def _spread(folders: Folders, key: Key, there: Mapping[str, Obj], images: Sequence[Obj]) -> None:
    names = {environment: name_of(obj) for environment, obj in there.items()}
    renamed = set(names.values()) if len(set(names.values())) > 1 else set()
    forms: list[tuple[Obj, list[str]]] = []
    for environment, obj in reversed(list(there.items())):  # among equals the last, which is production's more often than not
        form = {**obj, "metadata": {**obj["metadata"], "name": key[2]}} if renamed else obj
        same = next((own for known, own in forms if known == form), None)
        if same is None:
            forms.append((form, [environment]))
        else:
            same.append(environment)
    objects, edges = _tree(key, [form for form, _ in forms])
    root = objects[edges[0][0]] if edges else objects[0]
    folders.setdefault(tuple(there), Folder()).resources[key] = root
    below = {index: set(forms[index][1]) if index < len(forms) else set() for index in range(len(objects))}
    for parent, child, _ in reversed(edges):
        below[parent] |= below[child]
    for parent, child, patch in edges:
        where = tuple(environment for environment in there if environment in below[child])
        with_tags = Patch(clone(patch.merge), [clone(operation) for operation in patch.operations], patch.becomes)
        common.with_images(with_tags.merge, with_tags.operations, images)
        folders.setdefault(where, Folder()).patches[key] = objects[parent], with_tags
    for name in renamed:
        where = tuple(environment for environment, own in names.items() if own == name)
        _, patch = folders.setdefault(where, Folder()).patches.setdefault(key, (root, Patch()))
        patch.merge = {"metadata": {"name": name, **patch.merge.pop("metadata", {})}, **patch.merge}


#: Parent, child and patch: forms by their index, the first parent is the root.
Edges = list[tuple[int, int, Patch]]


def _tree(key: Key, forms: Sequence[Obj]) -> tuple[list[Obj], Edges]:
    """All forms, at last one between if there is one, and how they grow: what takes the fewest characters."""
    patches = {(one, two): difference(forms[one], forms[two]) for one, two in permutations(range(len(forms)), 2)}
    best: tuple[float, list[Obj], Edges] | None = None
    for root in (index for index, form in enumerate(forms) if form["kind"] == key[1]):
        others = [index for index in range(len(forms)) if index != root]
        between: list[Obj | None] = [None]
        for some in (2, 3) if len(forms) <= MANY else ():
            between += [agreed(forms[root], [forms[index] for index in found]) for found in combinations(others, some)]
        for form in between:
            if form is None or form not in forms:
                total, edges = _grown(key, [*forms, *([form] if form else [])], root, len(forms), patches)
                if best is None or total < best[0]:
                    best = total, [*forms, *([form] if form else [])], edges
    assert best is not None, "a key is of the kind that one of its forms has"
    return best[1], best[2]


def _grown(key: Key, forms: Sequence[Obj], root: int, real: int, known: Mapping[tuple[int, int], Patch]) -> tuple[float, Edges]:
    """What it costs to let forms grow from a root, each from the nearest that is there, and how they do."""
    patches = {**known}
    for index in range(len(forms)) if len(forms) > real else ():
        if index != real:
            patches[index, real] = difference(forms[index], forms[real])
            patches[real, index] = difference(forms[real], forms[index])
    costs = {
        pair: _cost(patch) + DETOUR * (pair[0] not in (root, real))
        for pair, patch in patches.items()
        if _may(key, forms[pair[0]], forms[pair[1]])
    }
    total, grown, edges = 0.0, [root], Edges()
    while len(grown) < len(forms):
        ways = [pair for pair in costs if pair[0] in grown and pair[1] not in grown]
        if len(grown) == 1 and len(forms) > real:  # a form between comes first, so that others can grow from it
            ways = [pair for pair in ways if pair[1] == real]
        if not ways:
            return inf, []
        pair = min(ways, key=lambda pair: costs[pair])
        total += costs[pair]
        grown.append(pair[1])
        edges.append((*pair, patches[pair]))
    return total, edges


def _may(key: Key, one: Obj, two: Obj) -> bool:
    """A Rollout is made of a Deployment, and not the other way round."""
    return bool(one["kind"] == two["kind"] or one["kind"] == key[1])


def _cost(patch: Patch) -> int:
    return len(repr(patch.merge)) + len(repr(patch.operations)) + OVERHEAD


_ABSENT = object()


def agreed(base: Obj, forms: Sequence[Obj]) -> Obj:
    """A form with what all of these change in the same way; the rest is as it was."""
    found: Obj = _agreed(base, forms)
    return found


def _agreed(base: Any, forms: Sequence[Any]) -> Any:
    first = forms[0]
    if all(form is first or (type(form) is type(first) and form == first) for form in forms):
        return first
    if all(isinstance(form, dict) for form in forms):
        known = base if isinstance(base, dict) else {}
        keys = dict.fromkeys(key for form in (known, *forms) for key in form)
        found = {key: _agreed(known.get(key, _ABSENT), [form.get(key, _ABSENT) for form in forms]) for key in keys}
        kept = {key: value for key, value in found.items() if value is not _ABSENT}
        return kept or base
    if all(isinstance(form, list) for form in forms):
        names = [[called(item) for item in form] for form in forms]
        if all(own == names[0] for own in names) and len(set(names[0])) == len(names[0]):
            known = {called(item): item for item in base} if isinstance(base, list) else {}
            return [
                _agreed(known.get(name, items[0]), items) for name, items in zip(names[0], zip(*forms, strict=True), strict=True)
            ]
    return base
