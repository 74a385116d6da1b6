"""What of an application is up, what is not, and why: objects and events in, one row a workload out.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from seatrial.world.objects import Obj, controller_of, dig, name_of

State = Literal["waiting", "starting", "ready", "done", "failed"]

#: Waiting reasons that say nothing yet: everything starts this way.
_EARLY = {"", "ContainerCreating", "PodInitializing"}
#: Container states that no waiting mends; the pod needs another version, or another cluster.
_BROKEN = {"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName",
           "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}  # fmt: skip
#: How a container ended whose command could not be started at all.
_NEVER_RAN = {"StartError", "ContainerCannotRun"}
#: After so many restarts a container counts as failed between two crashes as well.
MANY = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One workload: how many of its pods are ready, and what it waits for when not all are."""

    kind: str
    name: str
    ready: int
    total: int
    state: State
    why: str = ""

    @property
    def settled(self) -> bool:
        return self.state in ("ready", "done")


class Picture:
    """The objects of one namespace as they are now."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Obj] = {}

    def see(self, change: str, obj: Obj) -> None:
        key = obj["kind"], name_of(obj)
        if change == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = obj

    def of(self, kind: str) -> list[Obj]:
        return [obj for (each, _), obj in sorted(self.objects.items()) if each == kind]

    def rows(self, calls: Mapping[str, Sequence[str]] | None = None) -> list[Row]:
        """One row for every StatefulSet, Job and Deployment, in the order in which an application comes up.

        `calls` names what each workload calls: one that is not ready waits for those of them that are not.
        """
        warnings = Warnings(self.of("Event"))
        pods = self.of("Pod")
        replicasets = {name_of(obj): controller_of(obj) for obj in self.of("ReplicaSet")}
        rows = []
        for kind in ("StatefulSet", "Job", "Deployment"):
            for workload in self.of(kind):
                if controller_of(workload):  # a CronJob's Job is not part of coming up
                    continue
                mine = [pod for pod in pods if _belongs(pod, workload, replicasets)]
                rows.append(_row(workload, mine, warnings))
        return _waiting_for(rows, calls or {})


def _waiting_for(rows: list[Row], calls: Mapping[str, Sequence[str]]) -> list[Row]:
    """Where a workload only starts, what it calls and is not ready itself is the better reason."""
    late = {row.name for row in rows if not row.settled}
    told = []
    for row in rows:
        awaited = [name for name in calls.get(row.name, ()) if name in late]
        if awaited and row.state in ("waiting", "starting"):
            row = replace(row, why=f"waits for {', '.join(awaited)}")
        told.append(row)
    return told


def _belongs(pod: Obj, workload: Obj, replicasets: Mapping[str, Obj | None]) -> bool:
    owner = controller_of(pod)
    if owner and owner["kind"] == "ReplicaSet":
        owner = replicasets.get(owner["name"])
    return bool(owner) and owner["uid"] == workload["metadata"]["uid"]  # type: ignore[index]


class Warnings:
    """The last warning about each object, by its name: of probes, and of everything else."""

    def __init__(self, events: Iterable[Obj]) -> None:
        self._last: dict[tuple[str, bool], tuple[str, str]] = {}
        for event in events:
            if event.get("type") == "Warning":
                key = dig(event, "involvedObject.name", ""), event.get("reason") == "Unhealthy"
                when = str(event.get("lastTimestamp") or event.get("eventTime") or "")
                if when >= self._last.get(key, ("", ""))[0]:
                    self._last[key] = when, str(event.get("message", ""))

    def of(self, name: str, *, probes: bool = False) -> str:
        """What was said last about an object; with `probes`, about the probes of its containers."""
        return self._last.get((name, probes), ("", ""))[1]

    def below(self, name: str) -> str:
        """What was said about something that was made for this workload, a ReplicaSet say."""
        return next((message for (each, _), (_, message) in self._last.items() if each.startswith(f"{name}-")), "")


def _row(workload: Obj, pods: list[Obj], warnings: Warnings) -> Row:
    if workload["kind"] == "Job":
        return _job(workload, pods, warnings)
    kind, name = workload["kind"], name_of(workload)
    total = dig(workload, "spec.replicas", 1)
    status = workload.get("status") or {}
    observed = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 1)
    ready = min(status.get("availableReplicas", status.get("readyReplicas", 0)), total)
    if observed and status.get("updatedReplicas", 0) >= total and ready >= total and status.get("replicas", 0) == total:
        return Row(kind, name, ready, total, "ready")
    state, why = _why(pods, warnings)
    if not pods:
        why = warnings.of(name) or warnings.below(name) or why
    return Row(kind, name, ready, total, state, why)


def _job(job: Obj, pods: list[Obj], warnings: Warnings) -> Row:
    name, total = name_of(job), dig(job, "spec.completions", 1)
    done = dig(job, "status.succeeded", 0)
    for condition in dig(job, "status.conditions", []):
        if condition.get("status") != "True":
            continue
        if condition["type"] == "Complete":
            return Row("Job", name, done, total, "done")
        if condition["type"] == "Failed":
            return Row("Job", name, done, total, "failed", str(condition.get("message", "")))
    state, why = _why(pods, warnings)
    return Row("Job", name, done, total, state, "running" if state == "starting" and not why else why)


def _why(pods: list[Obj], warnings: Warnings) -> tuple[State, str]:
    """The worst that is to be said of the pods that are not ready."""
    waiting: tuple[State, str] = ("waiting", "") if not pods else ("starting", "")
    for pod in pods:
        if "deletionTimestamp" in pod["metadata"] or _ready(pod):
            continue
        state, why = pod_trouble(pod)
        if state == "failed":
            return state, _with(why, warnings.of(name_of(pod)))
        waiting = state, _with(why, warnings.of(name_of(pod), probes=_running(pod))) or waiting[1]
    return waiting


def _with(why: str, warning: str) -> str:
    if not warning or warning in why or why.startswith(("exited", "cannot be started")):
        return why
    return f"{why}: {warning}" if why else warning


def _running(pod: Obj) -> bool:
    return any("running" in dig(status, "state", {}) for status in dig(pod, "status.containerStatuses", []))


def _ready(pod: Obj) -> bool:
    conditions = dig(pod, "status.conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def pod_trouble(pod: Obj) -> tuple[State, str]:
    """Whether a pod is waiting, starting or failed, and what its own status says of why."""
    for status in (*dig(pod, "status.initContainerStatuses", []), *dig(pod, "status.containerStatuses", [])):
        waiting, last = dig(status, "state.waiting", {}), dig(status, "lastState.terminated", {})
        reason = waiting.get("reason", "")
        if last and not status.get("ready") and (reason == "CrashLoopBackOff" or status.get("restartCount", 0) >= MANY):
            return "failed", _crashes(pod, status, last)
        ended = dig(status, "state.terminated", {})
        if ended.get("reason") in _NEVER_RAN:
            return "starting", f"cannot be started: {_start_error(ended)}".rstrip(": ")
        if ended.get("exitCode"):
            return "starting", f"exited with {ended['exitCode']}"
        if reason in _BROKEN:
            return "failed", f"{reason}: {waiting.get('message', '')}".rstrip(": ")
        if reason not in _EARLY:
            return "starting", f"{reason}: {waiting.get('message', '')}".rstrip(": ")
    for condition in dig(pod, "status.conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return "waiting", f"not scheduled: {condition.get('message', '')}"
    if _running(pod):
        return "starting", "not ready yet"
    return "starting", ""


def _crashes(pod: Obj, status: Obj, last: Obj) -> str:
    times = status.get("restartCount", 0)
    restarts = "once" if times == 1 else f"{times} times"
    if last.get("reason") in _NEVER_RAN:  # there is no log to look at, and the exit code is nobody's
        return f"cannot be started, restarted {restarts}: {_start_error(last)}".rstrip(": ")
    why = " (OOMKilled)" if last.get("reason") == "OOMKilled" else ""
    namespace = pod["metadata"].get("namespace")
    where = f"-n {namespace} " if namespace else ""
    return f"exited with {last.get('exitCode')}{why}, restarted {restarts}: kubectl {where}logs {name_of(pod)} --previous"


def _start_error(ended: Obj) -> str:
    """The last link of the chain of causes in which a container runtime wraps it."""
    return str(ended.get("message", "")).rpartition("error during container init: ")[2]
