"""A network for tests: a store with Services, slices and Ingresses written straight into it, and tiny servers as pods."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from seatrial.twin.clock import Clock, RealClock
from seatrial.twin.context import Context
from seatrial.twin.network.endpoints import SLICES
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import Resource, ResourceTable
from seatrial.twin.store import Store
from seatrial.world.objects import Obj, clone

INGRESSES = "ingresses.networking.k8s.io"

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
        metadata = obj["metadata"]
        if self.store.get(resource, metadata["namespace"], metadata["name"]):
            return self.store.update(resource, clone(obj))
        return self.store.create(resource, clone(obj))

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


class Backend:
    """A pod: a server on an address of its own that counts its connections."""

    def __init__(self, address: str, port: int, handler: Handler | None = None) -> None:
        self.address, self.port = address, port
        self.connections = 0
        self._handler = handler or self.tell_name
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Backend:
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
