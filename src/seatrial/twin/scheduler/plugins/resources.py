"""NodeResourcesFit (with the LeastAllocated score) and NodeResourcesBalancedAllocation (framework/plugins/noderesources)."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.twin.scheduler.framework import MOST, NODE_ADDED, NODE_CHANGED, POD_GONE, Cycle, Plugin
from seatrial.twin.scheduler.state import NodeInfo


class NodeResourcesFit(Plugin):
    name = "NodeResourcesFit"
    wakes_on = frozenset({NODE_ADDED, NODE_CHANGED, POD_GONE})

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        requests = list(cycle.pod.needs.requests.items())
        kept = []
        for node in nodes:
            requested, allocatable = node.requested, node.allocatable
            if len(node.pods) < node.most_pods:
                for name, amount in requests:
                    if requested.get(name, 0) + amount > allocatable.get(name, 0):
                        break
                else:
                    kept.append(node)
                    continue
            self._explain(cycle, node)
        return kept

    def _explain(self, cycle: Cycle, node: NodeInfo) -> None:
        reasons, resolvable = [], True
        if len(node.pods) + 1 > node.most_pods:
            reasons.append("Too many pods")
            resolvable = node.most_pods > 0
        for name, amount in cycle.pod.needs.requests.items():
            have = node.allocatable.get(name, 0)
            if node.requested.get(name, 0) + amount > have:
                reasons.append(f"Insufficient {name}")
                resolvable = resolvable and amount <= have
        self.refuse(cycle, node, *reasons, resolvable=resolvable)

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int]:
        """LeastAllocated: the share of CPU and memory that stays free, averaged (least_allocated.go)."""
        cpu, memory = cycle.pod.needs.cpu, cycle.pod.needs.memory
        scores = []
        for node in nodes:
            total, kinds = 0, 0
            for have, taken in ((node.cpu, node.counted_cpu + cpu), (node.memory, node.counted_memory + memory)):
                if have:
                    kinds += 1
                    if taken <= have:
                        total += (have - taken) * MOST // have
            scores.append(total // kinds if kinds else 0)
        return scores


class NodeResourcesBalancedAllocation(Plugin):
    """Prefers nodes whose CPU and memory fill evenly (balanced_allocation.go); a pod that asks for nothing does not count."""

    name = "NodeResourcesBalancedAllocation"

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int] | None:
        requests = cycle.pod.needs.requests
        if not requests:
            return None
        cpu, memory = requests.get("cpu", 0), requests.get("memory", 0)
        scores = []
        for node in nodes:
            requested = node.requested
            first = min(1.0, (requested.get("cpu", 0) + cpu) / node.cpu) if node.cpu else 0.0
            second = min(1.0, (requested.get("memory", 0) + memory) / node.memory) if node.memory else 0.0
            deviation = abs(first - second) / 2 if node.cpu and node.memory else 0.0
            scores.append(int((1 - deviation) * MOST))
        return scores
