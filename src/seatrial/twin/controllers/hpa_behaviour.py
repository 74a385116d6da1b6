"""How fast a HorizontalPodAutoscaler may follow its metrics: stabilisation windows, rates and bounds.

The rules are those of pkg/controller/podautoscaler/horizontal.go. Without spec.behavior the old fixed rules hold: up to
the larger of 4 replicas and twice the current ones at a time, down to the highest recommendation of five minutes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, trunc

from seatrial.twin.controllers.hpa_metrics import Tolerance
from seatrial.world import quantity
from seatrial.world.objects import Obj

DOWN_WINDOW = 300.0  # seconds (--horizontal-pod-autoscaler-downscale-stabilization)
TOLERANCE = 0.1  # (--horizontal-pod-autoscaler-tolerance)

_UP: Obj = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}],
}
_DOWN: Obj = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}

#: Why the replicas are not those that the metrics ask for: reason -> message.
LIMITS = {
    "DesiredWithinRange": "the desired count is within the acceptable range",
    "TooFewReplicas": "the desired replica count is less than the minimum replica count",
    "TooManyReplicas": "the desired replica count is more than the maximum replica count",
    "ScaleUpLimit": "the desired replica count is increasing faster than the maximum scale rate",
    "ScaleDownLimit": "the desired replica count is decreasing faster than the maximum scale rate",
}
STABLE = {
    "ReadyForNewScale": "recommended size matches current size",
    "ScaleUpStabilized": "recent recommendations were lower than current one, applying the lowest recent recommendation",
    "ScaleDownStabilized": "recent recommendations were higher than current one, applying the highest recent recommendation",
}


@dataclass(slots=True)
class Memory:
    """What was recommended and done lately: (seconds since the epoch, replicas), oldest first."""

    recommendations: deque[tuple[float, int]] = field(default_factory=deque)
    ups: deque[tuple[float, int]] = field(default_factory=deque)
    downs: deque[tuple[float, int]] = field(default_factory=deque)

    def note_scaling(self, before: int, after: int, now: float) -> None:
        """Remember a change; those older than the longest period are forgotten when they are counted."""
        (self.ups if after > before else self.downs).append((now, abs(after - before)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """`stable` and `limit` are reasons of the conditions AbleToScale and ScalingLimited."""

    replicas: int
    stable: str
    limit: str


def rules(behaviour: Mapping[str, Obj], direction: str) -> Obj:
    """The scaleUp or scaleDown rules, completed with Kubernetes' own (pkg/apis/autoscaling/v2/defaults.go)."""
    given = {key: value for key, value in (behaviour.get(direction) or {}).items() if value is not None}
    return {**(_UP if direction == "scaleUp" else _DOWN), **given}


def tolerance_of(behaviour: Mapping[str, Obj]) -> Tolerance:
    def each(direction: str) -> float:
        given = (behaviour.get(direction) or {}).get("tolerance")
        return TOLERANCE if given is None else float(quantity.parse(given))

    return Tolerance(each("scaleUp"), each("scaleDown"))


def normalise(
    wanted: int, current: int, least: int, most: int, behaviour: Mapping[str, Obj] | None, memory: Memory, now: float
) -> Verdict:
    """The replicas to set, for those that the metrics want."""
    up, down = rules(behaviour or {}, "scaleUp"), rules(behaviour or {}, "scaleDown")
    up_window = float(up["stabilizationWindowSeconds"]) if behaviour else 0.0
    down_window = float(down.get("stabilizationWindowSeconds", DOWN_WINDOW))
    stable = _stabilise(wanted, current, up_window, down_window, memory, now, old=behaviour is None)
    if stable == wanted:
        reason = "ReadyForNewScale"
    else:
        reason = "ScaleUpStabilized" if behaviour is not None and wanted > current else "ScaleDownStabilized"
    if behaviour is None:
        return _bounded(stable, least, _old_limit(current, most), reason)
    return _rated(stable, current, least, most, up, down, memory, reason, now)


def _stabilise(wanted: int, current: int, up: float, down: float, memory: Memory, now: float, *, old: bool) -> int:
    """The recommendation, held back by the lower ones of the window upwards and the higher ones downwards."""
    lowest = highest = wanted
    for at, replicas in memory.recommendations:
        if at > now - up:
            lowest = min(lowest, replicas)
        if at > now - down:
            highest = max(highest, replicas)
    keep = now - max(up, down)
    while memory.recommendations and memory.recommendations[0][0] <= keep:
        memory.recommendations.popleft()
    memory.recommendations.append((now, wanted))
    if old:
        return highest
    stable = current
    if stable < lowest:
        stable = lowest
    if stable > highest:
        stable = highest
    return stable


def _old_limit(current: int, most: int) -> tuple[int, str]:
    limit = max(2 * current, 4)
    return (limit, "ScaleUpLimit") if most > limit else (most, "TooManyReplicas")


def _bounded(wanted: int, least: int, ceiling: tuple[int, str], stable: str) -> Verdict:
    if wanted < least:
        return Verdict(least, stable, "TooFewReplicas")
    if wanted > ceiling[0]:
        return Verdict(ceiling[0], stable, ceiling[1])
    return Verdict(wanted, stable, "DesiredWithinRange")


def _rated(
    wanted: int, current: int, least: int, most: int, up: Obj, down: Obj, memory: Memory, stable: str, now: float
) -> Verdict:
    if wanted > current:
        limit = max(current, _up_limit(current, up, memory, now))
        ceiling = (limit, "ScaleUpLimit") if most > limit else (most, "TooManyReplicas")
        if wanted > ceiling[0]:
            return Verdict(ceiling[0], stable, ceiling[1])
    elif wanted < current:
        limit = min(current, _down_limit(current, down, memory, now))
        floor = (limit, "ScaleDownLimit") if least < limit else (least, "TooFewReplicas")
        if wanted < floor[0]:
            return Verdict(floor[0], stable, floor[1])
    return Verdict(wanted, stable, "DesiredWithinRange")


def _changed(events: deque[tuple[float, int]], period: float, now: float) -> int:
    return sum(replicas for at, replicas in events if at > now - period)


def _start(current: int, period: float, memory: Memory, now: float) -> int:
    """The replicas at the beginning of the period."""
    return current - _changed(memory.ups, period, now) + _changed(memory.downs, period, now)


def _up_limit(current: int, up: Obj, memory: Memory, now: float) -> int:
    if up["selectPolicy"] == "Disabled":
        return current
    limits: list[int] = []
    for policy in up["policies"]:
        start = _start(current, policy["periodSeconds"], memory, now)
        pods = policy["type"] == "Pods"
        limits.append(start + policy["value"] if pods else ceil(round(start * (1 + policy["value"] / 100), 8)))
    return min(limits) if up["selectPolicy"] == "Min" else max(limits)


def _down_limit(current: int, down: Obj, memory: Memory, now: float) -> int:
    if down["selectPolicy"] == "Disabled":
        return current
    limits: list[int] = []
    for policy in down["policies"]:
        start = _start(current, policy["periodSeconds"], memory, now)
        pods = policy["type"] == "Pods"
        limits.append(start - policy["value"] if pods else trunc(round(start * (1 - policy["value"] / 100), 8)))
    # The largest change is the lowest limit.
    return max(limits) if down["selectPolicy"] == "Min" else min(limits)
