"""A cluster for controller tests: the real registry and store on a virtual clock, and a kubelet that only plays one.

The kubelet binds each pod to a node, runs it after `start` seconds, makes it ready after `ready` more, and lets a
deleted pod go after `stop` seconds. A pod whose first container's image is `fails` or `succeeds` ends `runs` seconds after
its start; the image `never-ready` stays unready.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import yaml

from seatrial.twin.admission.chain import standard
from seatrial.twin.clock import VirtualClock, timestamp
from seatrial.twin.context import Context, add_indexes
from seatrial.twin.controllers.base import Controller, Manager
from seatrial.twin.events import EventRecorder
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import ResourceTable, builtin_resources
from seatrial.twin.store import Change, Store
from seatrial.world.objects import Obj, dig, name_of, namespace_of


class FakeKubelet:
    def __init__(self, cluster: Cluster, nodes: Sequence[str], start: float, ready: float, stop: float) -> None:
        self.cluster, self.nodes = cluster, nodes
        self.start, self.ready, self.stop, self.runs = start, ready, stop, 1.0
        self.exit_code = 1
        self.stagger = 0.0  # seconds by which each of a hundred pods is ready later than the one before
        self._turn = self._address = 0
        cluster.store.subscribe("pods", self._changed)

    def _changed(self, change: Change) -> None:
        pod, clock = change.object, self.cluster.clock
        if change.type == "ADDED":
            clock.call_later(0.01, self._bind, namespace_of(pod), name_of(pod), pod["metadata"]["uid"])
        elif change.type == "MODIFIED" and _deleting(pod) and not _deleting(change.old):
            clock.call_later(self.stop, self._gone, namespace_of(pod), name_of(pod), pod["metadata"]["uid"])

    def _pod(self, namespace: str, name: str, uid: str) -> Obj | None:
        pod = self.cluster.registry.find("pods", namespace, name)
        return pod if pod and pod["metadata"]["uid"] == uid else None

    def _bind(self, *who: str) -> None:
        pod = self._pod(*who)
        if pod is None or _deleting(pod):
            return
        if not pod["spec"].get("nodeName"):
            node = self._wanted_node(pod) or self.nodes[self._turn % len(self.nodes)]
            self._turn += 1
            self.cluster.registry.bind(who[0], who[1], node)
        self.cluster.clock.call_later(self.start, self._run, *who)

    @staticmethod
    def _wanted_node(pod: Obj) -> str | None:
        terms = dig(pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms", [])
        fields = [field for term in terms for field in term.get("matchFields", ())]
        return fields[0]["values"][0] if fields else None

    def _run(self, *who: str) -> None:
        pod = self._pod(*who)
        if pod is None or _deleting(pod):
            return
        self._address += 1
        address = f"10.0.{self._address // 250}.{self._address % 250 + 1}"
        container = pod["spec"]["containers"][0]
        moment = timestamp(self.cluster.clock.now())
        running = {"running": {"startedAt": moment}}
        status = {"name": container["name"], "ready": False, "started": True, "restartCount": 0, "state": running}
        ips = {"podIP": address, "podIPs": [{"ip": address}]}
        self.write(pod, phase="Running", startTime=moment, containerStatuses=[status], **ips)
        image = container.get("image", "")
        if image in ("fails", "succeeds"):
            self.cluster.clock.call_later(self.runs, self._end, image == "succeeds", *who)
        elif image != "never-ready":
            late = self.stagger * (self._address % 100)
            self.cluster.clock.call_later(self.ready + late, self._ready, *who)

    def _ready(self, *who: str) -> None:
        pod = self._pod(*who)
        if pod is not None and not _deleting(pod):
            self.set_ready(pod, True)

    def set_ready(self, pod: Obj, ready: bool) -> None:
        now = timestamp(self.cluster.clock.now())
        conditions = [each for each in dig(pod, "status.conditions", []) if each["type"] != "Ready"]
        conditions.append({"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now})
        self.write(pod, conditions=conditions)

    def _end(self, good: bool, *who: str) -> None:
        pod = self._pod(*who)
        if pod is None:
            return
        now = timestamp(self.cluster.clock.now())
        ended = {"exitCode": 0 if good else self.exit_code, "reason": "Completed" if good else "Error", "finishedAt": now}
        status = {**dig(pod, "status.containerStatuses")[0], "ready": False, "state": {"terminated": ended}}
        self.write(pod, phase="Succeeded" if good else "Failed", containerStatuses=[status])

    def _gone(self, *who: str) -> None:
        if self._pod(*who) is not None:
            self.cluster.registry.delete("pods", who[0], who[1], grace=0)

    def write(self, pod: Obj, **status: Any) -> Obj:
        metadata, old = dict(pod["metadata"]), pod.get("status") or {}
        return self.cluster.registry.update_status("pods", {**pod, "metadata": metadata, "status": {**old, **status}})


def _deleting(obj: Obj | None) -> bool:
    return bool(obj and obj["metadata"].get("deletionTimestamp"))


class Cluster:
    """`make` gives the controllers to run, from the context."""

    def __init__(
        self,
        make: Callable[[Context], Sequence[Controller]],
        *,
        nodes: Sequence[str] = ("node-a",),
        start: float = 0.5,
        ready: float = 1.0,
        stop: float = 1.0,
        events: bool = True,
    ) -> None:
        self.clock, self.store = VirtualClock(), Store()
        add_indexes(self.store)
        self.registry = Registry(self.store, self.clock, ResourceTable(builtin_resources()), seed=1, track_fields=False)
        self.registry.admission = standard()
        recorder = EventRecorder(self.registry, self.clock) if events else NoEvents()
        self.context = Context(self.registry, self.store, self.clock, recorder)
        for namespace in ("default", "kube-system"):
            self.registry.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        self.kubelet = FakeKubelet(self, nodes, start, ready, stop)
        self.manager = Manager(self.context, make(self.context))
        self.manager.start()
        self.run(1)  # until the namespaces have their service accounts

    def apply(self, text: str) -> Obj:
        """Create the objects of a YAML text, in namespace `default` unless they say otherwise; returns the last."""
        made: Obj = {}
        for obj in yaml.safe_load_all(text):
            resource = self.registry.resources.of_kind(obj["apiVersion"], obj["kind"])
            assert resource is not None, obj["kind"]
            if resource.namespaced:
                obj["metadata"].setdefault("namespace", "default")
            made = self.registry.create(resource.id, obj)
        return made

    def run(self, seconds: float) -> None:
        self.clock.run_for(seconds)

    def until(self, happened: Callable[[], object], within: float = 600.0) -> float:
        """Let time pass until something is so; returns the seconds it took."""
        begin = self.clock.now()
        if not happened():
            assert self.clock.run_for(within, lambda: bool(happened())), "it did not happen"
        return self.clock.now() - begin

    def get(self, resource: str, name: str, namespace: str = "default") -> Obj:
        return self.registry.get(resource, namespace, name)

    def find(self, resource: str, name: str, namespace: str = "default") -> Obj | None:
        return self.registry.find(resource, namespace, name)

    def list(self, resource: str, namespace: str | None = "default") -> list[Obj]:
        return self.registry.list(resource, namespace)

    def change(self, resource: str, name: str, namespace: str = "default", **paths: Any) -> Obj:
        """Set values by their path, with `__` for the dots: `spec__replicas=3`."""
        old = self.get(resource, name, namespace)
        new = _set(old, {path.replace("__", "."): value for path, value in paths.items()})
        return self.registry.update(resource, new)

    def status(self, resource: str, name: str, namespace: str = "default") -> Obj:
        return self.get(resource, name, namespace).get("status") or {}

    def condition(self, resource: str, name: str, type_: str, namespace: str = "default") -> str:
        """`<status> <reason>` of a condition, "" when it is not there."""
        for each in self.status(resource, name, namespace).get("conditions") or ():
            if each["type"] == type_:
                return f"{each['status']} {each.get('reason', '')}"
        return ""

    def message(self, resource: str, name: str, type_: str) -> str:
        conditions = self.status(resource, name).get("conditions") or ()
        return next((each["message"] for each in conditions if each["type"] == type_), "")

    def events(self, reason: str = "") -> list[str]:
        """The messages of the events, in the order in which they first happened."""
        found = [event for event in self.list("events", None) if not reason or event["reason"] == reason]
        return [event["message"] for event in sorted(found, key=lambda event: event["metadata"]["name"].rsplit(".", 1)[1])]

    def trace(self, resource: str, name: str, *parts: str) -> list[tuple[int, ...]]:
        """From now on, the sequence of these fields of a status: a list that grows while time passes."""
        seen: list[tuple[int, ...]] = []

        def note(change: Change) -> None:
            if name_of(change.object) != name:
                return
            status = change.object.get("status") or {}
            row = tuple(status.get(part, 0) for part in parts)
            if not seen or seen[-1] != row:
                seen.append(row)

        self.store.subscribe(resource, note)
        return seen


def _set(obj: Obj, paths: dict[str, Any]) -> Obj:
    new = {**obj, "metadata": dict(obj["metadata"])}
    for path, value in paths.items():
        here = new
        *steps, last = path.split(".")
        for step in steps:
            here[step] = dict(here.get(step) or {})
            here = here[step]
        if value is None:
            here.pop(last, None)
        else:
            here[last] = value
    return new


class NoEvents:
    def emit(self, *args: object, **kwargs: object) -> None:
        """Nothing is recorded."""
