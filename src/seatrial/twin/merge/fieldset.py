"""Sets of fields in the form in which managedFields hold them (FieldsV1), and what one can do with them.

A set is a nested dict: `{"f:spec": {"f:replicas": {}}}`.  A key is one step of a path: `f:` a field, `k:` an element of a
list by its keys, `v:` an element of a set by its value, `i:` by its place.  The path up to a node belongs to the set when
the node is empty or holds `.`.  Sets are never changed: every operation returns a new one, sharing what it can.  The
operations are those of structured-merge-diff's fieldpath.Set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from seatrial.world.schema import Shape

FieldSet = dict[str, Any]
Step = tuple[str, ...]


def is_member(node: FieldSet) -> bool:
    return not node or "." in node


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    if not b or a is b:
        return a
    if not a:
        return b
    out = dict(a)
    for step, theirs in b.items():
        ours = a.get(step)
        if ours is None:
            out[step] = theirs
        elif step != "." and ours != theirs:
            merged = union(ours, theirs)
            if is_member(ours) or is_member(theirs):
                merged = _with_dot(merged)
            out[step] = merged
    return out


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """The members of `a` that are no members of `b`; what lies below a member of `b` stays."""
    if not b:
        return a
    out: FieldSet = {}
    for step, ours in a.items():
        if step == ".":
            continue
        theirs = b.get(step)
        if theirs is None:
            out[step] = ours
            continue
        member = is_member(ours) and not is_member(theirs)
        below = difference(_below(ours), theirs)
        if below:
            out[step] = _with_dot(below) if member else below
        elif member:
            out[step] = {}
    return out


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    out: FieldSet = {}
    for step, ours in a.items():
        theirs = b.get(step)
        if theirs is None or step == ".":
            continue
        member = is_member(ours) and is_member(theirs)
        below = intersection(ours, theirs)
        if below:
            out[step] = _with_dot(below) if member else below
        elif member:
            out[step] = {}
    return out


def without(a: FieldSet, b: FieldSet) -> FieldSet:
    """`a` without the members of `b` and everything below them."""
    out: FieldSet = {}
    for step, ours in a.items():
        theirs = b.get(step)
        if theirs is None:
            out[step] = ours
        elif step != "." and not is_member(theirs):
            below = without(_below(ours), theirs)
            if below:
                out[step] = _with_dot(below) if is_member(ours) else below
            elif is_member(ours):
                out[step] = {}
    return out


def has(fields: FieldSet, path: Step) -> bool:
    node: FieldSet | None = fields
    for step in path:
        node = node.get(step) if node else None
        if node is None:
            return False
    return node is not None and is_member(node)


def paths(fields: FieldSet, prefix: Step = ()) -> Iterator[Step]:
    """Every member, those of a level before what lies below it, as the server lists conflicts."""
    steps = sorted((step for step in fields if step != "."), key=_order)
    for step in steps:
        if is_member(fields[step]):
            yield (*prefix, step)
    for step in steps:
        if fields[step]:
            yield from paths(fields[step], (*prefix, step))


def covers(a: FieldSet, b: FieldSet) -> bool:
    """Whether every member of `b` is a member of `a`."""
    for step, theirs in b.items():
        if step == ".":
            continue
        ours = a.get(step)
        if ours is None or (is_member(theirs) and not is_member(ours)) or not covers(ours, theirs):
            return False
    return True


def with_named_fields(fields: FieldSet, shape: Shape | None) -> FieldSet:
    """The set with the named fields on the way to its members as members too, but not the keys of maps and elements of lists."""
    out: FieldSet = {}
    for step, node in fields.items():
        if step == ".":
            continue
        below = with_named_fields(node, below_of(shape, step))
        named = shape is not None and shape.kind == "struct" and step[:2] == "f:" and step[2:] in shape.fields
        member = is_member(node) or (named and bool(below))
        out[step] = _with_dot(below) if member and below else below
    return out


def below_of(shape: Shape | None, step: str) -> Shape | None:
    if shape is None:
        return None
    return shape.child(step[2:]) if step[:2] == "f:" else shape.element


def sorted_set(fields: FieldSet) -> FieldSet:
    """The set in the order in which the server writes it; equal sets are one and the same, for pods of a template are many."""
    if not fields:
        return _NOTHING
    steps = fields if len(fields) == 1 else sorted(fields, key=_order)
    below = [(step, sorted_set(fields[step])) for step in steps]
    key = tuple((step, id(node)) for step, node in below)
    known = _known_sets.get(key)
    if known is None:
        if len(_known_sets) >= _MOST_KNOWN:
            _known_sets.clear()
        known = _known_sets[key] = dict(below)
    return known


#: Sets by their steps and the identities of the sets below, which the set itself keeps alive.
_known_sets: dict[tuple[tuple[str, int], ...], FieldSet] = {}
_MOST_KNOWN = 16384
_NOTHING: FieldSet = {}


def _below(node: FieldSet) -> FieldSet:
    return {step: below for step, below in node.items() if step != "."} if "." in node else node


def _with_dot(node: FieldSet) -> FieldSet:
    return node if "." in node else {".": {}, **node}


# steps of a path


@lru_cache(maxsize=65536)
def _order(step: str) -> tuple[Any, ...]:
    """Where a step stands among its siblings: `.` first, fields by name, keys by their values, values by theirs."""
    kind, text = step[:2], step[2:]
    if kind == "k:":
        return (2, *((name, *_ranked(value)) for name, value in json.loads(text).items()))
    if kind == "v:":
        return (3, *_ranked(json.loads(text)))
    return (0,) if step == "." else (1, text) if kind == "f:" else (4, text)


def _ranked(value: Any) -> tuple[int, Any]:
    """Values of different types in one order: numbers, text, truth values (structured-merge-diff, value.Compare)."""
    if isinstance(value, bool):
        return (3, value)
    return (1, value) if isinstance(value, (int, float)) else (2, value) if isinstance(value, str) else (4, str(value))


@lru_cache(maxsize=65536)
def _keyed(pairs: tuple[tuple[str, Any], ...]) -> str:
    return "k:" + json.dumps(dict(pairs), separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=4096)
def _valued(value: Any, _kind: str) -> str:
    return "v:" + json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class UnkeyedError(ValueError):
    """A list element that cannot be told apart from others."""


def step_of(item: Any, shape: Shape) -> str:
    """The step to an element of a `map` or `set` list. Raises UnkeyedError with the server's words."""
    if shape.list_type == "set":
        if isinstance(item, dict):
            raise UnkeyedError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise UnkeyedError("not supported: associative list with lists as elements")
        if item is None:
            raise UnkeyedError("associative list without keys has an element that's an explicit null")
        return _valued(item, type(item).__name__)
    if item is None:
        raise UnkeyedError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise UnkeyedError("associative list with keys may not have non-map elements")
    pairs = []
    for key in shape.keys:
        value = item.get(key)
        if value is None:
            field = shape.element.fields.get(key) if shape.element is not None else None
            if field is None or field.default is None:
                continue
            value = field.default
        pairs.append((key, value))
    if not pairs:
        keys = "[" + " ".join(f'"{key}"' for key in shape.keys) + "]"
        raise UnkeyedError(
            f"associative list with keys has an element that omits all key fields {keys} "
            "(and doesn't have default values for any key fields)"
        )
    pairs.sort()
    return _keyed(tuple(pairs))


def written(path: Step) -> str:
    """A path as the server prints it: `.spec.containers[name="web"].image`."""
    return "".join(_written(step) for step in path)


def _written(step: str) -> str:
    kind, text = step[:2], step[2:]
    if kind == "f:":
        return f".{text}"
    if kind == "k:":
        return "[" + ",".join(f"{key}={_json(value)}" for key, value in json.loads(text).items()) + "]"
    return f"[={text}]" if kind == "v:" else f"[{text}]"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
