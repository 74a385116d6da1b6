"""Cron schedules as Kubernetes reads them: five fields or `@hourly` and its like (robfig/cron v3, parser.go).

What is wrong with a schedule is said in the words of that parser, for the API server repeats them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class _Bounds:
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (_Bounds(0, 59), _Bounds(0, 23), _Bounds(1, 31), _Bounds(1, 12, _MONTHS), _Bounds(0, 6, _DAYS))
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
#: A schedule that does not come up in this many days never does: 30 February.
_HORIZON_DAYS = 366 * 8


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a schedule comes up. `every` is set, in seconds, for `@every`; then the other fields mean nothing."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    any_day: bool  # the field was `*`: then only the other one of day and weekday decides
    any_weekday: bool
    every: int = 0

    def next(self, after: datetime) -> datetime | None:
        """The first time after `after`, in its time zone; None when there is none for eight years."""
        if self.every:
            return after.replace(microsecond=0) + timedelta(seconds=self.every)
        day = (after + timedelta(minutes=1)).replace(second=0, microsecond=0)
        for _ in range(_HORIZON_DAYS):
            if day.month in self.months and self._on(day):
                found = self._within(day)
                if found is not None:
                    return found
            day = (day + timedelta(days=1)).replace(hour=0, minute=0)
        return None

    def _on(self, day: datetime) -> bool:
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday

    def _within(self, start: datetime) -> datetime | None:
        for hour in sorted(h for h in self.hours if h >= start.hour):
            least = start.minute if hour == start.hour else 0
            minutes = [minute for minute in self.minutes if minute >= least]
            if minutes:
                return start.replace(hour=hour, minute=min(minutes))
        return None


@lru_cache(maxsize=256)
def parse(text: str) -> Schedule:
    """Read a schedule. Raises ValueError in the parser's words. A `TZ=` in front is skipped, for Kubernetes refuses it."""
    if not text:
        raise ValueError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        text = text.partition(" ")[2].strip()
    if text.startswith("@"):
        return _descriptor(text)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    read = [_field(field, bounds) for field, bounds in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = (values for values, _ in read)
    return Schedule(minutes, hours, days, months, weekdays, read[2][1], read[4][1])


def _descriptor(text: str) -> Schedule:
    if text in _DESCRIPTORS:
        return parse(_DESCRIPTORS[text])
    if text.startswith("@every "):
        duration = text.removeprefix("@every ")
        seconds = _go_duration(duration)
        if seconds is None:
            raise ValueError(f'failed to parse duration {text}: time: invalid duration "{duration}"')
        nothing: frozenset[int] = frozenset()
        return Schedule(nothing, nothing, nothing, nothing, nothing, True, True, max(1, int(seconds)))
    raise ValueError(f"unrecognized descriptor: {text}")


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _go_duration(text: str) -> float | None:
    parts = re.findall(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _field(text: str, bounds: _Bounds) -> tuple[frozenset[int], bool]:
    """The values of a field, and whether it was a star."""
    values: set[int] = set()
    star = False
    for part in (one for one in text.split(",") if one):
        found, is_star = _range(part, bounds)
        values |= found
        star = star or is_star
    return frozenset(values), star


def _range(text: str, bounds: _Bounds) -> tuple[set[int], bool]:
    parts = text.split("/")
    ends = parts[0].split("-")
    star = ends[0] in ("*", "?")
    if star:
        low, high = bounds.low, bounds.high
    else:
        low = _number(ends[0], bounds.names)
        if len(ends) > 2:
            raise ValueError(f"too many hyphens: {text}")
        high = _number(ends[1], bounds.names) if len(ends) == 2 else low
    step = 1
    if len(parts) == 2:
        step = _integer(parts[1])
        if len(ends) == 1:
            high = bounds.high
        star = star and step <= 1
    elif len(parts) > 2:
        raise ValueError(f"too many slashes: {text}")
    if low < bounds.low:
        raise ValueError(f"beginning of range ({low}) below minimum ({bounds.low}): {text}")
    if high > bounds.high:
        raise ValueError(f"end of range ({high}) above maximum ({bounds.high}): {text}")
    if low > high:
        raise ValueError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return set(range(low, high + 1, step)), star


def _number(text: str, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + (1 if names is _MONTHS else 0)
    return _integer(text)


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    number = int(text)
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
