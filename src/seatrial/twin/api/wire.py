"""Protobuf on the wire: records of a field number, a wire type and a value, read and written. What they mean is for others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class MalformedError(ValueError):
    """What is there is no protobuf, or not of the type it says."""


def records(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """The fields of a message: number, wire type, and an integer or bytes."""
    at, end = 0, len(data)
    while at < end:
        head, at = varint(data, at)
        number, wire = head >> 3, head & 7
        if number == 0:
            raise MalformedError("illegal tag 0")
        value: Any
        if wire == VARINT:
            value, at = varint(data, at)
        elif wire == BYTES:
            size, at = varint(data, at)
            if size > end - at:
                raise MalformedError("unexpected EOF")
            value = data[at : at + size]
            at += size
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            if size > end - at:
                raise MalformedError("unexpected EOF")
            value = data[at : at + size]
            at += size
        else:
            raise MalformedError(f"illegal wire type {wire}")
        yield number, wire, value


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise MalformedError("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise MalformedError("integer overflow")


def utf8(data: Any) -> str:
    if not isinstance(data, bytes):
        raise MalformedError("text expected")
    return data.decode("utf-8")


def tag(number: int, wire: int) -> bytes:
    return write_varint(number << 3 | wire)


def write_varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def delimited(number: int, data: bytes) -> bytes:
    return tag(number, BYTES) + write_varint(len(data)) + data


def text(number: int, value: str) -> bytes:
    return delimited(number, value.encode())


def integer(number: int, value: int) -> bytes:
    return tag(number, VARINT) + write_varint(value)
