"""What the moving parts of the twin share: the API, its store, the clock, and the recorder of Events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from seatrial.twin.clock import Clock
from seatrial.twin.registry.registry import Registry
from seatrial.twin.store import Store
from seatrial.world.objects import Obj, controller_of


class Recorder(Protocol):
    def emit(
        self, obj: Obj, type_: str, reason: str, message: str, component: str, *, field_path: str = "", host: str = ""
    ) -> None:
        """Record an Event about an object: `type_` is Normal or Warning. Repeated ones are counted, not stored again.

        `field_path` names the part of the object it is about (`spec.containers{app}`), `host` the node of the component.
        """
        ...


@dataclass(frozen=True)
class Context:
    registry: Registry
    store: Store
    clock: Clock
    events: Recorder


#: Resources of which controllers ask "which do I own?" and the kubelet "which are on my node?".
OWNED = ("pods", "replicasets.apps", "controllerrevisions.apps", "jobs.batch", "endpointslices.discovery.k8s.io",
         "persistentvolumeclaims", "horizontalpodautoscalers.autoscaling")  # fmt: skip

#: Resources whose objects a controller takes over when its selector matches them and nobody controls them.
ADOPTED = ("pods", "replicasets.apps", "controllerrevisions.apps")


def add_indexes(store: Store) -> None:
    """The indexes that controllers and kubelets rely on.

    `controller`: by the controller's uid; `orphan`: objects without a controller, by namespace; pods also by `node` and,
    for selectors, by `label` (`<namespace>/<key>=<value>`).
    """
    for resource in OWNED:
        store.add_index(resource, "controller", _controller_uid)
    for resource in ADOPTED:
        store.add_index(resource, "orphan", _orphan)
    store.add_index("pods", "node", _node)
    store.add_index("pods", "label", _labels)


def _controller_uid(obj: Obj) -> Iterable[str]:
    owner = controller_of(obj)
    return (owner["uid"],) if owner else ()


def _orphan(obj: Obj) -> Iterable[str]:
    return () if controller_of(obj) else (obj["metadata"].get("namespace", ""),)


def _labels(pod: Obj) -> Iterable[str]:
    metadata = pod["metadata"]
    namespace = metadata.get("namespace", "")
    return [f"{namespace}/{key}={value}" for key, value in (metadata.get("labels") or {}).items()]


def _node(pod: Obj) -> Iterable[str]:
    node = pod.get("spec", {}).get("nodeName")
    return (node,) if node else ()
