"""The bytes of a file as text that a YAML parser may see: UTF-8 without marks, one kind of line end, or a reason why not."""

from __future__ import annotations

import codecs

from seatrial.world.load.problems import Problem
from seatrial.world.patterns import pattern

#: Bytes of one file that are read at most: more is no manifest, but a mistake or an attack.
LARGEST = 256 << 20
#: So many bytes at the start tell whether a file is text.
_HEAD = 8192

_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Characters that YAML does not allow, in UTF-8: controls but for tab and line ends, and C1 but for NEL.
_ASCII = bytes([9, 10, 13, *range(32, 127)])
_FORBIDDEN = pattern(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x84\x86-\x9f]|\xef\xbf[\xbe\xbf]|\xed[\xa0-\xbf][\x80-\xbf]")


def cleaned(data: bytes, file: str) -> tuple[bytes, list[Problem]]:
    """Text in UTF-8 with lines that end in a newline, and what was wrong with it; empty where it is no text at all."""
    for mark, encoding in _ENCODINGS:
        if data.startswith(mark):
            try:
                data = data[len(mark) :].decode(encoding).encode()
            except UnicodeError:
                return b"", [Problem(file, 1, 1, f"it begins as {encoding.upper()} text and is not", "save the file as UTF-8")]
            break
    else:
        wide = next((each for each in ("utf-16-le", "utf-16-be") if data.find("kind:".encode(each), 0, _HEAD) % 2 == 0), "")
        data = data.decode(wide, errors="replace").encode() if wide else data
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data[:_HEAD] and b"kind:" not in data[:_HEAD]:
        packed = "unpack it first" if data.startswith((b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ")) else ""
        return b"", [Problem(file, 0, 0, "this is a binary file, no text", packed, "warning")]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    problems: list[Problem] = []
    ascii_ = data.isascii()
    wrong = _FORBIDDEN.search(data) if not ascii_ or data.translate(None, _ASCII) else None
    if wrong is not None:
        line, column = position(data, wrong.start())
        shown = "NUL byte" if wrong[0] == b"\0" else f"control character #x{wrong[0].hex()}"
        problems.append(Problem(file, line, column, f"{shown}, which YAML does not allow", "take it out, or quote it as \\x00"))
    elif not ascii_:
        bad = undecodable(data)
        if bad >= 0:
            line, column = position(data, bad)
            problems.append(Problem(file, line, column, f"byte 0x{data[bad]:02x} is not UTF-8", "save the file as UTF-8"))
    return data, problems


def undecodable(data: bytes) -> int:
    """Where a text stops being UTF-8, -1 if it never does."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return -1


def position(data: bytes, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    start = data.rfind(b"\n", 0, offset) + 1
    return data.count(b"\n", 0, offset) + 1, len(data[start:offset].decode(errors="replace")) + 1
