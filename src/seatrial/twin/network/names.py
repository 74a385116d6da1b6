"""The names of Services for containers: what a cluster's DNS would answer, kept up to date in their /etc/hosts.

Only namespaces that have pods are told; many changes at once are told once.
"""

from __future__ import annotations

from collections.abc import Callable

from seatrial.twin.clock import Timer
from seatrial.twin.context import Context
from seatrial.twin.store import Change
from seatrial.world.objects import Obj, namespace_of

#: The resources whose changes may change a name.
RESOURCES = ("services", "endpointslices.discovery.k8s.io", "pods")

#: Told the Services and endpoint slices there are, and the namespace whose pods are to know them.
Tell = Callable[[list[Obj], list[Obj], str], None]


class Names:
    """`tell` is called for every namespace that has pods, whenever a name may have changed."""

    def __init__(self, context: Context, tell: Tell) -> None:
        self._context, self._tell = context, tell
        self._ends: list[Callable[[], None]] = []
        self._due: Timer | None = None
        self._namespaces: set[str] = set()

    def start(self) -> None:
        for resource in RESOURCES:
            self._ends.append(self._context.store.subscribe(resource, self._note))
        self._namespaces = {namespace_of(pod) for pod in self._context.store.list("pods")}
        self._sync()

    def stop(self) -> None:
        for end in self._ends:
            end()
        if self._due:
            self._due.cancel()

    def _note(self, change: Change) -> None:
        if change.resource == "pods":
            namespace = namespace_of(change.object)
            if namespace in self._namespaces:
                return
            self._namespaces.add(namespace)
        if self._due is None:
            self._due = self._context.clock.call_soon(self._sync)

    def _sync(self) -> None:
        self._due = None
        store = self._context.store
        services, slices = store.list("services"), store.list("endpointslices.discovery.k8s.io")
        for namespace in self._namespaces:
            self._tell(services, slices, namespace)
