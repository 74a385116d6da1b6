"""How a simulated container behaves: its profile, from an annotation, from what its command says, or by default.

A pod's annotation `sim.seatrial.dev/<container>: "ready_after=1s,exits_after=5,exit_code=1"` names fields of `Profile`.
Commands understood are those a script of the shell's plainest words is made of: sleep, echo, exit, true, false; and
`stress` and `stress-ng`, which take the memory they are told to take.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from math import inf
from typing import Any

from seatrial.world import duration, quantity

ANNOTATION = "sim.seatrial.dev/"


#: (seconds, bytes), with straight lines between.
Points = tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """Seconds count from the container's start unless they say otherwise; `inf` is never."""

    pull_seconds: float = 0.0  # 0: the image is on the node already
    pull_error: str = ""  # the pull fails with this message, after pull_seconds
    image_size: int = 50_000_000  # bytes
    start_seconds: float = 0.5  # from being asked to running
    start_error: str = ""  # the start fails with this message (reason RunContainerError)
    ready_after: float = 0.0  # from then on probes succeed
    sick_after: float = inf  # from then on probes fail again
    exits_after: float = inf
    exit_code: int = 0
    exit_reason: str = ""  # OOMKilled and the like; "" for Completed or Error
    exit_message: str = ""
    good_after: int = 1_000_000  # a run with this restart count, or a later one, no longer exits by itself
    term_after: float = 0.0  # from SIGTERM to the end; inf: only SIGKILL ends it
    term_code: int = 0
    cpu: float = 0.001  # cores used while running
    memory: Points = ((0.0, 10 << 20),)
    disk: Points = ((0.0, 0),)  # writable layer and logs
    fills: tuple[tuple[str, Points], ...] = ()  # what it puts into volumes, by their names
    inodes: int = 0
    processes: int = 1
    lines: tuple[tuple[float, str], ...] = ()  # (seconds, line of the log)
    ports: frozenset[int] | None = None  # what it listens on; None: the ports its pod declares, any if it declares none

    def memory_at(self, seconds: float) -> int:
        """Bytes in use at a time."""
        return at(self.memory, seconds)

    def memory_passes(self, limit: int) -> float:
        """When the memory in use first exceeds a limit."""
        points = self.memory
        if points[0][1] > limit:
            return points[0][0]
        for (t0, m0), (t1, m1) in pairwise(points):
            if m1 > limit:
                return t0 + (t1 - t0) * (limit - m0) / (m1 - m0)
        return inf


def at(points: Points, seconds: float) -> int:
    """Where a line through points is at a time."""
    for (t0, m0), (t1, m1) in pairwise(points):
        if seconds < t1:
            return round(m0 + (m1 - m0) * max(0.0, seconds - t0) / (t1 - t0))
    return points[-1][1]


class ProfileError(ValueError):
    """An annotation that cannot be read."""


_DURATIONS = {"pull_seconds", "start_seconds", "ready_after", "sick_after", "exits_after", "term_after"}
_NUMBERS: dict[str, Callable[[str], object]] = {
    "exit_code": int,
    "term_code": int,
    "good_after": int,
    "image_size": quantity.whole,
    "inodes": quantity.whole,
    "processes": int,
    "cpu": float,
}


def parse(text: str, base: Profile) -> Profile:
    """The profile an annotation describes on top of another. Raises ProfileError with the field it stumbled over.

    `memory` and `disk` are written as `10Mi` or as points in time, `0:10Mi/60:300Mi`; so is `fill.<volume>`.
    """
    known = {field.name for field in fields(Profile)} - {"lines", "ports", "fills"} | {"fill.<volume>"}
    changes: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        volume = name.removeprefix("fill.") if name.startswith("fill.") else ""
        if (name not in known and not volume) or not equals:
            raise ProfileError(f"{part!r}: expected one of {', '.join(sorted(known))}, as name=value")
        try:
            if volume:
                changes["fills"] = (*changes.get("fills", base.fills), (volume, _parse_points(value)))
            else:
                changes[name] = _parse_value(name, value)
        except ValueError as error:
            raise ProfileError(f"{name}: {error}") from None
    return replace(base, **changes)


def _parse_value(name: str, value: str) -> object:
    if name in _DURATIONS:
        return inf if value in ("inf", "never") else _seconds(value)
    if name in _NUMBERS:
        return _NUMBERS[name](value)
    return _parse_points(value) if name in ("memory", "disk") else value


def _parse_points(text: str) -> Points:
    points = [point.rpartition(":") for point in text.split("/")]
    return tuple((_seconds(when or "0"), quantity.whole(size)) for when, _, size in points)


def _seconds(text: str) -> float:
    return float(text) if _is_number(text) else duration.parse(text)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", text) is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command does: how long it takes (inf: it runs on), its exit code, what it prints, when, and its memory in bytes."""

    seconds: float
    code: int = 0
    lines: tuple[tuple[float, str], ...] = ()
    memory: int = 0


def read_command(words: Sequence[str]) -> Outcome | None:
    """What a command does, where its words are plain enough to tell; None where they are not."""
    if not words:
        return None
    program = words[0].rpartition("/")[2]
    if program in ("sh", "bash", "ash") and len(words) >= 3 and words[1] in ("-c", "-ec", "-exc", "-xc"):
        return _read_script(words[2])
    return _read_simple([program, *words[1:]], 0.0)


_SEPARATOR = re.compile(r"\s*(?:;|&&|\n)\s*")


def _read_script(script: str) -> Outcome | None:
    if re.search(r"[|<>`$(){}&]", script.replace("&&", "")):
        return None
    seconds, code, lines = 0.0, 0, list[tuple[float, str]]()
    for command in filter(None, _SEPARATOR.split(script.strip())):
        try:
            words = shlex.split(command)
        except ValueError:
            return None
        if words and words[0] == "exit":
            return Outcome(seconds, int(words[1]) if len(words) > 1 and words[1].isdigit() else code, tuple(lines))
        outcome = _read_simple(words, seconds)
        if outcome is None:
            return None
        seconds, code = seconds + outcome.seconds, outcome.code
        lines.extend(outcome.lines)
    return Outcome(seconds, code, tuple(lines))


def _read_simple(words: Sequence[str], at: float) -> Outcome | None:
    if not words:
        return Outcome(0.0)
    program = words[0].rpartition("/")[2]
    match program:
        case "true" | ":":
            return Outcome(0.0)
        case "false":
            return Outcome(0.0, 1)
        case "echo":
            return Outcome(0.0, 0, ((at, " ".join(words[1:])),))
        case "sleep" if len(words) == 2:
            return Outcome(_sleep_seconds(words[1]))
        case "stress" | "stress-ng":
            return _read_stress(program, words[1:])
    return None


#: Seconds in which a stress program has taken its memory.
_STRESSED = 2.0


def _read_stress(program: str, words: Sequence[str]) -> Outcome | None:
    """Workers that take memory: `stress` gives each the bytes it is told, `stress-ng` shares them out among its workers."""
    told = dict(pairwise(words)) | dict(word.split("=", 1) for word in words if "=" in word)
    try:
        workers = int(told.get("--vm") or told.get("-m") or 0)
        size = quantity.whole(_BINARY.sub(r"\1\2i", (told.get("--vm-bytes") or "256M").upper()))
        timeout = told.get("--timeout") or told.get("-t")
        seconds = _seconds(timeout) if timeout else inf
    except ValueError:
        return None
    return Outcome(seconds, memory=size * workers if program == "stress" else size * (workers > 0))


_BINARY = re.compile(r"^(\d+)([KMG])B?$")


def _sleep_seconds(text: str) -> float:
    if text in ("inf", "infinity"):
        return inf
    try:
        return _seconds(text)
    except ValueError:
        return 0.0


def of_command(words: Sequence[str], base: Profile) -> Profile:
    """The profile of a container that runs a command: a plain script as PID 1 does not hear SIGTERM."""
    outcome = read_command(words)
    if outcome is None:
        return base
    if outcome.memory:
        return replace(base, exits_after=outcome.seconds, memory=((0.0, base.memory[0][1]), (_STRESSED, outcome.memory)))
    return replace(base, exits_after=outcome.seconds, exit_code=outcome.code, lines=outcome.lines, term_after=inf)
