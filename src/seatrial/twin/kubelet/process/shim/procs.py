"""What /proc says of processes: who descends from whom, what they hold in memory and have used of the CPU.

Everything is read at one moment and may be gone at the next: a process that ends while it is looked at counts as nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    parent: int
    state: str
    cpu: float  # seconds, with those of children that were waited for
    started: int  # clock ticks since the machine booted


def snapshot() -> dict[int, Process]:
    """Every process of the machine, by pid."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (process := read(int(name))):
            found[int(name)] = process
    return found


def read(pid: int) -> Process | None:
    text = _text(f"/proc/{pid}/stat")
    if not text:
        return None
    # The name stands in brackets and may hold anything: what follows the last one is regular (proc_pid_stat(5)).
    fields = text[text.rindex(")") + 2 :].split()
    return Process(int(fields[1]), fields[0], sum(map(int, fields[11:15])) / TICKS, int(fields[19]))


def descendants(roots: Iterable[int], processes: Mapping[int, Process]) -> list[int]:
    """The given processes that exist and all that came from them, parents before children."""
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    found = [pid for pid in roots if pid in processes]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def of_container(pid: int, minded: bool, processes: Mapping[int, Process]) -> list[int]:
    """The processes of a container by its first; where that is the shim's minder of it, without the minder."""
    return descendants([pid], processes)[1 if minded else 0 :]


def memory(pids: Iterable[int]) -> int:
    """Bytes that processes hold and that cannot be read again from files: their own, and the largest share of shared memory."""
    own, shared = 0, 0
    for pid in pids:
        fields = dict(line.split(":", 1) for line in _text(f"/proc/{pid}/status").splitlines() if line.startswith("Rss"))
        own += _kibibytes(fields.get("RssAnon"))
        shared = max(shared, _kibibytes(fields.get("RssShmem")))
    return own + shared


def memory_exact(pids: Iterable[int]) -> int:
    """The same with pages that processes share counted once (proportional set size); slower by the size of their page tables."""
    total = 0
    for pid in pids:
        for line in _text(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                total += _kibibytes(line.split(":", 1)[1])
    return total


def cpu(pids: Iterable[int], processes: Mapping[int, Process]) -> float:
    """Seconds of CPU the processes have used, with what their ended children had."""
    return sum(processes[pid].cpu for pid in pids if pid in processes)


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal: the first process of a container does not die of one it has none for."""
    for line in _text(f"/proc/{pid}/status").splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def _kibibytes(field: str | None) -> int:
    return int(field.split()[0]) * 1024 if field else 0


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
