"""VolumeBinding: a pod's claims have to be there and bound, or bindable once the pod has its node.

Follows framework/plugins/volumebinding for claims; which volume a claim gets is the volume controller's decision.
"""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.world.objects import Obj
from seatrial.world.scheduling.framework import NODE_ADDED, NODE_CHANGED, STORAGE_CHANGED, Cycle, Hopeless, Plugin
from seatrial.world.scheduling.plugins.node_affinity import matches_term
from seatrial.world.scheduling.shelf import Store
from seatrial.world.scheduling.state import NodeInfo, PodInfo

_CONFLICT = "node(s) had volume node affinity conflict"


class VolumeBinding(Plugin):
    name = "VolumeBinding"
    wakes_on = frozenset({NODE_ADDED, NODE_CHANGED, STORAGE_CHANGED})

    def prepare(self, cycle: Cycle) -> None:
        bound, unbound = [], []
        for name in claim_names(cycle.pod):
            claim = cycle.store.get("persistentvolumeclaims", cycle.pod.namespace, name)
            if claim is None:
                raise Hopeless(self.name, f'persistentvolumeclaim "{name}" not found')
            if claim["metadata"].get("deletionTimestamp"):
                raise Hopeless(self.name, f'persistentvolumeclaim "{name}" is being deleted')
            if claim["spec"].get("volumeName"):
                bound.append(claim["spec"]["volumeName"])
            elif waits_for_consumer(cycle.store, claim):
                unbound.append(claim)
            else:
                raise Hopeless(self.name, "pod has unbound immediate PersistentVolumeClaims")
        if bound:
            cycle.data[self.name] = bound

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        bound = cycle.data.get(self.name)
        if not bound:
            return nodes
        terms = [term for name in bound if (term := _required(cycle.store, name)) is not None]
        kept = []
        for node in nodes:
            if all(any(matches_term(one, node.name, node.labels) for one in each) for each in terms):
                kept.append(node)
            else:
                self.refuse(cycle, node, _CONFLICT, resolvable=False)
        return kept


def claim_names(pod: PodInfo) -> Iterable[str]:
    for volume in pod.spec.get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            yield volume["persistentVolumeClaim"]["claimName"]
        elif volume.get("ephemeral") is not None:
            yield f"{pod.name}-{volume['name']}"


def waits_for_consumer(store: Store, claim: Obj) -> bool:
    """Whether a claim is bound only when a pod that uses it has a node."""
    name = claim["spec"].get("storageClassName")
    found = store.get("storageclasses.storage.k8s.io", "", name) if name else None
    return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"


def _required(store: Store, volume: str) -> list[Obj] | None:
    found = store.get("persistentvolumes", "", volume) or {}
    required = ((found.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return None if required is None else required.get("nodeSelectorTerms") or []
