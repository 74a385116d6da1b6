"""The line of a field in plain YAML (`quick`), seen by its indentation: no parser is needed, nor imported.

In such a document every key and every item stands on a line of its own, or within braces and brackets on one line, and all that
belongs to it stands deeper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seatrial.world.paths import Step
from seatrial.world.patterns import pattern

#: A key, and what is between it and its value; the spaces and dash before an item.
_KEY = pattern(rb'("?)([^"{}\[\], :]+(?::[^"{}\[\], :]+)*|(?<=")[^"]*)\1: *')
_DASH = pattern(rb"- +")
#: A line that says nothing.
_EMPTY = pattern(rb" *(?:#|$)")
#: Within braces and brackets: what is in quotes, what opens, closes and parts, and what is between these.
_PIECE = pattern(rb'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[{\[]|[}\]]|,|[^"\'{}\[\],]+')

#: Line and column, both from 0.
Mark = tuple[int, int]


def seen(document: bytes, steps: Sequence[Step]) -> Mark | None:
    """Line and column of the last step that is there, as `marks.marked` tells them. The document has to be plain."""
    lines = document.split(b"\n")
    at: Mark | None = None
    value = _below(lines, -1, 0, items=False)
    for step in steps:
        found = next(((mark, value) for name, mark, value in _entries(lines, value) if name == step), None) if value else None
        if found is None:
            break
        at, value = found
    return at


def _entries(lines: list[bytes], at: Mark) -> Iterator[tuple[Step, Mark, Mark | None]]:
    """(key or index, where it stands, where its value begins) of the map or list that begins at a place; none of a scalar."""
    row, column = at
    line = lines[row]
    if line[column : column + 1] in (b"{", b"["):
        yield from _flow(line, row, column)
    elif _DASH.match(line, column):
        yield from _items(lines, row, column)
    elif _key(line, column):
        yield from _pairs(lines, row, column)


def _pairs(lines: list[bytes], row: int, column: int) -> Iterator[tuple[Step, Mark, Mark | None]]:
    for number in _rows(lines, row, column):
        found = _key(lines[number], column)
        if found is not None:
            end = found.end()
            here = None if _EMPTY.match(lines[number], end) else (number, end)
            yield found[2].decode(), (number, column), here or _below(lines, number, column, items=True)


def _items(lines: list[bytes], row: int, column: int) -> Iterator[tuple[Step, Mark, Mark | None]]:
    for index, number in enumerate(_rows(lines, row, column)):
        dash = _DASH.match(lines[number], column)
        if dash is None:  # the next key of what the list is in
            return
        yield index, (number, dash.end()), (number, dash.end())


def _rows(lines: list[bytes], row: int, column: int) -> Iterator[int]:
    """The lines of a collection that begin in its own column; its first one may have something before it."""
    yield row
    for number in range(row + 1, len(lines)):
        line = lines[number]
        indent = len(line) - len(line.lstrip(b" "))
        if indent <= column and not _EMPTY.match(line):
            if indent < column:
                return
            yield number


def _below(lines: list[bytes], row: int, column: int, *, items: bool) -> Mark | None:
    """Where the lines below a key begin that are its value: deeper ones, or `items` in its own column."""
    for number in range(row + 1, len(lines)):
        line = lines[number]
        if not _EMPTY.match(line):
            indent = len(line) - len(line.lstrip(b" "))
            inside = indent > column or not items or (indent == column and _DASH.match(line, indent))
            return (number, indent) if inside else None
    return None


def _key(line: bytes, column: int) -> re.Match[bytes] | None:
    found = _KEY.match(line, column)
    return found if found and (found[0].endswith(b" ") or found.end() == len(line)) else None


def _flow(line: bytes, row: int, column: int) -> Iterator[tuple[Step, Mark, Mark | None]]:
    """The entries of braces or brackets on one line."""
    for index, start in enumerate(_starts(line, column)):
        if line[column : column + 1] == b"[":
            yield index, (row, start), (row, start)
        elif found := _KEY.match(line, start):
            yield found[2].decode(), (row, start), (row, found.end())


def _starts(line: bytes, column: int) -> Iterator[int]:
    """Where the entries of braces or brackets begin."""
    depth, begins = 0, False
    for piece in _PIECE.finditer(line, column):
        text = piece[0].lstrip(b" ")
        if begins and text and text[:1] not in b"}],":
            yield piece.end() - len(text)
            begins = False
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
            if not depth:
                return
        begins = depth == 1 and (begins or text in (b"{", b"[", b","))
