"""What goes by itself after a time: finished Jobs with a ttlSecondsAfterFinished, and pods that nobody will ever end.

They follow pkg/controller/ttlafterfinished and pkg/controller/podgc.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.twin.clock import seconds_of
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, own_key
from seatrial.twin.controllers.job import JOBS, end_of
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.controllers.pods import is_finished, node_of
from seatrial.twin.store import Change, Key
from seatrial.world.objects import name_of, namespace_of

MOST_FINISHED = 12_500  # finished pods that are kept (--terminated-pod-gc-threshold)
NODE_GONE_FOR = 40.0  # seconds a node must be gone before its pods are given up


class TTLAfterFinished:
    name = "ttl-after-finished"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (Watch(JOBS, own_key),)

    def reconcile(self, key: Key) -> float | None:
        job = self._registry.find(JOBS, *key)
        end = end_of(job) if job is not None else None
        if job is None or end is None or is_deleting(job) or job["spec"].get("ttlSecondsAfterFinished") is None:
            return None
        left = seconds_of(end["lastTransitionTime"]) + job["spec"]["ttlSecondsAfterFinished"] - self._context.clock.now()
        if left > 0:
            return float(left)
        self._registry.delete(JOBS, *key, propagation="Foreground", uid=job["metadata"]["uid"], options=OPTIONS)
        return None


class PodGC:
    """Removes pods whose node is gone, pods deleted before they had a node, and the oldest of too many finished ones."""

    name = "pod-garbage-collector"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self._finished = 0
        self.watches: Sequence[Watch] = (
            Watch("pods", self._of_pod),
            Watch("nodes", self._of_node, delay=NODE_GONE_FOR),
        )

    def _of_pod(self, change: Change) -> Iterable[Key]:
        """Keys are of pods; the empty one stands for the finished pods of the cluster."""
        pod = change.object
        if change.type == "DELETED":
            self._finished -= is_finished(pod)
            return ()
        was_finished = change.old is not None and is_finished(change.old)
        self._finished += is_finished(pod) - was_finished
        if self._finished > MOST_FINISHED:
            return (("", ""),)
        lost = not node_of(pod) and is_deleting(pod)
        return own_key(change) if lost else ()

    def _of_node(self, change: Change) -> Iterable[Key]:
        if change.type != "DELETED":
            return ()
        pods = self._context.store.by_index("pods", "node", name_of(change.object))
        return [(namespace_of(pod), name_of(pod)) for pod in pods]

    def reconcile(self, key: Key) -> float | None:
        if key == ("", ""):
            self._thin_out()
            return None
        pod = self._registry.find("pods", *key)
        if pod is None:
            return None
        node = node_of(pod)
        gone = bool(node) and self._registry.find("nodes", "", node) is None
        if gone or (not node and is_deleting(pod)):
            if not is_finished(pod):
                status = {**(pod.get("status") or {}), "phase": "Failed"}
                written = {**pod, "metadata": {**pod["metadata"]}, "status": status}
                self._registry.update_status("pods", written, OPTIONS)
            self._registry.delete("pods", *key, grace=0, uid=pod["metadata"]["uid"], options=OPTIONS)
        return None

    def _thin_out(self) -> None:
        finished = [pod for pod in self._context.store.list("pods") if is_finished(pod)]
        finished.sort(key=lambda pod: pod["metadata"]["creationTimestamp"])
        for pod in finished[: max(0, len(finished) - MOST_FINISHED)]:
            self._registry.delete("pods", namespace_of(pod), name_of(pod), grace=0, options=OPTIONS)
