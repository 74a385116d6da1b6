"""Where in the tree each object and each patch is said, so that it is said once.

An object has a form in each environment, and some are the same.  One form is what the base or a component has; the others grow
from it as a tree grows, each from the form of which the least patch makes it, and the patch stands where the environments that
need it meet: one that makes staging's form on the way to production's is in the component of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.package.kustomize import common
from seatrial.package.kustomize.patch import Patch, difference
from seatrial.package.paths import Key
from seatrial.world.objects import Obj, clone, name_of

#: What a patch costs besides its own text, in characters: a file, and an entry in a kustomization.
OVERHEAD = 120
#: What it costs, in the same, to say in a component what one of its overlays says in another way.
DETOUR = 200


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
    renamed = set(names.values()) if len(set(names.values())) > 1 and key[1] == "Job" else set()
    forms: list[tuple[Obj, list[str]]] = []
    for environment, obj in reversed(list(there.items())):  # among equals the last, which is production's more often than not
        form = {**obj, "metadata": {**obj["metadata"], "name": key[2]}} if renamed else obj
        same = next((own for known, own in forms if known == form), None)
        if same is None:
            forms.append((form, [environment]))
        else:
            same.append(environment)
    root, edges = _tree(key, [form for form, _ in forms])
    folders.setdefault(tuple(there), Folder()).resources[key] = forms[root][0]
    below = {index: set(own) for index, (_, own) in enumerate(forms)}
    for parent, child, _ in reversed(edges):
        below[parent] |= below[child]
    for parent, child, patch in edges:
        where = tuple(environment for environment in there if environment in below[child])
        with_tags = Patch(clone(patch.merge), [clone(operation) for operation in patch.operations], patch.becomes)
        common.with_images(with_tags.merge, with_tags.operations, images)
        folders.setdefault(where, Folder()).patches[key] = forms[parent][0], with_tags
    for name in renamed:
        where = tuple(environment for environment, own in names.items() if own == name)
        _, patch = folders.setdefault(where, Folder()).patches.setdefault(key, (forms[root][0], Patch()))
        patch.merge = {"metadata": {"name": name, **patch.merge.pop("metadata", {})}, **patch.merge}


def _tree(key: Key, forms: Sequence[Obj]) -> tuple[int, list[tuple[int, int, Patch]]]:
    """The form that all others grow from, and parent, child and patch of each of them: what takes the fewest characters."""
    patches = {
        (one, two): difference(forms[one], forms[two]) for one in range(len(forms)) for two in range(len(forms)) if one != two
    }
    costs = {pair: _cost(patch) for pair, patch in patches.items() if _may(key, *(forms[index] for index in pair))}
    best: tuple[float, int, list[tuple[int, int, Patch]]] | None = None
    for root in (index for index, form in enumerate(forms) if form["kind"] == key[1]):
        total, grown, edges = 0, [root], list[tuple[int, int, Patch]]()
        while len(grown) < len(forms):
            open_ = {
                pair: cost + DETOUR * (pair[0] != root)
                for pair, cost in costs.items()
                if pair[0] in grown and pair[1] not in grown
            }
            pair = min(open_, key=lambda pair: open_[pair])
            total += open_[pair]
            grown.append(pair[1])
            edges.append((*pair, patches[pair]))
        if best is None or total < best[0]:
            best = total, root, edges
    assert best is not None, "a key is of the kind that one of its forms has"
    return best[1], best[2]


def _may(key: Key, one: Obj, two: Obj) -> bool:
    """A Rollout is made of a Deployment, and not the other way round."""
    return bool(one["kind"] == two["kind"] or one["kind"] == key[1])


def _cost(patch: Patch) -> int:
    return len(repr(patch.merge)) + len(repr(patch.operations)) + OVERHEAD
