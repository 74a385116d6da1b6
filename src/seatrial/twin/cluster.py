"""A whole cluster without its HTTP server: store, registry, controllers, scheduler and kubelets over one clock.

In virtual time this is a rehearsal's twin, in real time the inside of the embedded cluster; the API server and the Service
addresses are put around it by `server`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seatrial.twin.admission.chain import Chain, standard
from seatrial.twin.clock import Clock
from seatrial.twin.context import Context, add_indexes
from seatrial.twin.controllers import Controller, Manager, all_controllers
from seatrial.twin.controllers.hpa_metrics import Values
from seatrial.twin.errors import ApiError, internal
from seatrial.twin.events import EventRecorder
from seatrial.twin.kubelet.eviction import Machine
from seatrial.twin.kubelet.kubelet import Dispatcher, Kubelet
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.runtime import ExecResult, Runtime, Usage
from seatrial.twin.kubelet.streaming import ExecStream, Output, exec_stream
from seatrial.twin.kubelet.timing import PROMPT, REFERENCE, Timing
from seatrial.twin.operators import first_of, install, load
from seatrial.twin.registry.bootstrap import bootstrap
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import ResourceTable, builtin_resources
from seatrial.twin.registry.tokens import Signer
from seatrial.twin.scheduler.scheduler import Scheduler
from seatrial.twin.store import Store
from seatrial.world.objects import Obj, name_of, namespace_of

log = logging.getLogger(__name__)

#: The node of a cluster that is asked for none.
ONE_NODE = (NodeSpec("node-a"),)


class Cluster:
    """`runtime` serves every node, or is a function that gives each node its own.

    `store_path`: the file that keeps the objects over restarts, or `store`: what has them already.
    `seed` makes names, uids and choices repeatable.
    `timing`: the kubelets' own latencies: those of the reference cluster for simulated containers, none for real ones.
    `operators`: the names of those to switch on (see `operators`); `values` gives the metrics of type Pods, Object and External.
    `machine`: the figures of this machine, where pods are to be evicted when it runs low.
    `leases=False` does without node Leases, `track_fields=False` without managedFields: both only cost time in virtual time.
    """

    def __init__(
        self,
        clock: Clock,
        runtime: Runtime | Callable[[NodeSpec], Runtime],
        nodes: Sequence[NodeSpec] = ONE_NODE,
        *,
        store_path: Path | None = None,
        store: Store | None = None,
        seed: int | None = None,
        timing: Timing | None = None,
        leases: bool = True,
        track_fields: bool = True,
        admission: Chain | None = None,
        signer: Signer | None = None,
        root_ca: str = "",
        api_port: int = 443,
        service_cidr: str = "127.96.0.0/16",
        operators: Sequence[str] = (),
        values: Values | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.clock = clock
        self.store = store or Store(store_path)
        add_indexes(self.store)
        self.registry = Registry(
            self.store,
            clock,
            ResourceTable(builtin_resources()),
            seed,
            admission=admission or standard(),
            track_fields=track_fields,
            signer=signer,
            service_cidr=service_cidr,
        )
        self.events = EventRecorder(self.registry, clock)
        self.context = Context(self.registry, self.store, clock, self.events)
        self.scheduler = Scheduler(self.context)
        self.kubelets: dict[str, Kubelet] = {}
        self._runtime_of = runtime if callable(runtime) else lambda _spec: runtime
        self._nodes, self._timing, self._leases = tuple(nodes), timing, leases
        self._root_ca, self._api_port, self._machine = root_ca, api_port, machine
        self._operators, self._values = [load(name) for name in operators], values
        self._dispatcher: Dispatcher | None = None
        self._addresses = 0  # given to simulated nodes
        self.manager: Manager | None = None
        self.controllers: list[Controller] = []

    # life

    def start(self) -> None:
        """Begin: the first objects, then kubelets, scheduler and controllers."""
        for moved in self.registry.addresses.take_in():
            log.info("Services have other addresses than they had: %s", moved)
        bootstrap(self.registry, self._api_port)
        for resource, obj in default_classes():
            if self.registry.find(resource, "", name_of(obj)) is None:
                self.registry.create(resource, obj)
        for operator in self._operators:
            install(self.context, operator)
        self._dispatcher = Dispatcher(self.context)
        for spec in self._nodes:
            self.add_node(spec)
        self.scheduler.start()
        parts = [operator.make(self.context, self._values) for operator in self._operators]
        sources = [*(part.values for part in parts if part.values), *([self._values] if self._values else ())]
        self.controllers = all_controllers(
            self.context, usage=self._usage_by_name, values=first_of(sources), root_ca=self._root_ca
        )
        self.controllers += [controller for part in parts for controller in part.controllers]
        self.manager = Manager(self.context, self.controllers)
        self.manager.start()
        checks = [check for part in parts for check in part.checks]
        self.registry.admission = replace(self.registry.admission, checks=(*self.registry.admission.checks, *checks))

    def stop(self) -> None:
        """End everything that was started, the containers of the nodes too; the objects stay in the store's file."""
        if self.manager:
            self.manager.stop()
        self.scheduler.stop()
        runtimes = {id(kubelet.runtime): kubelet.runtime for kubelet in self.kubelets.values()}
        for kubelet in self.kubelets.values():
            kubelet.stop()
        self.kubelets.clear()
        if self._dispatcher:
            self._dispatcher.close()
        for runtime in runtimes.values():
            runtime.close()
        self.store.close()

    # nodes

    def add_node(self, spec: NodeSpec) -> Kubelet:
        """Let a node join, with a kubelet of its own."""
        assert self._dispatcher is not None, "the cluster has not started"
        runtime = self._runtime_of(spec)
        timing = self._timing or (REFERENCE if runtime.name == "simulated" else PROMPT)
        if runtime.name == "simulated" and not spec.address:
            spec = replace(spec, address=self._next_address())
        kubelet = Kubelet(
            self.context, runtime, spec, self._dispatcher, timing=timing, leases=self._leases, machine=self._machine
        )
        self.kubelets[spec.name] = kubelet
        kubelet.start()
        return kubelet

    def _next_address(self) -> str:
        self._addresses += 1
        return f"10.0.{self._addresses >> 8}.{self._addresses & 255}"

    def remove_node(self, name: str, *, forget: bool = True) -> None:
        """A node is gone from one moment to the next; unless `forget` is False its object goes as well."""
        kubelet = self.kubelets.pop(name, None)
        if kubelet:
            kubelet.stop()
        if forget:
            try:
                self.registry.delete("nodes", "", name)
            except ApiError:
                pass

    # what the API server asks

    def kubelet_of(self, pod: Obj) -> Kubelet | None:
        node_name = pod["spec"].get("nodeName")
        return self.kubelets.get(node_name) if node_name else None

    def log_path(self, pod_uid: str, container: str, attempt: int) -> str | None:
        """The file of a container's log; None when there is none."""
        for runtime in {id(kubelet.runtime): kubelet.runtime for kubelet in self.kubelets.values()}.values():
            path = runtime.log_path(pod_uid, container, attempt)
            if path is not None:
                return path
        return None

    def exec_stream(
        self,
        pod: Obj,
        container: str,
        command: tuple[str, ...],
        output: Output,
        done: Callable[[ExecResult], None],
        *,
        tty: bool = False,
        stdin: bool = False,
    ) -> ExecStream:
        """Run a command in a container of a pod, its streams connected. Raises ApiError for one that does not run."""
        kubelet, container_id = self.kubelet_of(pod), _running(pod, container)
        if kubelet is None or not container_id:
            raise internal(f'unable to upgrade connection: container not found ("{container}")')
        return exec_stream(kubelet.runtime, container_id, command, output, done, tty=tty, stdin=stdin)

    def usage(self, pod: Obj) -> dict[str, Usage] | None:
        """What a pod's containers use, by name; None while nothing is known of it."""
        kubelet = self.kubelet_of(pod)
        found = kubelet.usage(namespace_of(pod), name_of(pod)) if kubelet else None
        return found or None

    def _usage_by_name(self, namespace: str, name: str) -> dict[str, Usage] | None:
        pod = self.registry.find("pods", namespace, name)
        return self.usage(pod) if pod is not None else None


def _running(pod: Obj, container: str) -> str:
    """The id of a running container, "" for one that is not."""
    status = pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for one in status.get(key) or ():
            if one["name"] == container and "running" in (one.get("state") or {}):
                return str(one.get("containerID", ""))
    return ""


def default_classes() -> Iterator[tuple[str, Obj]]:
    """The classes that a development cluster has: claims become folders, and Ingresses are nginx's."""
    yield (
        "storageclasses.storage.k8s.io",
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "seatrial.dev/folder",
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": True,
        },
    )
    yield (
        "ingressclasses.networking.k8s.io",
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "nginx", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "k8s.io/ingress-nginx"},
        },
    )
