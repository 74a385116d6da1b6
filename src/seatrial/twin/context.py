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


def add_indexes(store: Store) -> None:
    """The indexes that controllers and kubelets rely on: by controller's uid, by any owner's uid, and pods by node."""
    for resource in OWNED:
        store.add_index(resource, "controller", _controller_uid)
    store.add_index("pods", "node", _node)


def _controller_uid(obj: Obj) -> Iterable[str]:
    owner = controller_of(obj)
    return (owner["uid"],) if owner else ()


def _node(pod: Obj) -> Iterable[str]:
    node = pod.get("spec", {}).get("nodeName")
    return (node,) if node else ()
