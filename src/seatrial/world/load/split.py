"""A stream of YAML cut into its documents before it is parsed, and a `kubectl get -o yaml` list into its items.

A line that begins with `---` ends a document wherever it stands (even in a block of text), so the cut needs no parser, keeps the
line of each document, and leaves a broken one alone with its fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from seatrial.world.patterns import pattern

#: Directives and end marks change what a `---` means for the parser: such a file is left whole.
_WHOLE = (b"%", b"...")
_LIST = pattern(rb"kind: *[A-Za-z]*List *\n")
_ITEMS = pattern(rb"items: *\n(?=( *)- )")
_JSON_ITEMS = pattern(rb'^ *"items": \[\n( +)(?=\{\n)', re.MULTILINE)


class Chunk(NamedTuple):
    """A part of a text that is parsed by itself: from `start` to `end`, its first line counting from 1. `item`: it is one item of
    a list, to be read as a list of one."""

    start: int
    end: int
    line: int
    item: bool = False


def documents(text: bytes) -> Iterator[Chunk]:
    """The documents of a stream, without their `---` where nothing else stands on its line."""
    if any(True for mark in _WHOLE for _ in _lines(text, mark)):
        yield Chunk(0, len(text), 1)
        return
    marks = [start for start in _lines(text, b"---") if text[start + 3 : start + 4] in (b" ", b"\t", b"\n", b"")]
    starts, line, before = [0, *marks] if not marks or marks[0] else marks, 1, 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        line += text.count(b"\n", before, start)
        before = start
        first = text.find(b"\n", start, end)
        head = text[start : first + 1] if first >= 0 else text[start:end]
        if head.rstrip() == b"---":
            yield Chunk(min(start + len(head), end), end, line + 1)
        else:
            yield Chunk(start, end, line)


def has_items(text: bytes) -> bool:
    """Whether a text may hold a list that `items` would cut: one look at a file is cheaper than one at each document."""
    return b"\nitems:" in text or text.startswith(b"items:")


def items(text: bytes, chunk: Chunk) -> list[Chunk]:
    """The items of a list that kubectl wrote; empty where it is none. What else the list says of itself is left out."""
    found = next(_matches(text, _ITEMS, b"items:", chunk), None)
    if found is None or next(_matches(text, _LIST, b"kind:", chunk), None) is None:
        return []
    starts = list(_lines(text, found[1] + b"- ", found.end(), chunk.end))
    if not starts or starts[0] != found.end():
        return []
    end = _end(text, starts[-1], chunk.end)
    parts, line = [], chunk.line + text.count(b"\n", chunk.start, starts[0])
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        parts.append(Chunk(start, stop, line, True))
        line += text.count(b"\n", start, stop)
    return parts


def json_items(text: bytes) -> list[Chunk]:
    """The items of a list as `kubectl get -o json` writes it, an entry a line; empty where it is written otherwise."""
    found = _JSON_ITEMS.search(text)
    if found is None:
        return []
    closing, parts = b"\n" + found[1] + b"}", []
    line, before = 1, 0
    for start in _lines(text, found[1] + b"{", found.start(1)):
        end = text.find(closing, start)
        if end < 0:
            return []
        line += text.count(b"\n", before, start)
        before = start
        parts.append(Chunk(start, end + len(closing), line))
    return parts


_BETWEEN = re.compile(rb"^[}\]][ \t]*\n\s*(?=[{\[])|\}[ \t]*\n(?=\{\")", re.MULTILINE)


def json_stream(text: bytes) -> list[Chunk]:
    """The parts of a text that may be several JSON documents one after the other: each ends at a line's start, or is a line of
    its own. Empty where there is one only.
    """
    starts = [0, *(found.end() for found in _BETWEEN.finditer(text))]
    if len(starts) == 1:
        return []
    parts, line, before = [], 1, 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        line += text.count(b"\n", before, start)
        before = start
        parts.append(Chunk(start, end, line))
    return parts


def _lines(text: bytes, beginning: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Where lines begin that begin with some bytes; `start` is the beginning of a line."""
    if text.startswith(beginning, start):
        yield start
    wanted = b"\n" + beginning
    at = text.find(wanted, start, end)
    while at >= 0:
        yield at + 1
        at = text.find(wanted, at + 1, end)


def _matches(text: bytes, pattern: re.Pattern[bytes], beginning: bytes, chunk: Chunk) -> Iterator[re.Match[bytes]]:
    for start in _lines(text, beginning, chunk.start, chunk.end):
        found = pattern.match(text, start, chunk.end)
        if found is not None:
            yield found


def _end(text: bytes, start: int, end: int) -> int:
    """Where the last item ends: at the next line that is a key of the list itself."""
    at = text.find(b"\n", start, end)
    while at >= 0:
        if text[at + 1 : at + 2].isalpha() or text[at + 1 : at + 2] == b'"':
            return at + 1
        at = text.find(b"\n", at + 1, end)
    return end
