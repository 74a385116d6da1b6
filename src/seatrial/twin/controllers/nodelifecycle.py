"""The node life cycle: leases that are not renewed, conditions that become taints, and pods that leave a node in trouble.

It follows pkg/controller/nodelifecycle and pkg/controller/tainteviction, without zones and their slower evictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, own_key
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.controllers.pods import condition_of, is_finished, node_of
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, name_of, namespace_of

NODES, LEASES, LEASE_NAMESPACE = "nodes", "leases.coordination.k8s.io", "kube-node-lease"
#: Seconds without a sign of life after which nothing is known of a node (--node-monitor-grace-period).
GRACE = 50.0
#: A look that comes so many seconds late says that this process stood still, and its kubelets with it.
STOOD_STILL = 5.0
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_EVICTING = (NOT_READY, UNREACHABLE)
#: (condition, status) -> the taint that keeps new pods away.
_TAINTS = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
_MANAGED = {*_TAINTS.values(), UNSCHEDULABLE}
_WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


class NodeLifecycleController:
    """Keeps a node's conditions and taints true to what its kubelet says, or no longer says."""

    name = "node-lifecycle"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self._due: dict[str, float] = {}  # when each node is to be looked at again
        self.watches: Sequence[Watch] = (Watch(NODES, own_key),)

    def reconcile(self, key: Key) -> float | None:
        node = self._registry.find(NODES, *key)
        due = self._due.pop(key[1], None)
        if node is None:
            return None
        if due is not None and self._context.clock.now() > due + STOOD_STILL:
            again: float | None = GRACE
        else:
            again = self._watch_over(node)
        if again is not None:
            self._due[key[1]] = self._context.clock.now() + again
        node = self._registry.get(NODES, *key)
        self._taint(node)
        return again

    def _watch_over(self, node: Obj) -> float | None:
        """Give a node up that gave no sign of life for GRACE seconds; returns when to look again."""
        seen = self._last_seen(node)
        if seen is None:
            return None
        left = seen + GRACE - self._context.clock.now()
        if left > 0:
            return left
        ready = condition_of(node, "Ready")
        if ready is None or ready["status"] != "Unknown":
            self._give_up(node)
        return GRACE

    def _last_seen(self, node: Obj) -> float | None:
        """The last renewal of the node's lease or heartbeat of its status; None for a node that never gave one."""
        signs = []
        lease = self._registry.find(LEASES, LEASE_NAMESPACE, name_of(node))
        if lease is not None and lease["spec"].get("renewTime"):
            signs.append(seconds_of(lease["spec"]["renewTime"]))
        ready = condition_of(node, "Ready")
        if signs and ready is not None and ready.get("lastHeartbeatTime"):
            signs.append(seconds_of(ready["lastHeartbeatTime"]))
        return max(signs, default=None)

    def _give_up(self, node: Obj) -> None:
        moment = timestamp(self._context.clock.now())
        conditions = []
        for condition in (node.get("status") or {}).get("conditions") or ():
            if condition["type"] in _WATCHED and condition["status"] != "Unknown":
                words = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
                condition = {**condition, "status": "Unknown", "lastTransitionTime": moment, **words}
            conditions.append(condition)
        status = {**(node.get("status") or {}), "conditions": conditions}
        self._registry.update_status(NODES, {**node, "metadata": {**node["metadata"]}, "status": status}, OPTIONS)
        self._context.events.emit(
            node, "Normal", "NodeNotReady", f"Node {name_of(node)} status is now: NodeNotReady", "node-controller"
        )
        for pod in self._context.store.by_index("pods", "node", name_of(node)):
            self._unready(pod, moment)

    def _unready(self, pod: Obj, moment: str) -> None:
        """Pods of a node that is not heard of serve nobody."""
        ready = condition_of(pod, "Ready")
        if ready is None or ready["status"] != "True":
            return
        lost = {**ready, "status": "False", "lastTransitionTime": moment}
        conditions = [lost if each is ready else each for each in pod["status"]["conditions"]]
        status = {**pod["status"], "conditions": conditions}
        self._registry.update_status("pods", {**pod, "metadata": {**pod["metadata"]}, "status": status}, OPTIONS)
        self._context.events.emit(pod, "Warning", "NodeNotReady", "Node is not ready", "node-controller")

    def _taint(self, node: Obj) -> None:
        old: list[Obj] = (node.get("spec") or {}).get("taints") or []
        wanted = _wanted_taints(node)
        keep = [taint for taint in old if taint["key"] not in _MANAGED or (taint["key"], taint["effect"]) in wanted]
        present = {(taint["key"], taint["effect"]) for taint in keep}
        moment = timestamp(self._context.clock.now())
        for key, effect in wanted:
            if (key, effect) not in present:
                taint = {"key": key, "effect": effect}
                keep.append(taint | {"timeAdded": moment} if effect == "NoExecute" or key == UNSCHEDULABLE else taint)
        if keep == old:
            return
        spec = {**(node.get("spec") or {}), "taints": keep}
        if not keep:
            del spec["taints"]
        self._registry.update(NODES, {**node, "metadata": {**node["metadata"]}, "spec": spec}, OPTIONS)


def _wanted_taints(node: Obj) -> list[tuple[str, str]]:
    """(key, effect) of the taints a node's conditions and its spec ask for. A node that never reported is not ready."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    keys = [_TAINTS[each["type"], each["status"]] for each in conditions if (each["type"], each["status"]) in _TAINTS]
    if not any(each["type"] == "Ready" for each in conditions):
        keys.append(NOT_READY)
    wanted = [(key, "NoSchedule") for key in keys]
    wanted += [(key, "NoExecute") for key in keys if key in _EVICTING and conditions]
    if (node.get("spec") or {}).get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    return wanted


class TaintEvictionController:
    """Deletes the pods that do not tolerate a NoExecute taint of their node, or no longer."""

    name = "taint-eviction"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (Watch(NODES, self._of_node), Watch("pods", self._of_pod))

    def _of_node(self, change: Change) -> Iterable[Key]:
        new, old = change.object, change.old
        if old is not None and _evicting(new) == _evicting(old):
            return ()
        pods = self._context.store.by_index("pods", "node", name_of(new)) if _evicting(new) else ()
        return [(namespace_of(pod), name_of(pod)) for pod in pods]

    def _of_pod(self, change: Change) -> Iterable[Key]:
        pod, old = change.object, change.old
        node = node_of(pod)
        if change.type == "DELETED" or not node or (old is not None and node_of(old) == node):
            return ()
        return own_key(change)

    def reconcile(self, key: Key) -> float | None:
        pod = self._registry.find("pods", *key)
        node = self._registry.find(NODES, "", node_of(pod)) if pod is not None else None
        if pod is None or node is None or is_deleting(pod) or is_finished(pod):
            return None
        now = self._context.clock.now()
        ends = [_tolerated_until(pod, taint, now) for taint in _evicting(node)]
        end = min((each for each in ends if each is not None), default=None)
        if end is None:
            return None
        if end > now:
            return end - now
        message = f"Marking for deletion Pod {namespace_of(pod)}/{name_of(pod)}"
        self._context.events.emit(pod, "Normal", "TaintManagerEviction", message, "taint-eviction-controller")
        self._registry.delete("pods", *key, uid=pod["metadata"]["uid"], options=OPTIONS)
        return None


def _evicting(node: Obj) -> list[Obj]:
    return [taint for taint in (node.get("spec") or {}).get("taints") or () if taint["effect"] == "NoExecute"]


def _tolerated_until(pod: Obj, taint: Obj, now: float) -> float | None:
    """When a pod must have left for a taint: None for never, in seconds since the epoch."""
    added = seconds_of(taint["timeAdded"]) if taint.get("timeAdded") else now
    periods = []
    for each in pod["spec"].get("tolerations") or ():
        if each.get("effect") not in (None, "", "NoExecute") or each.get("key") not in (None, "", taint["key"]):
            continue
        if each.get("operator", "Equal") == "Exists" or each.get("value", "") == taint.get("value", ""):
            if each.get("tolerationSeconds") is None:
                return None
            periods.append(max(0, each["tolerationSeconds"]))
    return added + min(periods) if periods else now
