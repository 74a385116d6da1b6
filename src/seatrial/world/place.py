"""Where something is written: file, line and column."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from seatrial.world.patterns import pattern

_SOURCE = pattern(r"^(?P<file>.*?):(?P<line>\d+)(?::(?P<column>\d+))?$")


class Place(NamedTuple):
    """Where something is written; line and column count from 1. `file` is "" for what is in no file."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


#: Where a field of one object is written, by its path; "" for the object itself. For a field that is not written, the nearest
#: thing above it.
Locate = Callable[[str], Place]


def of_source(source: str) -> Place | None:
    """The place that a source `file:line[:column]` cites; None for any other source."""
    found = _SOURCE.match(source)
    return Place(found["file"], int(found["line"]), int(found["column"] or 1)) if found else None
