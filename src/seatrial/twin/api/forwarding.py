"""`kubectl port-forward`: connections of a client carried to a pod's ports over one WebSocket.

kubectl tunnels SPDY through it (`SPDY/3.1+portforward.k8s.io`): two streams a connection, one for data and one for what
went wrong.  Other clients use channels (`v4.channel.k8s.io`), two for each port named in the query.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from urllib.parse import parse_qsl

from seatrial.twin import errors
from seatrial.twin.api.spdy import Connection, Stream
from seatrial.twin.api.websockets import WebSocket
from seatrial.twin.network import low_ports
from seatrial.world.objects import Obj, dig, name_of

TUNNEL, CHANNELS = "SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (TUNNEL, CHANNELS)
_BLOCK = 32 * 1024
#: Messages that may wait for the client before what fills them is held up.
_MOST_WAITING = 64
_PATIENCE = 10.0


def address_of(pod: Obj) -> str:
    """Where a pod's ports are. Raises ApiError for a pod that does not run."""
    if dig(pod, "status.phase") != "Running" or not dig(pod, "status.podIP"):
        raise errors.bad_request(
            f"unable to forward port because pod is not running. Current status={dig(pod, 'status.phase', '')}"
        )
    return str(dig(pod, "status.podIP"))


def ports_of(query: bytes) -> list[int]:
    """The ports a query names. Raises ApiError (400)."""
    texts = [text for key, value in parse_qsl(query.decode("latin-1")) if key == "ports" for text in value.split(",")]
    try:
        ports = [int(text) for text in texts]
    except ValueError:
        raise errors.bad_request('query parameter "ports" must be numbers') from None
    if not ports or not all(0 < port < 65536 for port in ports):
        raise errors.bad_request('query parameter "port" is required')
    return ports


class Link:
    """One connection to a port of the pod. `received` gets what the pod sends, `ended` why it is over, "" for nothing wrong."""

    def __init__(self, received: Callable[[bytes], None], ended: Callable[[str], None]) -> None:
        self._received, self._ended = received, ended
        self._writer: asyncio.StreamWriter | None = None
        self._early, self._closing = bytearray(), False
        self.task: asyncio.Task[None] | None = None

    def open(self, pod: Obj, address: str, port: int, room: Callable[[], asyncio.Future[None]]) -> None:
        self.task = asyncio.ensure_future(self._run(pod, address, port, room))

    async def _run(self, pod: Obj, address: str, port: int, room: Callable[[], asyncio.Future[None]]) -> None:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(address, low_ports.actual(address, port)), _PATIENCE)
        except (OSError, TimeoutError) as error:
            self._ended(
                f"error forwarding port {port} to pod {name_of(pod)}, uid : failed to connect to {address}:{port}: {error}"
            )
            return
        self._writer = writer
        if self._early:
            writer.write(bytes(self._early))
        if self._closing:
            self._end_writing()
        try:
            while data := await reader.read(_BLOCK):
                self._received(data)
                await room()
            self._ended("")
        except OSError as error:
            self._ended(f"error forwarding port {port} to pod {name_of(pod)}, uid : {error}")
        finally:
            writer.close()

    def write(self, data: bytes) -> None:
        if self._writer is None:
            self._early += data
        elif not self._writer.is_closing():
            self._writer.write(data)

    async def drain(self) -> None:
        if self._writer is not None and not self._writer.is_closing():
            with contextlib.suppress(OSError):
                await self._writer.drain()

    def close_input(self) -> None:
        """The client sends no more."""
        self._closing = True
        self._end_writing()

    def _end_writing(self) -> None:
        if self._writer is not None and not self._writer.is_closing() and self._writer.can_write_eof():
            with contextlib.suppress(OSError):
                self._writer.write_eof()

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


class Forwarding:
    """All connections of one client to one pod."""

    def __init__(self, socket: WebSocket, pod: Obj, address: str) -> None:
        self._socket, self._pod, self._address = socket, pod, address
        self._out: asyncio.Queue[bytes] = asyncio.Queue()
        self._links: dict[str, Link] = {}

    async def run(self, ports: list[int]) -> None:
        sending = asyncio.ensure_future(self._send())
        try:
            await (self._tunnel() if self._socket.subprotocol == TUNNEL else self._channels(ports))
        finally:
            sending.cancel()
            for link in self._links.values():
                link.cancel()

    async def _send(self) -> None:
        while True:
            await self._socket.send(await self._out.get())
            self._out.task_done()

    def _room(self) -> asyncio.Future[None]:
        """Done when the client has taken what waits for it, at once while that is little."""
        if self._out.qsize() > _MOST_WAITING:
            return asyncio.ensure_future(self._out.join())
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    # SPDY

    async def _tunnel(self) -> None:
        waiting: dict[str, Stream] = {}

        def opened(stream: Stream) -> None:
            request = stream.headers.get("requestid", "")
            other = waiting.pop(request, None)
            if other is None:
                waiting[request] = stream
                return
            pair = {one.headers.get("streamtype"): one for one in (stream, other)}
            if set(pair) != {"data", "error"}:
                stream.reset()
                other.reset()
                return
            self._join(request, pair["data"], pair["error"])

        connection = Connection(self._out.put_nowait, opened)
        while (message := await self._socket.receive()) is not None:
            try:
                connection.feed(message)
            except ValueError:
                break
            for link in list(self._links.values()):
                await link.drain()
        connection.end()
        await self._socket.close()

    def _join(self, request: str, data: Stream, error: Stream) -> None:
        def ended(why: str) -> None:
            if why:
                error.write(why.encode())
            error.close()
            data.close()
            self._links.pop(request, None)

        link = self._links[request] = Link(data.write, ended)
        data.on_data, data.on_end = link.write, link.close_input
        port = data.headers.get("port", "")
        if not port.isdigit():
            ended(f'"{port}" is not a port')
            return
        link.open(self._pod, self._address, int(port), self._room)

    # channels

    async def _channels(self, ports: list[int]) -> None:
        links = [self._channel(number, port) for number, port in enumerate(ports)]
        while (message := await self._socket.receive()) is not None:
            number, is_error = divmod(message[0], 2) if message else (0, 1)
            if not is_error and number < len(links):
                links[number].write(message[1:])
                await links[number].drain()

    def _channel(self, number: int, port: int) -> Link:
        data, error = bytes((2 * number,)), bytes((2 * number + 1,))
        for channel in (data, error):
            self._out.put_nowait(channel + port.to_bytes(2, "little"))

        def ended(why: str) -> None:
            if why:
                self._out.put_nowait(error + why.encode())
            self._links.pop(str(number), None)
            if not self._links:
                asyncio.ensure_future(self._finish())  # noqa: RUF006 - the socket's end holds it

        link = self._links[str(number)] = Link(lambda received: self._out.put_nowait(data + received), ended)
        link.open(self._pod, self._address, port, self._room)
        return link

    async def _finish(self) -> None:
        await self._out.join()
        await self._socket.close()
