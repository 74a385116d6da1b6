"""What a Deployment's spec and ReplicaSets come to: sizes, shares, revisions and status, without reading or writing anything.

The formulas are those of pkg/controller/deployment/util/deployment_util.go, sync.go and progress.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor
from typing import Any

from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.controllers.scaling import fenceposts
from seatrial.world.objects import Obj, annotations_of, name_of

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
#: Annotations that a ReplicaSet does not inherit from its Deployment.
NOT_INHERITED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAXIMUM,
)
_HISTORY_LENGTH = 2000  # characters of the revision-history annotation
_NO_DEADLINE = 2**31 - 1


# spec


def wanted(obj: Obj) -> int:
    """The replicas an object's spec asks for; unset means 1."""
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def is_rolling(deployment: Obj) -> bool:
    return bool((deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def _fenceposts(deployment: Obj) -> tuple[int, int]:
    update = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    return fenceposts(update, wanted(deployment))


def max_surge(deployment: Obj) -> int:
    return _fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Obj) -> int:
    if not is_rolling(deployment) or wanted(deployment) == 0:
        return 0
    return min(_fenceposts(deployment)[1], wanted(deployment))


def deadline_of(deployment: Obj) -> int | None:
    """progressDeadlineSeconds, None when there is none."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return None if deadline is None or deadline == _NO_DEADLINE else int(deadline)


# ReplicaSets


def age_of(obj: Obj) -> tuple[str, str]:
    """Sorts objects by their creation, then by name."""
    return obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]


def count(replica_sets: Iterable[Obj | None], part: str) -> int:
    """The sum of a field of their status."""
    return sum((rs.get("status") or {}).get(part, 0) for rs in replica_sets if rs is not None)


def size(replica_sets: Iterable[Obj | None]) -> int:
    """The sum of the replicas they ask for."""
    return sum(wanted(rs) for rs in replica_sets if rs is not None)


def active(replica_sets: Iterable[Obj | None]) -> list[Obj]:
    return [rs for rs in replica_sets if rs is not None and wanted(rs) > 0]


def same_template(one: Obj, other: Obj) -> bool:
    """Whether two pod templates are equal but for the label with their hash."""
    if one.get("spec") != other.get("spec"):
        return False
    return _bare_metadata(one) == _bare_metadata(other)


def _bare_metadata(template: Obj) -> Obj:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    return {**{key: value for key, value in metadata.items() if value}, "labels": labels}


def find_new(deployment: Obj, replica_sets: Sequence[Obj]) -> Obj | None:
    """The oldest ReplicaSet that has the Deployment's template."""
    template = deployment["spec"]["template"]
    same = [rs for rs in replica_sets if same_template(rs["spec"]["template"], template)]
    return min(same, key=age_of, default=None)


def number(obj: Obj, annotation: str) -> int | None:
    try:
        return int(annotations_of(obj)[annotation])
    except (KeyError, ValueError):
        return None


def max_revision(replica_sets: Iterable[Obj]) -> int:
    return max((number(rs, REVISION) or 0 for rs in replica_sets), default=0)


def new_size(deployment: Obj, replica_sets: Sequence[Obj | None], current: int) -> int:
    """How large the new ReplicaSet, now of size `current`, may be made (NewRSNewReplicas)."""
    if not is_rolling(deployment):
        return wanted(deployment)
    most, total = wanted(deployment) + max_surge(deployment), size(replica_sets)
    if total >= most:
        return current
    return current + min(most - total, wanted(deployment) - current)


def share(rs: Obj, deployment: Obj, to_add: int, added: int) -> int:
    """How many of `to_add` replicas (negative: to take) a ReplicaSet gets by its size (GetReplicaSetProportion)."""
    if wanted(rs) == 0 or to_add in (0, added):
        return 0
    part, left = _fraction(rs, deployment), to_add - added
    return min(part, left) if to_add > 0 else max(part, left)


def _fraction(rs: Obj, deployment: Obj) -> int:
    if wanted(deployment) == 0:
        return -wanted(rs)
    before = number(rs, MAXIMUM) or (deployment.get("status") or {}).get("replicas", 0)
    if not before:
        return 0
    scaled = wanted(rs) * (wanted(deployment) + max_surge(deployment)) / before
    return floor(scaled + 0.5) - wanted(rs)


def is_saturated(deployment: Obj, rs: Obj | None) -> bool:
    """Whether the ReplicaSet has all the Deployment wants, available."""
    if rs is None or number(rs, DESIRED) is None:
        return False
    replicas = wanted(deployment)
    return wanted(rs) == replicas == number(rs, DESIRED) == count([rs], "availableReplicas")


# annotations


def size_annotations(annotations: dict[str, str], deployment: Obj) -> dict[str, str]:
    """The annotations with the sizes a ReplicaSet of this Deployment carries."""
    sizes = {DESIRED: str(wanted(deployment)), MAXIMUM: str(wanted(deployment) + max_surge(deployment))}
    return {**annotations, **sizes}


def revised_annotations(annotations: dict[str, str], deployment: Obj, revision: int) -> dict[str, str]:
    """A new ReplicaSet's annotations, brought up to its Deployment and at least to `revision` (SetNewReplicaSetAnnotations)."""
    inherited = {key: value for key, value in annotations_of(deployment).items() if key not in NOT_INHERITED}
    result = {**annotations, **inherited}
    old = annotations.get(REVISION)
    if old is None or int(old) < revision:
        result[REVISION] = str(revision)
        if old is not None:
            history = [*filter(None, annotations.get(REVISION_HISTORY, "").split(",")), old]
            while len(",".join(history)) > _HISTORY_LENGTH:
                history.pop(0)
            result[REVISION_HISTORY] = ",".join(history)
    return result


# conditions


def condition(type_: str, status: str, reason: str, message: str, now: float) -> Obj:
    moment = timestamp(now)
    return {
        "type": type_,
        "status": status,
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
        "reason": reason,
        "message": message,
    }


def get_condition(status: Obj, type_: str) -> Obj | None:
    return next((each for each in status.get("conditions") or () if each["type"] == type_), None)


def without_condition(status: Obj, type_: str) -> Obj:
    return {**status, "conditions": [each for each in status.get("conditions") or () if each["type"] != type_]}


def with_condition(status: Obj, new: Obj) -> Obj:
    """The status with a condition set last; one of the same status and reason stays as it is (SetDeploymentCondition)."""
    old = get_condition(status, new["type"])
    if old is not None and old["status"] == new["status"]:
        if old.get("reason") == new["reason"]:
            return status
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    return {**status, "conditions": [*without_condition(status, new["type"])["conditions"], new]}


# status


def is_complete(deployment: Obj, status: Obj) -> bool:
    replicas = wanted(deployment)
    counts = (status.get(part, 0) for part in ("updatedReplicas", "replicas", "availableReplicas"))
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return bool(seen) and all(each == replicas for each in counts)


def is_progress(old: Obj, new: Obj) -> bool:
    """Whether a status shows progress over the one before (DeploymentProgressing)."""
    more = any(new.get(part, 0) > old.get(part, 0) for part in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return more or _outdated(new) < _outdated(old)


def _outdated(status: Obj) -> int:
    """Replicas that still have an old template."""
    return int(status.get("replicas", 0) - status.get("updatedReplicas", 0))


def has_timed_out(deployment: Obj, status: Obj, now: float) -> bool:
    progressing = get_condition(status, "Progressing")
    if progressing is None or progressing["reason"] == "NewReplicaSetAvailable":
        return False
    if progressing["reason"] == "ProgressDeadlineExceeded":
        return True
    deadline = seconds_of(progressing["lastUpdateTime"]) + (deadline_of(deployment) or 0)
    return deadline < now


def calculate_status(deployment: Obj, replica_sets: Sequence[Obj | None], new: Obj | None, now: float) -> Obj:
    """The counts and the Available condition (calculateStatus); other conditions stay as they are."""
    known = [rs for rs in replica_sets if rs is not None]
    available, old = count(known, "availableReplicas"), deployment.get("status") or {}
    counts: dict[str, Any] = {
        "replicas": count(known, "replicas"),
        "updatedReplicas": count([new], "replicas"),
        "readyReplicas": count(known, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, size(known) - available),
    }
    status: Obj = {part: value for part, value in counts.items() if value}
    status["observedGeneration"] = deployment["metadata"].get("generation", 0)
    if all("terminatingReplicas" in (rs.get("status") or {}) for rs in known):
        status["terminatingReplicas"] = count(known, "terminatingReplicas")
    if "collisionCount" in old:
        status["collisionCount"] = old["collisionCount"]
    status["conditions"] = list(old.get("conditions") or ())
    if available >= wanted(deployment) - max_unavailable(deployment):
        met = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        met = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return with_condition(status, condition("Available", *met, now))


def rollout_status(deployment: Obj, replica_sets: Sequence[Obj | None], new: Obj | None, now: float) -> Obj:
    """The status during a rollout: counts, progress against the deadline, and failures of ReplicaSets (syncRolloutStatus)."""
    old = deployment.get("status") or {}
    status = calculate_status(deployment, replica_sets, new, now)
    progressing = get_condition(old, "Progressing")
    if deadline_of(deployment) is None:
        status = without_condition(status, "Progressing")
    else:
        all_updated = status.get("replicas", 0) == status.get("updatedReplicas", 0)
        if not (all_updated and progressing is not None and progressing["reason"] == "NewReplicaSetAvailable"):
            status = _progress(deployment, status, progressing, new, now)
    failure = _replica_failure(replica_sets, new)
    return with_condition(status, failure) if failure else without_condition(status, "ReplicaFailure")


def _progress(deployment: Obj, status: Obj, progressing: Obj | None, new: Obj | None, now: float) -> Obj:
    subject = f'ReplicaSet "{name_of(new)}"' if new is not None else f'Deployment "{name_of(deployment)}"'
    if is_complete(deployment, status):
        message = f"{subject} has successfully progressed."
        return with_condition(status, condition("Progressing", "True", "NewReplicaSetAvailable", message, now))
    if is_progress(deployment.get("status") or {}, status):
        updated = condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
        if progressing is not None and progressing["status"] == "True":
            updated["lastTransitionTime"] = progressing["lastTransitionTime"]
        return with_condition(without_condition(status, "Progressing"), updated)
    if has_timed_out(deployment, status, now):
        message = f"{subject} has timed out progressing."
        return with_condition(status, condition("Progressing", "False", "ProgressDeadlineExceeded", message, now))
    return status


def _replica_failure(replica_sets: Sequence[Obj | None], new: Obj | None) -> Obj | None:
    """The failure of a ReplicaSet, the new one's first, as a condition of the Deployment."""
    for rs in (new, *replica_sets):
        failure = get_condition(rs.get("status") or {}, "ReplicaFailure") if rs is not None else None
        if failure is not None:
            return {**failure, "lastUpdateTime": failure["lastTransitionTime"]}
    return None


def surplus_revisions(deployment: Obj, old: Sequence[Obj]) -> list[Obj]:
    """Old ReplicaSets beyond revisionHistoryLimit that may go (cleanupDeployment)."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None or limit == _NO_DEADLINE:
        return []
    alive = sorted((rs for rs in old if not is_deleting(rs)), key=lambda rs: (number(rs, REVISION) or 0, *age_of(rs)))
    surplus = alive[: max(0, len(alive) - limit)]
    return [rs for rs in surplus if _is_idle(rs)]


def _is_idle(rs: Obj) -> bool:
    status = rs.get("status") or {}
    seen = rs["metadata"].get("generation", 0) <= status.get("observedGeneration", 0)
    return seen and status.get("replicas", 0) == 0 and wanted(rs) == 0
