"""One node in virtual time: pods are put straight onto it, and everything that happens to them is noted.

Containers do what their pod's annotations or commands say (`seatrial.twin.kubelet.profiles`).
"""

from __future__ import annotations

from typing import Any

from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.kubelet import Kubelet
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import ANNOTATION
from seatrial.twin.kubelet.simulated import Profiles, SimulatedRuntime
from seatrial.twin.kubelet.timing import Timing
from seatrial.twin.store import Change
from seatrial.world.objects import Obj, clone

NODE = "node-a"

#: Nothing takes longer than containers and probes do, so that tests can count.
EXACT = Timing(notice=0.0, stopped=0.0, gone=0.0, probe=0.0, late=0.0, refresh=60.0)


class Quay:
    def __init__(self, profiles: Profiles | None = None, timing: Timing = EXACT, spec: NodeSpec | None = None) -> None:
        self.clock = VirtualClock()
        self.begin = self.clock.now()
        self.runtime = SimulatedRuntime(self.clock, profiles)
        node = spec or NodeSpec(NODE, cpu="4", memory="8Gi")
        self.cluster = Cluster(self.clock, self.runtime, [node], seed=1, timing=timing, track_fields=False)
        self.cluster.start()
        self.registry = self.cluster.registry
        self.clock.run_for(0)
        self.began = self.clock.now()
        self.statuses: dict[str, list[tuple[float, Obj]]] = {}
        self.gone: dict[str, float] = {}
        self.registry.store.subscribe("pods", self._note)

    def _note(self, change: Change) -> None:
        name = change.object["metadata"]["name"]
        if change.type == "DELETED":
            self.gone[name] = self.now()
        else:
            self.statuses.setdefault(name, []).append((self.now(), change.object["status"]))

    @property
    def kubelet(self) -> Kubelet:
        return self.cluster.kubelets[NODE]

    def now(self) -> float:
        """Seconds since the test began, to the millisecond."""
        return round(self.clock.now() - self.began, 3)

    def run(self, until: float) -> None:
        """Let time pass until so many seconds after the beginning of the test."""
        self.clock.run_until(self.began + until)

    # making

    def pod(self, name: str = "p", *containers: Obj, does: dict[str, str] | None = None, **spec: Any) -> Obj:
        """Create a pod on the node; `does` gives containers their profiles."""
        annotations = {ANNOTATION + container: told for container, told in (does or {}).items()}
        metadata: dict[str, Any] = {
            "name": name,
            "namespace": "default",
            "annotations": {**annotations, **spec.pop("annotations", {})},
        }
        metadata |= {key: spec.pop(key) for key in ("labels", "finalizers") if key in spec}
        spec.setdefault("nodeName", NODE)
        spec.setdefault("automountServiceAccountToken", False)
        obj = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": list(containers) or [container()], **spec},
        }
        return self.registry.create("pods", obj)

    def create(self, kind: str, name: str, **content: Any) -> Obj:
        row = next(r for r in self.registry.resources if r.kind == kind)
        obj = {"apiVersion": row.api_version, "kind": kind, "metadata": {"name": name, "namespace": "default"}, **content}
        return self.registry.create(row.id, obj)

    def change(self, resource: str, name: str, **content: Any) -> None:
        obj = clone(self.registry.get(resource, "default", name))
        self.registry.update(resource, {**obj, **content})

    def delete(self, name: str = "p", grace: int | None = None) -> None:
        self.registry.delete("pods", "default", name, grace=grace)

    # looking

    def get(self, name: str = "p") -> Obj:
        return self.registry.get("pods", "default", name)

    def status(self, name: str = "p") -> Obj:
        status: Obj = self.get(name)["status"]
        return status

    def container(self, container: str = "c", name: str = "p") -> Obj:
        status = self.status(name)
        statuses = (*status.get("initContainerStatuses", ()), *status["containerStatuses"])
        return next(s for s in statuses if s["name"] == container)

    def state(self, container: str = "c", name: str = "p") -> Obj:
        state: Obj = self.container(container, name)["state"]
        return state

    def conditions(self, name: str = "p") -> dict[str, str]:
        return {c["type"]: c["status"] for c in self.status(name).get("conditions", ())}

    def condition(self, type_: str, name: str = "p") -> Obj:
        return next(c for c in self.status(name)["conditions"] if c["type"] == type_)

    def first(self, what: Any, name: str = "p") -> float | None:
        """When the status of a pod first was such that `what` holds."""
        return next((at for at, status in self.statuses[name] if what(status)), None)

    def events(self, *reasons: str, name: str = "p") -> list[str]:
        """What was said of a pod, as `reason: message`, with the count where it was said more than once."""
        found = []
        for event in self.registry.list("events", "default"):
            if event["involvedObject"]["name"] == name and (not reasons or event["reason"] in reasons):
                count = f" (x{event['count']})" if event["count"] > 1 else ""
                found.append(f"{event['reason']}: {event['message']}{count}")
        return found


def container(name: str = "c", *command: str, **more: Any) -> Obj:
    return {"name": name, "image": "app:1", **({"command": list(command)} if command else {}), **more}


def running(container: str = "c") -> Any:
    """A test of a status: whether a container runs."""

    def holds(status: Obj) -> bool:
        statuses = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        return any("running" in s["state"] for s in statuses if s["name"] == container)

    return holds


def true(type_: str) -> Any:
    """A test of a status: whether a condition is true."""
    return lambda status: any(c["type"] == type_ and c["status"] == "True" for c in status.get("conditions", ()))
