"""The ReplicaSet controller: keeps as many pods as its spec says, creates them in growing batches, chooses which go first.

It follows pkg/controller/replicaset; the order of deletion is that of ActivePodsWithRanks in pkg/controller/controller_utils.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log2
from typing import Any

from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, controller_key, own_key, owned_by
from seatrial.twin.controllers.ownership import claim, claimants, is_deleting
from seatrial.twin.controllers.pods import (
    PodControl,
    create_in_batches,
    is_active,
    is_ready,
    is_terminating,
    namespace_terminating,
    new_pod,
    next_available,
    node_of,
    phase_of,
    ready_since,
    restarts_of,
)
from seatrial.twin.errors import ApiError
from seatrial.twin.store import Key
from seatrial.world.objects import Obj, annotations_of, controller_of, labels_of

REPLICA_SETS = "replicasets.apps"
BURST = 500  # pods created or deleted in one look
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


class ReplicaSetController:
    name = "replicaset"
    weight = 0

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self._pods = PodControl(context, "replicaset-controller")
        self.watches: Sequence[Watch] = (
            Watch(REPLICA_SETS, own_key),
            Watch("pods", controller_key("ReplicaSet")),
            Watch("pods", claimants(context, REPLICA_SETS)),
        )

    def reconcile(self, key: Key) -> float | None:
        rs = self._registry.find(REPLICA_SETS, *key)
        if rs is None:
            return None
        claimed = claim(self._context, "pods", rs, rs["spec"].get("selector"))
        self.weight = len(claimed)
        active = [pod for pod in claimed if is_active(pod)]
        failure: ApiError | None = None
        if not is_deleting(rs):
            try:
                self._manage(rs, active)
            except ApiError as error:
                failure = error
        now = self._context.clock.now()
        terminating = sum(1 for pod in claimed if is_terminating(pod))
        self._write_status(rs, calculate_status(rs, active, terminating, failure, now))
        if failure is not None:
            raise failure
        return next_available(active, rs["spec"].get("minReadySeconds", 0), now)

    def _manage(self, rs: Obj, active: Sequence[Obj]) -> None:
        missing = rs["spec"].get("replicas", 1) - len(active)
        if missing > 0:
            template = rs["spec"]["template"]
            try:
                create_in_batches(min(missing, BURST), lambda: self._pods.create(new_pod(template, rs), rs))
            except ApiError as error:
                if not namespace_terminating(error):
                    raise
        elif missing < 0:
            for pod in first_to_go(active, self._related(rs, active), self._context.clock.now(), min(-missing, BURST)):
                self._pods.delete(pod, rs)

    def _related(self, rs: Obj, active: Sequence[Obj]) -> Sequence[Obj]:
        """The active pods of all ReplicaSets that share this one's controller."""
        owner = controller_of(rs)
        if owner is None:
            return active
        siblings = self._context.store.by_index(REPLICA_SETS, "controller", owner["uid"])
        return [pod for sibling in siblings for pod in owned_by(self._context, "pods", sibling) if is_active(pod)]

    def _write_status(self, rs: Obj, status: Obj) -> None:
        if status != rs.get("status"):
            self._registry.update_status(REPLICA_SETS, {**rs, "metadata": {**rs["metadata"]}, "status": status}, OPTIONS)


def calculate_status(rs: Obj, active: Sequence[Obj], terminating: int, failure: ApiError | None, now: float) -> Obj:
    """The status from the pods found before this look changed any (pkg/controller/replicaset/replica_set_utils.go)."""
    template_labels = labels_of(rs["spec"]["template"]).items()
    min_ready = rs["spec"].get("minReadySeconds", 0)
    ready = [pod for pod in active if is_ready(pod)]
    available = len(ready)
    if min_ready:
        available = sum(1 for pod in ready if ready_since(pod) + min_ready <= now)
    counts = {
        "fullyLabeledReplicas": sum(1 for pod in active if template_labels <= labels_of(pod).items()),
        "readyReplicas": len(ready),
        "availableReplicas": available,
    }
    status: Obj = {"replicas": len(active), **{part: value for part, value in counts.items() if value}}
    status["terminatingReplicas"] = terminating
    status["observedGeneration"] = rs["metadata"].get("generation", 0)
    conditions = _conditions(rs, len(active), failure, now)
    if conditions:
        status["conditions"] = conditions
    return status


def _conditions(rs: Obj, active: int, failure: ApiError | None, now: float) -> list[Obj]:
    old = (rs.get("status") or {}).get("conditions") or []
    failing = any(each["type"] == "ReplicaFailure" for each in old)
    if failure is None:
        return [each for each in old if each["type"] != "ReplicaFailure"]
    if failing:
        return list(old)
    reason = "FailedCreate" if active < rs["spec"].get("replicas", 1) else "FailedDelete"
    failed = {"type": "ReplicaFailure", "status": "True", "lastTransitionTime": timestamp(now)}
    return [*old, {**failed, "reason": reason, "message": failure.message}]


def first_to_go(pods: Sequence[Obj], related: Sequence[Obj], now: float, count: int) -> Sequence[Obj]:
    """The `count` pods that are missed least: unassigned, not running, not ready, cheap, doubled up, young, restarted."""
    if count >= len(pods):
        return pods
    crowd = Counter(node_of(pod) for pod in related)
    return sorted(pods, key=lambda pod: _rank(pod, crowd[node_of(pod)], now))[:count]


def _rank(pod: Obj, crowd: int, now: float) -> tuple[Any, ...]:
    """Sorts pods by how little they are missed; among equals the uid decides, which is as good as chance."""
    ready, metadata = is_ready(pod), pod["metadata"]
    return (
        bool(node_of(pod)),
        _PHASES.get(phase_of(pod), 2),
        ready,
        _cost(pod),
        -crowd,
        _magnitude(ready_since(pod), now) if ready else 0,
        -restarts_of(pod),
        _magnitude(seconds_of(metadata["creationTimestamp"]), now),
        metadata["uid"],
    )


def _magnitude(since: float, now: float) -> int:
    """An age on a logarithmic scale, so that pods of about the same age are equal (LogarithmicScaleDown)."""
    age = (now - since) * 1e9
    return -1 if age < 1 else int(log2(age))


def _cost(pod: Obj) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0
