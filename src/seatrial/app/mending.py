"""As much of an app file as can be understood, so that what does not fit together is told in the same run as what is misspelt.

A key or name with a slip of the keyboard is read as what was surely meant.  What cannot be read is put in order with some value
that can, and its path goes into the document's `unknown`: checks stop where they would look at it.  The model that comes
of this is for them alone, and no app.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from seatrial.app.document import Document, Path_
from seatrial.app.familiar import familiar
from seatrial.app.model import App, Part
from seatrial.app.names import Misnamed, names
from seatrial.app.parts import Call
from seatrial.app.problems import nearest, surely
from seatrial.app.shape import keys_at, part_at

#: How often what was mended is looked at again. A file nests less deep than this.
ROUNDS = 12

#: A value for each key that a map must have, which is never looked at.
PLACES: dict[str, Any] = {
    "app": "unknown",
    "services": {"unknown": {"image": "unknown:0"}},
    "image": "unknown:0",
    "port": 1,
    "schedule": "@daily",
    "run": "unknown",
    "query": "unknown",
    "cpu": "1",
    "memory": "1Gi",
    "resources": ["unknown"],
    "verbs": ["get"],
}


def faults(data: Any) -> list[ErrorDetails]:
    """What the model has against some data."""
    try:
        App.model_validate(data)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def mended(found: Document, report: Callable[[Document, ErrorDetails], None]) -> App | None:
    """What can be understood of a file in which something is wrong, after all of that was reported."""
    data = _copy(found.data)
    for detail in _renamed(found, data, report):
        report(found, detail)
        _mend(found, data, tuple(detail["loc"]), detail["type"] == "missing")
    for wrong in list(names(data, found.unknown)):
        found.report(found.key_at(wrong.path) if wrong.key else found.value_at(wrong.path), wrong.message, wrong.hint)
        _named(found, data, wrong)
    for _ in range(ROUNDS):
        left = faults(data)
        if not left:
            return App.model_validate(data)
        for detail in left:
            _mend(found, data, tuple(detail["loc"]), detail["type"] == "missing")
    return None


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data


def _inside(data: Any, step: str | int) -> bool:
    """Whether a map or list has such a key or item."""
    if isinstance(data, list):
        return isinstance(step, int) and 0 <= step < len(data)
    return isinstance(data, dict) and step in data


def _has(data: Any, path: Path_) -> bool:
    for step in path:
        if not _inside(data, step):
            return False
        data = data[step]
    return True


# -- keys ----------------------------------------------------------------------------------------------------------------


def _renamed(found: Document, data: Any, report: Callable[[Document, ErrorDetails], None]) -> Sequence[ErrorDetails]:
    """Report the keys that nobody knows and call them what was meant, until there are none. What else is wrong then."""
    left = faults(data)
    for _ in range(ROUNDS):
        foreign = [detail for detail in left if detail["type"] == "extra_forbidden"]
        if not foreign:
            break
        tried = []
        for detail in foreign:
            report(found, detail)
            tried += _rename(found, data, tuple(detail["loc"]))
        left = faults(data)
        for path in tried:
            holder = _holder(data, path)
            flat = not isinstance(holder[path[-1]], dict)
            against = [detail["loc"] for detail in left if tuple(detail["loc"][: len(path)]) == path]
            if any(len(loc) == len(path) or flat for loc in against):  # what it holds is not what that key takes
                holder.pop(path[-1])
                found.unknown.add(path)
        left = faults(data)
    return [detail for detail in left if detail["type"] != "extra_forbidden"]


def _holder(data: Any, path: Path_) -> Any:
    for step in path[:-1]:
        data = data[step]
    return data


def _rename(found: Document, data: Any, path: Path_) -> list[Path_]:
    """Call the key at the end of a path what was meant, as far as that is certain; the path it has then."""
    holder, key = _holder(data, path), path[-1]
    there = keys_at(path[:-1])
    word = familiar(part_at(path[:-1]), key)
    near = word.keys if word else (nearest(key, there),)
    meant = surely(key, there) if not word else word.keys[0] if word.same else ""
    if not meant or meant in holder:
        holder.pop(key)
        found.unknown.update((*path[:-1], name) for name in near if name and name not in holder)
        return []
    _call_it(found, holder, path, meant)
    return [(*path[:-1], meant)]


def _call_it(found: Document, holder: dict[Any, Any], path: Path_, meant: str) -> None:
    items = [(meant if key == path[-1] else key, value) for key, value in holder.items()]
    holder.clear()
    holder.update(items)
    found.also_at(path, (*path[:-1], meant))


# -- values --------------------------------------------------------------------------------------------------------------


def _named(found: Document, data: Any, wrong: Misnamed) -> None:
    """Put the name that was meant in the place of one that means nothing."""
    if not _has(data, wrong.path):
        return
    holder, last = _holder(data, wrong.path), wrong.path[-1]
    if wrong.key and wrong.meant:
        _call_it(found, holder, wrong.path, wrong.meant)
    elif wrong.key:
        holder.pop(last)
        found.unknown.add(wrong.path)
    elif wrong.meant:
        holder[last] = wrong.meant
    else:
        _mend(found, data, wrong.path, missing=False)


def _mend(found: Document, data: Any, path: Path_, missing: bool) -> None:
    """Make what is at a path readable, and remember that it is unknown."""
    if path[-1:] == ("[key]",):
        if _has(data, path[:-1]):
            _holder(data, path[:-1]).pop(path[-2])
        return
    found.unknown.add(path)
    holder = data
    for depth, step in enumerate(path):
        last = depth == len(path) - 1
        if not _inside(holder, step):  # a key that is missing; or the path goes on inside a short form
            if last and missing and isinstance(holder, dict):
                holder[step] = _copy(PLACES[str(step)])
            elif depth:
                _replace(data, path[:depth])
            return
        if last:
            _replace(data, path)
            return
        holder = holder[step]


def _replace(data: Any, path: Path_) -> None:
    """Put something in order in the place of what is not."""
    holder, last, kind = _holder(data, path), path[-1], part_at(path)
    owner = part_at(path[:-1])
    if isinstance(holder, list):
        if kind:
            holder[int(last)] = _place(kind)
        elif path[:-1]:
            _replace(data, path[:-1])
    elif owner and owner.model_fields[str(last)].is_required():
        holder[last] = _copy(PLACES[str(last)])
    elif kind and (not owner or isinstance(holder[last], (str, int, float, list))):
        holder[last] = _place(kind)
    elif owner:
        holder.pop(last)
    else:
        holder[last] = ""


def _place(kind: type[Part]) -> dict[str, Any]:
    """A map of a class, with whatever it must have."""
    if kind is Call:
        return {"name": "", "url": None}
    return {name: _copy(PLACES[name]) for name, field in kind.model_fields.items() if field.is_required()}
