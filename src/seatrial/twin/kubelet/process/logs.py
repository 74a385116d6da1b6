"""A container's standard output and error, written to a file as the CRI has it: `<time> stdout F <text>`, P for part of a line.

The format and the 16 KiB after which a line is cut follow containerd (internal/cri/io/logger.go); the rotation at 10 MiB,
five files in all, the kubelet (pkg/kubelet/logs/container_log_manager.go).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

MAX_LINE = 16 * 1024  # bytes
MAX_SIZE = 10 * 1024 * 1024  # bytes
MAX_FILES = 5
CHUNK = 64 * 1024
DRAIN = 1024 * 1024  # bytes: what a full pipe may hold


class LogFile:
    """One container's log. Rotated files stand beside it under `<name>.<time>`, the oldest are removed."""

    def __init__(self, path: Path, max_size: int = MAX_SIZE, max_files: int = MAX_FILES) -> None:
        self.path, self._max_size, self._max_files = path, max_size, max_files
        self.followers: list[Callable[[], object]] = []  # called after every write, and at the end
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._fd).st_size

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]
        self._size = os.lseek(self._fd, 0, os.SEEK_END)
        if self._size >= self._max_size:
            self._rotate()
        self._tell()

    def _rotate(self) -> None:
        """Whoever follows the log sees another file under its name and goes on there."""
        os.close(self._fd)
        os.rename(self.path, f"{self.path}.{datetime.now(UTC):%Y%m%d-%H%M%S.%f}")  # noqa: PTH104 - beside the others of os
        for old in rotated(self.path)[: -(self._max_files - 1)]:
            old.unlink()
        self._open()

    def _tell(self) -> None:
        for follower in list(self.followers):
            follower()

    def close(self) -> None:
        os.close(self._fd)
        self._tell()


def rotated(path: Path) -> list[Path]:
    """The older files of a log, oldest first."""
    return sorted(path.parent.glob(path.name + ".*"))


class Stream:
    """One of the two pipes of a container, read by the loop as data arrives and written to its log line by line."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, log: LogFile) -> None:
        self._loop, self._name, self._log = loop, name.encode(), log
        self._rest = b""
        self._fd, self.theirs = os.pipe()
        os.set_blocking(self._fd, False)
        loop.add_reader(self._fd, self._read)

    def _read(self) -> bool:
        """Take what there is, up to a chunk; False when there is nothing (more)."""
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._fd)
            return False
        self._log.write(self._lines(data))
        return True

    def _lines(self, data: bytes) -> bytes:
        *whole, self._rest = (self._rest + data).split(b"\n")
        stamp = nanoseconds()
        out = []
        for line in whole:
            while len(line) > MAX_LINE:
                out.append(self._entry(stamp, b"P", line[:MAX_LINE]))
                line = line[MAX_LINE:]
            out.append(self._entry(stamp, b"F", line))
        while len(self._rest) > MAX_LINE:
            out.append(self._entry(stamp, b"P", self._rest[:MAX_LINE]))
            self._rest = self._rest[MAX_LINE:]
        return b"".join(out)

    def _entry(self, stamp: bytes, tag: bytes, text: bytes) -> bytes:
        return b"%s %s %s %s\n" % (stamp, self._name, tag, text)

    def sent(self) -> None:
        """The container has its end now; ours is closed so that the pipe ends with the container."""
        os.close(self.theirs)

    def close(self) -> None:
        """Read what is left in the pipe, and write the last line even if nothing ended it."""
        for _ in range(DRAIN // CHUNK):
            if not self._read():
                break
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        if self._rest:
            self._log.write(self._entry(nanoseconds(), b"F", self._rest))
            self._rest = b""


def nanoseconds() -> bytes:
    """Now, as Go's RFC3339Nano writes it in UTC."""
    now = time.time_ns()
    text = f"{datetime.fromtimestamp(now // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%S}.{now % 1_000_000_000:09d}"
    return (text.rstrip("0").rstrip(".") + "Z").encode()
