"""Strategic merge patch: a patch that knows which lists merge by key, which are sets and which are replaced whole.

Directives: `$patch` (delete, replace, merge), `$retainKeys`, `$setElementOrder/<field>`, `$deleteFromPrimitiveList/<field>`.
The rules, the order of merged lists and the errors are those of apimachinery's pkg/util/strategicpatch.  Pure: the
result shares with the object what the patch does not touch.
"""

from __future__ import annotations

from typing import Any

from seatrial.twin import errors
from seatrial.twin.merge.structured import go_text
from seatrial.world.objects import Obj
from seatrial.world.schema import ANY, Field, Shape, shape, shape_of

_DIRECTIVE, _RETAIN_KEYS = "$patch", "$retainKeys"
_ORDER, _DELETE_FROM = "$setElementOrder/", "$deleteFromPrimitiveList/"


def strategic_merge_patch(obj: Obj, patch: Any, type_: Shape | str | None = None) -> Obj:
    """The patched object. `type_` is a type name or shape; without it, the object's own kind says how its lists merge.

    Raises ApiError 400 for a malformed patch, 422 for one that contradicts itself, 500 for an element without its merge
    key, as the server answers; 415 for a custom resource, which has no strategies.
    """
    if not isinstance(patch, dict):
        raise errors.bad_request("invalid JSON document")
    known = shape(type_) if isinstance(type_, str) else type_
    known = known or shape_of(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))
    if known is None or known.custom:
        supported = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        why = f"the body of the request was in an unknown format - accepted media types include: {supported}"
        raise errors.ApiError(415, "UnsupportedMediaType", why, {})
    return _map(obj, patch, known)


def _refused(message: str) -> errors.ApiError:
    return errors.ApiError(500, "", message)


def _map(original: Obj, patch: Obj, shape_: Shape) -> Obj:
    if _DIRECTIVE in patch:
        return _whole(patch)
    patch = dict(patch)
    out = _retained(dict(original), patch)
    _ordered_lists(out, patch, shape_)
    for key, wanted in patch.items():
        deleting = key.startswith(_DELETE_FROM)
        if deleting:
            key = key.removeprefix(_DELETE_FROM)
        if wanted is None:
            out.pop(key, None)
        elif key not in out or type(out[key]) is not type(wanted):
            if not deleting:
                _put(out, key, wanted)
        elif isinstance(wanted, dict):
            field = _field(shape_, key)
            whole = field is not None and "replace" in field.strategies
            out[key] = wanted if whole else _map(out[key], wanted, shape_.child(key) or ANY)
        elif isinstance(wanted, list):
            out[key] = _list(out[key], wanted, _field(shape_, key), deleting)
        else:
            out[key] = wanted
    return out


def _whole(patch: Obj) -> Obj:
    match patch[_DIRECTIVE]:
        case "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        case "delete":
            return {}
    raise _bad_directive(patch)


def _bad_directive(patch: Obj) -> errors.ApiError:
    return _refused(f"unknown patch type: {patch[_DIRECTIVE]} in map: {go_text(patch)}")


def _put(out: Obj, key: str, wanted: Any) -> None:
    """Put a value where there was none: without the nulls and the directives of the patch."""
    value = _plain(_without_nulls(wanted))
    if value is _GONE:
        out.pop(key, None)
    else:
        out[key] = value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


_GONE: Any = object()


def _plain(value: Any) -> Any:
    """A value without maps that carry a `$patch` directive."""
    if isinstance(value, dict):
        if _DIRECTIVE in value:
            return _GONE
        return {key: kept for key, item in value.items() if (kept := _plain(item)) is not _GONE}
    if isinstance(value, list):
        return [kept for item in value if (kept := _plain(item)) is not _GONE]
    return value


def _retained(out: Obj, patch: Obj) -> Obj:
    """Take `$retainKeys` out of the patch, and what it does not name out of the object."""
    if _RETAIN_KEYS not in patch:
        return out
    keys = patch.pop(_RETAIN_KEYS)
    if not isinstance(keys, list):
        raise errors.bad_request("invalid patch format of retainKeys")
    for key, value in patch.items():
        if value is not None and not key.startswith((_DELETE_FROM, _ORDER)) and key not in keys:
            raise errors.bad_request("invalid patch format of retainKeys")
    return {key: value for key, value in out.items() if key in keys}


def _field(shape_: Shape, key: str) -> Field | None:
    return shape_.fields.get(key)


# lists


def _list(original: list[Any], patch: list[Any], field: Field | None, deleting: bool = False) -> list[Any]:
    if not deleting and (field is None or "merge" not in field.strategies):
        return patch
    if not original and not patch:
        return original
    if not isinstance((original or patch)[0], dict):
        if deleting:
            return [item for item in original if item not in patch]
        merged = [*original, *(item for item in patch if item not in original)]
        return _in_order(list(_unique(merged)), patch, original, "")
    key = field.merge_key if field is not None else ""
    if not key:
        raise _refused("cannot merge lists without merge key for " + (field.type if field is not None else "map"))
    original, patch = _special(original, patch, key)
    element = field.shape.element if field is not None else None
    return _in_order(_by_key(original, patch, key, element or ANY), patch, original, key)


def _unique(items: list[Any]) -> list[Any]:
    out: list[Any] = []
    for item in items:
        if item not in out:
            out.append(item)
    return out


def _special(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Carry out the directives among a patch's elements: delete one, or replace the whole list."""
    plain: list[Any] = []
    replaced = False
    for item in patch:
        match item.get(_DIRECTIVE) if isinstance(item, dict) else None:
            case None:
                plain.append(item)
            case "delete":
                value = _key_of(item, key)
                original = [other for other in original if _key_of(other, key) != value]
            case "replace":
                replaced = True
            case "merge":
                raise _refused("merging lists cannot yet be specified in the patch")
            case _:
                raise _bad_directive(item)
    return (plain, []) if replaced else (original, plain)


def _key_of(item: Any, key: str) -> Any:
    if not isinstance(item, dict):
        raise _refused(f"expected a map[string]interface {{}}, but received a {_go_type(item)}")
    if key not in item:
        raise _refused(f"map: {go_text(item)} does not contain declared merge key: {key}")
    return item[key]


def _go_type(value: Any) -> str:
    names = {str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}"}
    return names.get(type(value), "%!s(<nil>)")


def _by_key(original: list[Any], patch: list[Any], key: str, element: Shape) -> list[Any]:
    out = list(original)
    for item in patch:
        value = _key_of(item, key)
        at = next((index for index, other in enumerate(out) if _key_of(other, key) == value), None)
        if at is None:
            new = _plain(_without_nulls(item))
            if new is not _GONE:
                out.append(new)
        else:
            out[at] = _map(out[at], item, element)
    return out


def _ordered_lists(out: Obj, patch: Obj, shape_: Shape) -> None:
    """Merge the lists whose order the patch gives, and take both, the list and its order, out of the patch."""
    for directive in [key for key in patch if key.startswith(_ORDER)]:
        order = patch.pop(directive)
        name = directive.removeprefix(_ORDER)
        if not isinstance(order, list):
            raise errors.bad_request("invalid patch format of setElementOrder list")
        field = _field(shape_, name)
        key = field.merge_key if field is not None else ""
        ours, theirs = out.get(name), patch.get(name)
        if (ours is not None and not isinstance(ours, list)) or (theirs is not None and not isinstance(theirs, list)):
            raise errors.bad_request("invalid patch format of setElementOrder list")
        _verify_order(theirs or [], order, key)
        if theirs is None and ours is None:
            patch.pop(name, None)
            continue
        if ours is None:
            merged = _plain(theirs)
        else:
            merged = ours if theirs is None else _list(ours, theirs, field)
        out[name] = _in_order(merged, order, ours or [], key)
        patch.pop(name, None)


def _verify_order(patch: list[Any], order: list[Any], key: str) -> None:
    """The elements of a patch must come in the order that the patch itself asks for."""
    if not patch or not order:
        return
    wanted = [item for item in patch if not (isinstance(item, dict) and _DIRECTIVE in item)]
    left = iter(order)
    for item in wanted:
        if not any(_same(item, other, key) for other in left):
            raise _refused(
                f"The order in patch list:\n{go_text(patch)}\n doesn't match $setElementOrder list:\n{go_text(order)}\n"
            )


def _same(item: Any, other: Any, key: str) -> bool:
    return bool(_key_of(item, key) == _key_of(other, key)) if key else bool(item == other)


def _in_order(merged: list[Any], order: list[Any], server: list[Any], key: str) -> list[Any]:
    """What the patch names in its order, what only the server has in the server's, and the two woven by the server's order."""
    if not merged:
        return merged
    wanted, had = _places(order, key), _places(server, key)
    theirs = sorted((item for item in merged if _identity(item, key) in wanted), key=lambda item: wanted[_identity(item, key)])
    ours = sorted(
        (item for item in merged if _identity(item, key) not in wanted), key=lambda item: had.get(_identity(item, key), len(had))
    )
    out: list[Any] = []
    left, right = iter(ours), iter(theirs)
    mine, other = next(left, _GONE), next(right, _GONE)
    while mine is not _GONE or other is not _GONE:
        before = had.get(_identity(mine, key)) if mine is not _GONE else None
        after = had.get(_identity(other, key)) if other is not _GONE else None
        first = other is _GONE or (mine is not _GONE and before is not None and after is not None and before < after)
        if first:
            out.append(mine)
            mine = next(left, _GONE)
        else:
            out.append(other)
            other = next(right, _GONE)
    return out


def _places(items: list[Any], key: str) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for index, item in enumerate(items):
        places.setdefault(_identity(item, key), index)
    return places


def _identity(item: Any, key: str) -> Any:
    if not key:
        return item
    value = _key_of(item, key)
    return go_text(value) if isinstance(value, (dict, list)) else value
