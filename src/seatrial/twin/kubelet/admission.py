"""What a node itself checks before it takes a pod: room, selector, taints that evict (pkg/kubelet/lifecycle/predicate.go)."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.world import pod_resources, quantity
from seatrial.world.objects import Obj, labels_of


class Room:
    """How much of a node its pods take, in thousandths."""

    def __init__(self, allocatable: Mapping[str, str]) -> None:
        self._allocatable = {name: quantity.millis(amount) for name, amount in allocatable.items()}
        self._used: dict[str, int] = dict.fromkeys(self._allocatable, 0)
        self._pods: dict[str, dict[str, int]] = {}

    def refuses(self, pod: Obj, node: Obj) -> tuple[str, str] | None:
        """Why the node cannot take a pod, as reason and message; otherwise the pod has its room from now on."""
        asked = {name: quantity.millis(amount) for name, amount in pod_resources.requests(pod["spec"]).items()}
        asked["pods"] = 1000
        for name, amount in asked.items():
            have = self._allocatable.get(name, 0)
            if amount and self._used.get(name, 0) + amount > have:
                said = [_unit(name, number) for number in (amount, self._used.get(name, 0), have)]
                words = f"requested: {said[0]}, used: {said[1]}, capacity: {said[2]}"
                return f"OutOf{name}", f"Node didn't have enough resource: {name}, {words}"
        wanted = pod["spec"].get("nodeSelector") or {}
        labels = labels_of(node)
        if any(labels.get(key) != value for key, value in wanted.items()):
            return "NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
        self._pods[pod["metadata"]["uid"]] = asked
        for name, amount in asked.items():
            self._used[name] = self._used.get(name, 0) + amount
        return None

    def give_back(self, pod_uid: str) -> None:
        for name, amount in self._pods.pop(pod_uid, {}).items():
            self._used[name] -= amount


def _unit(name: str, thousandths: int) -> int:
    """Millicores for CPU, whole units for the rest, as the message counts them."""
    return thousandths if name == "cpu" else thousandths // 1000
