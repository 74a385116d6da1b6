"""A TLS proxy before a twin that does to requests what a script of faults says: by method, path and count, never by chance.

Each request has a connection of its own.  A fault takes the requests that its pattern matches, after it has let `skip` of them
by, `times` times; the first fault of the script that wants a request has it, and every other request goes through as it is.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

FOR_EVER = 10**9


@dataclass(frozen=True)
class Asked:
    """One request: `line` is `GET /api/v1/pods?watch=true`, `head` all of its head."""

    line: str
    head: bytes
    body: bytes


class Answer:
    """What the twin answers: its head at once, its body piece by piece as it comes."""

    def __init__(self, head: bytes, pieces: AsyncIterator[bytes]) -> None:
        self.head, self.pieces = head, pieces


Forward = Callable[[Asked], Awaitable[Answer]]
#: What a fault does: an answer to send, or None for a connection that is reset.
Act = Callable[[Asked, Forward], Awaitable[Answer | None]]


@dataclass
class Fault:
    """`act` on the requests whose line and body match `pattern`, from the one after `skip` on, so many `times`."""

    pattern: str
    act: Act
    times: int = 1
    skip: int = 0
    done: int = 0

    def takes(self, asked: Asked) -> bool:
        if self.done >= self.times or not re.search(self.pattern, f"{asked.line}\n{asked.body.decode(errors='replace')}"):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.done += 1
        return True


# what faults do


def answers(code: int, message: str = "injected", **headers: str) -> Act:
    """A Status of Kubernetes with this code, in place of what the twin would say; it never hears of the request."""

    async def act(asked: Asked, forward: Forward) -> Answer:
        return _answer(code, {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}, headers)

    return act


def resets() -> Act:
    """The connection is reset before the twin hears of the request."""

    async def act(asked: Asked, forward: Forward) -> None:
        return None

    return act


def loses() -> Act:
    """The twin does what it was asked, and its answer is lost."""

    async def act(asked: Asked, forward: Forward) -> None:
        answer = await forward(asked)
        async for _ in answer.pieces:
            pass

    return act


def expires() -> Act:
    """A watch whose first word is that its version is too old (410)."""

    async def act(asked: Asked, forward: Forward) -> Answer:
        status = {"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired", "message": "too old resource version"}
        return _answer(200, {"type": "ERROR", "object": status})

    return act


def ends(after: int = 0) -> Act:
    """A watch that ends in order after so many events, which the server may do at any time."""
    return _filtered(lambda lines: lines[:after], lambda lines: len(lines) >= after)


def without_bookmarks() -> Act:
    return _filtered(lambda lines: [line for line in lines if b'"BOOKMARK"' not in line], lambda lines: False)


def cuts(after: int) -> Act:
    """The connection breaks after so many bytes of the body, in the middle of whatever it was."""

    async def act(asked: Asked, forward: Forward) -> Answer:
        answer = await forward(asked)

        async def pieces() -> AsyncIterator[bytes]:
            left = after
            async for piece in answer.pieces:
                yield piece[:left]
                left -= len(piece)
                if left <= 0:
                    raise ConnectionResetError

        return Answer(answer.head, pieces())

    return act


def drips(size: int = 7) -> Act:
    """The body in crumbs: no piece that is read holds a whole line, or a whole character."""

    async def act(asked: Asked, forward: Forward) -> Answer:
        answer = await forward(asked)

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in answer.pieces:
                for at in range(0, len(piece), size):
                    yield piece[at : at + size]

        return Answer(answer.head, pieces())

    return act


class Held:
    """Holds the request that it takes, before the twin hears of it; `reached` says that it is there, `go` lets it on.

    With `before=False` the twin has done what it was asked, and the answer is held.
    """

    def __init__(self, *, before: bool = True) -> None:
        self.reached, self._before = threading.Event(), before
        self._gone: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def go(self) -> None:
        if self._gone:
            self._gone[0].call_soon_threadsafe(self._gone[1].set)

    async def __call__(self, asked: Asked, forward: Forward) -> Answer:
        answer = None if self._before else await forward(asked)
        self._gone = asyncio.get_running_loop(), asyncio.Event()
        self.reached.set()
        await self._gone[1].wait()
        return answer or await forward(asked)


def _answer(code: int, document: object, headers: dict[str, str] | None = None) -> Answer:
    body = json.dumps(document).encode() + b"\n"
    named = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    named |= {key.replace("_", "-"): value for key, value in (headers or {}).items()}
    head = f"HTTP/1.1 {code} Injected\r\n" + "".join(f"{key}: {value}\r\n" for key, value in named.items()) + "\r\n"

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    return Answer(head.encode(), pieces())


def _filtered(keep: Callable[[list[bytes]], list[bytes]], enough: Callable[[list[bytes]], bool]) -> Act:
    """A watch with only some of its lines; chunks are made anew."""

    async def act(asked: Asked, forward: Forward) -> Answer:
        answer = await forward(asked)

        async def pieces() -> AsyncIterator[bytes]:
            seen, sent, rest = list[bytes](), 0, b""
            while not enough(seen):
                piece = await anext(answer.pieces, b"")
                if not piece:
                    break
                *lines, rest = (rest + _unchunked(piece)).split(b"\n")
                seen += lines
                for line in keep(seen)[sent:]:
                    sent += 1
                    yield _chunk(line + b"\n")
            yield _chunk(b"")

        return Answer(answer.head, pieces())

    return act


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _unchunked(piece: bytes) -> bytes:
    """What is in a chunk with its frame, as `_pieces` gives them."""
    return piece.partition(b"\r\n")[2][:-2]


# the proxy


@dataclass
class FaultProxy:
    """`with FaultProxy(kubeconfig of the twin, folder) as proxy`: `proxy.kubeconfig` leads through it.

    `script` may be changed while it runs; `asked` are the lines of all requests, in the order in which they came.
    """

    twin: Path
    folder: Path
    script: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    #: No request is answered while this is so: connections are reset (see `disappear`).
    gone: bool = False

    def __enter__(self) -> FaultProxy:
        text = self.twin.read_text()
        self._target = urlsplit(re.findall(r"server: (\S+)", text)[0])
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        self.kubeconfig = self.folder / "kubeconfig-through-faults"
        self.kubeconfig.write_text(text.replace(self._target.netloc, f"127.0.0.1:{port}"))
        self.kubeconfig.chmod(0o600)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def on(self, pattern: str, act: Act, *, times: int = 1, skip: int = 0) -> Fault:
        fault = Fault(pattern, act, times, skip)
        self.script.append(fault)
        return fault

    def disappear(self) -> None:
        """Break every connection, and every one that is tried from now on."""
        self.gone = True
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, line)) for line in self.asked)

    async def _listen(self) -> int:
        mine = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        mine.load_cert_chain(self.twin.parent / "server.crt", self.twin.parent / "server.key")
        self._theirs = ssl.create_default_context(cafile=self.twin.parent / "ca.crt")
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=mine)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._server.close()
        for task in (tasks := [*self._tasks]):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b"".join([piece async for piece in _pieces(head, reader, request=True)])
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        asked = Asked(f"{method} {path}", head, body)
        self.asked.append(asked.line)
        act = None if self.gone else next((fault.act for fault in self.script if fault.takes(asked)), _through)
        client_left = asyncio.ensure_future(reader.read())  # a watch that nobody reads any more ends upstream as well
        answering = asyncio.ensure_future(self._answered(act, asked, writer))
        try:
            await asyncio.wait({client_left, answering}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            client_left.cancel()
            answering.cancel()
            await asyncio.gather(client_left, answering, return_exceptions=True)
            writer.close()

    async def _answered(self, act: Act | None, asked: Asked, writer: asyncio.StreamWriter) -> None:
        upstream: list[asyncio.StreamWriter] = []
        try:
            answer = await act(asked, lambda one: self._forward(one, upstream)) if act else None
            if answer is None:
                raise ConnectionResetError
            writer.write(answer.head)
            async for piece in answer.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            for each in upstream:
                each.transport.abort()

    async def _forward(self, asked: Asked, upstream: list[asyncio.StreamWriter]) -> Answer:
        reader, writer = await asyncio.open_connection(self._target.hostname, self._target.port, ssl=self._theirs)
        upstream.append(writer)
        writer.write(_closing(asked.head) + asked.body)
        head = await reader.readuntil(b"\r\n\r\n")
        return Answer(_closing(head), _pieces(head, reader, request=False))


async def _through(asked: Asked, forward: Forward) -> Answer | None:
    return await forward(asked)


def _closing(head: bytes) -> bytes:
    """A head that says the connection ends with this one."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"upgrade:", b"expect:"))]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


async def _pieces(head: bytes, reader: asyncio.StreamReader, *, request: bool) -> AsyncIterator[bytes]:
    """A body as it is framed: chunks with their frames, or so many bytes, or all until the end."""
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        while True:
            size = await reader.readuntil(b"\r\n")
            chunk = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
            yield size + chunk
            if int(size.split(b";")[0], 16) == 0:
                return
    length = re.search(rb"content-length: *(\d+)", lowered)
    if length:
        if int(length[1]):
            yield await reader.readexactly(int(length[1]))
    elif not request:
        while piece := await reader.read(65536):
            yield piece
