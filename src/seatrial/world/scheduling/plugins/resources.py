"""NodeResourcesFit (with the LeastAllocated score) and NodeResourcesBalancedAllocation (framework/plugins/noderesources)."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.world.scheduling.framework import MOST, NODE_ADDED, NODE_CHANGED, POD_GONE, Cycle, Plugin
from seatrial.world.scheduling.state import NodeInfo


class NodeResourcesFit(Plugin):
    name = "NodeResourcesFit"
    wakes_on = frozenset({NODE_ADDED, NODE_CHANGED, POD_GONE})

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        requests = cycle.pod.needs.requests
        cpu, memory = requests.get("cpu", 0), requests.get("memory", 0)
        others = [(name, amount) for name, amount in requests.items() if name not in ("cpu", "memory")]
        kept = [
            node
            for node in nodes
            if len(node.pods) < node.most_pods
            and (not cpu or node.requested_cpu + cpu <= node.cpu)
            and (not memory or node.requested_memory + memory <= node.memory)
            and (not others or _has(node, others))
        ]
        if len(kept) < len(nodes):
            fitting = {node.name for node in kept}
            for node in nodes:
                if node.name not in fitting:
                    self._explain(cycle, node)
        return kept

    def _explain(self, cycle: Cycle, node: NodeInfo) -> None:
        reasons, resolvable = [], True
        if len(node.pods) + 1 > node.most_pods:
            reasons.append("Too many pods")
            resolvable = node.most_pods > 0
        for name, amount in cycle.pod.needs.requests.items():
            have = node.allocatable.get(name, 0)
            if node.requested(name) + amount > have:
                reasons.append(f"Insufficient {name}")
                resolvable = resolvable and amount <= have
        self.refuse(cycle, node, *reasons, resolvable=resolvable)

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int]:
        """LeastAllocated: the share of CPU and memory that stays free, averaged (least_allocated.go)."""
        cpu, memory = cycle.pod.needs.cpu, cycle.pod.needs.memory
        scores = []
        for node in nodes:
            free_cpu, free_memory = node.cpu - node.counted_cpu - cpu, node.memory - node.counted_memory - memory
            share = free_cpu * MOST // node.cpu if free_cpu > 0 else 0
            share += free_memory * MOST // node.memory if free_memory > 0 else 0
            scores.append(share // node.kinds)
        return scores


def _has(node: NodeInfo, amounts: Sequence[tuple[str, int]]) -> bool:
    return all(node.requested(name) + amount <= node.allocatable.get(name, 0) for name, amount in amounts)


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
            if node.cpu and node.memory:
                first, second = (node.requested_cpu + cpu) / node.cpu, (node.requested_memory + memory) / node.memory
                scores.append(int((1 - abs(min(first, 1.0) - min(second, 1.0)) / 2) * MOST))
            else:
                scores.append(MOST)
        return scores
