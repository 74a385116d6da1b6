"""`kubectl attach` and `kubectl run --attach`: what a container says from now on, over the channels of exec.

A container's standard input is nobody's to write to: what the client types is not passed on.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson

from seatrial.twin.api import containers
from seatrial.twin.api.executing import STATUS, STDERR, STDOUT
from seatrial.twin.api.logs import LOOK_EVERY, Logs, pause
from seatrial.twin.api.websockets import WebSocket
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj

_STREAMS = {b"stdout": bytes((STDOUT,)), b"stderr": bytes((STDERR,))}


class Attach:
    """A client at a running container, from where its log stands now."""

    def __init__(self, socket: WebSocket, registry: Registry, pod: Obj, container: str, logs: Logs | None) -> None:
        self._socket, self._registry, self._pod, self._container = socket, registry, pod, container
        self._attempt, _ = containers.attempt_of(pod, container, previous=False)
        path = logs.log_path(pod["metadata"]["uid"], container, self._attempt) if logs else None
        self._path = Path(path) if path else None
        self._gone = False

    async def run(self) -> None:
        await self._socket.send(bytes((STDOUT,)))  # empty: the connection stands
        listening = asyncio.ensure_future(self._listen())
        try:
            await self._follow()
            if not self._gone:
                await self._socket.send(bytes((STATUS,)) + orjson.dumps({"metadata": {}, "status": "Success"}))
                await self._socket.close()
        finally:
            listening.cancel()

    async def _listen(self) -> None:
        while await self._socket.receive() is not None:
            pass
        self._gone = True

    async def _follow(self) -> None:
        if self._path is None:
            return
        with self._path.open("rb") as file:
            file.seek(0, 2)
            while not self._gone:
                over = containers.is_over(self._registry, self._pod, self._container, self._attempt)
                line = file.readline()
                if line.endswith(b"\n"):
                    await self._pass(line)
                elif over:
                    return
                else:
                    file.seek(-len(line), 1)
                    await pause(self._registry.clock, LOOK_EVERY)

    async def _pass(self, line: bytes) -> None:
        _, _, rest = line.partition(b" ")
        stream, _, rest = rest.partition(b" ")
        tag, _, text = rest.partition(b" ")
        await self._socket.send(_STREAMS.get(stream, bytes((STDOUT,))) + (text[:-1] if tag == b"P" else text))
