"""The disruption controller: how many of a PodDisruptionBudget's pods may be taken away now.

It follows pkg/controller/disruption/disruption.go; the budget is charged by the eviction subresource.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, own_key
from seatrial.twin.controllers.ownership import is_deleting, selects
from seatrial.twin.controllers.pods import is_finished, is_ready, select_pods
from seatrial.twin.controllers.scaling import scaled
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, controller_of, dig, labels_of, name_of, namespace_of

BUDGETS = "poddisruptionbudgets.policy"
COMPONENT = "controllermanager"
#: An evicted pod that is still there after this is no longer counted as disrupted.
DELETION_TIMEOUT = 120.0
_SCALED = {"Deployment": "deployments.apps", "ReplicaSet": "replicasets.apps", "StatefulSet": "statefulsets.apps"}


class _Unknown(Exception):  # noqa: N818
    """Why the number of pods that there should be cannot be told."""


class DisruptionController:
    name = "disruption"
    pace = 0.05
    weight = 0

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (
            Watch(BUDGETS, own_key),
            Watch("pods", self._of_pod),
            *(Watch(resource, self._of_scaled) for resource in _SCALED.values()),
        )

    def _of_pod(self, change: Change) -> Iterable[Key]:
        new, old = change.object, change.old
        before = labels_of(old) if old is not None else labels_of(new)
        if change.type == "MODIFIED" and old is not None and _face(new) == _face(old) and before == labels_of(new):
            return ()
        return self._budgets(namespace_of(new), (labels_of(new), before))

    def _of_scaled(self, change: Change) -> Iterable[Key]:
        """A workload that wants another number of pods changes what a percentage of them is."""
        new, old = change.object, change.old
        if old is not None and dig(new, "spec.replicas") == dig(old, "spec.replicas"):
            return ()
        template = dig(new, "spec.template", {})
        return self._budgets(namespace_of(new), (labels_of(template),))

    def _budgets(self, namespace: str, labels: Sequence[dict[str, str]]) -> list[Key]:
        budgets = self._context.store.list(BUDGETS, namespace)
        return [
            (namespace, name_of(each))
            for each in budgets
            if any(selects(each["spec"].get("selector"), labelled) for labelled in labels)
        ]

    def reconcile(self, key: Key) -> float | None:
        budget = self._registry.find(BUDGETS, *key)
        if budget is None or is_deleting(budget):
            return None
        pods = [pod for pod in select_pods(self._context, key[0], budget["spec"].get("selector")) if not is_finished(pod)]
        self.weight = len(pods)
        if not pods:
            self._tell(budget, "Normal", "NoPods", "No matching pods found")
        now = self._context.clock.now()
        try:
            expected, desired = self._wanted(budget, pods)
        except _Unknown as why:
            message = f"Failed to calculate the number of expected pods: {why}"
            self._tell(budget, "Warning", "CalculateExpectedPodCountFailed", message)
            self._fail(budget, str(why), now)
            return None
        disrupted, again = _disrupted(budget, pods, now)
        healthy = sum(1 for pod in pods if not is_deleting(pod) and name_of(pod) not in disrupted and is_ready(pod))
        allowed = max(0, healthy - desired) if expected > 0 else 0
        status: Obj = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "disruptionsAllowed": allowed,
            "observedGeneration": budget["metadata"].get("generation", 0),
        }
        if disrupted:
            status["disruptedPods"] = disrupted
        verdict = ("True", "SufficientPods") if allowed > 0 else ("False", "InsufficientPods")
        self._write(budget, status, (*verdict, ""), now)
        return again

    # how many there should be

    def _wanted(self, budget: Obj, pods: Sequence[Obj]) -> tuple[int, int]:
        """(expected pods, pods that must stay healthy); a percentage is rounded up. Raises _Unknown."""
        spec = budget["spec"]
        if spec.get("maxUnavailable") is not None:
            expected = self._expected(budget, pods)
            return expected, max(0, expected - scaled(spec["maxUnavailable"], expected, up=True))
        least = spec.get("minAvailable", 1)
        if isinstance(least, int):
            return len(pods), least
        expected = self._expected(budget, pods)
        return expected, scaled(least, expected, up=True)

    def _expected(self, budget: Obj, pods: Sequence[Obj]) -> int:
        """The replicas of all controllers behind the pods (getExpectedScale)."""
        scales: dict[str, int] = {}
        unmanaged: list[str] = []
        for pod in pods:
            owner = controller_of(pod)
            if owner is None:
                unmanaged.append(name_of(pod))
            elif owner["uid"] not in scales:
                top, replicas = self._scale(namespace_of(pod), owner)
                scales[owner["uid"]] = 0
                scales[top] = replicas
        if unmanaged:
            words = (
                f"Pods selected by this PodDisruptionBudget (selector: {budget['spec'].get('selector')}) were found to be "
                "unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined "
                'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
            )
            self._tell(budget, "Normal", "UnmanagedPods", words)
        return sum(scales.values())

    def _scale(self, namespace: str, owner: Obj) -> tuple[str, int]:
        """(uid, replicas) of the workload behind a pod: of a ReplicaSet's Deployment where it has one."""
        served = self._registry.resources.of_kind(owner["apiVersion"], owner["kind"])
        resource = _SCALED.get(owner["kind"]) or (served.id if served is not None and "scale" in served.subresources else None)
        if resource is None:
            plural = served.id if served is not None else owner["kind"]
            raise _Unknown(f"{plural} does not implement the scale subresource")
        found = self._registry.find(resource, namespace, owner["name"])
        if found is None or found["metadata"]["uid"] != owner["uid"]:
            raise _Unknown(f'{resource} "{owner["name"]}" not found')
        above = controller_of(found) if owner["kind"] == "ReplicaSet" else None
        if above is not None and above["kind"] == "Deployment":
            return self._scale(namespace, above)
        scale = self._registry.scale(resource, namespace, owner["name"])
        return found["metadata"]["uid"], scale["spec"].get("replicas", 0)

    # status

    def _fail(self, budget: Obj, why: str, now: float) -> None:
        """What cannot be told allows nothing (failSafe)."""
        status = {**(budget.get("status") or {}), "disruptionsAllowed": 0}
        self._write(budget, status, ("False", "SyncFailed", why), now)

    def _write(self, budget: Obj, status: Obj, verdict: tuple[str, str, str], now: float) -> None:
        old = budget.get("status") or {}
        status["conditions"] = _conditions(old.get("conditions") or (), verdict, budget, now)
        if status != old:
            written = {**budget, "metadata": {**budget["metadata"]}, "status": status}
            self._registry.update_status(BUDGETS, written, OPTIONS)

    def _tell(self, budget: Obj, type_: str, reason: str, message: str) -> None:
        self._context.events.emit(budget, type_, reason, message, COMPONENT)


def _face(pod: Obj) -> tuple[bool, bool, bool]:
    """All of a pod that a budget looks at, besides its labels."""
    return is_ready(pod), is_deleting(pod), is_finished(pod)


def _disrupted(budget: Obj, pods: Iterable[Obj], now: float) -> tuple[dict[str, str], float | None]:
    """Evicted pods that are still to be deleted, and the seconds until the first of them is given up."""
    charged = (budget.get("status") or {}).get("disruptedPods") or {}
    kept: dict[str, str] = {}
    again: float | None = None
    for pod in pods:
        at = charged.get(name_of(pod))
        if at is None or is_deleting(pod):
            continue
        left = seconds_of(at) + DELETION_TIMEOUT - now
        if left > 0:
            kept[name_of(pod)] = at
            again = left if again is None else min(again, left)
    return kept, again


def _conditions(old: Iterable[Obj], verdict: tuple[str, str, str], budget: Obj, now: float) -> list[Obj]:
    status, reason, message = verdict
    others = [each for each in old if each["type"] != "DisruptionAllowed"]
    before = next((each for each in old if each["type"] == "DisruptionAllowed"), None)
    since = before["lastTransitionTime"] if before is not None and before["status"] == status else timestamp(now)
    condition = {
        "type": "DisruptionAllowed",
        "status": status,
        "observedGeneration": budget["metadata"].get("generation", 0),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
    return [*others, condition]
