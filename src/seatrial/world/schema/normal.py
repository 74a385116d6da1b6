"""Objects in the form in which the server stores and answers them, as if they had been through its Go structs.

Unknown fields and nulls go, empty values go where the server omits them and appear where it always writes them
(`status: {}`, `resources: {}`), quantities and times take their canonical form, fields stand in the server's order and
the keys of maps are sorted.  Defaults are not applied here: those are admission's.  An object is expected to have
passed `check`; what does not fit its type is left as it is.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from seatrial.world import quantity
from seatrial.world.objects import Obj
from seatrial.world.schema.table import (
    DURATION,
    INT_OR_STRING,
    MICRO_TIME,
    OBJECT_META,
    QUANTITY,
    SCHEMA,
    SCHEMA_OR_ARRAY,
    SCHEMA_OR_BOOL,
    SCHEMA_OR_STRINGS,
    TIME,
    Field,
    Shape,
    shape,
    shape_of,
)


def normalise(obj: Obj, type_: Shape | None = None) -> Obj:
    """A new object in the server's form. One of an unknown kind comes back as it is, unless `type_` says what it is."""
    known = type_ or shape_of(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))
    return obj if known is None else _struct(obj, known)


def zero(type_: Shape) -> Any:
    """What the server writes for a value of this shape that was never set, where it does not leave it out."""
    if type_.kind == "struct":
        return _struct({}, type_)
    return _ZEROS.get(type_.type) if type_.kind == "scalar" else None


_ZEROS: dict[str, Any] = {
    "string": "", "bool": False, "int32": 0, "int64": 0, "uint32": 0, "uint64": 0, "double": 0, "float": 0,
    QUANTITY: "0", INT_OR_STRING: 0, DURATION: "0s",
}  # fmt: skip


def _struct(value: Obj, type_: Shape) -> Obj:
    fields = type_.fields
    if type_.custom:
        return _custom(value, type_)
    found: list[tuple[int, str, Any]] = []
    for key, item in value.items():
        field = fields.get(key)
        if field is None:
            continue
        if item is None:
            continue
        kept = _NORMAL[field.shape.kind](item, field.shape)
        if kept or not field.omitempty or field.pointer or _stays(field):
            found.append((field.index, key, kept))
    for field in _always(type_):
        if value.get(field.name) is None:
            found.append((field.index, field.name, None if field.pointer else zero(field.shape)))
    found.sort(key=_index)
    return {key: item for _, key, item in found}


def _index(item: tuple[int, str, Any]) -> int:
    return item[0]


def _stays(field: Field) -> bool:
    """Whether an empty value is written although the field has `omitempty`: Go leaves out no structs."""
    return field.shape.kind == "struct" or field.shape.type in _STRUCTS


_STRUCTS = frozenset({QUANTITY, INT_OR_STRING})  # a Quantity of 0 is "0" and a port of 0 is 0: structs in Go


def _custom(value: Obj, type_: Shape) -> Obj:
    """A custom resource's struct: a map to the server, which sorts its keys and takes nothing but unknown fields out of it."""
    out: Obj = {}
    for key in sorted(value):
        known = type_.child(key)
        if known is not None:
            item = value[key]
            kept = item if item is None else _NORMAL[known.kind](item, known)
            out[key] = dict(sorted(kept.items())) if known.type == OBJECT_META and isinstance(kept, dict) else kept
    return out


def _always(type_: Shape) -> tuple[Field, ...]:
    """The fields that are written even when nobody set them."""
    if type_.written is None:
        type_.written = tuple(field for field in type_.fields.values() if _is_always(field))
    return type_.written


def _is_always(field: Field) -> bool:
    if field.pointer:
        return not field.omitempty
    if field.omitzero:
        return False
    return not field.omitempty or field.shape.kind == "struct" or field.shape.type in _GO_STRUCTS


_GO_STRUCTS = frozenset({TIME, MICRO_TIME, INT_OR_STRING, DURATION, QUANTITY})


def _list(value: Any, type_: Shape) -> Any:
    element = type_.element
    if element is None or not isinstance(value, list):
        return value
    form = _NORMAL[element.kind]
    return [zero(element) if item is None else form(item, element) for item in value]


def _map(value: Any, type_: Shape) -> Any:
    element = type_.element
    if element is None or not isinstance(value, dict):
        return value
    form = _NORMAL[element.kind]
    empty = "" if element.type == "bytes" else zero(element)  # no bytes are stored as none, and read as empty
    return {key: empty if value[key] is None else form(value[key], element) for key in sorted(value)}


def _scalar(value: Any, type_: Shape) -> Any:
    form = _FORMS.get(type_.type)
    return value if form is None else form(value)


def _struct_value(value: Any, type_: Shape) -> Any:
    return _struct(value, type_) if isinstance(value, dict) else value


def _any(value: Any, type_: Shape) -> Any:
    """Free-form values keep what they hold; the places of a JSON schema that may hold a schema hold it normalised."""
    if type_.type == SCHEMA_OR_ARRAY and isinstance(value, list):
        return [_struct_value(item, shape(SCHEMA)) for item in value]
    if type_.type in (SCHEMA_OR_ARRAY, SCHEMA_OR_BOOL, SCHEMA_OR_STRINGS):
        return _struct_value(value, shape(SCHEMA))
    return value


_NORMAL: dict[str, Callable[[Any, Shape], Any]] = {
    "struct": _struct_value, "list": _list, "map": _map, "scalar": _scalar, "any": _any,
}  # fmt: skip


# scalars


@lru_cache(maxsize=4096)
def _quantity(value: str | int | float) -> str:
    try:
        return quantity.canonical(value)
    except ValueError:
        return str(value)


def _quantity_form(value: Any) -> Any:
    return _quantity(value) if isinstance(value, (str, int, float)) else value


def _time_form(value: Any) -> Any:
    return _time(value, False) if isinstance(value, str) else value


def _micro_time_form(value: Any) -> Any:
    return _time(value, True) if isinstance(value, str) else value


@lru_cache(maxsize=1024)
def _time(value: str, micro: bool) -> str:
    try:
        at = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return value
    if at.tzinfo is None:
        return value
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _bytes_form(value: Any) -> Any:
    """Base64 as Go writes it; it reads past line breaks."""
    if not isinstance(value, str) or ("\n" not in value and "\r" not in value):
        return value
    try:
        return base64.b64encode(base64.b64decode(value)).decode()
    except binascii.Error:
        return value


_FORMS: dict[str, Callable[[Any], Any]] = {
    QUANTITY: _quantity_form, TIME: _time_form, MICRO_TIME: _micro_time_form, "bytes": _bytes_form,
}  # fmt: skip
