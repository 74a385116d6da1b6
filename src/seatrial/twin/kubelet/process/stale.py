"""Folders of runtimes that are gone.

Each runtime holds a lock in its folder, and its shim holds it too, until it has cleaned up.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from seatrial.twin.kubelet.process.shim.remove import remove
from seatrial.twin.kubelet.process.volumes import SHARED


def hold(folder: Path) -> int:
    """Lock a runtime's folder; returns the descriptor that holds the lock."""
    fd = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def sweep(base: Path) -> None:
    """Remove what runtimes left behind that were killed together with their shims."""
    for folder in base.iterdir() if base.is_dir() else ():
        try:
            os.close(hold(folder))
        except BlockingIOError:
            continue  # it still runs, or its shim is just cleaning up
        except OSError:
            pass
        remove(str(folder))
        remove(str(SHARED / f"seatrial-{folder.name}"))
