"""The StatefulSet controller: pods with ordinals and claims of their own, made, updated and taken away in order.

It follows pkg/controller/statefulset/stateful_set_control.go. What a pod of a set looks like, and its claims, are in
`statefulset_pods`.
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, controller_key, own_key
from seatrial.twin.controllers.ownership import claim, claimants, is_deleting
from seatrial.twin.controllers.pods import is_available, is_finished, is_ready, next_available, phase_of
from seatrial.twin.controllers.revisions import REVISION_LABEL, REVISIONS, History, template_of
from seatrial.twin.controllers.scaling import scaled
from seatrial.twin.controllers.statefulset_pods import Identity, ordinal_of
from seatrial.twin.errors import ApiError
from seatrial.twin.store import Key
from seatrial.world.objects import Obj, labels_of, name_of, namespace_of

STATEFUL_SETS = "statefulsets.apps"
COMPONENT = "statefulset-controller"


class StatefulSetController:
    name = "statefulset"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (
            Watch(STATEFUL_SETS, own_key),
            Watch("pods", controller_key("StatefulSet")),
            Watch("pods", claimants(context, STATEFUL_SETS)),
            Watch(REVISIONS, controller_key("StatefulSet")),
        )

    def reconcile(self, key: Key) -> float | None:
        found = self._registry.find(STATEFUL_SETS, *key)
        return None if found is None else _Sync(self._context, found).run()


def _is_healthy(pod: Obj) -> bool:
    return phase_of(pod) == "Running" and is_ready(pod) and not is_deleting(pod)


class _Wait(Exception):  # noqa: N818 - not an error: the set waits for one of its pods
    """Nothing more may be done before a pod has come further."""


class _Sync:
    """One look at one StatefulSet. `_status` counts what this look has done itself."""

    def __init__(self, context: Context, stateful_set: Obj) -> None:
        self._context, self._registry, self._set = context, context.registry, stateful_set
        self._spec: Obj = stateful_set["spec"]
        self._now = context.clock.now()
        self._min_ready: int = self._spec.get("minReadySeconds", 0)
        self._ordered = self._spec.get("podManagementPolicy", "OrderedReady") != "Parallel"
        self._start: int = (self._spec.get("ordinals") or {}).get("start", 0)
        self._count: int = self._spec.get("replicas", 1)
        self._identity = Identity(context, stateful_set)
        self._pods = claim(context, "pods", stateful_set, self._spec["selector"])
        self._history = History(context, stateful_set)
        self._error: ApiError | None = None

    def run(self) -> float | None:
        self._update = self._history.current()
        known = self._history.find((self._set.get("status") or {}).get("currentRevision", ""))
        self._current = known or self._update
        self._status = self._counts()
        if not is_deleting(self._set):
            try:
                self._act()
            except _Wait:
                pass
            except ApiError as error:
                self._error = error
        self._complete()
        self._write_status()
        live = {labels_of(pod).get(REVISION_LABEL, "") for pod in self._pods}
        self._history.clean(live, (self._current, self._update))
        if self._error is not None:
            raise self._error
        return next_available(self._pods, self._min_ready, self._now)

    # status

    def _counts(self) -> Obj:
        created = [pod for pod in self._pods if ordinal_of(pod) is not None]
        running = [pod for pod in created if phase_of(pod) == "Running"]
        staying = [pod for pod in created if not is_deleting(pod)]
        return {
            "replicas": len(created),
            "readyReplicas": sum(1 for pod in running if is_ready(pod)),
            "availableReplicas": sum(1 for pod in running if is_available(pod, self._min_ready, self._now)),
            "currentReplicas": sum(1 for pod in staying if self._is_of(pod, self._current)),
            "updatedReplicas": sum(1 for pod in staying if self._is_of(pod, self._update)),
        }

    @staticmethod
    def _is_of(pod: Obj, revision: Obj) -> bool:
        return labels_of(pod).get(REVISION_LABEL) == name_of(revision)

    def _complete(self) -> None:
        """A rolling update is over once all pods are updated and ready (completeRollingUpdate)."""
        status = self._status
        rolling = (self._spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
        if rolling and status["updatedReplicas"] == status["replicas"] == status["readyReplicas"] == self._count:
            status["currentReplicas"] = status["updatedReplicas"]
            self._current = self._update

    def _write_status(self) -> None:
        always = ("replicas", "availableReplicas")
        status: Obj = {part: value for part, value in self._status.items() if value or part in always}
        status["observedGeneration"] = self._set["metadata"].get("generation", 0)
        status["currentRevision"], status["updateRevision"] = name_of(self._current), name_of(self._update)
        status["collisionCount"] = self._history.collisions
        old = self._set.get("status") or {}
        if "conditions" in old:
            status["conditions"] = old["conditions"]
        if status != old:
            self._registry.update_status(
                STATEFUL_SETS, {**self._set, "metadata": {**self._set["metadata"]}, "status": status}, OPTIONS
            )

    # what is to be done (updateStatefulSet)

    def _act(self) -> None:
        """Make what is missing, from the lowest ordinal; take what is too much, from the highest; then update."""
        wanted = range(self._start, self._start + self._count)
        present = {ordinal: pod for pod in self._pods if (ordinal := ordinal_of(pod)) is not None}
        condemned = [pod for ordinal, pod in sorted(present.items(), reverse=True) if ordinal not in wanted]
        kept = {ordinal: pod for ordinal, pod in present.items() if ordinal in wanted}
        self._identity.keep_claims(kept.values(), condemned)
        unhealthy = [pod for _, pod in sorted(kept.items()) if not _is_healthy(pod)]
        unhealthy += [pod for pod in reversed(condemned) if not _is_healthy(pod)]
        for ordinal in wanted:
            self._have(ordinal, kept.get(ordinal))
        for pod in condemned:
            self._condemn(pod, unhealthy[0] if unhealthy else None)
        strategy = self._spec.get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") == "RollingUpdate":
            self._roll([kept[ordinal] for ordinal in wanted if ordinal in kept], strategy.get("rollingUpdate") or {})

    def _have(self, ordinal: int, pod: Obj | None) -> None:
        if pod is not None and is_finished(pod) and not is_deleting(pod):
            self._replace_finished(pod)
            pod = None
            if self._registry.find("pods", namespace_of(self._set), self._identity.name(ordinal)) is not None:
                raise _Wait
        if pod is None:
            self._create(ordinal)
            if self._ordered:
                raise _Wait
            return
        if phase_of(pod) == "Pending":
            self._identity.create_claims(ordinal)
        if self._ordered and not (_is_healthy(pod) and is_available(pod, self._min_ready, self._now)):
            raise _Wait

    def _replace_finished(self, pod: Obj) -> None:
        failed = phase_of(pod) == "Failed"
        what = ("Warning", "RecreatingFailedPod", "failed") if failed else ("Normal", "RecreatingTerminatedPod", "terminated")
        where = f"{namespace_of(self._set)}/{name_of(self._set)}"
        pod_name = name_of(pod)
        self._tell(what[0], what[1], f"StatefulSet {where} is recreating {what[2]} Pod {pod_name}")
        self._delete(pod)
        self._status["replicas"] -= 1

    def _create(self, ordinal: int) -> None:
        revision = self._current if self._wants_current(ordinal) else self._update
        name = self._identity.name(ordinal)
        try:
            self._identity.create_claims(ordinal)
            pod = self._identity.pod(ordinal, template_of(revision), name_of(revision))
            self._registry.create("pods", pod, OPTIONS)
        except ApiError as error:
            self._tell("Warning", "FailedCreate", f"create Pod {name} in StatefulSet {self._label} failed error: {error.message}")
            raise
        self._tell("Normal", "SuccessfulCreate", f"create Pod {name} in StatefulSet {self._label} successful")
        self._status["replicas"] += 1
        self._status["currentReplicas"] += name_of(revision) == name_of(self._current)
        self._status["updatedReplicas"] += name_of(revision) == name_of(self._update)

    def _wants_current(self, ordinal: int) -> bool:
        """Whether a pod that is made now is still one of the old revision (below the partition)."""
        strategy = self._spec.get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return False
        return bool(ordinal < self._start + (strategy.get("rollingUpdate") or {}).get("partition", 0))

    def _condemn(self, pod: Obj, first_unhealthy: Obj | None) -> None:
        if is_deleting(pod):
            if self._ordered:
                raise _Wait
            return
        ready = phase_of(pod) == "Running" and is_ready(pod)
        if self._ordered and not ready and pod is not first_unhealthy:
            raise _Wait
        self._delete(pod)
        self._uncount(pod)
        if self._ordered:
            raise _Wait

    def _roll(self, pods: Sequence[Obj], update: Obj) -> None:
        """Delete old pods from the highest ordinal down to the partition, no more than may be unavailable."""
        lowest = self._start + update.get("partition", 0)
        room = max(1, scaled(update.get("maxUnavailable", 1), self._count, up=True))
        if room > 1:
            room -= sum(1 for pod in pods if not (_is_healthy(pod) and is_available(pod, self._min_ready, self._now)))
        for pod in reversed(pods):
            if room <= 0 or (ordinal_of(pod) or 0) < lowest:
                return
            if not self._is_of(pod, self._update) and not is_deleting(pod):
                self._delete(pod)
                self._uncount(pod)
                room -= 1
            elif not (_is_healthy(pod) and is_available(pod, self._min_ready, self._now)):
                return

    def _uncount(self, pod: Obj) -> None:
        self._status["currentReplicas"] -= self._is_of(pod, self._current)
        self._status["updatedReplicas"] -= self._is_of(pod, self._update)

    def _delete(self, pod: Obj) -> None:
        name = name_of(pod)
        try:
            self._registry.delete("pods", namespace_of(pod), name, uid=pod["metadata"]["uid"], options=OPTIONS)
        except ApiError as error:
            if error.code == 404:
                return
            self._tell("Warning", "FailedDelete", f"delete Pod {name} in StatefulSet {self._label} failed error: {error.message}")
            raise
        self._tell("Normal", "SuccessfulDelete", f"delete Pod {name} in StatefulSet {self._label} successful")

    @property
    def _label(self) -> str:
        return name_of(self._set)

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self._context.events.emit(self._set, type_, reason, message, COMPONENT)
