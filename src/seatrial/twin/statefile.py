"""A kept state belongs to one twin at a time: a lock beside its file, held by the twin and by what ends its containers.

The lock tells who has it.  That of a killed twin is free once its containers have ended: until then they may write to the
claims that are kept beside the state.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from pathlib import Path

import psutil

from seatrial.twin.home import TwinError
from seatrial.twin.store import Store


class StateFile:
    """Holds the state in `path` for the twin of this name. Raises TwinError when another one has it, OSError when nobody can."""

    def __init__(self, path: Path, name: str) -> None:
        real = path.resolve()
        self._path, self._place = path, real.with_name(f"{real.name}.lock")
        lock = self._take(fcntl.LOCK_NB)
        if lock is None and not self._owner():
            lock = self._take(0)
        if lock is None:
            raise TwinError(
                f"The state in {path} is kept by {self._owner() or 'another twin'}, which runs.\n"
                "Stop that one, or keep this one's state in another file."
            )
        self._lock = lock
        me = {"name": name, "pid": os.getpid(), "started": psutil.Process().create_time()}
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(me).encode(), 0)

    def open(self) -> Store:
        """The objects in it. Raises TwinError for a file of another kind."""
        try:
            return Store(self._path)
        except sqlite3.DatabaseError as error:
            raise TwinError(
                f"{self._path} is no state of a twin: {error}.\nName another file; it is made if it is not there."
            ) from None

    @property
    def held(self) -> list[int]:
        """The descriptor that holds the state; whoever keeps it open keeps the state taken."""
        return [self._lock]

    def release(self) -> None:
        self._place.unlink(missing_ok=True)
        os.close(self._lock)

    def _take(self, mode: int) -> int | None:
        """The descriptor of the lock, held; None when somebody else holds it. A lock whose file is gone does not count."""
        while True:
            lock = os.open(self._place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | mode)
            except BlockingIOError:
                os.close(lock)
                return None
            if self._place.exists() and os.fstat(lock).st_ino == self._place.stat().st_ino:
                return lock
            os.close(lock)

    def _owner(self) -> str:
        """Who has the state, in words; "" for one that has ended."""
        try:
            said = json.loads(self._place.read_text())
            alive = abs(psutil.Process(said["pid"]).create_time() - said["started"]) < 1
        except (OSError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
            return ""
        return f"twin {said['name']!r} (pid {said['pid']})" if alive else ""
