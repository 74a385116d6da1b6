"""`kubectl exec`: a command in a container over a WebSocket, one channel a stream (`v5.channel.k8s.io` and older).

Channels are the first byte of a message: 0 input, 1 output, 2 errors, 3 how it ended (a Status), 4 the terminal's size; in
the fifth version 255 closes another (apimachinery/pkg/util/remotecommand, kubelet's wsstream).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

import orjson

from seatrial.twin import errors
from seatrial.twin.api import containers
from seatrial.twin.api.websockets import WebSocket
from seatrial.twin.errors import ApiError
from seatrial.twin.kubelet.runtime import ExecResult
from seatrial.twin.kubelet.streaming import ExecStream, Output
from seatrial.world.objects import Obj

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
#: Bytes of output that may wait for the client before the command is held up.
_MOST_WAITING = 1024 * 1024


class Commands(Protocol):
    """Who runs commands in containers: the cluster's kubelets."""

    def exec_stream(
        self,
        pod: Obj,
        container: str,
        command: tuple[str, ...],
        output: Output,
        done: Callable[[ExecResult], None],
        *,
        tty: bool,
        stdin: bool,
    ) -> ExecStream: ...


@dataclass(frozen=True, slots=True)
class Command:
    """What an exec request asks for."""

    container: str
    words: tuple[str, ...]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def command_of(query: bytes, pod: Obj) -> Command:
    """The command in a query. Raises ApiError (400) for none, or a container that does not run."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    given = dict(pairs)
    words = tuple(value for key, value in pairs if key == "command")
    if not words:
        raise errors.bad_request("you must specify at least one command for the container")
    on = {name: given.get(name) in ("true", "1") for name in ("stdin", "stdout", "stderr", "tty")}
    if not any((on["stdin"], on["stdout"], on["stderr"])):
        raise errors.bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return Command(containers.running(pod, given.get("container", "")), words, **on)


class Exec:
    """One command and the client that watches it."""

    def __init__(self, socket: WebSocket, command: Command) -> None:
        self._socket, self._command = socket, command
        self._out: deque[bytes] = deque()
        self._waiting, self._paused = 0, False
        self._wake = asyncio.Event()
        self._result: ExecResult | None = None
        self._stream: ExecStream | None = None

    async def run(self, commands: Commands, pod: Obj) -> None:
        command = self._command
        self._out.append(bytes((STDOUT if command.stdout else STDERR,)))  # empty: the connection stands
        self._stream = commands.exec_stream(
            pod, command.container, command.words, self._output, self._ended, tty=command.tty, stdin=command.stdin
        )
        listening = asyncio.ensure_future(self._listen(self._stream))
        try:
            await self._pump(self._stream)
        finally:
            listening.cancel()
            self._stream.kill()

    # what the command says

    def _output(self, channel: int, data: bytes) -> None:
        if channel == STDERR and self._command.tty:
            channel = STDOUT
        if not (self._command.stdout if channel == STDOUT else self._command.stderr):
            return
        self._out.append(bytes((channel,)) + data)
        self._waiting += len(data)
        if self._waiting > _MOST_WAITING and self._stream is not None and not self._paused:
            self._paused = True
            self._stream.pause()
        self._wake.set()

    def _ended(self, result: ExecResult) -> None:
        self._result = result
        self._wake.set()

    async def _pump(self, stream: ExecStream) -> None:
        while True:
            while self._out:
                message = self._out.popleft()
                self._waiting -= len(message) - 1
                await self._socket.send(message)
            if self._paused:
                self._paused = False
                stream.resume()
            if self._result is not None and not self._out:
                await self._socket.send(bytes((STATUS,)) + orjson.dumps(status_of(self._result)))
                await self._socket.close()
                return
            self._wake.clear()
            await self._wake.wait()

    # what the client says

    async def _listen(self, stream: ExecStream) -> None:
        while (message := await self._socket.receive()) is not None:
            if not message:
                continue
            channel, data = message[0], message[1:]
            if channel == STDIN:
                stream.write(data)
            elif channel == RESIZE:
                _resize(stream, data)
            elif channel == CLOSE and data[:1] == bytes((STDIN,)):
                stream.close_stdin()
        if self._result is None:  # nobody is there any more
            stream.kill()


def _resize(stream: ExecStream, data: bytes) -> None:
    try:
        size = orjson.loads(data)
        stream.resize(int(size["Width"]), int(size["Height"]))
    except (ValueError, KeyError, TypeError):
        return


def status_of(result: ExecResult) -> Obj:
    """How a command ended, as the error channel tells it."""
    if result.code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {result.code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(result.code)}]},
    }


def no_upgrade() -> ApiError:
    """What a plain request for a stream is told."""
    return errors.bad_request("Upgrade request required")
