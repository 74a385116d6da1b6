"""The merge behind server-side apply: a configuration laid over a live object, and fields taken out of an object.

The rules, and the order of merged lists, are those of structured-merge-diff's typed.Merge and RemoveItems. Values are
shared between the results and what they were made from.
"""

from __future__ import annotations

from typing import Any

from seatrial.twin.merge.compare import is_leaf
from seatrial.twin.merge.fieldset import FieldSet, UnkeyedError, is_member, step_of, written
from seatrial.world.schema import ANY, Shape

_ABSENT: Any = object()


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """The live value with the configuration laid over it."""
    merged = _merge(live, config, shape)
    return {} if merged is _ABSENT else merged


def _merge(live: Any, config: Any, shape: Shape) -> Any:
    if config is _ABSENT:
        return live
    if live is _ABSENT or (not live and not config) or is_leaf(shape, live if config is None else config):
        return config
    if isinstance(config, list) or (config is None and isinstance(live, list)):
        return _lists(live if isinstance(live, list) else [], config or [], shape)
    if isinstance(config, dict) or (config is None and isinstance(live, dict)):
        return _maps(live if isinstance(live, dict) else {}, config or {}, shape)
    return config


def _maps(live: dict[str, Any], config: dict[str, Any], shape: Shape) -> Any:
    out = {}
    for key, value in live.items():
        merged = _merge(value, config.get(key, _ABSENT), shape.child(key) or ANY)
        if merged is not _ABSENT:
            out[key] = merged
    for key, value in config.items():
        if key not in live:
            out[key] = value
    return out or _ABSENT


def _lists(live: list[Any], config: list[Any], shape: Shape) -> Any:
    """Elements of the configuration keep their order; those of the live list stay around the ones both have."""
    element = shape.element or ANY
    theirs = [step_of(item, shape) for item in config]
    wanted = dict(zip(theirs, config, strict=True))
    ours = [step_of(item, shape) for item in live]
    have: dict[str, Any] = {}
    for step, item in zip(ours, live, strict=True):
        have[step] = _ABSENT if step in have else item  # duplicates give way to the configuration
    turn = iter([step for step in theirs if step in have])
    following = next(turn, None)
    out: list[Any] = []
    done: set[str] = set()
    left = right = 0
    while left < len(ours) or right < len(theirs):
        both = left < len(ours) and right < len(theirs)
        if both and ours[left] != theirs[right] and ours[left] in wanted and following not in (None, ours[left]):
            left += 1
            continue
        if left < len(ours) and not (both and ours[left] == theirs[right]):
            step = ours[left]
            if step not in wanted:
                out.append(live[left])
                left += 1
                continue
            left += step in done
        elif both:
            left += 1
        if right < len(theirs):
            step = theirs[right]
            done.add(step)
            merged = _merge(have.get(step, _ABSENT), wanted[step], element)
            if merged is not _ABSENT:
                out.append(merged)
            right += 1
            if following == step:
                following = next(turn, None)
    return out or _ABSENT


def verify(config: Any, shape: Shape, path: tuple[str, ...] = ()) -> list[str]:
    """What keeps a configuration from being applied, in the server's words; empty when nothing does."""
    if config is None:
        return []
    if shape.kind == "list":
        return _verify_list(config, shape, path)
    if shape.kind in ("struct", "map"):
        if not isinstance(config, dict):
            return [f"{written(path)}: expected map, got {go_text(config)}"]
        wrong = []
        for key, item in config.items():
            child, here = shape.child(key), (*path, f"f:{key}")
            wrong += [f"{written(here)}: field not declared in schema"] if child is None else verify(item, child, here)
        return wrong
    if shape.kind == "scalar":
        return _verify_scalar(config, shape, path)
    return []


def _verify_list(config: Any, shape: Shape, path: tuple[str, ...]) -> list[str]:
    if not isinstance(config, list):
        return [f"{written(path)}: expected list, got {go_text(config)}"]
    wrong: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(config):
        step = f"i:{index}"
        if shape.list_type != "atomic":
            try:
                step = step_of(item, shape)
            except UnkeyedError as why:
                wrong.append(f"{written(path)}: element {index}: {why}")
                continue
            if step in seen:
                wrong.append(f"{written(path)}: duplicate entries for key {written((step,))}")
            seen.add(step)
        wrong += verify(item, shape.element or ANY, (*path, step))
    return wrong


_NUMERIC = frozenset({"int32", "int64", "uint32", "uint64", "double", "float"})


def _verify_scalar(config: Any, shape: Shape, path: tuple[str, ...]) -> list[str]:
    if isinstance(config, (dict, list)):
        return [f"{written(path)}: expected scalar, got {go_text(config)}"]
    if shape.type in _NUMERIC:
        wanted = "" if isinstance(config, (int, float)) and not isinstance(config, bool) else "numeric (int or float)"
    elif shape.type == "bool":
        wanted = "" if isinstance(config, bool) else "boolean"
    elif shape.type in ("string", "bytes"):
        wanted = "" if isinstance(config, str) else "string"
    else:
        wanted = ""
    return [f"{written(path)}: expected {wanted}, got {go_text(config)}"] if wanted else []


def go_text(value: Any) -> str:
    """A value as Go prints it with `%v`."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_text, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def remove(value: Any, fields: FieldSet, shape: Shape) -> Any:
    """The value without the members of the set; a container that held some of them stays, if empty."""
    if not fields or value is None:
        return value
    if isinstance(value, list):
        if shape.kind == "list" and shape.list_type == "atomic":
            return None if value else value
        return _remove_elements(value, fields, shape)
    if not isinstance(value, dict) or not value:
        return value
    if shape.atomic:
        return None
    out = {}
    for key, item in value.items():
        node = fields.get(f"f:{key}")
        if node is None:
            out[key] = item
        elif not is_member(node):
            out[key] = _emptied(item, remove(item, node, shape.child(key) or ANY))
    return out


def _remove_elements(value: list[Any], fields: FieldSet, shape: Shape) -> list[Any]:
    out = []
    element = shape.element or ANY
    for item in value:
        node = fields.get(step_of(item, shape))
        if node is None:
            out.append(item)
        elif not is_member(node):
            out.append(_emptied(item, remove(item, node, element)))
    return out


def _emptied(was: Any, now: Any) -> Any:
    if now is None and was is not None:
        return {} if isinstance(was, dict) else [] if isinstance(was, list) else None
    return now
