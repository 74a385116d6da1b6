"""Where a field that its type does not have was meant to be: under a name that is near, or at another level.

A guess is told; where there is one alone, and the value fits there, it is a patch as well.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from seatrial.rules.patching import Path
from seatrial.world.objects import Obj
from seatrial.world.paths import join
from seatrial.world.schema import Misfit, Shape, misfits

#: How like two names are (difflib's ratio): so that one may be meant, and so that it is meant more than another level.
NEAR, SURE = 0.72, 0.84
#: Names that so many types have that finding one further down says nothing.
_COMMON = frozenset({"annotations", "apiVersion", "data", "group", "host", "id", "items", "key", "kind", "labels", "metadata",
                     "mode", "name", "namespace", "options", "path", "port", "spec", "status", "type", "uid", "value",
                     "values"})  # fmt: skip
#: Fields of metadata that are looked for where the metadata is meant.
_OF_METADATA = frozenset({"labels", "annotations", "namespace", "name", "finalizers", "ownerReferences"})
#: What every object has; and fields that are there, and are hardly what was meant.
_OF_ALL = frozenset({"apiVersion", "kind", "metadata"})
_HARDLY = frozenset({("api.core.v1.PodSpec", "resources")})
_DEEPEST = 3
#: So long is a word that names are made with.
_WORD = 4
#: A type with so few fields is told with all of them.
_FEW = 8


class Place(NamedTuple):
    """Where a field belongs. `path` is one in the object where that is one place alone; `words` are for the reader."""

    words: str
    path: Path | None = None
    perhaps: tuple[Path, ...] = ()  # where it may belong, when there are several places


def meant(obj: Obj, root: Shape, misfit: Misfit) -> Place:
    """Where an unknown field belongs, as far as anybody can guess; words that are empty where nobody can."""
    *parent, key = misfit.path
    present = _at(obj, tuple(parent))
    named = _near(str(key), misfit.shape, present if isinstance(present, dict) else {})
    fitting = [name for name in named if _fits(misfit.value, misfit.shape.fields[name].shape)]
    best = (fitting or named)[:1]
    if best and (_alike(str(key), best[0]) >= SURE or _plain(str(key)) == _plain(best[0]) or _is_word(str(key), fitting)):
        return _renamed(tuple(parent), best[0], len(fitting) == 1 or (bool(fitting) and len(named) == 1))
    elsewhere = _above(obj, root, misfit) or _below(misfit, present) or _beside(obj, root, misfit)
    if elsewhere is not None:
        return elsewhere
    if best:
        if len(fitting) > 1:
            perhaps = tuple((*parent, name) for name in fitting[:3])
            return Place(f"did you mean {' or '.join(f'`{name}`' for name in fitting[:3])}?", None, perhaps)
        return _renamed(tuple(parent), best[0], len(fitting) == len(named) == 1)
    names = [name for name in misfit.shape.fields if name not in _OF_ALL]
    return Place(f"there is {', '.join(f'`{name}`' for name in names)}" if 0 < len(names) <= _FEW else "")


def _renamed(parent: Path, name: str, sure: bool) -> Place:
    return Place(f"did you mean `{name}`?", (*parent, name) if sure else None)


# names


def _near(key: str, shape: Shape, present: Obj) -> list[str]:
    """Names that the type has and the object does not set, the nearest first."""
    free = [name for name in shape.fields if present.get(name) is None]
    same = [name for name in free if _plain(name) == _plain(key)]
    if same:
        return same
    near = sorted(((_alike(key, name), name) for name in free), reverse=True)
    return [name for like, name in near if like >= NEAR and like >= near[0][0] - 0.08]


def _plain(name: str) -> str:
    """A name without what people write differently: capitals, dashes, the plural."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("s")


def _alike(one: str, other: str) -> float:
    ratio = difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()
    return max(ratio, NEAR) if _is_word(one, [other]) else ratio


def _is_word(one: str, names: list[str]) -> bool:
    """Whether a name is the last word of another, the only one: `backend`, which is defaultBackend now."""
    return len(one) >= _WORD and len(names) == 1 and names[0].endswith(one[:1].upper() + one[1:])


def _fits(value: Any, shape: Shape) -> bool:
    return next(misfits(value, shape), None) is None


# levels


def _above(obj: Obj, root: Shape, misfit: Misfit) -> Place | None:
    """The nearest type above that has the field."""
    key, parent = str(misfit.path[-1]), misfit.path[:-1]
    for up in range(len(parent) - 1, -1, -1):
        above = parent[:up]
        shape = _shape_at(root, above)
        if shape is None or shape.kind != "struct" or key not in shape.fields or not _fits(misfit.value, shape.fields[key].shape):
            continue
        levels = sum(1 for step in parent[up:] if isinstance(step, str))
        free = _at(obj, above).get(key) is None
        return Place(_level(levels, "deep", (*above, key)), (*above, key) if free else None)
    return None


def _below(misfit: Misfit, present: Any) -> Place | None:
    """The nearest types below that have the field, those first of which the object has some."""
    key = str(misfit.path[-1])
    if key in _COMMON:
        return None
    level: list[tuple[Path, Any, Shape]] = [(misfit.path[:-1], present, misfit.shape)]
    seen: set[str] = {misfit.shape.type}
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _inside(*each)]
        level = [each for each in level if not each[2].type or each[2].type not in seen]  # definitions have no types
        seen |= {each[2].type for each in level}
        hits = [
            (path, there)
            for path, there, shape in level
            if key in shape.fields and (shape.type, key) not in _HARDLY and _fits(misfit.value, shape.fields[key].shape)
        ]
        there = [path for path, value in hits if isinstance(value, dict)] or [path for path, _ in hits[:1]]
        if there:
            return _one_of(misfit, key, there, dict(hits))
    return None


def _one_of(misfit: Misfit, key: str, places: list[Path], values: dict[Path, Any]) -> Place:
    levels = sum(1 for step in places[0][len(misfit.path) - 1 :] if isinstance(step, str))
    if len(places) == 1:
        value = values[places[0]]
        free = isinstance(value, dict) and value.get(key) is None
        return Place(_level(levels, "high", (*places[0], key)), (*places[0], key) if free else None)
    return Place(_level(levels, "high", (*places[0], key)) + ", and others")


def _inside(path: Path, value: Any, shape: Shape) -> Iterator[tuple[Path, Any, Shape]]:
    """The objects in an object, with what is written there; of a list each item, or one that could be."""
    for name, field in shape.fields.items():
        inner, written = field.shape, value.get(name) if isinstance(value, dict) else None
        if inner.kind == "struct":
            yield (*path, name), written, inner
        elif inner.kind == "list" and inner.element is not None and inner.element.kind == "struct":
            items = written if isinstance(written, list) and written else [None]
            for place, item in enumerate(items):
                yield (*path, name, place), item, inner.element


def _beside(obj: Obj, root: Shape, misfit: Misfit) -> Place | None:
    """The metadata of this object, or of one above, for what belongs there."""
    key, parent = str(misfit.path[-1]), misfit.path[:-1]
    if key not in _OF_METADATA:
        return None
    for up in range(len(parent), max(len(parent) - 2, -1), -1):
        shape = _shape_at(root, parent[:up])
        field = shape.fields.get("metadata") if shape is not None and shape.kind == "struct" else None
        if field is not None and key in field.shape.fields and _fits(misfit.value, field.shape.fields[key].shape):
            path = (*parent[:up], "metadata", key)
            metadata = _at(obj, path[:-1])
            free = isinstance(metadata, dict) and metadata.get(key) is None
            return Place(f"it belongs to `{join(path)}`", path if free else None)
    return None


def _level(levels: int, how: str, path: Path) -> str:
    count = {1: "one level", 2: "two levels"}.get(levels, f"{levels} levels")
    return f"it stands {count} too {how}: it belongs to `{join(path)}`"


def _shape_at(shape: Shape | None, path: Path) -> Shape | None:
    for step in path:
        if shape is None:
            return None
        shape = shape.element if isinstance(step, int) else shape.child(step)
    return shape


def _at(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value
