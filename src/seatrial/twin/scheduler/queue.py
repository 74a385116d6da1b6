"""The pods that wait for a node: those to try now, those that back off, and those that wait for the cluster to change.

Follows pkg/scheduler/backend/queue/scheduling_queue.go: back-off 1 s doubling to 10 s, and what was found unschedulable is tried
again when something changes that its plugins care about, or after five minutes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import count

from seatrial.twin.clock import Clock, Timer
from seatrial.world.objects import Obj
from seatrial.world.scheduling.state import PodInfo, pod_info

FIRST_BACKOFF, LAST_BACKOFF = 1.0, 10.0

#: Seconds after which an unschedulable pod is tried again though nothing has changed (flushed every half minute).
LONGEST_WAIT = 300.0


@dataclass(eq=False, slots=True)
class Waiting:
    """A pod without a node. `refused_by` names the plugins whose verdict has to change before it is worth another look."""

    info: PodInfo
    attempts: int = 0
    since: float = 0.0  # when it was last tried
    refused_by: frozenset[str] = frozenset()
    where: str = ""  # active, backoff, unschedulable or in flight
    timer: Timer | None = None


class SchedulingQueue:
    """`ready` is called when there is a pod to try and there was none."""

    def __init__(self, clock: Clock, ready: Callable[[], None]) -> None:
        self._clock, self._ready = clock, ready
        self._pods: dict[str, Waiting] = {}
        self._active: list[tuple[int, int, Waiting]] = []
        self._order = count()
        self._unschedulable: dict[str, Waiting] = {}

    def __len__(self) -> int:
        return len(self._pods)

    def set(self, pod: Obj) -> None:
        """A pod to schedule, new or changed."""
        uid = pod["metadata"]["uid"]
        waiting = self._pods.get(uid)
        if waiting is None:
            waiting = self._pods[uid] = Waiting(pod_info(pod))
            self._activate(waiting)
            return
        before = waiting.info.pod
        if before["spec"] == pod["spec"] and before["metadata"].get("labels") == pod["metadata"].get("labels"):
            waiting.info.pod = pod
            return
        waiting.info = pod_info(pod)
        if waiting.where == "unschedulable":
            self._move(waiting)

    def remove(self, uid: str) -> None:
        waiting = self._pods.pop(uid, None)
        if waiting:
            self._leave(waiting)
            waiting.where = "gone"

    def pop(self) -> Waiting | None:
        """The pod to try next: the highest priority, and among equals the one that has waited longest."""
        while self._active:
            waiting = heapq.heappop(self._active)[2]
            if waiting.where == "active":
                waiting.where = "in flight"
                waiting.attempts += 1
                return waiting
        return None

    def done(self, waiting: Waiting) -> None:
        """The pod has its node."""
        self._pods.pop(waiting.info.uid, None)
        waiting.where = "gone"

    def put_back(self, waiting: Waiting, refused_by: Collection[str]) -> None:
        """No node would do: wait for a change, or back off if one has come already or nobody is to blame."""
        if self._pods.get(waiting.info.uid) is not waiting:
            return
        waiting.since, waiting.refused_by = self._clock.now(), frozenset(refused_by)
        if refused_by:
            waiting.where = "unschedulable"
            self._unschedulable[waiting.info.uid] = waiting
            waiting.timer = self._clock.call_later(LONGEST_WAIT, self._move, waiting)
        else:
            self._move(waiting)

    def changed(self, interested: Collection[str]) -> None:
        """Something changed that these plugins care about: look again at what they refused."""
        if not self._unschedulable:
            return
        for waiting in [w for w in self._unschedulable.values() if not w.refused_by.isdisjoint(interested)]:
            self._move(waiting)

    def waiting(self) -> Iterable[Waiting]:
        return self._pods.values()

    def _backoff(self, waiting: Waiting) -> float:
        """Seconds left of the pod's back-off."""
        if not waiting.attempts:
            return 0.0
        full = min(LAST_BACKOFF, FIRST_BACKOFF * 2.0 ** (waiting.attempts - 1))
        return max(0.0, waiting.since + full - self._clock.now())

    def _move(self, waiting: Waiting) -> None:
        self._leave(waiting)
        left = self._backoff(waiting)
        if left > 0:
            waiting.where = "backoff"
            waiting.timer = self._clock.call_later(left, self._activate, waiting)
        else:
            self._activate(waiting)

    def _leave(self, waiting: Waiting) -> None:
        self._unschedulable.pop(waiting.info.uid, None)
        if waiting.timer:
            waiting.timer.cancel()
            waiting.timer = None

    def _activate(self, waiting: Waiting) -> None:
        waiting.timer = None
        waiting.where = "active"
        priority = waiting.info.spec.get("priority") or 0
        heapq.heappush(self._active, (-priority, next(self._order), waiting))
        self._ready()
