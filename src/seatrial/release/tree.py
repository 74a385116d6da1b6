"""How far each workload of a rollout is: its new and old pods, ready and total, and what it waits for.  Pure.

One function a kind, one question: is it done?  The thresholds of a verdict are for `verdict`, how it is drawn is for `views`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from seatrial.release.events import ref_json
from seatrial.rules.alive.pods import condition, containers, is_going, is_over, is_ready, is_true
from seatrial.world.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.world import World

State = Literal["waiting", "rolling", "ready", "done", "paused", "failed"]
#: Pods of a workload that a row shows, those that are not ready first.
SHOWN = 6
_HASH = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class Row:
    """One workload. `old` counts the pods of the version before; `why` is what it waits for."""

    obj: Obj
    state: State
    ready: int
    total: int
    updated: int = 0
    old: int = 0
    why: str = ""

    @property
    def settled(self) -> bool:
        return self.state in ("ready", "done", "paused")

    def as_json(self, world: World) -> dict[str, Any]:
        fresh = new_pods(world, self.obj)
        news = {dig(pod, "metadata.uid") for pod in fresh}
        pods = sorted((*fresh, *old_pods(world, self.obj)), key=lambda pod: (is_ready(pod), name_of(pod)))
        return {
            "ref": ref_json(ref_of(self.obj)),
            "state": self.state,
            "ready": self.ready,
            "total": self.total,
            "updated": self.updated,
            "old": self.old,
            "why": self.why,
            "pods": [_pod_json(pod, dig(pod, "metadata.uid") in news) for pod in pods[:SHOWN]],
            "more": max(0, len(pods) - SHOWN),
        }


def _pod_json(pod: Obj, new: bool) -> dict[str, Any]:
    restarts = sum(int(each.status.get("restartCount", 0)) for each in containers(pod))
    return {"name": name_of(pod), "new": new, "ready": is_ready(pod), "why": pod_waits(pod), "restarts": restarts}


def pod_waits(pod: Obj) -> str:
    """What a pod that is not ready waits for, in a few words."""
    if is_ready(pod):
        return ""
    if is_going(pod):
        return "terminating"
    if condition(pod, "PodScheduled").get("status") == "False":
        return "no node"
    for each in containers(pod):
        if reason := each.waiting.get("reason"):
            return str(reason)
        if each.running is None and each.ended.get("exitCode"):
            return f"exited with {each.ended['exitCode']}"
        if each.running is not None and not each.status.get("ready"):
            return "not ready yet"
    return str(dig(pod, "status.phase", "Pending"))


# whose pods are new


def new_pods(world: World, obj: Obj) -> list[Obj]:
    """The pods of the version that is wanted now; those that go are not counted."""
    return [pod for pod in _all_pods(world, obj) if not is_going(pod) and _is_new(world, obj, pod)]


def old_pods(world: World, obj: Obj) -> list[Obj]:
    return [pod for pod in _all_pods(world, obj) if not _is_new(world, obj, pod)]


def _all_pods(world: World, obj: Obj) -> list[Obj]:
    if obj["kind"] == "Pod":
        return [obj]
    below = world.owned(obj)
    direct = [child for child in below if child["kind"] == "Pod"]
    return direct + [pod for child in below if child["kind"] != "Pod" for pod in world.owned(child, "Pod")]


def _is_new(world: World, obj: Obj, pod: Obj) -> bool:
    labels = labels_of(pod)
    match obj["kind"]:
        case "Deployment":
            current = new_replicaset(world, obj)
            return current is not None and world.owner(pod) is current
        case "Rollout":
            return labels.get("rollouts-pod-template-hash") == str(dig(obj, "status.currentPodHash"))
        case "StatefulSet":
            return observed(obj) and labels.get("controller-revision-hash") == str(dig(obj, "status.updateRevision"))
        case "DaemonSet":
            wanted = annotations_of(obj).get("deprecated.daemonset.template.generation")
            return wanted is None or labels.get("pod-template-generation") == wanted
    return True


def new_replicaset(world: World, deployment: Obj) -> Obj | None:
    """The ReplicaSet of the present template (FindNewReplicaSet: equal but for the hash; the oldest of several)."""
    wanted = _template(deployment)
    found = [rs for rs in world.owned(deployment, "ReplicaSet") if _template(rs) == wanted]
    return min(found, key=lambda rs: (dig(rs, "metadata.creationTimestamp", ""), name_of(rs)), default=None)


def _template(obj: Obj) -> Any:
    template = dig(obj, "spec.template", {})
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != _HASH}
    return labels, metadata.get("annotations") or {}, template.get("spec")


def observed(obj: Obj) -> bool:
    return int(dig(obj, "status.observedGeneration", 0)) >= int(dig(obj, "metadata.generation", 1))


# how far


def row_of(world: World, obj: Obj) -> Row:
    """How far an object is; kinds without pods are read by their conditions."""
    return _KINDS.get(obj["kind"], _custom)(world, obj)


def _counted(world: World, obj: Obj, total: int, updated: int, ready: int, current: int) -> Row:
    """A workload by its numbers: done when all are updated and available, and none of the old is left."""
    seen = observed(obj)
    old = max(0, current - updated)
    done = seen and updated >= total and ready >= total and current <= total
    if done:
        return Row(obj, "ready", ready, total, updated, old)
    why = "" if seen else "waits to be taken up by its controller"
    waits = [pod_waits(pod) for pod in new_pods(world, obj) if not is_ready(pod)] if seen else []
    why = why or next((word for word in waits if word), "") or ("the old pods still run" if old and updated >= total else "")
    why = why or _scaled(world, obj, total)
    return Row(obj, "rolling" if current or waits else "waiting", min(ready, total), total, updated, old, why)


def _scaled(world: World, obj: Obj, total: int) -> str:
    """What an autoscaler of this workload wants, while that is not yet what it has."""
    for hpa in world.of("HorizontalPodAutoscaler"):
        target, wanted = dig(hpa, "spec.scaleTargetRef", {}), dig(hpa, "status.desiredReplicas", 0)
        mine = (target.get("kind"), target.get("name"), namespace_of(hpa)) == (obj["kind"], name_of(obj), namespace_of(obj))
        if mine and wanted not in (0, total):
            return f"its autoscaler wants {wanted}"
    return ""


def _deployment(world: World, obj: Obj) -> Row:
    status, total = obj.get("status") or {}, int(dig(obj, "spec.replicas", 1))
    if dig(obj, "spec.paused"):
        return Row(obj, "paused", status.get("availableReplicas", 0), total, status.get("updatedReplicas", 0), why="is paused")
    counts = status.get("updatedReplicas", 0), status.get("availableReplicas", 0), status.get("replicas", 0)
    return _counted(world, obj, total, *counts)


def _statefulset(world: World, obj: Obj) -> Row:
    status, total = obj.get("status") or {}, int(dig(obj, "spec.replicas", 1))
    ready = status.get("availableReplicas", status.get("readyReplicas", 0))
    wanted = max(0, total - int(dig(obj, "spec.updateStrategy.rollingUpdate.partition", 0)))
    updated = status.get("updatedReplicas", 0)
    if dig(obj, "spec.updateStrategy.type") == "OnDelete" or (0 < wanted < total and updated >= wanted):
        updated = total if observed(obj) else updated
    return _counted(world, obj, total, updated, ready, status.get("replicas", 0))


def _daemonset(world: World, obj: Obj) -> Row:
    status = obj.get("status") or {}
    total = status.get("desiredNumberScheduled", 0)
    updated = total if dig(obj, "spec.updateStrategy.type") == "OnDelete" else status.get("updatedNumberScheduled", 0)
    return _counted(world, obj, total, updated, status.get("numberAvailable", 0), status.get("currentNumberScheduled", 0))


def _job(world: World, obj: Obj) -> Row:
    total, done = int(dig(obj, "spec.completions", 1)), int(dig(obj, "status.succeeded", 0))
    if is_true(obj, "Complete") or is_true(obj, "SuccessCriteriaMet"):
        return Row(obj, "done", done, total, done)
    if is_true(obj, "Failed"):
        return Row(obj, "failed", done, total, done, why=str(condition(obj, "Failed").get("message", "")))
    if dig(obj, "spec.suspend"):
        return Row(obj, "paused", done, total, done, why="is suspended")
    waits = [pod_waits(pod) for pod in new_pods(world, obj) if not is_ready(pod) and not is_over(pod)]
    return Row(obj, "rolling", done, total, done, why=next((word for word in waits if word), "running"))


def _rollout(world: World, obj: Obj) -> Row:
    """An Argo Rollout; one that waits for a person to go on is settled as far as it can be."""
    status, total = obj.get("status") or {}, int(dig(obj, "spec.replicas", 1))
    ready, updated = status.get("availableReplicas", 0), status.get("updatedReplicas", 0)
    seen = str(status.get("observedGeneration", "0")) == str(dig(obj, "metadata.generation", 1))
    phase = status.get("phase", "") if seen else ""
    states: Mapping[str, State] = {"Healthy": "ready", "Degraded": "failed"}
    state = states.get(phase, "rolling")
    why = str(status.get("message", ""))
    steps, index = dig(obj, "spec.strategy.canary.steps", []), status.get("currentStepIndex", 0)
    step = steps[index] if index < len(steps) else {}
    if phase == "Paused" and "pause" in step and not (step["pause"] or {}).get("duration"):
        state, why = "paused", f"waits at step {index + 1} of {len(steps)} for a person to promote it"
    return Row(obj, state, ready, total, updated, max(0, status.get("replicas", 0) - updated), why)


def _pod(world: World, obj: Obj) -> Row:
    if dig(obj, "status.phase") == "Succeeded":
        return Row(obj, "done", 1, 1, 1)
    if dig(obj, "status.phase") == "Failed":
        return Row(obj, "failed", 0, 1, 1, why=pod_waits(obj))
    ready = is_ready(obj)
    return Row(obj, "ready" if ready else "rolling", int(ready), 1, 1, why=pod_waits(obj))


def _custom(world: World, obj: Obj) -> Row:
    """Any other kind by its conditions, as kstatus reads them; one that has none is done as soon as it is there."""
    if "observedGeneration" in (obj.get("status") or {}) and not observed(obj):
        return Row(obj, "waiting", 0, 1, why="waits to be taken up by its controller")
    for kind in ("Ready", "Available", "Established"):
        found = condition(obj, kind)
        if found and found.get("status") != "True":
            return Row(
                obj, "rolling", 0, 1, why=str(found.get("message") or found.get("reason") or f"{kind} {found.get('status')}")
            )
    return Row(obj, "ready", 1, 1, 1)


_KINDS: dict[str, Callable[[World, Obj], Row]] = {
    "Deployment": _deployment,
    "StatefulSet": _statefulset,
    "DaemonSet": _daemonset,
    "Job": _job,
    "Rollout": _rollout,
    "Pod": _pod,
}
