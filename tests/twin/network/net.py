"""A network for tests: a store with Services, slices and Ingresses written straight into it, and tiny servers as pods."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self

import uvloop

from seatrial.twin.clock import Clock, RealClock
from seatrial.twin.context import Context
from seatrial.twin.network.endpoints import SLICES
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import Resource, ResourceTable
from seatrial.twin.store import Store
from seatrial.world.objects import Obj, clone

INGRESSES = "ingresses.networking.k8s.io"

#: A /24 of this process's own, so that suites that run beside one another do not meet.
NETWORK = f"127.{100 + os.getpid() % 120}.{os.getpid() // 120 % 250}"

#: Longer than anything here takes; a test that hangs fails instead.
PATIENCE = 15.0

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test on the kind of loop that the twin runs on."""

    async def patiently() -> None:
        async with asyncio.timeout(PATIENCE):
            await test

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(patiently())


class Events:
    """The recorder: what was said about which object."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []

    def emit(
        self, obj: Obj, type_: str, reason: str, message: str, component: str, *, field_path: str = "", host: str = ""
    ) -> None:
        self.said.append((obj["metadata"]["name"], reason, message))


class Net:
    """A cluster as the proxies see it."""

    def __init__(self, clock: Clock | None = None) -> None:
        store, clock = Store(), clock or RealClock()
        table = ResourceTable([Resource("networking.k8s.io", "v1", "Ingress", "ingresses", subresources=("status",))])
        self.events = Events()
        self.context = Context(Registry(store, clock, table, seed=1), store, clock, self.events)
        self.store = store

    def put(self, resource: str, obj: Obj) -> Obj:
        stored = clone(obj)
        metadata = stored["metadata"]
        metadata["uid"] = f"{resource}-{metadata['name']}"
        if self.store.get(resource, metadata["namespace"], metadata["name"]):
            return self.store.update(resource, stored)
        return self.store.create(resource, stored)

    def service(self, name: str, address: str, *ports: int, **spec: Any) -> Obj:
        """A Service whose ports are named p<number> when there are several, and have targets of their own."""
        named = [{"port": port, "protocol": "TCP", **({"name": f"p{port}"} if len(ports) > 1 else {})} for port in ports]
        spec = {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ports": named, **spec}
        return self.put("services", {"kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec})

    def endpoints(self, service: str, *addresses: str, port: int, name: str = "", not_ready: str = "", leaving: str = "") -> None:
        """One slice of the addresses: all are ready but the one that is not, and the one whose pod is terminating."""
        conditions = {
            not_ready: {"ready": False, "serving": False, "terminating": False},
            leaving: {"ready": False, "serving": True, "terminating": True},
        }
        entries = [
            {
                "addresses": [address],
                "conditions": conditions.get(address, {"ready": True, "serving": True, "terminating": False}),
                "targetRef": {"kind": "Pod", "namespace": "default", "name": f"pod-{address}"},
            }
            for address in addresses
        ]
        labels = {"kubernetes.io/service-name": service}
        metadata = {"name": f"{service}-{name or 'slice'}", "namespace": "default", "labels": labels}
        ports = [{"name": name, "port": port, "protocol": "TCP"}]
        self.put(
            SLICES, {"kind": "EndpointSlice", "metadata": metadata, "addressType": "IPv4", "endpoints": entries, "ports": ports}
        )

    def ingress(self, name: str, *rules: str, created: str = "2026-01-01T00:00:00Z", default: str = "") -> Obj:
        """Rules are written `host/path -> service:port`, with `=` before the host for an Exact path."""
        spec: Obj = {"rules": [_rule(rule) for rule in rules]}
        if default:
            spec["defaultBackend"] = _backend(default)
        metadata = {"name": name, "namespace": "default", "creationTimestamp": created}
        return self.put(INGRESSES, {"kind": "Ingress", "metadata": metadata, "spec": spec})

    def pod(self, name: str, labels: dict[str, str], status: Obj, **metadata: str) -> Obj:
        about = {"name": name, "namespace": "default", "labels": labels, **metadata}
        return self.put("pods", {"kind": "Pod", "metadata": about, "spec": {}, "status": status})


def _rule(text: str) -> Obj:
    where, _, backend = text.partition(" -> ")
    kind = "Exact" if where.startswith("=") else "Prefix"
    host, slash, path = where.lstrip("=").partition("/")
    entry = {"path": slash + path, "pathType": kind, "backend": _backend(backend)}
    return {"http": {"paths": [entry]}, **({"host": host} if host else {})}


def _backend(text: str) -> Obj:
    service, _, port = text.partition(":")
    return {"service": {"name": service, "port": {"number": int(port)} if port.isdigit() else {"name": port}}}


class Backend:
    """A pod: a server on an address of its own that counts its connections."""

    def __init__(self, address: str, port: int, handler: Handler | None = None) -> None:
        self.address, self.port = address, port
        self.connections = 0
        self._handler = handler or self.tell_name
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: object, *error: object) -> None:
        if kind is not None:
            self.kill()  # the test has failed: nobody ends its connections
        await self.close()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.address, self.port, backlog=512)

    async def close(self) -> None:
        """End as a pod does that was told to: no new connections, and those that are open are served to their end."""
        self._server.close()
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def kill(self) -> None:
        """End as a pod does that gets SIGKILL."""
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def tell_name(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers every line with the server's address."""
        while line := await reader.readline():
            writer.write(b"%s %s" % (self.address.encode(), line))
            await writer.drain()


async def ask(address: str, port: int, line: bytes = b"hello\n", client: str | None = None) -> str:
    """One connection, one line, one answer: the address of who answered. Raises OSError, EOFError."""
    local = (client, 0) if client else None
    reader, writer = await asyncio.open_connection(address, port, local_addr=local)
    try:
        writer.write(line)
        answer = await reader.readuntil()
        return answer.split()[0].decode()
    finally:
        writer.close()


@dataclass
class Asked:
    """A request as a pod got it."""

    head: bytes
    body: bytes = b""

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    def header(self, name: str) -> str | None:
        """The value of a header, several joined by `|`; None where there is none."""
        lines = (line.partition(": ") for line in self.head.decode("latin-1").split("\r\n")[1:])
        values = [value for key, _, value in lines if key.lower() == name.lower()]
        return "|".join(values) if values else None


class WebPod(Backend):
    """A pod that speaks HTTP/1.1: answers with `reply`, and keeps what it was asked."""

    def __init__(self, address: str, port: int, reply: bytes = b"") -> None:
        super().__init__(address, port, self._speak)
        self.asked: list[Asked] = []
        self.reply = reply or b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(address), address.encode())

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = Asked(await reader.readuntil(b"\r\n\r\n"))
        asked.body = await read_body(reader, asked.head)
        self.asked.append(asked)
        writer.write(self.reply)
        await writer.drain()


async def read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """The body behind a head; of an answer without a length, all until the connection ends."""
    fields = head.lower()
    if b"transfer-encoding: chunked" in fields:
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body
    if b"content-length: " in fields:
        return await reader.readexactly(int(fields.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return await reader.read() if fields.startswith(b"http/1.") else b""


@dataclass
class Reply:
    status: int
    head: str
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Browser:
    """A client of the ingress with one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Browser:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.writer.close()

    def send(self, line: str, host: str = "shop.example.com", body: bytes = b"", **headers: str) -> None:
        """`line` is `GET /path`; header names have underscores for dashes."""
        lines = [f"{line} HTTP/1.1", f"host: {host}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        if body:
            lines.append(f"content-length: {len(body)}")
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def receive(self, bodiless: bool = False) -> Reply:
        head = await self.reader.readuntil(b"\r\n\r\n")
        body = b"" if bodiless else await read_body(self.reader, head)
        return Reply(int(head.split()[1]), head.decode("latin-1").lower(), body)

    async def ask(self, line: str, host: str = "shop.example.com", body: bytes = b"", **headers: str) -> Reply:
        self.send(line, host, body, **headers)
        return await self.receive(line.startswith("HEAD"))


async def fetch(port: int, line: str, host: str = "shop.example.com", body: bytes = b"", **headers: str) -> Reply:
    """One request on a connection of its own."""
    async with await Browser.open(port) as browser:
        return await browser.ask(line, host, body, **headers)
