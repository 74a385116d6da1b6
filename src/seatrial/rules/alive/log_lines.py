# ruff: noqa: E501 - a line of the table is one saying
"""Lines of logs: which of a container's are looked at, which say that something failed, and which one says it best.

What a line means is for the rules; the words of programs that end are in `crash_words`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from seatrial.rules.alive.pods import Container, condition, tail
from seatrial.world.objects import ref_of
from seatrial.world.world import LogKey, World

#: So many lines from the end of a log tell how a program is now; the last few of them, what it does at this moment.
RECENT, LATEST = 60, 10
#: Seconds after which a line that gives its time is of the past; such a time.
PAST = 600.0
_TIME = re.compile(r"\b\d{4}-[01]\d-[0-3]\d[T ][0-2]\d:[0-5]\d:[0-5]\d(?:[.,]\d+)?(?:Z|[+-][01]\d:[0-5]\d)")
#: A level or a word with which programs say that a line is about a fault.
ERROR = re.compile(
    r"\b(?:ERROR|ERR|FATAL|CRITICAL|SEVERE|PANIC|EMERG)\b|\[(?:error|err|fatal|crit|alert|emerg|panic)\]|level[\"']?[=:]\s?[\"']?(?:error|fatal|critical|panic)"
    r"|^\w*(?:Error|Exception)\b|\b\w+(?:Error|Exception)(?:: |$)|^(?:panic|fatal|error|E\d{4}\b)|[Tt]raceback \(most recent|\b(?:curl|wget|psql|nc|rsync|mysql): (?:\(\d+\)|\S)"
)
#: What differs from one line to the next that says the same: times, numbers, addresses, identifiers.
_VARIES = re.compile(r"\d[\d:.,TZ+-]*|\b[0-9a-f]{8,}\b", re.IGNORECASE)
_STAMP = re.compile(r"^[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?[\])]?\s*")
#: Where programs put their reason: the last of these that matches is the line that says why.
_TELLING = (
    re.compile(r"^\s*Caused by: "),
    re.compile(r"\b\w*(?:Error|Exception)\b: |^\[?\w*panic\b|\bpanic: |\[emerg\]|\bFATAL\b", re.IGNORECASE),
    re.compile(r"not permitted|must not|cannot|can't|could not|couldn't|unable to|unknown|not defined|invalid|refused|denied|no such|not found", re.IGNORECASE),
    ERROR,
)  # fmt: skip
#: Lines of a trace, which say where and not why.
_TRACE = re.compile(r"^\s*(?:at \S|File \"|\.\.\. \d+ more|goroutine \d|[\w/.-]+\.go:\d+)")


@dataclass(frozen=True, slots=True)
class Printed:
    """The end of a container's log, blank lines left out, and how evidence cites it. `ended`: it is of a run that is over."""

    lines: list[str]
    source: str
    ended: bool


def printed(world: World, container: Container) -> Printed:
    """What a container printed last: in its present run where it runs, else in the run that ended."""
    pod = ref_of(container.pod)
    if container.running is None or (container.ends and not container.status.get("ready", False)):
        lines, source = tail(world, container, RECENT)
        return Printed(lines, source, container.running is None)
    found = [line for line in world.logs.get(LogKey(pod, container.name), ()) if line.strip()][-RECENT:]
    begun, settled = _times(world, container)
    now = [line for line in found if not begun <= (_moment(line) or 0.0) < settled]
    return Printed(now, f"log of container {container.name} of {pod}", False)


def _times(world: World, container: Container) -> tuple[float, float]:
    """Between these moments a container that runs said what is no longer how it is: before its pod got ready, or long ago."""
    begun = _moment(str((container.running or {}).get("startedAt", "")))
    ready = condition(container.pod, "Ready")
    since = _moment(str(ready.get("lastTransitionTime", ""))) if ready.get("status") == "True" else None
    past = float(world.facts.get("now") or 0.0) - PAST
    return (begun, max(since or 0.0, past)) if begun is not None else (0.0, 0.0)


def _moment(text: str) -> float | None:
    """The time that a line gives, where it says of which zone."""
    found = _TIME.search(text)
    try:
        return datetime.fromisoformat(found[0].replace(",", ".").replace("Z", "+00:00")).timestamp() if found else None
    except ValueError:  # it only looks like one
        return None


def goes_on(matched: list[int], lines: list[str]) -> bool:
    """Whether what lines at these places say is how it is now: said again, and again lately (a short log says it once)."""
    if not matched or matched[-1] < len(lines) - LATEST:
        return False
    return len(matched) > 1 or len(lines) <= 3


def alike(line: str) -> str:
    """A line without what differs between lines that say the same."""
    return " ".join(_VARIES.sub("#", line).split())


def errors(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines that say that something failed, with their places."""
    for place, line in enumerate(lines):
        if ERROR.search(line):
            yield place, line.strip()


def shortened(line: str, most: int = 140) -> str:
    """A line as a title has room for it."""
    line = " ".join(_STAMP.sub("", line).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def telling(lines: list[str]) -> str:
    """The line that says why a program ended; "" where none does."""
    for pattern in _TELLING:
        for line in reversed(lines):
            if pattern.search(line) and not _TRACE.match(line):
                return line.strip()
    return ""
