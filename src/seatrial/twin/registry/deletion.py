"""What a DELETE does to an object: at once, after a grace period, or when its finalizers are gone.

The rules of apiserver's pkg/registry/rest/delete.go and pkg/registry/generic/registry/store.go, as a decision over one
object; `registry.Registry` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.twin import errors
from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.registry.resources import Resource
from seatrial.world.objects import Obj

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
#: Holds a CustomResourceDefinition until its objects are gone.
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
_PROPAGATED = {"Orphan": ORPHAN, "Foreground": FOREGROUND}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`now`: remove it from the store. `object`: what to store instead, or None when nothing changes."""

    now: bool
    object: Obj | None = None


def check_preconditions(kind: Resource, obj: Obj, uid: str | None, version: str | None) -> None:
    metadata = obj["metadata"]
    if uid and uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({metadata['uid']})."
            " The object might have been deleted and then recreated"
        )
        raise errors.conflict(kind.group, kind.plural, metadata["name"], why)
    if version and version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record"
            f" ({metadata['resourceVersion']}). The object might have been modified"
        )
        raise errors.conflict(kind.group, kind.plural, metadata["name"], why)


def decide(resource: str, obj: Obj, grace: int | None, propagation: str | None, now: float) -> Verdict:
    """What deleting `obj` at `now` means; `grace` in seconds, None for the object's own."""
    if resource == "namespaces":
        return _namespace(obj, now)
    old = obj["metadata"]
    metadata = {**old, "finalizers": _finalizers(old.get("finalizers") or [], propagation)}
    if resource == _DEFINITIONS and "deletionTimestamp" not in old and CLEANUP not in metadata["finalizers"]:
        metadata["finalizers"].append(CLEANUP)
    if not metadata["finalizers"]:
        del metadata["finalizers"]
    if "deletionTimestamp" in metadata:
        period, changed = _again(metadata, grace)
        if period is None:
            return Verdict(False, {**obj, "metadata": metadata} if metadata != old else None)
    else:
        period, changed = _grace(resource, obj, grace), True
    if not period and not metadata.get("finalizers"):
        return Verdict(True)
    if changed:
        _mark(metadata, period, now)
    return Verdict(False, {**obj, "metadata": metadata} if metadata != old else None)


def ready_to_go(obj: Obj) -> bool:
    """Whether an update has taken the last thing that held an object marked for deletion."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if obj.get("kind") == "Namespace" and (obj.get("spec") or {}).get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


def _again(metadata: Obj, grace: int | None) -> tuple[int | None, bool]:
    """A second DELETE may only shorten the grace; None means there is nothing to do but wait."""
    current = metadata.get("deletionGracePeriodSeconds") or 0
    if current == 0:
        return 0, False
    if grace is None or grace >= current:
        return None, False
    started = seconds_of(metadata["deletionTimestamp"]) - current
    metadata["deletionTimestamp"] = timestamp(started + grace)
    metadata["deletionGracePeriodSeconds"] = grace
    return grace, False


def _grace(resource: str, obj: Obj, grace: int | None) -> int:
    """Only pods end gracefully, and of those only the ones that run (pkg/registry/core/pod/strategy.go)."""
    if resource != "pods":
        return 0
    spec = obj.get("spec") or {}
    if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    period = spec.get("terminationGracePeriodSeconds", 0) if grace is None else grace
    return 1 if period < 0 else int(period)


def _mark(metadata: Obj, period: int, now: float) -> None:
    metadata["deletionTimestamp"] = timestamp(now + period)
    metadata["deletionGracePeriodSeconds"] = period
    if metadata.get("generation"):
        metadata["generation"] += 1


def _finalizers(finalizers: list[str], propagation: str | None) -> list[str]:
    if propagation is None:
        return list(finalizers)
    kept = [finalizer for finalizer in finalizers if finalizer not in (ORPHAN, FOREGROUND)]
    wanted = _PROPAGATED.get(propagation)
    return [*kept, wanted] if wanted else kept


def _namespace(obj: Obj, now: float) -> Verdict:
    """A namespace waits in phase Terminating for its controller to empty it (pkg/registry/core/namespace/storage)."""
    metadata = dict(obj["metadata"])
    held = (obj.get("spec") or {}).get("finalizers") or metadata.get("finalizers")
    if not held:
        return Verdict(True)
    if "deletionTimestamp" in metadata:
        return Verdict(False)
    metadata["deletionTimestamp"] = timestamp(now)
    status = {**(obj.get("status") or {}), "phase": "Terminating"}
    return Verdict(False, {**obj, "metadata": metadata, "status": status})
