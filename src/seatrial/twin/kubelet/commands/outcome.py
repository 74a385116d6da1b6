"""What comes of a command: the one shape in which everything in this folder answers."""

from __future__ import annotations

from dataclasses import dataclass

#: Stands in a line for the time at which it is printed, as `date` prints it: who writes the line knows the clock.
DATE = "\0"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command does. Seconds count from its start; `inf` is never."""

    seconds: float  # how long it takes; inf: it runs on
    code: int = 0
    lines: tuple[tuple[float, str], ...] = ()  # (seconds, what it prints)
    memory: int = 0  # bytes that it takes; 0: as much as anything does
    files: tuple[tuple[float, str, bool], ...] = ()  # (seconds, path, whether it is there from then on)
    start_error: str = ""  # it cannot be started at all
    sick_after: float = float("inf")  # seconds after which its server no longer answers well
    cpu: float = 0.0  # cores; 0: as much as anything uses

    def has_file(self, path: str, seconds: float) -> bool | None:
        """Whether a file that it makes or removes is there at a time; None for a file that it never touches."""
        there = None
        for when, name, present in self.files:
            if name == path:
                there = present if when <= seconds else bool(there)
        return there
