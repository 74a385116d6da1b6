"""Which fields two versions of an object differ in, and which fields a configuration states: as sets of fields.

The walk follows structured-merge-diff's typed.Compare and ToFieldSet: an atomic list, map or struct is one field;
elements of `map` and `set` lists are told apart by their keys or values; a field that is there with a null is not absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seatrial.twin.merge.fieldset import FieldSet, is_member, step_of
from seatrial.world.schema import ANY, Shape


@dataclass(slots=True)
class Changes:
    removed: FieldSet = field(default_factory=dict)
    modified: FieldSet = field(default_factory=dict)
    added: FieldSet = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.removed or self.modified or self.added)


_ABSENT: Any = object()


def compare(old: Any, new: Any, shape: Shape) -> Changes:
    """What an update from `old` to `new` removes, modifies and adds."""
    changes = Changes()
    _containers(old, new, shape, changes)
    return changes


def _walk(step: str, old: Any, new: Any, shape: Shape, changes: Changes) -> None:
    """Compare the values at one step; at least one of them is there."""
    if old is _ABSENT:
        changes.added[step] = _everything(new, shape)
    elif new is _ABSENT:
        changes.removed[step] = _everything(old, shape)
    elif old is not new and old != new:
        mixed = old is not None and new is not None and type(old) is not type(new)
        if mixed or (not old and not new) or is_leaf(shape, new if old is None else old):
            changes.modified[step] = {}
            return
        below = Changes()
        _containers(old, new, shape, below)
        if below.removed:
            changes.removed[step] = below.removed
        if below.modified:
            changes.modified[step] = below.modified
        if below.added:
            changes.added[step] = below.added


def _containers(old: Any, new: Any, shape: Shape, changes: Changes) -> None:
    if isinstance(old, list) or isinstance(new, list):
        _lists(old or (), new or (), shape, changes)
        return
    old, new = old or {}, new or {}
    if not isinstance(old, dict) or not isinstance(new, dict):
        return
    for key, was in old.items():
        becomes = new.get(key, _ABSENT)
        if was is not becomes and was != becomes:
            _walk(f"f:{key}", was, becomes, shape.child(key) or ANY, changes)
    for key, becomes in new.items():
        if key not in old:
            _walk(f"f:{key}", _ABSENT, becomes, shape.child(key) or ANY, changes)


def _lists(old: Any, new: Any, shape: Shape, changes: Changes) -> None:
    element = shape.element or ANY
    before, after = by_step(old, shape), by_step(new, shape)
    for step, was in before.items():
        becomes = after.get(step, ())
        _elements(step, was, becomes, element, changes)
    for step, becomes in after.items():
        if step not in before:
            _elements(step, (), becomes, element, changes)


def _elements(step: str, was: Any, becomes: Any, element: Shape, changes: Changes) -> None:
    """Compare the elements of one step: one on each side, or duplicates, which count as one field."""
    if len(was) <= 1 and len(becomes) <= 1:
        _walk(step, was[0] if was else _ABSENT, becomes[0] if becomes else _ABSENT, element, changes)
    elif len(was) >= 2 and len(becomes) >= 2:
        if was != becomes:
            changes.modified[step] = {}
    elif len(was) >= 2:
        if becomes:
            _walk(step, _ABSENT, becomes[0], element, changes)
        changes.removed[step] = {}
    else:
        if was:
            _walk(step, was[0], _ABSENT, element, changes)
        changes.added[step] = {}


def by_step(items: Any, shape: Shape) -> dict[str, list[Any]]:
    """The elements of a `map` or `set` list by their steps; several under one where they are duplicates."""
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(step_of(item, shape), []).append(item)
    return found


def is_leaf(shape: Shape, value: Any) -> bool:
    """Whether a value is one field, whatever it holds."""
    if shape.kind == "any":
        return not isinstance(value, dict)
    return shape.kind == "scalar" or shape.atomic or (shape.kind == "list" and shape.list_type == "atomic")


def _everything(value: Any, shape: Shape) -> FieldSet:
    """The set of a value that is there on one side only: itself and everything below."""
    if not value or is_leaf(shape, value):
        return {}
    below: FieldSet = {".": {}}
    if isinstance(value, list):
        for step, items in by_step(value, shape).items():
            below[step] = _everything(items[0], shape.element or ANY) if len(items) == 1 else {}
    elif isinstance(value, dict):
        for key, item in value.items():
            below[f"f:{key}"] = _everything(item, shape.child(key) or ANY)
    else:
        return {}
    return below


def stated(value: Any, shape: Shape) -> FieldSet:
    """The fields that a configuration states: leaves, keys of maps, elements of lists, but not the structs around them."""
    below: FieldSet = {}
    if isinstance(value, list):
        for step, items in by_step(value, shape).items():
            node = stated(items[0], shape.element or ANY) if len(items) == 1 and not _is_leaf(items[0], shape.element) else {}
            below[step] = {".": {}, **node} if node else {}
        return below
    if not isinstance(value, dict):
        return below
    for key, item in value.items():
        inner = shape.child(key) or ANY
        named = shape.kind == "struct" and key in shape.fields
        if _is_leaf(item, inner):
            below[f"f:{key}"] = {}
            continue
        node = stated(item, inner)
        if node:
            below[f"f:{key}"] = node if named or is_member(node) else {".": {}, **node}
        elif item is None or item == {} or not named:
            below[f"f:{key}"] = {}
    return below


def _is_leaf(value: Any, shape: Shape | None) -> bool:
    return shape is None or is_leaf(shape, value)
