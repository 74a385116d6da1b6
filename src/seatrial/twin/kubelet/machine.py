"""The figures of the machine itself, for a node that stands for it and is told to mind them."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from seatrial.twin.kubelet import signals
from seatrial.twin.kubelet.consumption import MOST_PIDS
from seatrial.twin.kubelet.signals import Observations, Observed


def machine_figures(folder: Path) -> Observations:
    """Memory and process ids of this machine, bytes and inodes of the file system a folder is on."""
    memory, disk = psutil.virtual_memory(), os.statvfs(folder)
    room = Observed(disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize)
    found = {signals.MEMORY: Observed(memory.total, memory.available), signals.NODEFS: room, signals.IMAGEFS: room}
    if disk.f_files:  # some file systems have no fixed number of inodes
        found[signals.NODEFS_INODES] = found[signals.IMAGEFS_INODES] = Observed(disk.f_files, disk.f_favail)
    most = _most_pids()
    found[signals.PIDS] = Observed(most, max(0, most - len(psutil.pids())))
    return found


def _most_pids() -> int:
    try:
        return int(Path("/proc/sys/kernel/pid_max").read_text())
    except (OSError, ValueError):
        return MOST_PIDS
