"""The scheduler's loop: take the next pod, filter and score the nodes, bind it to the best, or say why none will do.

One pod at a time, each on its own turn of the clock.  What the plugins decide is theirs; the words for a pod that fits nowhere
are put together here as pkg/scheduler/schedule_one.go and framework/types.go do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from seatrial.twin.clock import timestamp
from seatrial.twin.context import Context
from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Options
from seatrial.twin.scheduler.nominated import Nominations, nominated_node, placed
from seatrial.twin.scheduler.preemption import DefaultPreemption, Outcome, PostFilter
from seatrial.twin.scheduler.queue import SchedulingQueue, Waiting
from seatrial.twin.store import Change
from seatrial.world.objects import Obj, labels_of, name_of
from seatrial.world.scheduling import choice, framework
from seatrial.world.scheduling.framework import Cycle, Hopeless, Plugin, Refusal, fit_error, reasons_of
from seatrial.world.scheduling.plugins import default_plugins
from seatrial.world.scheduling.state import ClusterState, NodeInfo

log = logging.getLogger(__name__)

NAME = "default-scheduler"
OPTIONS = Options(user="system:kube-scheduler", groups=("system:authenticated",), manager="kube-scheduler")


class Scheduler:
    def __init__(self, context: Context, plugins: Sequence[Plugin] | None = None, post_filter: PostFilter | None = None) -> None:
        self._context = context
        self._plugins = tuple(default_plugins() if plugins is None else plugins)
        self._interested = _interests(self._plugins)
        self.state = ClusterState()
        self.nominated = Nominations()
        self._post_filter: PostFilter = post_filter or DefaultPreemption(context, self.nominated, self._fits, NAME, OPTIONS)
        self.queue = SchedulingQueue(context.clock, self._wake)
        self._next_start = 0
        self._scheduled = False
        self._ends: list[Callable[[], None]] = []

    # life

    def start(self) -> None:
        store = self._context.store
        feeds = {"nodes": self._node_changed, "pods": self._pod_changed}
        for resource in ("persistentvolumeclaims", "persistentvolumes", "storageclasses.storage.k8s.io"):
            feeds[resource] = self._storage_changed
        for resource, feed in feeds.items():
            for obj in store.list(resource):
                feed(Change("ADDED", resource, obj, None, 0))
            self._ends.append(store.subscribe(resource, feed))

    def stop(self) -> None:
        for end in self._ends:
            end()
        self._ends.clear()

    # what happens in the cluster

    def _node_changed(self, change: Change) -> None:
        if change.type == "DELETED":
            self.state.remove_node(name_of(change.object))
            return
        known = self.state.nodes.get(name_of(change.object))
        self.state.set_node(change.object)
        if known is None:
            self._changed(framework.NODE_ADDED)
        elif change.old is None or _matters(change.old) != _matters(change.object):
            self._changed(framework.NODE_CHANGED)

    def _pod_changed(self, change: Change) -> None:
        pod = change.object
        uid = pod["metadata"]["uid"]
        if change.type == "DELETED":
            self._drop(uid)
            if self.state.remove_pod(uid):
                self._changed(framework.POD_GONE)
        elif pod["spec"].get("nodeName"):
            self._drop(uid)
            self._bound_pod_changed(pod, change.old)
        elif self._is_ours(pod):
            self.nominated.note(pod)
            self.queue.set(pod)
        else:
            self._drop(uid)

    def _drop(self, uid: str) -> None:
        """A pod that no longer waits for a node."""
        self.nominated.forget(uid)
        self.queue.remove(uid)

    def _bound_pod_changed(self, pod: Obj, old: Obj | None) -> None:
        before = self.state.known(pod["metadata"]["uid"])
        self.state.set_pod(pod)
        after = self.state.known(pod["metadata"]["uid"])
        if before is None and after is not None:
            self._changed(framework.POD_ADDED)
        elif before is not None and after is None:
            self._changed(framework.POD_GONE)
        elif old is not None and (labels_of(old) != labels_of(pod) or _terminating(old) != _terminating(pod)):
            self._changed(framework.POD_CHANGED)

    def _storage_changed(self, change: Change) -> None:
        self._changed(framework.STORAGE_CHANGED)

    def _changed(self, what: str) -> None:
        self.queue.changed(self._interested[what])

    @staticmethod
    def _is_ours(pod: Obj) -> bool:
        spec = pod["spec"]
        return (
            spec.get("schedulerName", NAME) == NAME
            and not spec.get("schedulingGates")
            and not _terminating(pod)
            and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        )

    # one pod after another

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._context.clock.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        waiting = self.queue.pop()
        if waiting is None:
            return
        self._wake()
        try:
            self._schedule(waiting)
        except ApiError as error:
            log.debug("binding %s/%s: %s", waiting.info.namespace, waiting.info.name, error)
            self.queue.put_back(waiting, ())

    def _schedule(self, waiting: Waiting) -> None:
        cycle = Cycle(waiting.info, self.state, self._context.store)
        try:
            fitting = self._fitting(cycle)
        except Hopeless as verdict:
            everywhere = Refusal(verdict.plugin, (), resolvable=False)
            cycle.refused = dict.fromkeys(self.state.nodes, everywhere)
            self._fail(waiting, cycle, verdict.message, (verdict.plugin,))
            return
        if not fitting:
            blamed = {refusal.plugin for refusal in cycle.refused.values()}
            # without a single node, the first node is what everybody waits for
            self._fail(waiting, cycle, reasons_of(cycle.refused), blamed or {plugin.name for plugin in self._plugins})
            return
        self._bind(waiting, self._best(cycle, fitting))

    def _fitting(self, cycle: Cycle) -> list[NodeInfo]:
        """Nodes that will do: all, or in a large cluster enough of them, beginning behind those looked at last."""
        for plugin in self._plugins:
            plugin.prepare(cycle)
        promised = self.state.nodes.get(nominated_node(cycle.pod.pod))
        if promised is not None and self._filtered(cycle, [promised]):
            return [promised]
        nodes = self.state.in_turns()
        enough = choice.nodes_to_find(len(nodes))
        if enough >= len(nodes):
            return self._filtered(cycle, nodes)
        start = self._next_start % len(nodes)
        order = nodes[start:] + nodes[:start]
        fitting: list[NodeInfo] = []
        looked_at = 0
        while looked_at < len(order) and len(fitting) < enough:
            part = order[looked_at : looked_at + enough - len(fitting)]
            looked_at += len(part)
            fitting += self._filtered(cycle, part)
        self._next_start = (start + looked_at) % len(nodes)
        return fitting

    def _fits(self, cycle: Cycle, node: NodeInfo) -> bool:
        return bool(self._filtered(cycle, [node]))

    def _filtered(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        """The nodes no plugin refuses. Where others are to have room before the pod, it has to fit beside them and without."""
        rivals = self.nominated.rivals(cycle.pod)
        if not rivals:
            return choice.fitting(self._plugins, cycle, nodes)
        free = choice.fitting(self._plugins, cycle, [node for node in nodes if node.name not in rivals])
        fitting = {node.name for node in free}
        for node in nodes:
            if node.name in rivals:
                with placed(self.state, rivals[node.name], node.name):
                    fits = choice.fitting(self._plugins, cycle, [node])
                if fits and choice.fitting(self._plugins, cycle, [node]):
                    fitting.add(node.name)
        return [node for node in nodes if node.name in fitting]

    def _best(self, cycle: Cycle, nodes: list[NodeInfo]) -> NodeInfo:
        """The node with the highest score; the registry's random decides among equals."""
        found = choice.best(self._plugins, cycle, nodes)
        return found[0] if len(found) == 1 else self._context.registry.random.choice(found)

    def _bind(self, waiting: Waiting, node: NodeInfo) -> None:
        info = waiting.info
        bound = self._context.registry.bind(info.namespace, info.name, node.name, OPTIONS)
        self.queue.done(waiting)
        message = f"Successfully assigned {info.namespace}/{info.name} to {node.name}"
        self._context.events.emit(bound, "Normal", "Scheduled", message, NAME)

    def _fail(self, waiting: Waiting, cycle: Cycle, reasons: Sequence[str] | str, blamed: Sequence[str] | set[str]) -> None:
        """Say why no node will do, and wait, perhaps for a node that is being made free."""
        after = self._post_filter.after(cycle) if self.state.nodes else Outcome()
        message = fit_error(len(self.state.nodes), reasons, after.message)
        if not self.state.nodes:
            message = "no nodes available to schedule pods"
        self.queue.put_back(waiting, blamed)
        pod = self._context.registry.find("pods", waiting.info.namespace, waiting.info.name)
        if pod is None or pod["metadata"]["uid"] != waiting.info.uid:
            return
        self._context.events.emit(pod, "Warning", "FailedScheduling", message, NAME)
        self._tell(pod, message, after.nominated)
        self._post_filter.carry_out(waiting.info, after)

    def _tell(self, pod: Obj, message: str, nominated: str | None) -> None:
        status = dict(pod.get("status") or {})
        conditions = list(status.get("conditions") or ())
        old = next((c for c in conditions if c["type"] == "PodScheduled"), None)
        since = old["lastTransitionTime"] if old and old["status"] == "False" else timestamp(self._context.clock.now())
        said = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": since,
            "reason": "Unschedulable",
            "message": message,
            "observedGeneration": pod["metadata"].get("generation", 1),
        }
        if old == said and nominated in (None, status.get("nominatedNodeName", "")):
            return
        status["conditions"] = [*(c for c in conditions if c is not old), said]
        if nominated:
            status["nominatedNodeName"] = nominated
        elif nominated is not None:
            status.pop("nominatedNodeName", None)
        self._context.registry.update_status("pods", {**pod, "metadata": {**pod["metadata"]}, "status": status}, OPTIONS)


def _interests(plugins: Sequence[Plugin]) -> dict[str, frozenset[str]]:
    """For everything that can happen, the plugins that may change their mind."""
    kinds = (
        framework.NODE_ADDED,
        framework.NODE_CHANGED,
        framework.POD_ADDED,
        framework.POD_CHANGED,
        framework.POD_GONE,
        framework.STORAGE_CHANGED,
    )
    return {kind: frozenset(plugin.name for plugin in plugins if kind in plugin.wakes_on) for kind in kinds}


def _matters(node: Obj) -> tuple[object, ...]:
    """What of a node can make a difference to a pod."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    return labels_of(node), spec.get("taints"), spec.get("unschedulable"), status.get("allocatable")


def _terminating(pod: Obj) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))
