"""What is wrong with the result of a strategic merge patch, in the words of the other decoder that the server has.

A strategically patched object never becomes JSON again: the server turns its map into a struct, field by field in the
order of the struct, and stops at the first value that does not fit (apimachinery's pkg/runtime/converter.go).
"""

from __future__ import annotations

from typing import Any

from seatrial.world.objects import Obj
from seatrial.world.schema.decoding import Problems, UndecodableError, special_error
from seatrial.world.schema.table import SPECIAL_SCALARS, Shape, shape_of


def restore(obj: Obj, type_: Shape | None = None) -> Problems:
    """Problems of a patched object: unknown fields, sorted, and the first value that cannot be restored."""
    api_version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    problems = Problems(kind, api_version.rpartition("/")[2])
    known = type_ or shape_of(api_version, kind)
    if known is not None:
        try:
            _value(obj, known, "", problems.strict)
        except UndecodableError as why:
            problems.error = str(why)
    problems.strict.sort()
    return problems


def _value(value: Any, type_: Shape, path: str, unknown: list[str]) -> None:
    if value is None or type_.kind == "any":
        return
    if type_.kind == "scalar":
        _scalar(value, type_)
    elif type_.kind == "list":
        if not isinstance(value, list):
            raise UndecodableError(f"cannot restore slice from {_kind(value)}")
        for index, item in enumerate(value):
            if type_.element is not None:
                _value(item, type_.element, f"{path}[{index}]", unknown)
    elif not isinstance(value, dict):
        raise UndecodableError(f"cannot restore {'map from' if type_.kind == 'map' else 'struct from:'} {_kind(value)}")
    elif type_.kind == "map":
        for item in value.values():
            if type_.element is not None:
                _value(item, type_.element, path, unknown)
    else:
        _struct(value, type_, path, unknown)


def _struct(value: Obj, type_: Shape, path: str, unknown: list[str]) -> None:
    for name, field in type_.fields.items():
        if name in value:
            _value(value[name], field.shape, f"{path}.{name}" if path else name, unknown)
    for name in value:
        if name not in type_.fields and not type_.open:
            unknown.append(f'unknown field "{path}.{name}"' if path else f'unknown field "{name}"')


_INTEGERS = frozenset({"int32", "int64", "uint32", "uint64"})
_FLOATS = frozenset({"double", "float"})
_GO_KINDS = {"double": "float64", "float": "float32"}


def _scalar(value: Any, type_: Shape) -> None:
    name = type_.type
    if name in SPECIAL_SCALARS or name == "bytes":
        error = special_error(value, type_)
        if error is not None:
            raise UndecodableError(error)
        return
    kind = _kind(value)
    fits = {"string": kind == "string", "bool": kind == "bool"}.get(name)
    if fits is None:
        fits = kind == "int64" or (kind == "float64" and (name in _FLOATS or value == int(value)))
    if fits:
        return
    if (kind == "int64" and name == "string") or (kind == "float64" and name in _INTEGERS):
        raise UndecodableError(f"cannot convert {kind} to {type_.go}")
    raise UndecodableError(f"unrecognized type: {_GO_KINDS.get(name, name)}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    names: tuple[tuple[type, str], ...] = ((str, "string"), (int, "int64"), (float, "float64"), (list, "slice"))
    return next((name for type_, name in names if isinstance(value, type_)), "map")
