"""The eviction subresource: a delete that asks the PodDisruptionBudgets first (pkg/registry/core/pod/storage/eviction.go)."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.twin import errors
from seatrial.twin.clock import timestamp
from seatrial.twin.errors import ApiError
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj, dig, labels_of, name_of
from seatrial.world.selectors import matches

BUDGETS = "poddisruptionbudgets.policy"
_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
_AMBIGUOUS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
#: More pods than this under way at once means the controller has stopped (MaxDisruptedPodSize).
_MOST_DISRUPTED = 2000


def needs_no_budget(pod: Obj) -> bool:
    """A pod that serves nobody may go without asking."""
    return dig(pod, "status.phase") in ("Succeeded", "Failed", "Pending") or "deletionTimestamp" in pod["metadata"]


def budget_of(pod: Obj, budgets: Sequence[Obj]) -> Obj | None:
    """The one budget that selects the pod. Raises ApiError when there are several."""
    found = [budget for budget in budgets if matches(dig(budget, "spec.selector"), labels_of(pod))]
    if len(found) > 1:
        raise ApiError(500, "InternalError", _AMBIGUOUS)
    return found[0] if found else None


def covers_unhealthy(pod: Obj, budget: Obj) -> bool:
    """Whether the budget lets a pod that is not ready go without counting it (unhealthyPodEvictionPolicy)."""
    conditions = dig(pod, "status.conditions") or ()
    if any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions):
        return False
    if dig(budget, "spec.unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired = dig(budget, "status.desiredHealthy", 0)
    return bool(desired > 0 and dig(budget, "status.currentHealthy", 0) >= desired)


def charge(pod: Obj, budget: Obj, now: float) -> Obj:
    """The budget with this disruption taken from it. Raises ApiError (429) when it allows none."""
    status = budget.get("status") or {}
    name = name_of(budget)
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", 10)
    if len(status.get("disruptedPods") or {}) > _MOST_DISRUPTED:
        raise errors.forbidden(
            "policy",
            "poddisruptionbudgets",
            name,
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        )
    allowed = status.get("disruptionsAllowed", 0)
    if allowed < 0:
        raise errors.forbidden("policy", "poddisruptionbudgets", name, "pdb disruptions allowed is negative")
    if allowed == 0:
        desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _refusal(f"The disruption budget {name} needs {desired} healthy pods and has {current} currently")
    disrupted = {**(status.get("disruptedPods") or {}), name_of(pod): timestamp(now)}
    status = {**status, "disruptionsAllowed": allowed - 1, "disruptedPods": disrupted}
    if allowed == 1:
        status["conditions"] = _exhausted(budget, now)
    return {**budget, "metadata": dict(budget["metadata"]), "status": status}


def _exhausted(budget: Obj, now: float) -> list[Obj]:
    conditions = [dict(condition) for condition in dig(budget, "status.conditions") or ()]
    for condition in conditions:
        if condition["type"] == "DisruptionAllowed":
            if condition["status"] != "False":
                condition["lastTransitionTime"] = timestamp(now)
            condition.update(
                status="False", reason="InsufficientPods", observedGeneration=budget["metadata"].get("generation", 0)
            )
    return conditions


def _refusal(why: str, retry_after: int = 0) -> ApiError:
    return errors.too_many_requests(_VIOLATES, [Cause("DisruptionBudget", why, "")], retry_after)
