"""A kubelet: it registers its Node, keeps the Lease, and gives every pod bound to the node a worker.

Many kubelets share one `Dispatcher`, which listens to the store once and passes on what concerns a node.  What happens to a pod
is in `worker`; this module keeps the books of the node and answers what others ask of it: logs, usage, exec.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from seatrial.twin.clock import Clock, Timer, micro_timestamp
from seatrial.twin.context import Context
from seatrial.twin.errors import ApiError, internal
from seatrial.twin.kubelet import admission, node, signals
from seatrial.twin.kubelet.backoff import Backoff
from seatrial.twin.kubelet.eviction import EvictionManager, Machine
from seatrial.twin.kubelet.images import Images
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.runtime import Runtime, Usage
from seatrial.twin.kubelet.timing import REFERENCE, Timing
from seatrial.twin.kubelet.volumes import TokenIssuer, sources
from seatrial.twin.kubelet.worker import PodWorker
from seatrial.twin.registry.registry import Options
from seatrial.twin.store import Change
from seatrial.world import quantity
from seatrial.world.objects import Obj, name_of, namespace_of

log = logging.getLogger(__name__)

Source = tuple[str, str, str]  # configmaps or secrets, namespace, name


class Dispatcher:
    """Tells each kubelet of the pods on its node, and of the ConfigMaps and Secrets they mount."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kubelets: dict[str, Kubelet] = {}
        self._readers: dict[Source, dict[str, PodWorker]] = {}
        self._ends = [
            context.store.subscribe("pods", self._pod_changed),
            context.store.subscribe("configmaps", self._source_changed),
            context.store.subscribe("secrets", self._source_changed),
            context.store.subscribe("persistentvolumeclaims", self._claim_changed),
        ]

    def add(self, kubelet: Kubelet) -> None:
        self._kubelets[kubelet.node_name] = kubelet

    def remove(self, kubelet: Kubelet) -> None:
        self._kubelets.pop(kubelet.node_name, None)

    def close(self) -> None:
        for end in self._ends:
            end()

    def kubelet(self, node_name: str) -> Kubelet | None:
        return self._kubelets.get(node_name)

    def _pod_changed(self, change: Change) -> None:
        node_name = change.object["spec"].get("nodeName")
        kubelet = self._kubelets.get(node_name) if node_name else None
        if kubelet:
            kubelet.note(change)

    def read(self, worker: PodWorker) -> None:
        """A pod mounts things: remember which."""
        namespace = namespace_of(worker.pod)
        for resource, name, _volume in sources(worker.pod):
            self._readers.setdefault((resource, namespace, name), {})[worker.uid] = worker

    def unread(self, worker: PodWorker) -> None:
        namespace = namespace_of(worker.pod)
        for resource, name, _volume in sources(worker.pod):
            readers = self._readers.get((resource, namespace, name), {})
            readers.pop(worker.uid, None)
            if not readers:
                self._readers.pop((resource, namespace, name), None)

    def _source_changed(self, change: Change) -> None:
        source = change.resource, namespace_of(change.object), name_of(change.object)
        for worker in self._readers.get(source, {}).values():
            volumes = [volume for resource, name, volume in sources(worker.pod) if (resource, name) == (source[0], source[2])]
            self._context.clock.call_later(worker.host.timing.refresh, worker.volumes.refresh, volumes)

    def _claim_changed(self, change: Change) -> None:
        """What was kept under a deleted claim goes from every node."""
        if change.type == "DELETED":
            claim = f"{namespace_of(change.object)}/{name_of(change.object)}"
            for runtime in {id(kubelet.runtime): kubelet.runtime for kubelet in self._kubelets.values()}.values():
                self._context.clock.call_soon(runtime.remove_claim, claim)


class Kubelet:
    """The kubelet of one node.

    `leases=False` does without the node's Lease, for clusters whose nodes never fail. `token` issues the tokens of projected
    volumes; without one they come from the registry. `machine` gives this machine's figures where they are to count as the
    node's: pods are evicted then when the machine runs low.
    """

    def __init__(
        self,
        context: Context,
        runtime: Runtime,
        spec: NodeSpec,
        dispatcher: Dispatcher,
        *,
        timing: Timing = REFERENCE,
        leases: bool = True,
        token: TokenIssuer | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.context, self.runtime, self.timing, self.spec = context, runtime, timing, spec
        self.options = Options(
            user=f"system:node:{spec.name}", groups=("system:nodes", "system:authenticated"), manager="kubelet"
        )
        self.images = Images(context.clock, runtime)
        self.crashes = Backoff()
        self.token: TokenIssuer = token or self._registry_token
        self._dispatcher, self._leases = dispatcher, leases
        self._workers: dict[str, PodWorker] = {}
        self._by_name: dict[tuple[str, str], PodWorker] = {}
        self._allocatable = node.allocatable_of(spec)
        self._room = admission.Room(self._allocatable)
        self.memory, self.storage = (quantity.whole(self._allocatable[name]) for name in ("memory", "ephemeral-storage"))
        self._evictions = EvictionManager(self, spec.eviction, machine)
        self._lease_timer: Timer | None = None

    @property
    def clock(self) -> Clock:
        return self.context.clock

    @property
    def node_name(self) -> str:
        return self.spec.name

    @property
    def address(self) -> str:
        return self.spec.address or "127.0.0.1"

    @property
    def allocatable(self) -> Mapping[str, str]:
        return self._allocatable

    # life

    def start(self) -> None:
        self._register()
        self._dispatcher.add(self)
        if self._leases:
            self._renew()
        self._evictions.start()
        for pod in self.context.store.by_index("pods", "node", self.node_name):
            self.note(Change("ADDED", "pods", pod, None, 0))

    def stop(self) -> None:
        """Stop looking after the node, as a kubelet that dies does: the Node stays, and its containers are left as they are."""
        self._dispatcher.remove(self)
        self._evictions.stop()
        if self._lease_timer:
            self._lease_timer.cancel()
            self._lease_timer = None
        for worker in self._workers.values():
            worker.stop()
            self._dispatcher.unread(worker)
        self._workers.clear()
        self._by_name.clear()

    def _register(self) -> None:
        registry, now = self.context.registry, self.context.clock.now()
        wanted = node.node_object(self.spec, self.address, self.runtime.name, now)
        present = registry.find("nodes", "", self.node_name)
        if present is None:
            self._welcome(registry.create("nodes", wanted, self.options))
            return
        old = {c["type"]: c for c in (present.get("status") or {}).get("conditions") or ()}
        status = node.node_status(self.spec, self.address, self.runtime.name, now, old, self._evictions.pressures)
        registry.update_status("nodes", {**present, "metadata": {**present["metadata"]}, "status": status}, self.options)

    def report_pressure(self, pressures: Iterable[str]) -> None:
        """Write the node's conditions, and say in events what is new about them."""
        present = self.context.registry.find("nodes", "", self.node_name)
        if present is None:
            return
        before = {c["type"]: c["status"] for c in (present.get("status") or {}).get("conditions") or ()}
        self._register()
        for pressure in signals.PRESSURES:
            pressed = pressure in pressures
            if before.get(pressure) != str(pressed):
                event = signals.EVENTS[pressure, pressed]
                self.say_node("Normal", event, f"Node {self.node_name} status is now: {event}")

    def say_node(self, type_: str, reason: str, message: str) -> None:
        present = self.context.registry.find("nodes", "", self.node_name)
        if present is not None:
            self.context.events.emit(present, type_, reason, message, "kubelet", host=self.node_name)

    def _is_ready(self) -> bool:
        """Whether the node is known as ready: one that was given up for its silence has to say that it is back."""
        present = self.context.registry.find("nodes", "", self.node_name) or {}
        conditions = (present.get("status") or {}).get("conditions") or ()
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def _welcome(self, created: Obj) -> None:
        """Take away the taint that admission gives every new node: this one is ready from its first moment."""
        taints = created["spec"].get("taints") or []
        kept = [taint for taint in taints if taint["key"] != "node.kubernetes.io/not-ready"]
        if len(kept) < len(taints):
            spec = {key: value for key, value in created["spec"].items() if key != "taints"}
            if kept:
                spec["taints"] = kept
            self.context.registry.update("nodes", {**created, "metadata": {**created["metadata"]}, "spec": spec})

    def _renew(self) -> None:
        registry, now = self.context.registry, self.context.clock.now()
        self._lease_timer = self.context.clock.call_later(node.LEASE_RENEWAL, self._renew)
        try:
            lease = registry.find("leases.coordination.k8s.io", node.LEASE_NAMESPACE, self.node_name)
            if lease is None:
                uid = registry.get("nodes", "", self.node_name)["metadata"]["uid"]
                registry.create("leases.coordination.k8s.io", node.lease_object(self.node_name, uid, now), self.options)
            else:
                spec = {**lease["spec"], "renewTime": micro_timestamp(now)}
                renewed = {**lease, "metadata": {**lease["metadata"]}, "spec": spec}
                registry.update("leases.coordination.k8s.io", renewed, self.options)
            if not self._is_ready():
                self._register()
        except ApiError as error:
            log.debug("lease of %s: %s", self.node_name, error)

    # pods

    def note(self, change: Change) -> None:
        """A pod of this node has changed. Called while the store writes: work is put off."""
        self.context.clock.call_soon(self._handle, change)

    def _handle(self, change: Change) -> None:
        uid = change.object["metadata"]["uid"]
        worker = self._workers.get(uid)
        if change.type == "DELETED":
            if worker:
                worker.vanish()
        elif worker:
            worker.update(change.object)
        elif self._dispatcher.kubelet(self.node_name) is self:
            self._adopt(change.object)

    def _adopt(self, pod: Obj) -> None:
        current = self.context.registry.find("pods", namespace_of(pod), name_of(pod))
        if current is None or current["metadata"]["uid"] != pod["metadata"]["uid"]:
            return
        worker = PodWorker(self, current)
        self._workers[worker.uid] = worker
        self._by_name[namespace_of(pod), name_of(pod)] = worker
        self._dispatcher.read(worker)

    def refuses(self, pod: Obj) -> tuple[str, str] | None:
        present = self.context.registry.find("nodes", "", self.node_name)
        return self._evictions.refuses(pod) or self._room.refuses(pod, present or {})

    def container_started(self) -> None:
        self._evictions.container_started()

    def finished(self, worker: PodWorker) -> None:
        self._room.give_back(worker.uid)

    def gone(self, worker: PodWorker) -> None:
        """The pod is no more. Until now its logs were there to be read, even when it had long finished."""
        self.runtime.remove_pod(worker.uid)
        self._room.give_back(worker.uid)
        self.images.forget(worker.uid)
        self.crashes.forget(worker.uid)
        self._dispatcher.unread(worker)
        self._workers.pop(worker.uid, None)
        where = namespace_of(worker.pod), name_of(worker.pod)
        if self._by_name.get(where) is worker:
            del self._by_name[where]

    def workers(self) -> list[PodWorker]:
        return list(self._workers.values())

    def worker(self, namespace: str, name: str) -> PodWorker | None:
        return self._by_name.get((namespace, name))

    # what others ask

    def usage(self, namespace: str, name: str) -> dict[str, Usage]:
        """What the running containers of a pod use, by container."""
        worker = self.worker(namespace, name)
        found: dict[str, Usage] = {}
        for container in worker.containers.values() if worker else ():
            if container.running and container.run is not None:
                usage = self.runtime.usage(container.run.id)
                if usage is not None:
                    found[container.name] = usage
        return found

    def container_id(self, namespace: str, name: str, container: str) -> str:
        """The id of a running container, by which the runtime runs commands in it. Raises ApiError (500) when it does not run."""
        worker = self.worker(namespace, name)
        found = worker.containers.get(container) if worker else None
        if found is None or not found.running or found.run is None:
            raise internal(f'container not found ("{container}")')
        return found.run.id

    def _registry_token(self, namespace: str, account: str, audiences: tuple[str, ...], seconds: int, pod: Obj) -> str:
        bound = {"kind": "Pod", "apiVersion": "v1", "name": name_of(pod), "uid": pod["metadata"]["uid"]}
        spec: Obj = {"expirationSeconds": seconds, "boundObjectRef": bound}
        if audiences:
            spec["audiences"] = list(audiences)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": spec}
        try:
            answer = self.context.registry.token(namespace, account, request, self.options)
        except ApiError as error:
            raise PermissionError(f"failed to fetch token: {error}") from None
        return str(answer["status"]["token"])
