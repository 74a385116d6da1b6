"""Pods that wait for a node which is being made free for them (status.nominatedNodeName), and the room they count against.

A pod of lower priority must not slip into room for which others were taken away: filters see the nominated pods on their
nodes. Follows pkg/scheduler/backend/queue/nominator.go and RunFilterPluginsWithNominatedPods in framework/runtime/framework.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from seatrial.world.objects import Obj
from seatrial.world.scheduling.state import ClusterState, PodInfo, pod_info


def priority_of(pod: Obj) -> int:
    return int(pod["spec"].get("priority") or 0)


def nominated_node(pod: Obj) -> str:
    """The node that is being made free for a pod, "" when there is none."""
    return str((pod.get("status") or {}).get("nominatedNodeName") or "")


class Nominations:
    """Which pods are meant for which node, as they change."""

    def __init__(self) -> None:
        self._by_node: dict[str, dict[str, Obj]] = {}
        self._where: dict[str, str] = {}

    def note(self, pod: Obj) -> None:
        """A pod without a node, new or changed."""
        uid, node = pod["metadata"]["uid"], nominated_node(pod)
        if self._where.get(uid, "") != node:
            self.forget(uid)
        if node:
            self._where[uid] = node
            self._by_node.setdefault(node, {})[uid] = pod

    def forget(self, uid: str) -> None:
        node = self._where.pop(uid, None)
        if node is not None:
            del self._by_node[node][uid]
            if not self._by_node[node]:
                del self._by_node[node]

    def on(self, node: str) -> list[Obj]:
        return list(self._by_node.get(node, {}).values())

    def rivals(self, pod: PodInfo) -> dict[str, list[Obj]]:
        """By node, the nominated pods that go before a pod: of its priority or a higher one."""
        if not self._by_node:
            return {}
        own, uid = priority_of(pod.pod), pod.uid
        found = {
            node: [other for key, other in pods.items() if key != uid and priority_of(other) >= own]
            for node, pods in self._by_node.items()
        }
        return {node: pods for node, pods in found.items() if pods}


@contextmanager
def placed(state: ClusterState, pods: Iterable[Obj], node: str) -> Iterator[None]:
    """As if these pods ran on a node already."""
    infos = [pod_info({**pod, "spec": {**pod["spec"], "nodeName": node}}) for pod in pods]
    for info in infos:
        state.set_pod(info.pod)
    try:
        yield
    finally:
        for info in infos:
            state.remove_pod(info.uid)
