"""How a simulated container behaves: its profile, from an annotation, from what its command says, or by default.

A pod's annotation `sim.seatrial.dev/<container>: "ready_after=1s,exits_after=5,exit_code=1"` names fields of `Profile`.
What commands say is read in `commands`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from math import inf
from typing import Any

from seatrial.twin.kubelet.commands.outcome import Outcome
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


#: Seconds in which a program has taken its memory.
_TAKEN = 2.0


def of_outcome(outcome: Outcome | None, base: Profile) -> Profile:
    """The profile of a container whose command is understood: a plain script as PID 1 does not hear SIGTERM."""
    if outcome is None:
        return base
    if outcome.start_error:
        return replace(base, start_error=outcome.start_error)
    if outcome.memory:
        return replace(base, exits_after=outcome.seconds, memory=((0.0, base.memory[0][1]), (_TAKEN, outcome.memory)))
    if outcome.sick_after < inf:
        return replace(base, sick_after=outcome.sick_after)
    cpu = outcome.cpu or base.cpu
    return replace(base, exits_after=outcome.seconds, exit_code=outcome.code, lines=outcome.lines, term_after=inf, cpu=cpu)
