"""A stream of YAML cut into its documents before it is parsed, and a `kubectl get -o yaml` list into its items.

A line that begins with `---` ends a document wherever it stands (even in a block of text), so the cut needs no parser, keeps the
line of each document, and leaves a broken one alone with its fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MARK = re.compile(rb"^---(?=[ \t\n]|\Z)", re.MULTILINE)
#: Directives and end marks change what a `---` means for the parser: such a file is left whole.
_WHOLE = re.compile(rb"^(?:%|\.\.\.)", re.MULTILINE)
_LIST = re.compile(rb"^kind: *[A-Za-z]*List *$", re.MULTILINE)
_ITEMS = re.compile(rb"^items: *\n(?=( *)- )", re.MULTILINE)
_TOP = re.compile(rb"^[A-Za-z]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a text that is parsed by itself: from `start` to `end`, its first line counting from 1. `item`: it is one item of
    a list, to be read as a list of one."""

    start: int
    end: int
    line: int
    item: bool = False


def documents(text: bytes) -> Iterator[Chunk]:
    """The documents of a stream, without their `---` where nothing else stands on its line."""
    if _WHOLE.search(text):
        yield Chunk(0, len(text), 1)
        return
    marks = [found.start() for found in _MARK.finditer(text)]
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


def items(text: bytes, chunk: Chunk) -> list[Chunk]:
    """The items of a list that kubectl wrote, the last being the rest of the document without them; empty where it is none."""
    body = text[chunk.start : chunk.end]
    found = _ITEMS.search(body)
    if found is None or not _LIST.search(body):
        return []
    dash = re.compile(rb"^" + found[1] + rb"- ", re.MULTILINE)
    top = _TOP.search(body, found.end())
    end = top.start() if top else len(body)
    starts = [one.start() for one in dash.finditer(body, found.end(), end)]
    if not starts or starts[0] != found.end():
        return []
    parts, line, before = [], chunk.line, 0
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        line += body.count(b"\n", before, start)
        before = start
        parts.append(Chunk(chunk.start + start, chunk.start + stop, line, True))
    return parts
