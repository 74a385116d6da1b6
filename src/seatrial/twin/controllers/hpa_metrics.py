"""What a HorizontalPodAutoscaler's metrics say: how many replicas each of them asks for, and what was measured.

The formulas are those of pkg/controller/podautoscaler/replica_calculator.go: pods that start up, that are not ready or of
which nothing is known are left out or counted so that they do not exaggerate the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from seatrial.twin.clock import seconds_of
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.controllers.pods import condition_of, phase_of
from seatrial.world import quantity
from seatrial.world.objects import Obj, name_of

CPU_START = 300.0  # seconds in which a pod's CPU does not count unless it is ready (--…-cpu-initialization-period)
READY_DELAY = 30.0  # seconds after its start in which an unready pod counts as never ready (--…-initial-readiness-delay)


class Used(Protocol):
    """What a container uses now."""

    @property
    def cpu(self) -> float:
        """Cores."""
        ...

    @property
    def memory(self) -> int:
        """Bytes."""
        ...


#: (namespace, pod) -> what its containers use by name; None where nothing is known.
Usage = Callable[[str, str], Mapping[str, Used] | None]
#: (namespace, a metric of type Pods, Object or External) -> its values: one a pod, or one in all; None where there are none.
Values = Callable[[str, Obj], Sequence[float] | None]


class Unmeasured(Exception):  # noqa: N818
    """Why a metric could not be used; `reason` goes into the condition ScalingActive."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a ratio may be from 1 without a change, each way."""

    up: float = 0.1
    down: float = 0.1

    def holds(self, ratio: float) -> bool:
        # Ten digits: 1.1 is within a tolerance of 0.1, whatever the processor makes of it.
        return round(1.0 - self.down, 10) <= round(ratio, 10) <= round(1.0 + self.up, 10)


@dataclass(frozen=True, slots=True)
class Proposal:
    """`replicas` is what a metric asks for, `name` its words, `status` its entry in status.currentMetrics."""

    replicas: int
    name: str
    status: Obj


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled: `current` the replicas its spec has, `pods` those that its selector matches."""

    namespace: str
    current: int
    pods: Sequence[Obj]
    now: float
    tolerance: Tolerance
    usage: Usage | None
    values: Values | None


def propose(metric: Obj, target: Target) -> Proposal:
    """The replicas that one entry of spec.metrics asks for. Raises Unmeasured."""
    type_ = metric["type"]
    if type_ == "Resource":
        return _resource(metric["resource"], "", "resource", target)
    if type_ == "ContainerResource":
        return _resource(metric["containerResource"], metric["containerResource"]["container"], "containerResource", target)
    return _other(metric, target)


# resources


def _resource(source: Obj, container: str, field_name: str, target: Target) -> Proposal:
    name, wanted = source["name"], source["target"]
    reason = "FailedGetContainerResourceMetric" if container else "FailedGetResourceMetric"
    try:
        measured = _measure(name, container, target)
        if wanted.get("averageValue") is not None:
            replicas, current = _by_value(measured, _scaled(name, wanted["averageValue"]), name, target)
            words = f"{name} container resource" if container else f"{name} resource"
        else:
            replicas, current = _by_utilization(measured, wanted["averageUtilization"], name, container, target)
            share = "utilization (percentage of request)"
            words = f"{name} container resource {share}" if container else f"{name} resource {share}"
    except Unmeasured as why:
        what = "value" if wanted.get("averageValue") is not None else "utilization"
        raise Unmeasured(reason, f"failed to get {name} {what}: {why}") from None
    entry: Obj = {"name": name, "current": current}
    if container:
        entry["container"] = container
    status = {"type": field_name[0].upper() + field_name[1:], field_name: entry}
    return Proposal(replicas, words, status)


def _measure(name: str, container: str, target: Target) -> dict[str, int]:
    """What each pod uses, in millicores or bytes."""
    if target.usage is None:
        missing = "the server could not find the requested resource (get pods.metrics.k8s.io)"
        raise Unmeasured(
            "", f"unable to get metrics for resource {name}: unable to fetch metrics from resource metrics API: {missing}"
        )
    found: dict[str, int] = {}
    for pod in target.pods:
        used = target.usage(target.namespace, name_of(pod))
        if not used or (container and container not in used):
            continue
        parts = [used[container]] if container else list(used.values())
        found[name_of(pod)] = sum(ceil(part.cpu * 1000) if name == "cpu" else int(part.memory) for part in parts)
    if not found:
        raise Unmeasured("", f"unable to get metrics for resource {name}: no metrics returned from resource metrics API")
    return found


def _scaled(name: str, text: str | int) -> int:
    """An amount in the unit in which it is measured: millicores or bytes."""
    return quantity.millis(text) if name == "cpu" else quantity.whole(text)


def _shown(name: str, value: int) -> str:
    return quantity.render_millis(value) if name == "cpu" else str(value)


def _by_utilization(measured: dict[str, int], wanted: int, name: str, container: str, target: Target) -> tuple[int, Obj]:
    requests = {name_of(pod): _request(pod, name, container) for pod in target.pods if _is_counted(pod)}
    groups = _group(measured, name, target)
    counted = {pod: value for pod, value in measured.items() if pod not in groups.left_out}
    if not counted:
        raise Unmeasured("", "did not receive metrics for targeted pods (pods might be unready)")
    ratio, utilization = _utilization(counted, requests, wanted)
    average = sum(counted.values()) // len(counted)
    current = {"averageUtilization": utilization, "averageValue": _shown(name, average)}
    fill = {pod: requests[pod] * max(100, wanted) // 100 for pod in groups.missing if pod in requests}

    def again(values: dict[str, int]) -> float:
        return _utilization(values, requests, wanted)[0]

    return _decide(ratio, counted, groups, fill, again, target), current


def _by_value(measured: dict[str, int], wanted: int, name: str, target: Target) -> tuple[int, Obj]:
    groups = _group(measured, name, target)
    counted = {pod: value for pod, value in measured.items() if pod not in groups.left_out}
    if not counted:
        raise Unmeasured("", "did not receive metrics for targeted pods (pods might be unready)")

    def ratio_of(values: dict[str, int]) -> float:
        return (sum(values.values()) // len(values)) / wanted

    fill = dict.fromkeys(groups.missing, wanted)
    current = {"averageValue": _shown(name, sum(counted.values()) // len(counted))}
    return _decide(ratio_of(counted), counted, groups, fill, ratio_of, target), current


def _utilization(values: dict[str, int], requests: dict[str, int], wanted: int) -> tuple[float, int]:
    """(ratio to the target, percent of what is requested)"""
    pods = [pod for pod in values if pod in requests]
    total = sum(requests[pod] for pod in pods)
    if not total:
        raise Unmeasured("", "no metrics returned matched known pods")
    percent = sum(values[pod] for pod in pods) * 100 // total
    return percent / wanted, percent


def _request(pod: Obj, name: str, container: str) -> int:
    """What a pod (or one of its containers) asks for. Raises Unmeasured where a container asks for nothing."""
    spec = pod["spec"]
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    total = 0
    for each in (*spec["containers"], *sidecars):
        if container and each["name"] != container:
            continue
        asked = ((each.get("resources") or {}).get("requests") or {}).get(name)
        if asked is None:
            where = f"container {each['name']} of Pod {name_of(pod)}"
            raise Unmeasured("", f"missing request for {name} in {where}")
        total += _scaled(name, asked)
    return total


# groups of pods (groupPods)


@dataclass(frozen=True, slots=True)
class Groups:
    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]

    @property
    def left_out(self) -> frozenset[str]:
        return self.unready | self.ignored


def _is_counted(pod: Obj) -> bool:
    return not is_deleting(pod) and phase_of(pod) != "Failed"


def _group(measured: Mapping[str, int], resource: str, target: Target) -> Groups:
    ready, unready, missing, ignored = 0, set[str](), set[str](), set[str]()
    for pod in target.pods:
        name = name_of(pod)
        if not _is_counted(pod):
            ignored.add(name)
        elif phase_of(pod) == "Pending":
            unready.add(name)
        elif name not in measured:
            missing.add(name)
        elif resource == "cpu" and _starts_up(pod, target.now):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _starts_up(pod: Obj, now: float) -> bool:
    """Whether a pod's CPU is that of its start: it is not ready, and is young or was never ready."""
    condition, started = condition_of(pod, "Ready"), (pod.get("status") or {}).get("startTime")
    if condition is None or not started:
        return True
    begin, changed = seconds_of(started), seconds_of(condition["lastTransitionTime"])
    if begin + CPU_START > now:
        return bool(condition["status"] == "False")
    return bool(condition["status"] == "False") and begin + READY_DELAY > changed


def _decide(
    ratio: float,
    values: dict[str, int],
    groups: Groups,
    fill: Mapping[str, int],
    ratio_of: Callable[[dict[str, int]], float],
    target: Target,
) -> int:
    """The replicas for a ratio of use to target; `fill` is what a pod of which nothing is known counts as on the way down."""
    grows_with_unready = bool(groups.unready) and ratio > 1.0
    if not grows_with_unready and not groups.missing:
        return target.current if target.tolerance.holds(ratio) else ceil(round(ratio * groups.ready, 8))
    values = dict(values)
    if groups.missing:
        if ratio < 1.0:
            values |= fill
        elif ratio > 1.0:
            values |= dict.fromkeys(groups.missing, 0)
    if grows_with_unready:
        values |= dict.fromkeys(groups.unready, 0)
    corrected = ratio_of(values)
    if target.tolerance.holds(corrected) or (ratio < 1.0) != (corrected < 1.0):
        return target.current
    replicas = ceil(round(corrected * len(values), 8))
    if (corrected < 1.0 and replicas > target.current) or (corrected > 1.0 and replicas < target.current):
        return target.current
    return replicas


# pods, objects and what is outside the cluster

_OTHER = {"Pods": "pods", "Object": "object", "External": "external"}
_REASONS = {"Pods": "FailedGetPodsMetric", "Object": "FailedGetObjectMetric", "External": "FailedGetExternalMetric"}
_NO_API = {
    "Pods": "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered",
    "Object": "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered",
    "External": "unable to fetch metrics from external metrics API: no external metrics API (external.metrics.k8s.io) registered",
}


def _other(metric: Obj, target: Target) -> Proposal:
    type_ = metric["type"]
    source, name = metric[_OTHER[type_]], metric[_OTHER[type_]]["metric"]["name"]
    values = target.values(target.namespace, metric) if target.values is not None else None
    if not values:
        why = _NO_API[type_] if target.values is None else f"no metrics returned from {type_.lower()} metrics API"
        raise Unmeasured(_REASONS[type_], f"unable to get {type_.lower()} metric {target.namespace}/{name}: {why}")
    wanted = source["target"]
    total = sum(values)
    if wanted.get("averageValue") is not None:
        replicas, current = _by_average(total, values, type_, wanted["averageValue"], target)
    else:
        share = total / float(quantity.parse(wanted["value"]))
        ready = sum(1 for pod in target.pods if _is_counted(pod) and _is_ready(pod))
        replicas = target.current if target.tolerance.holds(share) else ceil(round(share * ready, 8))
        current = {"value": _plain(total)}
    entry = {"current": current, "metric": source["metric"]}
    if type_ == "Object":
        entry["describedObject"] = source["describedObject"]
    selector = f"{{{name} nil}}" if type_ != "Pods" else name
    words = {"Pods": "pods metric", "Object": "object metric", "External": "external metric"}[type_]
    said = f"{words} {name}" if type_ != "External" else f"{words} {name}({selector})"
    return Proposal(replicas, said, {"type": type_, _OTHER[type_]: entry})


def _is_ready(pod: Obj) -> bool:
    condition = condition_of(pod, "Ready")
    return condition is not None and condition["status"] == "True" and phase_of(pod) == "Running"


def _by_average(total: float, values: Sequence[float], type_: str, wanted: str | int, target: Target) -> tuple[int, Obj]:
    """A value shared by the pods: of Pods metrics among those measured, of others among those that run."""
    goal = float(quantity.parse(wanted))
    among = len(values) if type_ == "Pods" else target.current
    ratio = total / (goal * among) if among else 2.0
    replicas = target.current if target.tolerance.holds(ratio) else ceil(round(total / goal, 8))
    return replicas, {"averageValue": _plain(total / among if among else total)}


def _plain(value: float) -> str:
    return quantity.render_millis(ceil(round(value * 1000, 6)))
