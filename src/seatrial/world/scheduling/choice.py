"""Which nodes will do for a pod, and which of them are best: the plugins, asked in their order.

Follows pkg/scheduler/schedule_one.go.  Who decides among equals, and what is done when none will do, is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seatrial.world.objects import Obj
from seatrial.world.scheduling.framework import Cycle, Hopeless, Plugin, Refusal, fit_error, reasons_of
from seatrial.world.scheduling.plugins import default_plugins
from seatrial.world.scheduling.shelf import Store
from seatrial.world.scheduling.state import ClusterState, NodeInfo, pod_info

#: With fewer nodes than this all are looked at (schedule_one.go, minFeasibleNodesToFind).
ENOUGH_NODES = 100


def nodes_to_find(nodes: int) -> int:
    """How many fitting nodes are enough: all of a small cluster, from a half down to a twentieth of a large one."""
    if nodes < ENOUGH_NODES:
        return nodes
    percentage = max(5, 50 - nodes // 125)
    return max(ENOUGH_NODES, nodes * percentage // 100)


def fitting(plugins: Sequence[Plugin], cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
    """The nodes that no plugin refuses; the refusals are in the cycle. The plugins have been prepared for it."""
    for plugin in plugins:
        if not nodes:
            break
        nodes = plugin.filter(cycle, nodes)
    return nodes


def best(plugins: Sequence[Plugin], cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
    """The nodes with the highest score; several where they are equal."""
    if len(nodes) == 1:
        return nodes
    totals = [0] * len(nodes)
    for plugin in plugins:
        scores = plugin.score(cycle, nodes)
        if scores is not None:
            weight = plugin.weight
            totals = [total + weight * score for total, score in zip(totals, scores, strict=True)]
    highest = max(totals)
    return [node for node, total in zip(nodes, totals, strict=True) if total == highest]


class Placer:
    """Places pods one after another onto nodes as they are at one moment; equals are taken in the order of the nodes.

    `refused` says of the last pod why which node would not do.
    """

    def __init__(self, state: ClusterState, store: Store) -> None:
        self.state, self._store, self._plugins = state, store, default_plugins()
        self.refused: Mapping[str, Refusal] = {}

    def place(self, pod: Obj) -> str:
        """Put a pod where the scheduler would; "" when it has a node now, else why none will do, in the scheduler's words."""
        cycle = Cycle(pod_info(pod), self.state, self._store)
        self.refused = cycle.refused
        nodes = self.state.in_turns()
        if not nodes:
            return "no nodes available to schedule pods"
        try:
            for plugin in self._plugins:
                plugin.prepare(cycle)
        except Hopeless as verdict:
            return fit_error(len(nodes), verdict.message)
        found = fitting(self._plugins, cycle, nodes)
        if not found:
            return fit_error(len(nodes), reasons_of(cycle.refused))
        chosen = best(self._plugins, cycle, found)[0]
        self.state.set_pod({**pod, "spec": {**pod["spec"], "nodeName": chosen.name}})
        return ""
