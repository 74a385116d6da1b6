"""Kubernetes objects in protobuf (`application/vnd.kubernetes.protobuf`), which kubectl and Helm send for typed requests.

A body is the four bytes `k8s\\0` and a runtime.Unknown, whose `raw` holds the object; field numbers and types come from the
schema table.  Decoding gives the JSON form, as the server writes it; encoding is its inverse.  Clients accept JSON back,
so the twin answers in JSON.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from typing import Any

import orjson

from seatrial.twin import errors
from seatrial.twin.api import wire
from seatrial.world import quantity, schema
from seatrial.world.objects import Obj
from seatrial.world.schema import table
from seatrial.world.schema.table import Field, Shape

MAGIC = b"k8s\x00"
#: Deeper nesting than any type of the API has; JSON schemas of CustomResourceDefinitions nest without bound.
_DEEPEST = 100


# public


def decode(body: bytes) -> Obj:
    """The object in a request body, in the server's JSON form. Raises ApiError (400) for anything malformed."""
    if not body.startswith(MAGIC):
        raise errors.bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        return _unknown(body[len(MAGIC) :])
    except (wire.MalformedError, ValueError, OverflowError) as why:
        raise errors.bad_request(f"unable to decode the protobuf body: {why}") from None


def encode(obj: Obj) -> bytes:
    """The object as a client sends it. Raises ValueError for a kind that Kubernetes does not have."""
    api_version, kind = obj["apiVersion"], obj["kind"]
    name = schema.type_of(api_version, kind)
    if name is None:
        raise ValueError(f"{api_version} {kind} has no protobuf form")
    type_meta = wire.text(1, api_version) + wire.text(2, kind)
    return (
        MAGIC + wire.delimited(1, type_meta) + wire.delimited(2, _encode_message(obj, name)) + wire.text(3, "") + wire.text(4, "")
    )


# decoding


def _unknown(data: bytes) -> Obj:
    api_version = kind = ""
    raw, encoding = b"", ""
    for number, how, value in wire.records(data):
        if how != wire.BYTES:
            continue
        if number == 1:
            for inner, inner_how, text in wire.records(value):
                if inner_how == wire.BYTES and inner in (1, 2):
                    api_version, kind = (wire.utf8(text), kind) if inner == 1 else (api_version, wire.utf8(text))
        elif number == 2:
            raw = value
        elif number == 3:
            encoding = wire.utf8(value)
    if encoding:
        raise wire.MalformedError(f"content encoding {encoding!r} is not supported")
    name = schema.type_of(api_version, kind)
    if name is None:
        raise wire.MalformedError(f'no kind "{kind}" is registered for version "{api_version}"')
    obj: Obj = {"kind": kind, "apiVersion": api_version, **_message(raw, name, 0)}
    obj["kind"], obj["apiVersion"] = kind, api_version
    return schema.normalise(obj)


@cache
def _numbered(type_name: str) -> dict[int, tuple[Field, bool]]:
    return {field.number: (field, inlined) for field, inlined in table.own_fields(type_name)}


def _message(data: Any, type_name: str, depth: int) -> Any:
    """The JSON form of a message, before it is normalised."""
    if depth > _DEEPEST:
        raise wire.MalformedError("exceeded max depth")
    special = _SPECIAL.get(type_name)
    if special is not None:
        return special(data, depth)
    out: Obj = {}
    fields = _numbered(type_name)
    for number, how, value in wire.records(_message_bytes(data)):
        known = fields.get(number)
        if known is None:
            continue
        field, inlined = known
        if inlined:
            out.update(_message(value, field.shape.type, depth + 1))
        else:
            _collect(out, field, how, value, depth)
    return out


def _message_bytes(data: Any) -> bytes:
    if not isinstance(data, bytes):
        raise wire.MalformedError("message expected")
    return data


def _collect(out: Obj, field: Field, how: int, value: Any, depth: int) -> None:
    shape, element = field.shape, field.shape.element
    if shape.type in table.STRINGS or element is None:
        out[field.name] = _value(how, value, shape, depth)
    elif shape.kind == "map":
        key, item = _entry(value, element, depth)
        out.setdefault(field.name, {})[key] = item
    elif how == wire.BYTES and element.type in _PACKED:
        items = out.setdefault(field.name, [])
        at = 0
        while at < len(value):
            number, at = wire.varint(value, at)
            items.append(_PACKED[element.type](number))
    else:
        out.setdefault(field.name, []).append(_value(how, value, element, depth))


def _entry(data: Any, element: Shape, depth: int) -> tuple[str, Any]:
    key, item = "", schema.zero(element)
    for number, how, value in wire.records(_message_bytes(data)):
        if number == 1:
            key = wire.utf8(value)
        elif number == 2:
            item = _value(how, value, element, depth)
    return key, item


def _value(how: int, value: Any, shape: Shape, depth: int) -> Any:
    read = _SCALARS.get(shape.type)
    if read is None:
        return _message(value, shape.type, depth + 1)
    expected, form = read
    if how != expected:
        raise wire.MalformedError(f"wrong wire type {how} for {shape.type}")
    return form(value)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _signed32(value: int) -> int:
    low = value & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


_PACKED: dict[str, Callable[[int], Any]] = {
    "bool": bool, "int32": _signed32, "int64": _signed, "uint32": int, "uint64": int,
}  # fmt: skip
_SCALARS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "string": (wire.BYTES, wire.utf8),
    "bytes": (wire.BYTES, _base64),
    "double": (wire.FIXED64, lambda value: _finite(struct.unpack("<d", value)[0])),
    "float": (wire.FIXED32, lambda value: _finite(struct.unpack("<f", value)[0])),
    **{name: (wire.VARINT, form) for name, form in _PACKED.items()},
}


def _finite(value: float) -> float:
    if value != value or value in (float("inf"), float("-inf")):
        raise wire.MalformedError("not a number")
    return value


# decoding: the messages that are something else in JSON


def _parts(data: Any) -> dict[int, Any]:
    return {number: value for number, _, value in wire.records(_message_bytes(data))}


def _integer(value: Any) -> int:
    if not isinstance(value, int):
        raise wire.MalformedError("integer expected")
    return _signed(value)


def _read_quantity(data: Any, depth: int) -> str:
    text = wire.utf8(_parts(data).get(1, b""))
    quantity.parse(text)  # what is none is refused with the words of the type
    return text


def _read_int_or_string(data: Any, depth: int) -> int | str:
    parts = _parts(data)
    return wire.utf8(parts.get(3, b"")) if _integer(parts.get(1, 0)) == 1 else _signed32(_integer(parts.get(2, 0)))


def _read_time(data: Any, depth: int) -> str | None:
    return _moment(data, "%Y-%m-%dT%H:%M:%SZ")


def _read_micro_time(data: Any, depth: int) -> str | None:
    return _moment(data, "%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(data: Any, form: str) -> str | None:
    """A Timestamp; an empty message is a time that was never set."""
    if not data:
        return None
    parts = _parts(data)
    seconds, nanos = _integer(parts.get(1, 0)), _integer(parts.get(2, 0))
    try:
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)
    except (ValueError, OSError):
        raise wire.MalformedError("time out of range") from None
    return f"{moment.year:04}" + moment.strftime(form[2:])


def _read_duration(data: Any, depth: int) -> str:
    return write_duration(_integer(_parts(data).get(1, 0)))


def write_duration(nanoseconds: int) -> str:
    """A duration as Go writes it: `1h2m3.5s`, `300ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if rest < size * 1_000:
            return f"{sign}{_decimal(rest, size)}{unit}"
    minutes, seconds = divmod(rest, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(seconds, 1_000_000_000)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"


def _decimal(value: int, unit: int) -> str:
    whole, part = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{part:0{digits}}".rstrip("0") if part else str(whole)


def _read_json(data: Any, depth: int) -> Any:
    raw = _parts(data).get(1, b"")
    return orjson.loads(raw) if raw else None


def _read_strings(data: Any, depth: int) -> list[str]:
    return [wire.utf8(value) for number, _, value in wire.records(_message_bytes(data)) if number == 1]


def _read_schema_or_bool(data: Any, depth: int) -> Any:
    parts = _parts(data)
    return _message(parts[2], table.SCHEMA, depth + 1) if 2 in parts else bool(parts.get(1, 0))


def _read_schema_or_array(data: Any, depth: int) -> Any:
    records = list(wire.records(_message_bytes(data)))
    many = [_message(value, table.SCHEMA, depth + 1) for number, _, value in records if number == 2]
    one = [_message(value, table.SCHEMA, depth + 1) for number, _, value in records if number == 1]
    return many or (one[-1] if one else None)


def _read_schema_or_strings(data: Any, depth: int) -> Any:
    records = list(wire.records(_message_bytes(data)))
    names = [wire.utf8(value) for number, _, value in records if number == 2]
    one = [_message(value, table.SCHEMA, depth + 1) for number, _, value in records if number == 1]
    return names or (one[-1] if one else None)


_SPECIAL: dict[str, Callable[[Any, int], Any]] = {
    table.QUANTITY: _read_quantity,
    table.INT_OR_STRING: _read_int_or_string,
    table.TIME: _read_time,
    table.MICRO_TIME: _read_micro_time,
    table.DURATION: _read_duration,
    table.RAW_EXTENSION: _read_json,
    table.FIELDS_V1: _read_json,
    table.JSON: _read_json,
    table.SCHEMA_OR_BOOL: _read_schema_or_bool,
    table.SCHEMA_OR_ARRAY: _read_schema_or_array,
    table.SCHEMA_OR_STRINGS: _read_schema_or_strings,
    **dict.fromkeys(table.STRINGS, _read_strings),
}


# encoding


def _encode_message(value: Any, type_name: str) -> bytes:
    special = _WRITE_SPECIAL.get(type_name)
    if special is not None:
        return special(value)
    out = bytearray()
    for field, inlined in table.own_fields(type_name):
        if inlined:
            if inner := _encode_message(value, field.shape.type):
                out += wire.delimited(field.number, inner)
        elif value.get(field.name) is not None:
            out += _encode_field(field, value[field.name])
    return bytes(out)


def _encode_field(field: Field, value: Any) -> bytes:
    shape, element, number = field.shape, field.shape.element, field.number
    if shape.type in table.STRINGS or element is None:
        return _encode_value(number, value, shape)
    if shape.kind == "list":
        return b"".join(_encode_value(number, item, element) for item in value)
    entries = (wire.text(1, key) + _encode_value(2, item, element) for key, item in value.items())
    return b"".join(wire.delimited(number, entry) for entry in entries)


def _encode_value(number: int, value: Any, shape: Shape) -> bytes:
    match shape.type:
        case "string":
            return wire.text(number, value)
        case "bytes":
            return wire.delimited(number, base64.b64decode(value))
        case "double":
            return wire.tag(number, wire.FIXED64) + struct.pack("<d", value)
        case "float":
            return wire.tag(number, wire.FIXED32) + struct.pack("<f", value)
        case name if name in _PACKED:
            return wire.tag(number, wire.VARINT) + wire.write_varint(int(value))
    return wire.delimited(number, _encode_message(value, shape.type))


def _write_int_or_string(value: Any) -> bytes:
    return (
        wire.integer(1, 1) + wire.integer(2, 0) + wire.text(3, value)
        if isinstance(value, str)
        else wire.integer(1, 0) + wire.integer(2, value)
    )


def _write_time(value: Any) -> bytes:
    whole, _, part = str(value).removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return wire.integer(1, seconds) + wire.integer(2, int(f"{part:0<9}"[:9]) if part else 0)


_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def _write_duration(value: Any) -> bytes:
    total = sum(Fraction(amount) * _UNITS[unit] for amount, unit in _PART.findall(value))
    return wire.integer(1, -int(total) if value.startswith("-") else int(total))


def _write_json(value: Any) -> bytes:
    return wire.delimited(1, orjson.dumps(value))


def _write_strings(value: Any) -> bytes:
    return b"".join(wire.text(1, item) for item in value)


def _write_schema_or_bool(value: Any) -> bytes:
    if isinstance(value, bool):
        return wire.integer(1, int(value))
    return wire.integer(1, 1) + wire.delimited(2, _encode_message(value, table.SCHEMA))


def _write_schema_or_array(value: Any) -> bytes:
    many, number = (value, 2) if isinstance(value, list) else ([value], 1)
    return b"".join(wire.delimited(number, _encode_message(item, table.SCHEMA)) for item in many)


def _write_schema_or_strings(value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join(wire.text(2, item) for item in value)
    return wire.delimited(1, _encode_message(value, table.SCHEMA))


_WRITE_SPECIAL: dict[str, Callable[[Any], bytes]] = {
    table.QUANTITY: lambda value: wire.text(1, str(value)),
    table.INT_OR_STRING: _write_int_or_string,
    table.TIME: _write_time,
    table.MICRO_TIME: _write_time,
    table.DURATION: _write_duration,
    table.RAW_EXTENSION: _write_json,
    table.FIELDS_V1: _write_json,
    table.JSON: _write_json,
    table.SCHEMA_OR_BOOL: _write_schema_or_bool,
    table.SCHEMA_OR_ARRAY: _write_schema_or_array,
    table.SCHEMA_OR_STRINGS: _write_schema_or_strings,
    **dict.fromkeys(table.STRINGS, _write_strings),
}
