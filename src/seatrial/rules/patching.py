"""Patches that a machine can apply: JSON Patch (RFC 6902) operations, each with the object it is for.

A finding's patch is `[{"ref": {group, kind, namespace, name}, "operations": [{"op", "path", "value"}, …]}]`.  Rules build one
from the path of a field; `applied` tries it on a copy, so that the world it was found in stays as it is.  Editing the files
that the objects came from is for whoever read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.world import json_patch
from seatrial.world.objects import Obj, Ref, clone, ref_of
from seatrial.world.world import World

#: The way to a field: keys of mappings and places in lists.
Path = tuple[str | int, ...]
Operation = dict[str, Any]
Patch = list[dict[str, Any]]


def pointer(path: Path) -> str:
    """A path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def put(obj: Obj, path: Path, value: Any) -> Operation:
    """The operation that sets a field, with the mappings above it where they are missing."""
    here: Any = obj
    for depth, step in enumerate(path[:-1]):
        inner = _step(here, step)
        if not isinstance(inner, list if isinstance(path[depth + 1], int) else dict):
            for missing in reversed(path[depth + 1 :]):
                value = {missing: value}
            path = path[: depth + 1]
            break
        here = inner
    present = path[-1] in here if isinstance(here, Mapping) else _step(here, path[-1]) is not None
    return {"op": "replace" if present else "add", "path": pointer(path), "value": value}


def take(path: Path) -> Operation:
    """The operation that removes a field."""
    return {"op": "remove", "path": pointer(path)}


def move(path: Path, to: Path) -> Operation:
    """The operation that gives a field another name or place; the mappings above the place are there."""
    return {"op": "move", "from": pointer(path), "path": pointer(to)}


def patch_of(ref: Ref, operations: Iterable[Operation]) -> Patch:
    """Operations on one object, as a finding carries them."""
    about = {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
    return [{"ref": about, "operations": _joined(operations)}]


def applied(world: World, patch: Patch) -> World:
    """A world of its own in which the patch has been applied; untouched objects are shared.

    Raises ValueError when an object is not there, or an operation does not fit it.
    """
    changed: dict[Ref, Obj] = {}
    for part in patch:
        ref = Ref(**part["ref"])
        obj = changed.get(ref) or world.get(ref)
        if obj is None:
            raise ValueError(f"the patch is for {ref}, which is not there")
        changed[ref] = patched(obj, part["operations"])
    copy = World()
    copy.facts, copy.logs = world.facts, world.logs
    for ref, obj in world.items():
        copy.put(changed.get(ref, obj), world.sources.get(ref, ""), world.written(ref))
    return copy


def patched(obj: Obj, operations: Iterable[Operation]) -> Obj:
    """A copy of an object after operations (`add`, `replace`, `remove`, `move`). Raises ValueError where one does not fit."""
    copy = clone(obj)
    for operation in operations:
        try:
            json_patch.change(copy, clone(operation))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"{operation['op']} {operation['path']} does not fit {ref_of(obj)}") from error
    return copy


def _joined(operations: Iterable[Operation]) -> list[Operation]:
    """Operations of which several bring the same parent, as one that brings it whole: else the last would undo the others."""
    joined: list[Operation] = []
    for operation in operations:
        first = next((one for one in joined if one["op"] == operation["op"] == "add" and one["path"] == operation["path"]), None)
        if first is None or not isinstance(first["value"], dict) or not isinstance(operation["value"], dict):
            joined.append(clone(operation))
        else:
            _merge(first["value"], operation["value"])
    return joined


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _step(here: Any, step: str | int) -> Any:
    if isinstance(here, Mapping):
        return here.get(step)
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    return None
