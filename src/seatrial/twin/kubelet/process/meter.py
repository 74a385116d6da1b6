"""What a container uses: CPU and memory of its processes, from /proc."""

from __future__ import annotations

import time

from seatrial.twin.kubelet.process.shim import procs
from seatrial.twin.kubelet.runtime import Usage

FRESH = 0.5  # seconds for which one look at all processes serves everybody who asks

_seen: tuple[float, dict[int, procs.Process]] = (0.0, {})


def _processes(pid: int) -> dict[int, procs.Process]:
    """All processes, seen a moment ago, and after the one with this pid began."""
    global _seen
    if time.monotonic() - _seen[0] > FRESH or pid not in _seen[1]:
        _seen = time.monotonic(), procs.snapshot()
    return _seen[1]


class Meter:
    """Measures the process with a pid and all that came from it; the first reading counts from the making of the meter.

    `minded`: the process itself is the shim's minder and does not count.
    """

    def __init__(self, pid: int, minded: bool) -> None:
        self._pid, self._minded, self._at, self._cpu = pid, minded, time.monotonic(), 0.0
        self._rate = 0.0

    def read(self) -> Usage | None:
        """None when there is no such process (any more)."""
        processes = _processes(self._pid)
        pids = procs.of_container(self._pid, self._minded, processes)
        if not pids:
            return None
        now, cpu = time.monotonic(), procs.cpu(pids, processes)
        if now - self._at >= FRESH:
            self._rate = max(0.0, cpu - self._cpu) / (now - self._at)
            self._at, self._cpu = now, cpu
        return Usage(self._rate, procs.memory(pids))
