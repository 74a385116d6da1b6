"""A command run in a container, as the runtime's side sees it: its pipes or terminal, its time limit, and how it ended."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import struct
import termios
from collections.abc import Callable
from typing import Protocol

from seatrial.twin.kubelet.runtime import ExecResult

MAX_OUTPUT = 10 * 1024  # bytes of a probe's output that are kept (pkg/probe/exec/exec.go)
CHUNK = 32 * 1024
DRAIN = 1024 * 1024  # bytes that a pipe may still hold when its command has ended

STDOUT, STDERR = 1, 2

#: Called with STDOUT or STDERR and what was written there.
Output = Callable[[int, bytes], None]


class ExecStream(Protocol):
    """A command whose streams are connected to somebody."""

    def write(self, data: bytes) -> None:
        """Send to the command's standard input."""
        ...

    def close_stdin(self) -> None: ...
    def resize(self, width: int, height: int) -> None: ...
    def pause(self) -> None:
        """Read no more output until `resume`: whoever takes it cannot keep up."""
        ...

    def resume(self) -> None: ...
    def kill(self) -> None: ...


class Execution:
    """Without `output`, the first 10 KiB of both outputs are kept for the result; with it, everything is handed on as it comes.

    `timeout` in seconds; past it `kill` is called and the result says so.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        kill: Callable[[Execution], None],
        done: Callable[[ExecResult], None],
        *,
        output: Output | None = None,
        timeout: float | None = None,
        tty: bool = False,
        stdin: bool = False,
    ) -> None:
        self.id, self.tty = secrets.token_hex(8), tty
        self._loop, self._kill, self._done, self._output = loop, kill, done, output
        self._kept, self._over = bytearray(), False
        self._readers: dict[int, int] = {}  # descriptor -> STDOUT or STDERR
        self._input, self._unsent, self._closing = -1, bytearray(), False
        self.theirs: list[int] = []
        self._paused = False
        if tty:
            self._open_terminal()
        else:
            self._open_pipes(stdin)
        for fd in self._readers:
            loop.add_reader(fd, self._read, fd)
        self._timer = loop.call_later(timeout, self._time_out) if timeout is not None else None

    def _open_terminal(self) -> None:
        ours, theirs = os.openpty()
        os.set_blocking(ours, False)
        self._readers, self._input, self.theirs = {ours: STDOUT}, os.dup(ours), [theirs, theirs, theirs]

    def _open_pipes(self, stdin: bool) -> None:
        if stdin:
            their_input, self._input = os.pipe()
            os.set_blocking(self._input, False)
        else:
            their_input = os.open(os.devnull, os.O_RDONLY)
        self.theirs = [their_input]
        for name in (STDOUT, STDERR):
            ours, theirs = os.pipe()
            os.set_blocking(ours, False)
            self._readers[ours] = name
            self.theirs.append(theirs)

    def sent(self) -> None:
        """The command has its ends now; ours of them are closed."""
        for fd in set(self.theirs):
            os.close(fd)

    # output

    def _read(self, fd: int) -> bool:
        """Take what there is, up to a chunk; False when there is nothing (more)."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # a terminal that nobody has open any more
        if not data:
            self._loop.remove_reader(fd)
            return False
        if self._output is not None:
            self._output(self._readers[fd], data)
        elif len(self._kept) < MAX_OUTPUT:
            self._kept += data[: MAX_OUTPUT - len(self._kept)]
        return True

    def pause(self) -> None:
        self._paused = True
        for fd in self._readers:
            self._loop.remove_reader(fd)

    def resume(self) -> None:
        if self._paused and not self._over:
            self._paused = False
            for fd in self._readers:
                self._loop.add_reader(fd, self._read, fd)

    # input

    def write(self, data: bytes) -> None:
        self._unsent += data
        self._flush()

    def close_stdin(self) -> None:
        """The command reads an end of file; a terminal gets ^D, which means it."""
        if self.tty:
            self.write(b"\x04")
            return
        self._closing = True
        self._flush()

    def _flush(self) -> None:
        if self._input < 0:
            return
        try:
            while self._unsent:
                del self._unsent[: os.write(self._input, self._unsent)]
        except BlockingIOError:
            self._loop.add_writer(self._input, self._flush)
            return
        except OSError:
            self._unsent.clear()  # the command has closed its input
        self._loop.remove_writer(self._input)
        if self._closing:
            self._close_input()

    def _close_input(self) -> None:
        if self._input >= 0:
            self._loop.remove_writer(self._input)
            os.close(self._input)
            self._input = -1

    def resize(self, width: int, height: int) -> None:
        if self.tty and self._input >= 0:
            fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    # the end

    def kill(self) -> None:
        if not self._over:
            self._kill(self)

    def _time_out(self) -> None:
        self._kill(self)
        self._finish(ExecResult(137, self._kept.decode(errors="replace"), timed_out=True))

    def ended(self, code: int, error: str) -> None:
        """The command has ended with a code, or could not be started."""
        if self._over:
            return
        if error and self._output is not None:
            self._output(STDERR, error.encode())
        self._drain()
        self._finish(ExecResult(code, error or self._kept.decode(errors="replace")))

    def _drain(self) -> None:
        for fd in self._readers:
            for _ in range(DRAIN // CHUNK):
                if not self._read(fd):
                    break

    def _finish(self, result: ExecResult) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        for fd in self._readers:
            self._loop.remove_reader(fd)
            os.close(fd)
        self._close_input()
        self._done(result)
