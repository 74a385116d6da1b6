"""How long a rollout may take, computed from what it does, with the arithmetic shown.  Pure.

A pod takes what its image pull, init containers and probes may take at the worst; a workload takes as many waves of pods as its
strategy allows at once.  The formulas follow the deployment and statefulset controllers and the prober of the kubelet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from seatrial.world.objects import Obj, Ref, annotations_of, dig, ref_of

#: Seconds: pulling an image that is not there, binding and starting a container, one init container, one hook or Job.
PULL, START, INIT, JOB = 60.0, 5.0, 30.0, 300.0
#: The shortest whole, in seconds.
LEAST = 60.0


@dataclass(frozen=True, slots=True)
class Share:
    """The time of one workload in seconds, before the safety factor, and how it came about."""

    ref: Ref
    seconds: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timeout:
    """The whole in seconds; workloads roll side by side, hooks one after the other before them."""

    seconds: float
    lines: tuple[str, ...]
    shares: tuple[Share, ...]
    warnings: tuple[str, ...] = ()

    def of(self, ref: Ref) -> float:
        return next((share.seconds for share in self.shares if share.ref == ref), self.seconds)


def timeout(
    objects: Sequence[Obj],
    hooks: Sequence[Obj] = (),
    live: Mapping[Ref, Obj] | None = None,
    *,
    factor: float = 2.0,
    given: float | None = None,
) -> Timeout:
    """The time for a rollout. `factor` multiplies what was computed, `given` replaces it; seconds."""
    live = live or {}
    shares = tuple(share for obj in objects if (share := share_of(obj, live.get(ref_of(obj)), factor)) is not None)
    waits = [(ref_of(hook), _job(hook)) for hook in hooks if hook["kind"] == "Job"]
    longest = max(shares, key=lambda share: share.seconds, default=None)
    total = (longest.seconds if longest else 0.0) + sum(seconds for _, seconds in waits) * factor
    lines = [f"{ref.kind} {ref.name} (hook): {seconds:.0f} s" for ref, seconds in waits]
    lines += [line for share in shares for line in share.lines]
    if given is not None:
        return Timeout(given, (*lines, f"given: {given:.0f} s, in place of {max(total, LEAST):.0f} s"), shares)
    parts = [f"{seconds:.0f} s × {factor:g}" for _, seconds in waits] + ([f"{longest.seconds:.0f} s"] if longest else [])
    whole = max(total, LEAST)
    said = f"whole: {' + '.join(parts) or '0 s'} = {total:.0f} s"
    if whole > total:
        said += f", at least {LEAST:.0f} s"
    return Timeout(whole, (*lines, said), shares)


def share_of(obj: Obj, live: Obj | None, factor: float) -> Share | None:
    """The time of one workload; None for what does not roll."""
    count = _COUNTS.get(obj["kind"])
    if count is None:
        return None
    if obj["kind"] == "Job":
        seconds = _job(obj)
        return Share(ref_of(obj), seconds * factor, (f"Job {obj['metadata']['name']}: {seconds:.0f} s × {factor:g}",))
    pod = dig(obj, "spec.template.spec", {})
    ready, words = pod_seconds(pod)
    hold = float(dig(obj, "spec.minReadySeconds", 0))
    waves, how = count(obj, live)
    # an old pod's grace matters only where the new one waits for its going
    grace = float(dig(pod, "terminationGracePeriodSeconds", 30)) if obj["kind"] != "Deployment" or _recreates(obj) else 0.0
    each = ready + hold + grace
    words += [f"minReadySeconds {hold:.0f}"] if hold else []
    words += [f"termination {grace:.0f}"] if grace else []
    seconds = waves * each * factor
    name = f"{obj['kind']} {obj['metadata']['name']}"
    line = f"{name}: {how} × ({' + '.join(words)} = {each:.0f} s) × {factor:g} = {seconds:.0f} s"
    return Share(ref_of(obj), seconds, (line,))


def pod_seconds(pod: Mapping[str, Any]) -> tuple[float, list[str]]:
    """How long a pod may take to be ready, and the parts of that: pull, init containers, the slowest container's probes."""
    inits = [one for one in pod.get("initContainers") or () if one.get("restartPolicy") != "Always"]
    probes = max((_ready_after(container) for container in pod.get("containers") or ()), default=0.0)
    parts = [("pull", PULL), ("start", START), ("init", INIT * len(inits)), ("probes", probes)]
    return sum(seconds for _, seconds in parts), [f"{name} {seconds:.0f}" for name, seconds in parts if seconds]


def _ready_after(container: Mapping[str, Any]) -> float:
    """The startup probe's whole budget, then the readiness probe's (pkg/kubelet/prober/worker.go)."""
    startup, readiness = container.get("startupProbe") or {}, container.get("readinessProbe") or {}
    budget = 0.0
    if startup:
        budget += startup.get("initialDelaySeconds", 0) + startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3)
    if readiness:
        budget += readiness.get("initialDelaySeconds", 0)
        budget += readiness.get("periodSeconds", 10) * readiness.get("successThreshold", 1) + readiness.get("timeoutSeconds", 1)
    return float(budget)


def amount(value: Any, of: int, *, up: bool) -> int:
    """A number or a percentage of `of` (apimachinery, intstr GetScaledValueFromIntOrPercent)."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * of / 100
        return ceil(share) if up else int(share)
    return int(value)


def surge_of(obj: Obj, replicas: int) -> tuple[int, int]:
    """maxSurge and maxUnavailable of a Deployment in pods (deployment/util, ResolveFenceposts)."""
    rolling = dig(obj, "spec.strategy.rollingUpdate", {})
    surge = amount(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = amount(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _recreates(obj: Obj) -> bool:
    return bool(dig(obj, "spec.strategy.type") == "Recreate")


def replicas_of(obj: Obj, live: Obj | None) -> int:
    """What is asked for, or what an autoscaler has set where the object does not say."""
    return int(dig(obj, "spec.replicas", dig(live, "spec.replicas", 1)))


def _deployment(obj: Obj, live: Obj | None) -> tuple[int, str]:
    replicas = replicas_of(obj, live)
    if _recreates(obj) or not replicas:
        return 1, "all at once"
    surge, unavailable = surge_of(obj, replicas)
    waves = ceil(replicas / max(1, surge + unavailable))
    return waves, f"{replicas} pods, {surge + unavailable} at a time = {waves} wave{'s' if waves > 1 else ''}"


def _stateful_set(obj: Obj, live: Obj | None) -> tuple[int, str]:
    replicas = replicas_of(obj, live)
    if dig(obj, "spec.podManagementPolicy") == "Parallel" and live is None:
        return 1, "all at once"
    return max(1, replicas), f"{replicas} pods, one at a time"


def _daemon_set(obj: Obj, live: Obj | None) -> tuple[int, str]:
    nodes = int(dig(live, "status.desiredNumberScheduled", 0))
    if not nodes:
        return 1, "a pod on every node"
    rolling = dig(obj, "spec.updateStrategy.rollingUpdate", {})
    at_once = amount(rolling.get("maxSurge", 0), nodes, up=True) or amount(rolling.get("maxUnavailable", 1), nodes, up=True) or 1
    waves = ceil(nodes / at_once)
    return waves, f"{nodes} nodes, {at_once} at a time = {waves} wave{'s' if waves > 1 else ''}"


def _once(obj: Obj, live: Obj | None) -> tuple[int, str]:
    return 1, "once"


_COUNTS = {
    "Deployment": _deployment, "Rollout": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set, "Job": _once,
}  # fmt: skip


def _job(obj: Obj) -> float:
    return float(annotations_of(obj).get("seatrial.dev/timeout") or dig(obj, "spec.activeDeadlineSeconds", JOB))


def late(objects: Iterable[Obj]) -> Iterator[tuple[Obj, float, list[str], float]]:
    """Where Kubernetes gives a rollout up sooner than a pod of it may take: its seconds, their parts, and the deadline."""
    for obj in objects:
        if obj["kind"] in ("Deployment", "Rollout"):
            deadline = float(dig(obj, "spec.progressDeadlineSeconds", 600))
            ready, words = pod_seconds(dig(obj, "spec.template.spec", {}))
            hold = float(dig(obj, "spec.minReadySeconds", 0))
            if ready + hold > deadline:
                yield obj, ready + hold, words + ([f"minReadySeconds {hold:.0f}"] if hold else []), deadline
