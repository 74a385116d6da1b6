"""Which addresses stand behind a Service port right now, and which of them takes the next connection.

Reads EndpointSlices from the store; the controller that writes them, and whoever connects, are elsewhere.  What is usable
follows kube-proxy: ready endpoints, and where there is none, those that are terminating and still serve
(pkg/proxy/topology.go).  Of the usable ones the one with the fewest connections is chosen, in turn where they are equal;
kube-proxy chooses at random, which a person at a terminal takes for a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from seatrial.twin.context import Context
from seatrial.twin.store import Change
from seatrial.world.objects import Obj, labels_of, namespace_of

SLICES = "endpointslices.discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"

#: Seconds for which an endpoint that refused a connection comes after all others.
COOLING = 1.0

#: Clients whose endpoint is remembered for `sessionAffinity: ClientIP`; beyond, the longest silent are forgotten.
REMEMBERED = 10_000

#: How long a silent client keeps its endpoint, in seconds (pkg/apis/core/v1/defaults.go).
AFFINITY_TIMEOUT = 10800


@dataclass(frozen=True, slots=True)
class Endpoint:
    address: str
    port: int
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    pod: str = ""

    @property
    def key(self) -> tuple[str, int]:
        return self.address, self.port


@dataclass(frozen=True, slots=True)
class PortKey:
    """A port of a Service: `port` is its name, "" for the only one."""

    namespace: str
    service: str
    port: str


def usable(endpoints: Collection[Endpoint]) -> list[Endpoint]:
    """The endpoints that may be given new connections."""
    ready = [endpoint for endpoint in endpoints if endpoint.ready]
    return ready or [endpoint for endpoint in endpoints if endpoint.serving and endpoint.terminating]


def endpoints_in(slices: Iterable[Obj], port: str) -> tuple[Endpoint, ...]:
    """All endpoints of a port, each once, in the order of their addresses; absent conditions mean what the API says they do."""
    found: dict[tuple[str, int], Endpoint] = {}
    for piece in slices:
        numbers = [entry.get("port") for entry in piece.get("ports") or () if _carries(entry, port)]
        if piece.get("addressType") == "FQDN" or not numbers or numbers[0] is None:
            continue
        for entry in piece.get("endpoints") or ():
            for endpoint in _endpoint(entry, numbers[0]):
                found[endpoint.key] = endpoint
    return tuple(found[key] for key in sorted(found))


def _carries(entry: Obj, port: str) -> bool:
    return (entry.get("name") or "") == port and (entry.get("protocol") or "TCP") == "TCP"


def _endpoint(entry: Obj, port: int) -> Iterable[Endpoint]:
    conditions = entry.get("conditions") or {}
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving", ready) is not False
    pod = (entry.get("targetRef") or {}).get("name", "")
    for address in entry["addresses"][:1]:  # more than one are the same endpoint
        yield Endpoint(address, port, ready, serving, bool(conditions.get("terminating")), pod)


class Balancer:
    """Chooses the endpoint of the next connection to one Service port."""

    def __init__(self, endpoints: Callable[[], Collection[Endpoint]], now: Callable[[], float]) -> None:
        self._endpoints, self._now = endpoints, now
        self._open: dict[tuple[str, int], int] = {}
        self._last: dict[tuple[str, int], int] = {}
        self._refused: dict[tuple[str, int], float] = {}
        self._affinity: dict[str, tuple[tuple[str, int], float]] = {}
        self._turn = 0
        self.affinity_timeout: float | None = None  # seconds; None: every connection is chosen anew

    def pick(self, client: str = "", tried: Collection[tuple[str, int]] = ()) -> Endpoint | None:
        """The endpoint for a connection of `client` that has `tried` some already; None when no other is left."""
        choice = [endpoint for endpoint in usable(self._endpoints()) if endpoint.key not in tried]
        if not choice:
            return None
        chosen = self._remembered(client, choice) or min(choice, key=self._burden)
        self._turn += 1
        self._last[chosen.key] = self._turn
        if self.affinity_timeout is not None:
            self._remember(client, chosen)
        return chosen

    def _burden(self, endpoint: Endpoint) -> tuple[bool, int, int]:
        key = endpoint.key
        cooling = key in self._refused and self._now() - self._refused[key] < COOLING
        return cooling, self._open.get(key, 0), self._last.get(key, 0)

    def _remembered(self, client: str, choice: list[Endpoint]) -> Endpoint | None:
        key, since = self._affinity.get(client, (("", 0), 0.0))
        if self.affinity_timeout is None or self._now() - since > self.affinity_timeout:
            return None
        return next((endpoint for endpoint in choice if endpoint.key == key), None)

    def _remember(self, client: str, endpoint: Endpoint) -> None:
        self._affinity.pop(client, None)
        self._affinity[client] = endpoint.key, self._now()
        if len(self._affinity) > REMEMBERED:
            del self._affinity[next(iter(self._affinity))]

    def opened(self, endpoint: Endpoint) -> None:
        self._refused.pop(endpoint.key, None)
        self._open[endpoint.key] = self._open.get(endpoint.key, 0) + 1

    def closed(self, endpoint: Endpoint) -> None:
        left = self._open.get(endpoint.key, 0) - 1
        if left > 0:
            self._open[endpoint.key] = left
        else:
            self._open.pop(endpoint.key, None)

    def refused(self, endpoint: Endpoint) -> None:
        self._refused[endpoint.key] = self._now()

    def forget(self, gone: Collection[tuple[str, int]]) -> None:
        """Drop what was noted about endpoints that have left; connections still open keep their count until they close."""
        for key in gone:
            self._last.pop(key, None)
            self._refused.pop(key, None)


class Endpoints:
    """The endpoints of every Service port, read from the store when asked for and kept until a slice changes."""

    def __init__(self, context: Context, changed: Callable[[str, str], object] | None = None) -> None:
        """`changed(namespace, service)` is called, at once and while the store writes, when slices of a Service change."""
        self._store, self._clock, self._changed = context.store, context.clock, changed
        self._store.add_index(SLICES, "balanced", _services)
        self._known: dict[PortKey, tuple[Endpoint, ...]] = {}
        self._balancers: dict[PortKey, Balancer] = {}
        self._end = self._store.subscribe(SLICES, self._note)

    def of(self, key: PortKey) -> tuple[Endpoint, ...]:
        known = self._known.get(key)
        if known is None:
            slices = self._store.by_index(SLICES, "balanced", f"{key.namespace}/{key.service}")
            known = self._known[key] = endpoints_in(slices, key.port)
        return known

    def balancer(self, key: PortKey) -> Balancer:
        balancer = self._balancers.get(key)
        if balancer is None:
            balancer = self._balancers[key] = Balancer(lambda: self.of(key), self._clock.now)
        return balancer

    def _note(self, change: Change) -> None:
        services = {name for obj in (change.object, change.old) if obj for name in _services(obj)}
        for key in [key for key in self._known if f"{key.namespace}/{key.service}" in services]:
            before = {endpoint.key for endpoint in self._known.pop(key)}
            if key in self._balancers:
                self._balancers[key].forget(before - {endpoint.key for endpoint in self.of(key)})
        if self._changed is not None:
            for service in services:
                self._changed(*service.split("/"))

    def drop(self, namespace: str, service: str) -> None:
        """Forget a Service that was deleted."""
        for table in (self._known, self._balancers):
            for key in [key for key in table if (key.namespace, key.service) == (namespace, service)]:
                del table[key]

    def close(self) -> None:
        self._end()


def _services(piece: Obj) -> Iterable[str]:
    name = labels_of(piece).get(SERVICE_NAME)
    return (f"{namespace_of(piece)}/{name}",) if name else ()


def affinity_timeout(service: Obj) -> float | None:
    """Seconds for which a client keeps its endpoint, or None for a Service without affinity."""
    spec = service.get("spec") or {}
    if spec.get("sessionAffinity") != "ClientIP":
        return None
    timeout = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    return float(timeout or AFFINITY_TIMEOUT)
