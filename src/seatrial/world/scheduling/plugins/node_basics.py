"""The plugins that look at one plain fact of a node: its name, whether it takes pods, its taints, its ports, its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.world.objects import Obj
from seatrial.world.scheduling.framework import (
    MOST,
    NODE_ADDED,
    NODE_CHANGED,
    POD_GONE,
    Cycle,
    Plugin,
    normalized,
)
from seatrial.world.scheduling.state import NodeInfo


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """Whether a toleration covers a taint (api/core/v1/toleration.go)."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return operator == "Equal" and bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def tolerated(tolerations: Iterable[Obj], taint: Obj) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)


class NodeUnschedulable(Plugin):
    name = "NodeUnschedulable"
    wakes_on = frozenset({NODE_ADDED, NODE_CHANGED})
    _taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}  # noqa: RUF012

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        closed = [node for node in nodes if node.unschedulable]
        if not closed or tolerated(cycle.pod.spec.get("tolerations") or (), self._taint):
            return nodes
        for node in closed:
            self.refuse(cycle, node, "node(s) were unschedulable", resolvable=False)
        return [node for node in nodes if not node.unschedulable]


class NodeName(Plugin):
    name = "NodeName"
    wakes_on = frozenset({NODE_ADDED})

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        wanted = cycle.pod.spec.get("nodeName")
        if not wanted:
            return nodes
        for node in nodes:
            if node.name != wanted:
                self.refuse(cycle, node, "node(s) didn't match the requested node name", resolvable=False)
        return [node for node in nodes if node.name == wanted]


class TaintToleration(Plugin):
    name = "TaintToleration"
    weight = 3
    wakes_on = frozenset({NODE_ADDED, NODE_CHANGED})

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        if not any(node.taints for node in nodes):
            return nodes
        tolerations = cycle.pod.spec.get("tolerations") or ()
        kept = []
        for node in nodes:
            hard = (taint for taint in node.taints if taint.get("effect") in ("NoSchedule", "NoExecute"))
            if all(tolerated(tolerations, taint) for taint in hard):
                kept.append(node)
            else:
                self.refuse(cycle, node, "node(s) had untolerated taint(s)", resolvable=False)
        return kept

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int] | None:
        if not any(node.taints for node in nodes):
            return None
        soft = [t for t in cycle.pod.spec.get("tolerations") or () if t.get("effect") in (None, "", "PreferNoSchedule")]
        counts = []
        for node in nodes:
            preferred = (taint for taint in node.taints if taint.get("effect") == "PreferNoSchedule")
            counts.append(sum(not tolerated(soft, taint) for taint in preferred))
        return normalized(counts, reverse=True)


class NodePorts(Plugin):
    name = "NodePorts"
    wakes_on = frozenset({NODE_ADDED, POD_GONE})

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        wanted = cycle.pod.host_ports
        if not wanted:
            return nodes
        kept = []
        for node in nodes:
            if any(_clash(port, taken) for port in wanted for taken in node.ports):
                self.refuse(cycle, node, "node(s) didn't have free ports for the requested pod ports")
            else:
                kept.append(node)
        return kept


def _clash(port: tuple[str, str, int], taken: tuple[str, str, int]) -> bool:
    every = "0.0.0.0"  # noqa: S104 - the wildcard of hostIP, nothing is bound here
    same = port[0] == taken[0] and port[2] == taken[2]
    return same and (port[1] == taken[1] or every in (port[1], taken[1]))


#: Between these sizes an image counts (framework/plugins/imagelocality), in bytes.
_SMALLEST, _LARGEST = 23 << 20, 1000 << 20


class ImageLocality(Plugin):
    name = "ImageLocality"

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int] | None:
        if not any(node.images for node in nodes):
            return None
        containers = cycle.pod.spec["containers"]
        everywhere = len(cycle.state.nodes)
        spread: dict[str, int] = {}
        for node in cycle.state.nodes.values():
            for image in node.images:
                spread[image] = spread.get(image, 0) + 1
        scores = []
        for node in nodes:
            held = (c["image"] for c in containers if c["image"] in node.images)
            total = sum(node.images[image] * spread[image] // everywhere for image in held)
            largest = _LARGEST * len(containers)
            clipped = min(max(total, _SMALLEST), largest)
            scores.append(MOST * (clipped - _SMALLEST) // (largest - _SMALLEST))
        return scores
