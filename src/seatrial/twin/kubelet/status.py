"""The status of a pod, from what the kubelet knows: phase, conditions, container statuses, in Kubernetes' words.

Pure functions; who writes the status and when is for `worker`. Follows pkg/kubelet/kubelet_pods.go (generateAPIPodStatus,
getPhase, convertToAPIContainerStatuses) and pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.twin.clock import timestamp
from seatrial.twin.kubelet.containers import APP, EPHEMERAL, INIT, SIDECAR, Container, Run, should_start
from seatrial.world import quantity
from seatrial.world.objects import Obj

#: Conditions that the kubelet writes, in the order in which it writes them; all others belong to somebody else.
OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")

#: How a container that has ended without a reason of its own is called.
_ENDED = {True: "Completed", False: "Error"}


@dataclass(slots=True)
class View:
    """Everything the status is made of. `started` and `ready` say what the probes found, by container name."""

    pod: Obj
    containers: Sequence[Container]
    started: Mapping[str, bool]
    ready: Mapping[str, bool]
    host_ip: str
    pod_ip: str = ""
    start_time: float = 0.0
    over: bool = False  # every container has ended for good
    rejected: bool = False  # the node never took it
    refused: tuple[str, str, str] | None = None  # phase, reason and message of a pod that the kubelet ended itself
    extra: list[Obj] = field(default_factory=list)  # conditions to add, such as DisruptionTarget


def pod_status(view: View, now: float) -> Obj:
    """The pod's whole status; what the kubelet does not own is taken over from the pod's present one."""
    pod, old = view.pod, view.pod.get("status") or {}
    inits = [c for c in view.containers if c.kind in (INIT, SIDECAR)]
    ephemeral = [c for c in view.containers if c.kind == EPHEMERAL]
    apps = [c for c in view.containers if c.kind == APP]
    init_statuses = [container_status(c, view, bool(inits)) for c in inits]
    app_statuses = [container_status(c, view, bool(inits)) for c in apps]
    phase = view.refused[0] if view.refused else phase_of(pod, inits, apps, init_statuses, app_statuses, view.over)
    status: Obj = {"observedGeneration": pod["metadata"].get("generation", 1)}
    status["phase"] = phase
    status["conditions"] = _conditions(view, phase, init_statuses, app_statuses, now)
    if view.refused:
        status["reason"], status["message"] = view.refused[1], view.refused[2]
    if view.host_ip:
        status["hostIP"], status["hostIPs"] = view.host_ip, [{"ip": view.host_ip}]
    if view.pod_ip:
        status["podIP"], status["podIPs"] = view.pod_ip, [{"ip": view.pod_ip}]
    status["startTime"] = old.get("startTime") or timestamp(view.start_time or now)
    if init_statuses and not view.rejected:
        status["initContainerStatuses"] = init_statuses
    if not view.rejected:
        status["containerStatuses"] = app_statuses
    if ephemeral and not view.rejected:
        status["ephemeralContainerStatuses"] = [container_status(c, view, bool(inits)) for c in ephemeral]
    status["qosClass"] = old.get("qosClass") or qos_class(pod)
    if "resourceClaimStatuses" in old:
        status["resourceClaimStatuses"] = old["resourceClaimStatuses"]
    return status


# containers


def container_status(container: Container, view: View, has_init: bool) -> Obj:
    spec, run = container.spec, container.run
    name = container.name
    status: Obj = {
        "name": name,
        "state": _state(container, view, has_init),
        "lastState": {},
        "ready": view.ready.get(name, False),
        "restartCount": run.attempt if run else 0,
        "image": spec["image"],
        "imageID": run.image_id if run else "",
    }
    if container.kind != EPHEMERAL:  # no probe looks at these
        status["started"] = view.started.get(name, False)
    last = run if "waiting" in status["state"] else container.previous
    if last is not None and last.exit is not None:
        status["lastState"] = {"terminated": terminated_state(last)}
    if run:
        status["containerID"] = run.id
    if spec.get("resources"):
        status["resources"] = spec["resources"]
        if spec["resources"].get("requests"):
            status["allocatedResources"] = spec["resources"]["requests"]
    if spec.get("volumeMounts"):
        status["volumeMounts"] = [_mount_status(mount) for mount in spec["volumeMounts"]]
    return status


#: What is said of a container of an ended pod that was never seen to end (status_manager.go, TerminatePod).
_LOST: Obj = {
    "exitCode": 137,
    "reason": "ContainerStatusUnknown",
    "message": "The container could not be located when the pod was terminated",
    "startedAt": None,
    "finishedAt": None,
}


def _state(container: Container, view: View, has_init: bool) -> Obj:
    run, pod = container.run, view.pod
    if view.over and (run is None or run.exit is None):
        return {"terminated": _LOST}
    if container.waiting and not view.over and not container.running and should_start(pod, container):
        reason, message = container.waiting
        return {"waiting": {"reason": reason, "message": message} if message else {"reason": reason}}
    if run is None:
        return {"waiting": {"reason": "PodInitializing" if has_init else "ContainerCreating"}}
    if run.exit is None:
        return {"running": {"startedAt": timestamp(run.started_at)}}
    return {"terminated": terminated_state(run)}


def terminated_state(run: Run) -> Obj:
    assert run.exit is not None
    state: Obj = {"exitCode": run.exit.code, "reason": run.exit.reason or _ENDED[run.exit.code == 0]}
    if run.exit.signal:
        state["signal"] = run.exit.signal
    if run.exit.message:
        state["message"] = run.exit.message
    state["startedAt"] = timestamp(run.started_at)
    state["finishedAt"] = timestamp(run.finished_at)
    state["containerID"] = run.id
    return state


def _mount_status(mount: Obj) -> Obj:
    status = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        status |= {"readOnly": True, "recursiveReadOnly": mount.get("recursiveReadOnly") or "Disabled"}
    return status


# phase


def phase_of(
    pod: Obj,
    inits: Sequence[Container],
    apps: Sequence[Container],
    init_statuses: Sequence[Obj],
    app_statuses: Sequence[Obj],
    over: bool,
) -> str:
    """Pending, Running, Succeeded or Failed (kubelet_pods.go, getPhase)."""
    policy = pod["spec"].get("restartPolicy") or "Always"
    pending, failed = 0, 0
    for container, status in zip(inits, init_statuses, strict=True):
        verdict = _init_verdict(container, status)
        pending, failed = pending + (verdict == "pending"), failed + (verdict == "failed")
    kinds = [_kind_of_state(status) for status in app_statuses]
    began = any(container.run is not None for container in apps)
    if failed and policy == "Never":
        return "Failed"
    if (pending or failed) and not began:
        return "Pending"
    if "waiting" in kinds:
        return "Pending"
    if "running" in kinds:
        return "Running"
    if not kinds:
        return "Pending"
    codes = [_exit_code(status) for status in app_statuses]
    if over or policy != "Always":
        if all(code == 0 for code in codes):
            return "Succeeded"
        return "Failed" if over or policy == "Never" else "Running"
    return "Running"


def _init_verdict(container: Container, status: Obj) -> str:
    state = status["state"]
    if container.kind == SIDECAR:
        return "done" if status["started"] or container.ended else "pending"
    if "running" in state:
        return "pending"
    ended = state.get("terminated") or status["lastState"].get("terminated")
    if ended is None:
        return "pending"
    return "failed" if ended["exitCode"] else "done"


def _kind_of_state(status: Obj) -> str:
    state = status["state"]
    if "waiting" in state:
        return "stopped" if status["lastState"].get("terminated") else "waiting"
    return "running" if "running" in state else "stopped"


def _exit_code(status: Obj) -> int:
    ended = status["state"].get("terminated") or status["lastState"].get("terminated") or {}
    return int(ended.get("exitCode", 0))


# conditions


def _conditions(view: View, phase: str, init_statuses: Sequence[Obj], app_statuses: Sequence[Obj], now: float) -> list[Obj]:
    pod = view.pod
    old = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or ()}
    extra = {condition["type"]: condition for condition in view.extra}
    foreign = [c for type_, c in old.items() if type_ not in OWN_CONDITIONS and type_ not in extra]
    containers_ready = _containers_ready(view, phase, init_statuses, app_statuses)
    found = {
        "PodReadyToStartContainers": ("True" if view.pod_ip and not view.over else "False", "", ""),
        "Initialized": _initialized(view, phase, init_statuses, app_statuses),
        "Ready": _ready(pod, containers_ready, old),
        "ContainersReady": containers_ready,
        "PodScheduled": ("True", "", ""),
    }
    generation = pod["metadata"].get("generation", 1)
    conditions = foreign
    for type_, (status, reason, message) in found.items():
        conditions.append(condition(type_, status, reason, message, generation, old.get(type_), now))
    for type_, added in extra.items():
        said = added["status"], added.get("reason", ""), added.get("message", "")
        conditions.append(condition(type_, *said, generation, old.get(type_), now))
    return conditions


def condition(type_: str, status: str, reason: str, message: str, generation: int, old: Obj | None, now: float) -> Obj:
    """A pod condition; its time of transition stays while its status does."""
    same = old is not None and old.get("status") == status
    since = old["lastTransitionTime"] if same and old and old.get("lastTransitionTime") else timestamp(now)
    found: Obj = {"type": type_, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    found["observedGeneration"] = generation
    return found


Said = tuple[str, str, str]  # status, reason, message


def _initialized(view: View, phase: str, init_statuses: Sequence[Obj], app_statuses: Sequence[Obj]) -> Said:
    if not init_statuses:
        return "True", "", ""
    if phase == "Succeeded":
        return "True", "PodCompleted", ""
    if any("running" in status["state"] or status["lastState"] for status in app_statuses):
        return "True", "", ""
    kinds = {container.name: container.kind for container in view.containers}
    incomplete = [s["name"] for s in init_statuses if not (s["started"] if kinds[s["name"]] == SIDECAR else _init_done(s))]
    if incomplete:
        return "False", "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(incomplete)}]"
    return "True", "", ""


def _init_done(status: Obj) -> bool:
    return bool((status["state"].get("terminated") or {"exitCode": 1})["exitCode"] == 0)


def _containers_ready(view: View, phase: str, init_statuses: Sequence[Obj], app_statuses: Sequence[Obj]) -> Said:
    if phase == "Succeeded":
        return "False", "PodCompleted", ""
    if phase == "Failed":
        return "False", "PodFailed", ""
    kinds = {container.name: container.kind for container in view.containers}
    watched = [*(s for s in init_statuses if kinds[s["name"]] == SIDECAR), *app_statuses]
    unready = [status["name"] for status in watched if not status["ready"]]
    if unready:
        return "False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return "True", "", ""


def _ready(pod: Obj, containers_ready: Said, conditions: Mapping[str, Obj]) -> Said:
    if containers_ready[0] != "True":
        return containers_ready
    unmet = []
    for gate in pod["spec"].get("readinessGates") or ():
        type_ = gate["conditionType"]
        found = conditions.get(type_)
        if found is None:
            unmet.append(f'corresponding condition of pod readiness gate "{type_}" does not exist.')
        elif found["status"] != "True":
            unmet.append(f'the status of pod readiness gate "{type_}" is not "True", but {found["status"]}')
    return ("False", "ReadinessGatesNotReady", ", ".join(unmet)) if unmet else ("True", "", "")


# quality of service


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort (pkg/apis/core/helper/qos/qos.go)."""
    spec = pod["spec"]
    every = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    resources = [container.get("resources") or {} for container in every]
    amounts = [_amounts(found) for found in resources]
    if not any(requests or limits for requests, limits in amounts):
        return "BestEffort"
    if all(len(limits) == 2 and all(requests.get(k, v) == v for k, v in limits.items()) for requests, limits in amounts):
        return "Guaranteed"
    return "Burstable"


def _amounts(resources: Obj) -> tuple[dict[str, Any], dict[str, Any]]:
    def positive(said: Mapping[str, str]) -> dict[str, Any]:
        values = {name: quantity.parse(said[name]) for name in ("cpu", "memory") if name in said}
        return {name: value for name, value in values.items() if value > 0}

    return positive(resources.get("requests") or {}), positive(resources.get("limits") or {})
