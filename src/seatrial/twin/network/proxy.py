"""Service addresses: what kube-proxy does for a node, done by one small TCP proxy on the loopback interface.

Listens on every cluster IP and node port of a Service and joins each connection to one of its endpoints.  Who the
endpoints are and which is chosen is for `endpoints`, moving the bytes for `relay`.

As in Kubernetes a Service without a usable endpoint refuses connections at once (its ports are simply not listened on),
a connection stays with its endpoint until one of the two ends it, whatever becomes of the endpoint meanwhile, and a
headless or external Service has no address here.  Better than in Kubernetes, an endpoint that refuses a connection is
passed over for another one.  Unlike in Kubernetes endpoints see the proxy as their client, only TCP is carried, and
`sessionAffinity` tells clients apart by loopback address, which is 127.0.0.1 for whoever binds no other.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from seatrial.twin.clock import Timer
from seatrial.twin.context import Context
from seatrial.twin.network.endpoints import Balancer, Endpoint, Endpoints, PortKey, affinity_timeout, usable
from seatrial.twin.network.relay import Acceptor, Half, connect, join, listening, refuse
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, name_of, namespace_of

log = logging.getLogger(__name__)

#: Seconds an endpoint may take to accept: on one machine it is there or it is not.
CONNECT_TIMEOUT = 2.0

#: Endpoints tried for one connection.
ATTEMPTS = 5

#: Seconds until an address that could not be listened on is tried again: doubling from the first to the second.
LISTEN_RETRY = (1.0, 30.0)

NODE_ADDRESS = "127.0.0.1"


class Frontend(NamedTuple):
    """An address that a Service port is reached at."""

    address: str
    port: int
    key: PortKey


def frontends(service: Obj) -> Iterator[Frontend]:
    """Where a Service is reached: its cluster IPs, and its node ports where it has some. TCP only."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return
    addresses = [address for address in spec.get("clusterIPs") or [spec.get("clusterIP")] if address and address != "None"]
    for port in spec.get("ports") or ():
        if (port.get("protocol") or "TCP") != "TCP":
            continue
        key = PortKey(namespace_of(service), name_of(service), port.get("name") or "")
        for address in addresses:
            yield Frontend(address, port["port"], key)
        if port.get("nodePort"):
            yield Frontend(NODE_ADDRESS, port["nodePort"], key)


class ServiceProxy:
    """Runs on the loop of the thread that starts it."""

    def __init__(
        self,
        context: Context,
        *,
        listen: Callable[[str, int], socket.socket] = listening,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self._context, self._listen, self._connect_timeout = context, listen, connect_timeout
        self._acceptors: dict[Frontend, Acceptor] = {}
        self._unheard: dict[Frontend, float] = {}  # could not be listened on -> seconds until the next try
        self._services: dict[Key, list[Frontend]] = {}
        self._dirty: set[Key] = set()
        self._timers: dict[Key, Timer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reaching: set[asyncio.Task[Any]] = set()  # of these, the ones that have no endpoint yet
        self._open: set[Half] = set()
        self._ends: list[Callable[[], None]] = []
        self._running = False

    def start(self) -> None:
        """Listen for every Service there is, and from now on for every one that comes."""
        self._running = True
        self._loop = asyncio.get_running_loop()
        self._endpoints = Endpoints(self._context, self._mark)
        self._ends = [self._context.store.subscribe("services", self._note), self._endpoints.close]
        for service in self._context.store.list("services"):
            self._sync((namespace_of(service), name_of(service)))

    async def stop(self) -> None:
        """Close every port and every connection; nothing is left when it returns."""
        self._running = False
        for end in self._ends:
            end()
        for timer in self._timers.values():
            timer.cancel()
        for frontend in list(self._acceptors):
            self._acceptors.pop(frontend).close()
        for task in self._reaching:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for half in list(self._open):
            half.transport.abort()
        while self._open:
            await asyncio.sleep(0)

    @property
    def listening(self) -> set[tuple[str, int]]:
        """The addresses and ports that are listened on now."""
        return {(frontend.address, frontend.port) for frontend in self._acceptors}

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return (len(self._open) + 1) // 2

    # what changes

    def _note(self, change: Change) -> None:
        self._mark(namespace_of(change.object), name_of(change.object))

    def _mark(self, namespace: str, name: str) -> None:
        if not self._dirty:
            self._context.clock.call_soon(self._sync_all)
        self._dirty.add((namespace, name))

    def _sync_all(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for key in sorted(dirty):
            self._sync(key)

    def _sync(self, key: Key) -> None:
        """Listen where this Service now wants it, and nowhere else."""
        if not self._running:
            return
        service = self._context.store.get("services", *key)
        wanted = self._wanted(service) if service is not None else []
        for frontend in self._services.get(key, ()):
            if frontend not in wanted:
                self._unheard.pop(frontend, None)
                if frontend in self._acceptors:
                    self._acceptors.pop(frontend).close()
        if service is None:
            self._services.pop(key, None)
            self._endpoints.drop(*key)
            return
        self._services[key] = wanted
        for frontend in wanted:
            self._endpoints.balancer(frontend.key).affinity_timeout = affinity_timeout(service)
            if frontend not in self._acceptors:
                self._open_port(frontend, service)

    def _wanted(self, service: Obj) -> list[Frontend]:
        return [frontend for frontend in frontends(service) if usable(self._endpoints.of(frontend.key))]

    def _open_port(self, frontend: Frontend, service: Obj) -> None:
        try:
            sock = self._listen(frontend.address, frontend.port)
        except OSError as error:
            self._context.events.emit(service, "Warning", "FailedToListen", _why_not(frontend, error), "service-proxy")
            self._try_again(frontend)
            return
        self._unheard.pop(frontend, None)
        balancer = self._endpoints.balancer(frontend.key)
        self._acceptors[frontend] = Acceptor(sock, lambda connection, client: self._accepted(balancer, connection, client))

    def _try_again(self, frontend: Frontend) -> None:
        first, last = LISTEN_RETRY
        delay = self._unheard.get(frontend, first)
        self._unheard[frontend] = min(last, delay * 2)
        key = frontend.key.namespace, frontend.key.service
        if key in self._timers:
            self._timers[key].cancel()
        self._timers[key] = self._context.clock.call_later(delay, self._sync, key)

    # connections

    def _accepted(self, balancer: Balancer, connection: socket.socket, client: str) -> None:
        task = self._loop.create_task(self._serve(balancer, connection, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, balancer: Balancer, connection: socket.socket, client: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._reaching.add(task)
        try:
            found = await self._reach(balancer, client)
        except asyncio.CancelledError:
            found = None  # stopping
        finally:
            self._reaching.discard(task)
        if found is None:
            refuse(connection)
        else:
            await self._join(balancer, connection, *found)

    async def _join(self, balancer: Balancer, connection: socket.socket, endpoint: Endpoint, upstream: socket.socket) -> None:
        def gone() -> None:
            balancer.closed(endpoint)
            self._open.discard(back)

        back, front = Half(gone), Half(lambda: self._open.discard(front))
        balancer.opened(endpoint)
        await self._loop.create_connection(lambda: back, sock=upstream)
        self._open.add(back)
        await self._loop.connect_accepted_socket(lambda: front, connection)
        self._open.add(front)
        join(front, back)

    async def _reach(self, balancer: Balancer, client: str) -> tuple[Endpoint, socket.socket] | None:
        """A connection to an endpoint that accepts it, or None where none does."""
        tried: list[tuple[str, int]] = []
        while len(tried) < ATTEMPTS:
            endpoint = balancer.pick(client, tried)
            if endpoint is None:
                return None
            tried.append(endpoint.key)
            try:
                return endpoint, await connect(endpoint.address, endpoint.port, self._connect_timeout)
            except OSError as error:
                balancer.refused(endpoint)
                log.debug("%s did not accept: %s", endpoint, error)
        return None


def _why_not(frontend: Frontend, error: OSError) -> str:
    where = f"Cannot listen on {frontend.address}:{frontend.port}"
    if isinstance(error, PermissionError):
        return (
            f"{where}: ports below net.ipv4.ip_unprivileged_port_start are for root. Give the Service a higher port, or allow"
            f" this one with: sysctl -w net.ipv4.ip_unprivileged_port_start={frontend.port}"
        )
    if error.errno == errno.EADDRINUSE:
        return f"{where}: another process listens on it, or on this port of all addresses (0.0.0.0). Pods should bind $(POD_IP)."
    return f"{where}: {error.strerror or error}"
