"""What validation finds, in Kubernetes' words: a list of causes, with a method for each way a field can be wrong.

The words are those of apimachinery's pkg/util/validation/field/errors.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"
NOT_POSITIVE = "must be greater than zero"


class Cause(NamedTuple):
    """One reason why an object is refused, as in Status.details.causes.

    `reason` is one of FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, FieldValueForbidden,
    FieldValueDuplicate, FieldValueTooLong, FieldValueTooMany, FieldValueNotFound, FieldValueTypeInvalid, InternalError;
    `message` is Kubernetes' own, without the field path (`Required value`, `Invalid value: -1: must be …`).
    """

    reason: str
    message: str
    field: str


class Raw(str):
    """A value that is shown as it is: JSON that we made ourselves."""

    __slots__ = ()


class Causes(list[Cause]):
    """The causes found so far. `field` is always the path of what is wrong, `value` what was found there."""

    def required(self, field: str, detail: str = "") -> None:
        self.append(Cause("FieldValueRequired", _said("Required value", detail), field))

    def invalid(self, field: str, value: Any, detail: str) -> None:
        self.append(Cause("FieldValueInvalid", _said(f"Invalid value: {show(value)}", detail), field))

    def each(self, field: str, value: Any, details: Iterable[str]) -> None:
        """`invalid` once for every detail."""
        for detail in details:
            self.invalid(field, value, detail)

    def unsupported(self, field: str, value: Any, supported: Iterable[str]) -> None:
        quoted = ", ".join(quote(one) for one in supported)
        self.append(Cause("FieldValueNotSupported", f"Unsupported value: {show(value)}: supported values: {quoted}", field))

    def forbidden(self, field: str, detail: str) -> None:
        self.append(Cause("FieldValueForbidden", _said("Forbidden", detail), field))

    def duplicate(self, field: str, value: Any, detail: str = "") -> None:
        self.append(Cause("FieldValueDuplicate", _said(f"Duplicate value: {show(value)}", detail), field))

    def not_found(self, field: str, value: Any, detail: str = "") -> None:
        self.append(Cause("FieldValueNotFound", _said(f"Not found: {show(value)}", detail), field))

    def too_long(self, field: str, most: int) -> None:
        self.append(Cause("FieldValueTooLong", f"Too long: may not be more than {most} bytes", field))

    def too_many(self, field: str, count: int, most: int) -> None:
        self.append(Cause("FieldValueTooMany", f"Too many: {count}: must have at most {most} items", field))

    def not_negative(self, field: str, value: int | None) -> None:
        if value is not None and value < 0:
            self.invalid(field, value, NEGATIVE)

    def one_of(self, field: str, value: Any, supported: Iterable[str]) -> None:
        """Required when empty, unsupported when it is none of these."""
        if not value:
            self.required(field)
        elif value not in supported:
            self.unsupported(field, value, supported)

    def same(self, field: str, new: Any, old: Any, shown: Any = None) -> None:
        """Refuse a change; `shown` is how Kubernetes shows the new value where it is not JSON as we keep it."""
        if new != old and (new or old or new is False or old is False or new == 0 or old == 0):
            self.invalid(field, new if shown is None else shown, IMMUTABLE)


def _said(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what


def show(value: Any) -> str:
    """A value as Go prints it in an error: a quoted string, a number, or JSON."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    return go_json(value)


def go_json(value: Any) -> str:
    """JSON as Go's encoder writes it: no spaces, and `<`, `>`, `&` escaped."""
    return escaped(orjson.dumps(value).decode())


def escaped(text: str) -> str:
    for character, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, code)
    return text


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"'}


def quote(text: str) -> str:
    """Go's %q."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_escape(character) for character in text) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
