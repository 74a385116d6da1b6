"""How pods are printed: the one word of their status is told from their containers."""

from __future__ import annotations

from typing import Any, NamedTuple

from seatrial.twin.api.printers.columns import NONE, WIDE, Column, age, column, condition, is_true, name, since
from seatrial.world.objects import Obj, dig


class Summary(NamedTuple):
    ready: int
    total: int
    status: str
    restarts: int
    last_restart: str


def summary(pod: Obj) -> Summary:
    """READY, STATUS and RESTARTS of a pod (printPod)."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    reason: str = status.get("reason") or status.get("phase", "")
    scheduled = condition(pod, "PodScheduled")
    if scheduled and scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    init = _Init(spec, status)
    if init.reason:
        reason = init.reason
    total = len(spec.get("containers") or ()) + init.sidecars
    ready, restarts, last = init.ready, init.restarts, init.last
    if not init.reason or is_true(pod, "Initialized"):
        reason, running, restarts, last = _main(pod, reason, init)
        ready += running
    return Summary(ready, total, _ending(pod, reason), restarts, last)


class _Init:
    """What the init containers say: `reason` is "" when they are done."""

    def __init__(self, spec: Obj, status: Obj) -> None:
        containers = spec.get("initContainers") or []
        restartable = {container["name"] for container in containers if container.get("restartPolicy") == "Always"}
        self.sidecars, self.ready, self.restarts, self.sidecar_restarts = len(restartable), 0, 0, 0
        self.reason, self.last, self.sidecar_last = "", "", ""
        for number, container in enumerate(status.get("initContainerStatuses") or ()):
            sidecar = container["name"] in restartable
            self._count(container, sidecar)
            state = container.get("state") or {}
            terminated, waiting = state.get("terminated"), state.get("waiting") or {}
            if terminated and terminated.get("exitCode") == 0:
                continue
            if sidecar and container.get("started"):
                self.ready += bool(container.get("ready"))
                continue
            if terminated:
                self.reason = "Init:" + (terminated.get("reason") or _exit(terminated))
            elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
                self.reason = "Init:" + waiting["reason"]
            else:
                self.reason = f"Init:{number}/{len(containers)}"
            break

    def _count(self, container: Obj, sidecar: bool) -> None:
        self.restarts += container.get("restartCount", 0)
        finished = dig(container, "lastState.terminated.finishedAt", "")
        self.last = max(self.last, finished)
        if sidecar:
            self.sidecar_restarts += container.get("restartCount", 0)
            self.sidecar_last = max(self.sidecar_last, finished)


def _main(pod: Obj, reason: str, init: _Init) -> tuple[str, int, int, str]:
    restarts, last, running = init.sidecar_restarts, init.sidecar_last, 0
    for container in reversed(dig(pod, "status.containerStatuses") or []):
        restarts += container.get("restartCount", 0)
        last = max(last, dig(container, "lastState.terminated.finishedAt", ""))
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif terminated:
            reason = terminated.get("reason") or _exit(terminated)
        elif container.get("ready") and "running" in state:
            running += 1
    if reason == "Completed" and running:
        reason = "Running" if is_true(pod, "Ready") else "NotReady"
    return reason, running, restarts, last


def _exit(terminated: Obj) -> str:
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _ending(pod: Obj, reason: str) -> str:
    if "deletionTimestamp" not in pod["metadata"]:
        return reason
    status = pod.get("status") or {}
    if status.get("reason") == "NodeLost":
        return "Unknown"
    return reason if status.get("phase") in ("Succeeded", "Failed") else "Terminating"


def _ready(pod: Obj) -> str:
    told = summary(pod)
    return f"{told.ready}/{told.total}"


def _restarts(pod: Obj, now: float) -> Any:
    told = summary(pod)
    if told.restarts and told.last_restart:
        return f"{told.restarts} ({since(told.last_restart, now)} ago)"
    return str(told.restarts)


def _address(pod: Obj) -> str:
    addresses = dig(pod, "status.podIPs") or ()
    return str(addresses[0].get("ip", NONE) if addresses else dig(pod, "status.podIP", NONE))


def _gates(pod: Obj) -> str:
    gates = dig(pod, "spec.readinessGates") or ()
    met = sum(is_true(pod, gate["conditionType"]) for gate in gates)
    return f"{met}/{len(gates)}" if gates else NONE


PRINTERS: dict[str, tuple[Column, ...]] = {
    "pods": (
        name(),
        column("Ready", _ready),
        column("Status", lambda pod: summary(pod).status),
        Column("Restarts", _restarts),
        age(),
        column("IP", _address, priority=WIDE),
        column("Node", lambda pod: dig(pod, "spec.nodeName") or NONE, priority=WIDE),
        column("Nominated Node", lambda pod: dig(pod, "status.nominatedNodeName") or NONE, priority=WIDE),
        column("Readiness Gates", _gates, priority=WIDE),
    ),
}
