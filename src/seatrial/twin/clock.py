"""Time for the twin: real, on an asyncio loop, or virtual, jumping from event to event.

Everything in the twin runs as callbacks of one clock, one at a time, in the order they became due; nothing
sleeps, nothing locks.  With `VirtualClock` the same code is deterministic and as fast as the machine allows.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, Protocol


class Timer(Protocol):
    """A callback that is due later and can be called off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Timer:
        """Run the callback after everything that is due now."""
        ...

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Run the callback `delay` seconds from now."""
        ...


def timestamp(seconds: float) -> str:
    """RFC 3339 in whole seconds, as metav1.Time is written."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(seconds: float) -> str:
    """RFC 3339 with microseconds, as metav1.MicroTime is written."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_of(stamp: str) -> float:
    """Seconds since the epoch of a metav1.Time or MicroTime."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


class RealClock:
    """The machine's time, on the asyncio loop that runs when it is made (or the one given)."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    def now(self) -> float:
        return time.time()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Timer:
        return self._loop.call_soon(callback, *args)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        return self._loop.call_later(max(0.0, delay), callback, *args)


class _Due:
    __slots__ = ("args", "callback", "cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback, self.args, self.cancelled = callback, args, False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualClock:
    """Time that stands still while callbacks run, and jumps to the next one that is due."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:  # 2026-01-01T00:00:00Z
        self._now, self._heap, self._order = start, list[tuple[float, int, _Due]](), count()

    def now(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Timer:
        return self.call_later(0.0, callback, *args)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        due = _Due(callback, args)
        heapq.heappush(self._heap, (self._now + max(0.0, delay), next(self._order), due))
        return due

    def run_until(self, when: float, stop: Callable[[], bool] | None = None) -> bool:
        """Run everything due up to `when`; True when `stop` said so before, which leaves the time where it is."""
        while self._heap and self._heap[0][0] <= when:
            at, _, due = heapq.heappop(self._heap)
            if due.cancelled:
                continue
            self._now = max(self._now, at)
            due.callback(*due.args)
            if stop is not None and stop():
                return True
        self._now = max(self._now, when)
        return False

    def run_for(self, seconds: float, stop: Callable[[], bool] | None = None) -> bool:
        return self.run_until(self._now + seconds, stop)
