"""Files of other tools as nodes that know their line: whatever shape the data has, asking a node for a key is safe.

Reading is that of the app file, with its limits on size, depth and aliases.  What the keys mean is for `compose` and `manifests`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.app import AppFileErrors, Problem
from seatrial.app.document import MAX_BYTES, Document, Path_, parse, text_of

ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something was found; `line` counts from 1, and is 0 for the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a file and where it stands. A key that is not there gives a node without data."""

    document: Document
    data: Any
    path: Path_ = ()
    offset: int = field(default=0, repr=False)  # lines of the file before this document

    def __getitem__(self, key: str | int) -> Node:
        found = None
        if isinstance(self.data, dict) or (isinstance(self.data, list) and isinstance(key, int) and 0 <= key < len(self.data)):
            found = self.data.get(key) if isinstance(self.data, dict) else self.data[int(key)]
        return Node(self.document, found, (*self.path, key), self.offset)

    def at(self, *keys: str | int) -> Node:
        """The node below these keys."""
        node = self
        for key in keys:
            node = node[key]
        return node

    def items(self) -> Iterator[tuple[str, Node]]:
        """The keys and values of a map; nothing of anything else."""
        for key in self.data if isinstance(self.data, dict) else ():
            yield str(key), self[key]

    def each(self) -> Iterator[Node]:
        """The items of a list; nothing of anything else."""
        for index in range(len(self.data) if isinstance(self.data, list) else 0):
            yield self[index]

    def named(self, name: str) -> Node:
        """The item of a list whose `name` this is."""
        return next(
            (item for item in self.each() if item["name"].text == name), Node(self.document, None, self.path, self.offset)
        )

    @property
    def text(self) -> str:
        """A scalar as it was written; "" for anything else."""
        return "" if self.data is None or isinstance(self.data, (dict, list)) else text_of(self.data)

    @property
    def words(self) -> list[str]:
        """The texts of a list."""
        return [item.text for item in self.each() if item.text]

    @property
    def place(self) -> Place:
        return Place(self.document.file, self.document.key_at(self.path).line + self.offset)

    def __bool__(self) -> bool:
        return self.data is not None


def read(path: Path, what: str) -> list[Node]:
    """The documents of a file. Raises AppFileErrors, with places, when it cannot be read; `what` says what it should be."""
    return list(documents(_text(path, what), str(path), what))


def documents(text: str, file: str, what: str) -> Iterator[Node]:
    """The documents of a text that hold anything, with the lines they have in it. Raises AppFileErrors."""
    line = 0
    for chunk in re.split(r"(?m)^(?=---(?:\s|$))", text):
        body, before = (chunk[3:], line) if chunk.startswith("---") else (chunk, line)
        line += chunk.count("\n")
        if not re.search(r"(?m)^(?!\s*(?:#|$|\.\.\.|%|~|null\s*$)).", body):
            continue
        try:
            found = parse(body, file)
        except AppFileErrors as errors:
            raise AppFileErrors(_moved(problem, before, what) for problem in errors.problems) from None
        if found.problems:
            raise AppFileErrors(_moved(problem, before, what) for problem in found.problems)
        yield Node(found, found.data, (), before)


def _moved(problem: Problem, lines: int, what: str) -> Problem:
    """A mistake in one document as one in the file."""
    hint = "" if "app file" in problem.hint else problem.hint
    message = problem.message.replace("an app file", what)
    return Problem(problem.file, problem.line + lines if problem.line else 0, problem.column, message, hint)


def _text(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise AppFileErrors([Problem(str(path), 0, 0, "there is no such file")]) from None
    except OSError as error:
        raise AppFileErrors([Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from None
    if len(content) > MAX_BYTES:
        raise AppFileErrors([Problem(str(path), 0, 0, f"has more than {MAX_BYTES:,} bytes (1 MiB), too many for {what}")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise AppFileErrors([Problem(str(path), line, 1, message, "save the file as UTF-8")]) from None
