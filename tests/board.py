"""A scheduler with nodes that run nothing: pods are bound and stay Pending, as where the recordings were made."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import yaml

from seatrial.twin.admission.chain import standard
from seatrial.twin.clock import VirtualClock
from seatrial.twin.context import Context, add_indexes
from seatrial.twin.controllers import Manager, all_controllers
from seatrial.twin.events import EventRecorder
from seatrial.twin.registry.bootstrap import bootstrap
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import ResourceTable, builtin_resources
from seatrial.twin.scheduler.scheduler import Scheduler
from seatrial.twin.store import Store
from seatrial.world.objects import Obj, labels_of, name_of


class Board:
    def __init__(self, *nodes: Obj, seed: int = 1) -> None:
        self.clock, self.store = VirtualClock(), Store()
        add_indexes(self.store)
        table = ResourceTable(builtin_resources())
        self.registry = Registry(self.store, self.clock, table, seed, admission=standard(), track_fields=False)
        self.context = Context(self.registry, self.store, self.clock, EventRecorder(self.registry, self.clock))
        bootstrap(self.registry)
        self.scheduler = Scheduler(self.context)
        for node in nodes:
            self.add_node(node)
        Manager(self.context, all_controllers(self.context)).start()
        self.run(0)  # the taint of new nodes goes: these are ready
        self.scheduler.start()

    def add_node(self, node: Obj) -> None:
        self.registry.create("nodes", node)

    def change_node(self, name: str, **spec: Any) -> None:
        node = self.registry.get("nodes", "", name)
        self.registry.update("nodes", {**node, "metadata": dict(node["metadata"]), "spec": {**node["spec"], **spec}})

    def apply(self, text: str, namespace: str = "default") -> None:
        for document in yaml.safe_load_all(text):
            obj = {**document, "metadata": {**document["metadata"], "namespace": namespace}}
            kind = self.registry.resources.of_kind(obj["apiVersion"], obj["kind"])
            assert kind is not None
            self.registry.create(kind.id, obj)

    def run(self, seconds: float = 3.0) -> None:
        self.clock.run_for(seconds)

    def pods(self) -> list[Obj]:
        return self.registry.list("pods")

    def node_of(self, name: str) -> str | None:
        found = self.registry.get("pods", "default", name)["spec"].get("nodeName")
        return str(found) if found else None

    def why(self, name: str) -> str:
        conditions = self.registry.get("pods", "default", name)["status"]["conditions"]
        return str(next(c.get("message", "") for c in conditions if c["type"] == "PodScheduled"))

    def placed(self) -> dict[str, dict[str, int]]:
        """Pods by application and node."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for pod in self.pods():
            if pod["spec"].get("nodeName"):
                found[labels_of(pod).get("app", name_of(pod))][pod["spec"]["nodeName"]] += 1
        return {app: dict(sorted(counts.items())) for app, counts in sorted(found.items())}

    def pending(self) -> dict[str, dict[str, int]]:
        """Why pods wait, by application."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for pod in self.pods():
            if not pod["spec"].get("nodeName"):
                found[labels_of(pod).get("app", name_of(pod))][self.why(name_of(pod))] += 1
        return {app: dict(counts) for app, counts in found.items()}


READY = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}


def node(name: str, cpu: object = 4, memory: str = "16Gi", pods: int = 110, **more: Any) -> Obj:
    """A node as the recordings have them; `labels`, `taints`, `unschedulable` as in their scenarios."""
    size = {"cpu": str(cpu), "memory": memory, "pods": str(pods)}
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **more.get("labels", {})}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": more.get("taints", []), "unschedulable": more.get("unschedulable", False)},
        "status": {"capacity": size, "allocatable": size, "conditions": [READY]},
    }


def pod(name: str, cpu: str = "100m", **spec: Any) -> Obj:
    metadata: dict[str, Any] = {"name": name, "namespace": "default", "labels": spec.pop("labels", {})}
    container = {"name": "c", "image": "x:1", "resources": {"requests": {"cpu": cpu}}, **spec.pop("container", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}
