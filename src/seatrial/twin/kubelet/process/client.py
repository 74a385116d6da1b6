"""The runtime's end of the shim: starts it, sends it requests with descriptors, and hears how containers end."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import seatrial

START = "import sys; sys.path.append(sys.argv.pop(1)); from seatrial.twin.kubelet.process.shim.server import main; main()"
PACKET = 1 << 16
PATIENCE = 15.0  # seconds for a shim that was told to end

Event = dict[str, Any]


class Shim:
    """A running shim. `heard` is called with each of its events, and with {"event": "gone"} when it ended unasked.

    `scratch` are folders it removes when it ends; `held` descriptors it keeps open until then. Raises OSError.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        scratch: Sequence[Path],
        held: Sequence[int],
        log: Path,
        heard: Callable[[Event], None],
    ) -> None:
        self._loop, self._heard = loop, heard
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        house = str(Path(seatrial.__file__).parent.parent)
        try:
            with log.open("ab") as errors:
                self.process = subprocess.Popen(  # noqa: S603 - this very interpreter
                    [sys.executable, "-I", "-S", "-c", START, house, str(theirs.fileno()), *map(str, scratch)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=[theirs.fileno(), *held],
                    start_new_session=True,  # Ctrl-C in the terminal is for Seatrial, which then ends the shim
                    cwd="/",
                )
        finally:
            theirs.close()
        self._socket.setblocking(False)
        self._waiting: list[tuple[bytes, list[int]]] = []
        self.alive = True
        loop.add_reader(self._socket, self._read)

    def send(self, do: str, fds: Sequence[int] = (), **facts: object) -> None:
        """Send a request; the descriptors are duplicated and stay the caller's. Nothing happens when the shim is gone."""
        if not self.alive:
            return
        data = json.dumps({"do": do, **facts}).encode()
        if self._waiting or not self._try(data, fds):
            self._waiting.append((data, [os.dup(fd) for fd in fds]))
            self._loop.add_writer(self._socket, self._write)

    def _try(self, data: bytes, fds: Sequence[int]) -> bool:
        """False when the socket is full."""
        try:
            socket.send_fds(self._socket, [data], fds)
        except BlockingIOError:
            return False
        except OSError:
            self._gone()
        return True

    def _write(self) -> None:
        while self._waiting and self._try(*self._waiting[0]):
            for fd in self._waiting.pop(0)[1]:
                os.close(fd)
        if not self._waiting and self.alive:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        while self.alive and (event := self._receive()) is not None:
            self._heard(event)

    def _receive(self) -> Event | None:
        """The next event; None when there is none now."""
        try:
            data = self._socket.recv(PACKET)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self._gone()
            return {"event": "gone"}
        event: Event = json.loads(data)
        return event

    def wait(self, seconds: float) -> Event | None:
        """Block until the next event, for so many seconds: at the start and at the end, when there is nothing else to do."""
        self._socket.settimeout(seconds)
        try:
            return self._receive()
        except TimeoutError:
            return None
        finally:
            if self.alive:
                self._socket.setblocking(False)

    def _gone(self) -> None:
        if self.alive:
            self.alive = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            for _, fds in self._waiting:
                for fd in fds:
                    os.close(fd)
            self._waiting.clear()

    def close(self, grace: float) -> None:
        """End all containers, giving those that listen to SIGTERM `grace` seconds, and wait until the shim has cleaned up."""
        self.send("close", grace=grace)
        while self.alive:
            event = self.wait(grace + PATIENCE)
            if event is None:
                break
            if event["event"] not in ("gone", "closed"):
                self._heard(event)
        self._gone()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def as_file(plan: Mapping[str, Any]) -> int:
    """A plan in a file of memory, of any size; the descriptor is the caller's to close."""
    fd = os.memfd_create("plan")
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(json.dumps(plan).encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
