"""The ingress: every Ingress of the cluster, served over HTTP on one port of this machine.

Watches Ingresses and writes their status; which rule a request belongs to is for `routing`, connections are `client`'s and
requests `exchange`'s.  Requests go to the endpoints of a Service directly, one connection each, so that a pod that leaves
takes no idle connections with it.  Unlike in production there is no TLS, and an Ingress is served whatever its class.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import NamedTuple

from seatrial.twin.clock import Timer
from seatrial.twin.context import Context
from seatrial.twin.errors import ApiError
from seatrial.twin.network import pages
from seatrial.twin.network.client import Client
from seatrial.twin.network.endpoints import Endpoints, PortKey, affinity_timeout
from seatrial.twin.network.exchange import Exchange, Target
from seatrial.twin.network.http1 import Limits, Request
from seatrial.twin.network.pages import Page
from seatrial.twin.network.relay import Acceptor, listening, refuse
from seatrial.twin.network.routing import Routes, Rule, clean_path, local_names
from seatrial.twin.store import Change
from seatrial.world.objects import Obj, clone, dig

log = logging.getLogger(__name__)

INGRESSES = "ingresses.networking.k8s.io"

#: Ports tried from the preferred one upwards.
PORTS_TRIED = 100

#: Seconds after which a new Ingress has its address.  It is served at once, but controllers write statuses in rounds,
#: ingress-nginx once a minute (internal/ingress/status): who reads an Ingress right after its creation finds no address.
STATUS_AFTER = 10.0


class Exposed(NamedTuple):
    """A host that is served: as the Ingress writes it ("" for any), and where a browser on this machine finds it."""

    host: str
    url: str


class IngressProxy:
    """Runs on the loop of the thread that starts it."""

    def __init__(self, context: Context, host: str = "127.0.0.1", port: int = 8080, *, limits: Limits | None = None) -> None:
        """`port` is preferred; the next free one is taken where it is in use. 0 takes any."""
        self._context, self._host = context, host
        self.port, self.limits = port, limits or Limits()
        self._routes = Routes()
        self._stale = False
        self._status: Timer | None = None  # the round in which statuses are written next
        self._clients: set[Client] = set()
        self._adopting: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: list[Callable[[], None]] = []
        self._acceptor: Acceptor | None = None

    async def start(self) -> None:
        """Listen and serve. Raises OSError where no port is free."""
        self._loop = asyncio.get_running_loop()
        sock = _first_free(self._host, self.port)
        self.port = int(sock.getsockname()[1])
        self._acceptor = Acceptor(sock, self._accepted)
        self._endpoints = Endpoints(self._context)
        store = self._context.store
        self._ends = [
            store.subscribe(INGRESSES, self._note),
            store.subscribe("services", self._forget),
            self._endpoints.close,
        ]
        self._update()
        self._publish_all()

    async def stop(self) -> None:
        """Close the port and every connection; nothing is left when it returns."""
        for end in self._ends:
            end()
        self._ends = []
        if self._status is not None:
            self._status.cancel()
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None
        await asyncio.gather(*self._adopting)
        for client in list(self._clients):
            client.transport.abort()  # which abandons its requests
        while self._clients:
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where a browser on this machine begins: the only host there is, or the list of them."""
        return f"http://localhost:{self.port}/"

    def urls(self) -> list[Exposed]:
        """What is served, and where; nothing when there is no Ingress."""
        names = local_names(self._routes.hosts)
        exposed = [Exposed(host, f"http://{name}:{self.port}/") for host, name in names.items()]
        if self._routes.known_host("") == "" or (not exposed and self._routes.find("", "/").rule):
            exposed.insert(0, Exposed("", f"http://localhost:{self.port}/"))
        return exposed

    # Ingresses

    def _note(self, change: Change) -> None:
        if not self._stale:
            self._stale = True
            self._context.clock.call_soon(self._update)

    def _update(self) -> None:
        self._stale = False
        if self._acceptor is None:
            return
        self._routes = Routes(self._context.store.list(INGRESSES))
        if self._status is None:
            self._status = self._context.clock.call_later(STATUS_AFTER, self._publish_all)

    def _publish_all(self) -> None:
        if self._status is not None:
            self._status.cancel()
            self._status = None
        for ingress in self._context.store.list(INGRESSES):
            self._publish(ingress)

    def _publish(self, ingress: Obj) -> None:
        """Write where the Ingress is reached into its status, as a controller does when it has taken it up."""
        reached = [{"hostname": "localhost", "ports": [{"port": self.port, "protocol": "TCP"}]}]
        if dig(ingress, "status.loadBalancer.ingress") == reached or ingress["metadata"].get("deletionTimestamp"):
            return
        changed = clone(ingress)
        changed.setdefault("status", {})["loadBalancer"] = {"ingress": reached}
        try:
            self._context.registry.update_status(INGRESSES, changed)
        except ApiError as error:
            log.info("status of ingress %s: %s", ingress["metadata"]["name"], error)

    def _forget(self, change: Change) -> None:
        if change.type == "DELETED":
            metadata = change.object["metadata"]
            self._endpoints.drop(metadata.get("namespace", ""), metadata["name"])

    # requests

    def route(self, request: Request) -> Target | Page:
        path = "/" if request.target == b"*" else clean_path(request.target.decode("latin-1"))
        if path is None:
            return pages.refused(400, "The path leads out of the root.")
        host, rule = self._routes.find(request.host, path)
        if rule is None:
            if host is None:
                return pages.unknown_host(request.host, self._links())
            return pages.unknown_path(host, path)
        return self._target(rule) or pages.no_endpoints(self._context.store, rule)

    def _target(self, rule: Rule) -> Target | None:
        service = self._context.store.get("services", rule.namespace, rule.service)
        name = pages.port_name(service, rule.port) if service is not None else None
        if service is None or name is None:
            return None
        balancer = self._endpoints.balancer(PortKey(rule.namespace, rule.service, name))
        balancer.affinity_timeout = affinity_timeout(service)
        return Target(rule, balancer)

    def nobody(self, rule: Rule) -> Page:
        return pages.no_endpoints(self._context.store, rule)

    def _links(self) -> list[tuple[str, str]]:
        return [(exposed.host, exposed.url) for exposed in self.urls()]

    # connections

    def _accepted(self, connection: socket.socket, address: str) -> None:
        if len(self._clients) >= self.limits.connections:
            refuse(connection)
            return
        client = Client(self, address, self._start, self._clients.discard)
        self._clients.add(client)
        task = self._loop.create_task(self._adopt(client, connection))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, client: Client, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: client, connection)
        except OSError:
            self._clients.discard(client)

    def _start(self, client: Client, exchange: Exchange) -> None:
        task = self._loop.create_task(self._serve(client, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: Client, exchange: Exchange) -> None:
        try:
            await exchange.run()
        except Exception:
            log.exception("a request failed in the ingress itself")
            client.transport.abort()


def _first_free(host: str, port: int) -> socket.socket:
    for candidate in range(port, port + PORTS_TRIED) if port else (0,):
        try:
            return listening(host, candidate)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    raise OSError(errno.EADDRINUSE, f"no port from {port} to {port + PORTS_TRIED - 1} of {host} is free")
