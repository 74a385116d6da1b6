"""What is wrong with an object as a document of its type: unknown and duplicate fields, and values of the wrong type.

The words are those of the server's decoder (Go's encoding/json as sigs.k8s.io/json has it, and the decoders of the
special types), as far as they reach a client: `strict decoding error: unknown field "spec.replcas"`, `json: cannot
unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`.  Whether values make sense is for
validation, in `admission`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from seatrial.world import quantity
from seatrial.world.objects import Obj
from seatrial.world.patterns import pattern
from seatrial.world.schema.table import (
    DURATION,
    INT_OR_STRING,
    MICRO_TIME,
    QUANTITY,
    TIME,
    Shape,
    shape_of,
)

#: The decoder stops collecting strict errors here.
MOST_STRICT_ERRORS = 100


@dataclass(slots=True)
class Problems:
    """`strict`: unknown and duplicate fields, which fieldValidation decides about; `error`: a value that cannot be decoded."""

    kind: str
    version: str
    strict: list[str] = field(default_factory=list)
    error: str | None = None

    def __bool__(self) -> bool:
        return bool(self.strict) or self.error is not None

    def strict_message(self) -> str:
        return "strict decoding error: " + ", ".join(self.strict)


def check(obj: Any, type_: Shape | None = None, body: bytes = b"") -> Problems:
    """Problems of an object read from a request; duplicate fields are found when the JSON `body` is given as well."""
    api_version, kind = (str(obj.get("apiVersion", "")), str(obj.get("kind", ""))) if isinstance(obj, dict) else ("", "")
    problems = Problems(kind, api_version.rpartition("/")[2])
    known = type_ or shape_of(api_version, kind)
    walk = _Walk(problems)
    if body:
        problems.strict.extend(f'duplicate field "{path}"' for path in duplicates(body))
    if known is not None:
        try:
            walk.value(obj, known, "", "", "")
        except UndecodableError as broken:
            problems.error = str(broken)
    del problems.strict[MOST_STRICT_ERRORS:]
    return problems


class UndecodableError(Exception):
    """A special type's own decoder gave up, which ends the decoding at once."""


class _Walk:
    """One pass over a document. `path` names where we are with indices, `struct` and `field` as Go's errors name it."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def value(self, value: Any, type_: Shape, path: str, struct: str, field_: str) -> None:
        if value is None:
            return
        kind = type_.kind
        if kind == "scalar":
            self.scalar(value, type_, struct, field_)
        elif kind == "list":
            if isinstance(value, list):
                self.items(value, type_, path, struct, field_)
            else:
                self.mistyped(value, type_.go, struct, field_)
        elif kind != "any":
            if isinstance(value, dict):
                self.struct(value, type_, path, field_) if kind == "struct" else self.map(value, type_, path, struct, field_)
            else:
                self.mistyped(value, type_.go, struct, field_)

    def struct(self, value: Obj, type_: Shape, path: str, field_: str) -> None:
        name = type_.go.rpartition(".")[2]
        fields = type_.fields
        for key, item in value.items():
            known = fields.get(key)
            if known is not None:
                if item is not None:
                    self.value(item, known.shape, f"{path}.{key}" if path else key, name, f"{field_}.{key}" if field_ else key)
            elif not type_.open:
                self.unknown(f"{path}.{key}" if path else key)

    def map(self, value: Obj, type_: Shape, path: str, struct: str, field_: str) -> None:
        element = type_.element
        if element is not None:
            for key, item in value.items():
                self.value(item, element, f"{path}.{key}", struct, field_)

    def items(self, value: list[Any], type_: Shape, path: str, struct: str, field_: str) -> None:
        element = type_.element
        if element is not None:
            for index, item in enumerate(value):
                self.value(item, element, f"{path}[{index}]", struct, field_)

    def scalar(self, value: Any, type_: Shape, struct: str, field_: str) -> None:
        wrong = _SCALARS[type_.type](value)
        if wrong is not None:
            what, go = wrong
            if go is None:
                self.fail(what)
            else:
                self.mistyped(value, type_.go if go == "" else go, struct, field_, what)

    def mistyped(self, value: Any, go: str, struct: str, field_: str, said: str = "") -> None:
        where = f"struct field {struct}.{field_}" if struct else "value"
        self.fail(f"json: cannot unmarshal {said or _json_kind(value)} into Go {where} of type {go}")

    def fail(self, message: str) -> None:
        if self.problems.error is None:  # the decoder goes on, and reports the first
            self.problems.error = message

    def unknown(self, path: str) -> None:
        message = f'unknown field "{path}"'
        if message not in self.problems.strict:
            self.problems.strict.append(message)


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "string"


# scalars: what the decoder calls a value that does not fit, and the Go type it names: "" the field's own; None where the
# first says it all

_Wrong = tuple[str, str | None] | None


def _string(value: Any) -> _Wrong:
    return None if isinstance(value, str) else (_json_kind(value), "")


def _bool(value: Any) -> _Wrong:
    return None if isinstance(value, bool) else (_json_kind(value), "")


def _integer(low: int, high: int) -> Callable[[Any], _Wrong]:
    def wrong(value: Any) -> _Wrong:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return (_json_kind(value), "")
        if isinstance(value, int) and low <= value <= high:
            return None
        return (f"number {value}", "")

    return wrong


_int32, _int64 = _integer(-(1 << 31), (1 << 31) - 1), _integer(-(1 << 63), (1 << 63) - 1)


def _double(value: Any) -> _Wrong:
    return None if isinstance(value, (int, float)) and not isinstance(value, bool) else (_json_kind(value), "")


def _bytes(value: Any) -> _Wrong:
    if not isinstance(value, str):
        return (_json_kind(value), "")
    broken = broken_base64(value)
    return None if broken is None else (f"illegal base64 data at input byte {broken}", None)


def _quantity(value: Any) -> _Wrong:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            quantity.parse(value)
            return None
        except ValueError:
            pass
    raise UndecodableError(quantity.FORMAT_ERROR)


def _int_or_string(value: Any) -> _Wrong:
    if isinstance(value, str):
        return None
    wrong = _int32(value)
    return None if wrong is None else (wrong[0], "int32")


def _time(value: Any) -> _Wrong:
    return _parsed_time(value, "2006-01-02T15:04:05Z07:00")


def _micro_time(value: Any) -> _Wrong:
    return _parsed_time(value, "2006-01-02T15:04:05.000000Z07:00")


_RFC3339 = pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)")


def _parsed_time(value: Any, layout: str) -> _Wrong:
    if not isinstance(value, str):
        return (_json_kind(value), "string")
    if _RFC3339.fullmatch(value):
        try:
            datetime.fromisoformat(value.replace("Z", "+00:00"))
            return None
        except ValueError:
            raise UndecodableError(f'parsing time "{value}": {_out_of_range(value)} out of range') from None
    raise UndecodableError(f'parsing time "{value}" as "{layout}": cannot parse {_where_time_breaks(value)}')


def _out_of_range(value: str) -> str:
    if not 1 <= int(value[5:7]) <= 12:
        return "month"
    return (
        "hour"
        if int(value[11:13]) > 23
        else "minute"
        if int(value[14:16]) > 59
        else "second"
        if int(value[17:19]) > 59
        else "day"
    )


_TIME_PARTS = (("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"),
               ("15", r"\d\d"), (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d"),
               ("Z07:00", r"(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)"))  # fmt: skip


def _where_time_breaks(value: str) -> str:
    """The rest of the text and the part of the layout it does not fit, as Go's time.Parse names them."""
    rest = value
    for layout, form in _TIME_PARTS:
        found = re.match(form, rest)
        if found is None:
            return f'"{rest}" as "{layout}"'
        rest = rest[found.end() :]
    return f'"": extra text: "{rest}"'


_GO_DURATION = pattern(r"[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)")


def _duration(value: Any) -> _Wrong:
    if not isinstance(value, str):
        return (_json_kind(value), "string")
    if _GO_DURATION.fullmatch(value) is None:
        raise UndecodableError(f'time: invalid duration "{value}"')
    return None


_SCALARS: dict[str, Callable[[Any], _Wrong]] = {
    "string": _string, "bool": _bool, "int32": _int32, "int64": _int64, "double": _double, "float": _double,
    "uint32": _integer(0, (1 << 32) - 1), "uint64": _integer(0, (1 << 64) - 1), "bytes": _bytes,
    QUANTITY: _quantity, INT_OR_STRING: _int_or_string, TIME: _time, MICRO_TIME: _micro_time, DURATION: _duration,
}  # fmt: skip

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def broken_base64(text: str) -> int | None:
    """Where Go's decoder of standard base64 stops, counted in bytes of the text, or None when it is whole."""
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
        return None
    except (binascii.Error, ValueError):
        pass
    digits = 0
    for at, character in enumerate(text):
        if character in "\r\n":
            continue
        if character not in _BASE64:
            return at if character != "=" or digits < 2 else _broken_padding(text, at, digits)
        digits = (digits + 1) % 4
    return len(text) - digits


def _broken_padding(text: str, at: int, digits: int) -> int:
    rest = _after_breaks(text, at + 1)
    if digits == 2:
        if rest == len(text):
            return rest
        if text[rest] != "=":
            return rest - 1
        rest = _after_breaks(text, rest + 1)
    return rest


def _after_breaks(text: str, at: int) -> int:
    while at < len(text) and text[at] in "\r\n":
        at += 1
    return at


def special_error(value: Any, type_: Shape) -> str | None:
    """Why a special type does not take a value that stands by itself. Raises UndecodableError where its decoder breaks off."""
    wrong = _SCALARS[type_.type](value)
    if wrong is None:
        return None
    what, go = wrong
    return what if go is None else f"json: cannot unmarshal {what} into Go value of type {go or type_.go}"


# duplicate fields


def duplicates(body: bytes) -> Sequence[str]:
    """The paths of fields that stand more than once in a JSON document, in its order; none when it is no JSON."""
    found: list[str] = []
    try:
        document = json.loads(body, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return found
    _duplicates(document, "", found)
    return list(dict.fromkeys(found))


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, as they stand."""


def _duplicates(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            here = f"{path}.{key}" if path else key
            if key in seen:
                found.append(here)
            seen.add(key)
            _duplicates(item, here, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _duplicates(item, f"{path}[{index}]", found)
