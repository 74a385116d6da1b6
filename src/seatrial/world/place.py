"""Where something is written: file, line and column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; line and column count from 1. `file` is "" for what is in no file."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


#: Where a field of one object is written, by its path; "" for the object itself. For a field that is not written, the nearest
#: thing above it.
Locate = Callable[[str], Place]
