"""How long a rollout may take, computed from what it does, with the arithmetic shown.  Pure.

A pod takes what its image pulls, init containers and probes may take at the worst; a workload takes as many waves of pods as its
strategy allows at once, and the pauses and analyses of its steps.  All but what is written down as a time is multiplied by a
safety factor.  The formulas follow the deployment, statefulset and daemon set controllers, the prober of the kubelet, and the
steps of Argo Rollouts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from seatrial.world import duration
from seatrial.world.objects import Obj, Ref, annotations_of, dig, name_of, ref_of

#: Seconds: pulling an image that is not there, binding and starting a container, one init container, one hook or Job.
PULL, START, INIT, JOB = 60.0, 5.0, 30.0, 300.0
#: The shortest whole, in seconds.
LEAST = 60.0
HOOK = "helm.sh/hook"


@dataclass(frozen=True, slots=True)
class Share:
    """The time of one workload in seconds, the safety factor in it, and how it came about."""

    ref: Ref
    seconds: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timeout:
    """The whole in seconds; workloads roll side by side, hooks one after the other. `warnings`: what is not counted."""

    seconds: float
    lines: tuple[str, ...]
    shares: tuple[Share, ...]
    warnings: tuple[str, ...] = ()

    def of(self, ref: Ref) -> float:
        return next((share.seconds for share in self.shares if share.ref == ref), self.seconds)


@dataclass(frozen=True, slots=True)
class Waves:
    """How a workload rolls: in so many waves of pods, with exact seconds of pauses besides, and what waits for a person."""

    number: int
    words: str
    pauses: float = 0.0
    pause_words: str = ""
    person: str = ""


def timeout(
    objects: Sequence[Obj],
    hooks: Sequence[Obj] = (),
    live: Mapping[Ref, Obj] | None = None,
    *,
    factor: float = 2.0,
    given: float | None = None,
) -> Timeout:
    """The time for a rollout. `factor` multiplies what was computed, `given` replaces it; seconds.

    `live` is what is there of the objects: an empty map for a first install, None where it is not known, which gives the time
    of an upgrade with every image pulled and every hook run.
    """
    known = live is not None
    live = live if live is not None else {ref_of(obj): _unknown(obj) for obj in objects}
    shares = tuple(share for obj in objects if (share := share_of(obj, live.get(ref_of(obj)), factor, objects)) is not None)
    upgrade = any(ref_of(obj) in live for obj in objects)
    awaited = (hook for hook in hooks if hook["kind"] in ("Job", "Pod") and (not known or _runs(hook, upgrade)))
    waits = [(ref_of(hook), _job(hook)) for hook in awaited]
    longest = max(shares, key=lambda share: share.seconds, default=None)
    total = (longest.seconds if longest else 0.0) + sum(seconds for _, seconds in waits) * factor
    lines = [f"{ref.kind} {ref.name} (hook): {seconds:.0f} s" for ref, seconds in waits]
    lines += [line for share in shares for line in share.lines]
    if given is not None:
        return Timeout(given, (*lines, f"given: {given:.0f} s, in place of {max(total, LEAST):.0f} s"), shares)
    parts = [f"{seconds:.0f} s × {factor:g}" for _, seconds in waits] + ([f"{longest.seconds:.0f} s"] if longest else [])
    whole = max(total, LEAST)
    said = f"whole: {' + '.join(parts) or '0 s'}" + (f" = {total:.0f} s" if waits else "")
    if whole > total:
        said += f", at least {LEAST:.0f} s"
    return Timeout(whole, (*lines, said), shares, tuple(_persons(objects, live)))


def _unknown(obj: Obj) -> Obj:
    """What may be live of an object: as many pods, of other images."""
    return {"kind": obj["kind"], "metadata": obj["metadata"], "spec": {"replicas": dig(obj, "spec.replicas", 1)}}


def _runs(hook: Obj, upgrade: bool) -> bool:
    """Whether a hook has a part in an install, or in an upgrade; one that says neither is counted."""
    events = {event.strip() for event in annotations_of(hook).get(HOOK, "").split(",")}
    mine, other = ("upgrade", "install") if upgrade else ("install", "upgrade")
    return not any(event.endswith(f"-{other}") for event in events) or any(event.endswith(f"-{mine}") for event in events)


def share_of(obj: Obj, live: Obj | None, factor: float, objects: Sequence[Obj] = ()) -> Share | None:
    """The time of one workload; None for what does not roll. `objects` are those of the release, for its analyses."""
    if obj["kind"] == "Job":
        seconds = _job(obj)
        return Share(
            ref_of(obj), seconds * factor, (f"Job {name_of(obj)}: {seconds:.0f} s × {factor:g} = {seconds * factor:.0f} s",)
        )
    count = _COUNTS.get(obj["kind"])
    pod = dig(obj, "spec.template.spec")
    if count is None or pod is None:
        return None
    waves = count(obj, live, objects)
    if not waves.number:
        return Share(ref_of(obj), 0.0, (f"{obj['kind']} {name_of(obj)}: {waves.words}",))
    ready, words = pod_seconds(pod, dig(live, "spec.template.spec"))
    hold = float(dig(obj, "spec.minReadySeconds", 0))
    # an old pod's grace matters only where the new one waits for its going
    grace = float(dig(pod, "terminationGracePeriodSeconds", 30)) if live is not None and _waits_for_old(obj) else 0.0
    each = ready + hold + grace
    words += [f"minReadySeconds {hold:.0f}"] if hold else []
    words += [f"termination {grace:.0f}"] if grace else []
    known = _known_images(pod, dig(live, "spec.template.spec"))
    once = PULL * known  # a node that has not run the workload before pulls them all the same
    line = f"{obj['kind']} {name_of(obj)}: {waves.words} × ({' + '.join(words)} = {each:.0f} s)"
    if once:
        line = line.replace(": ", ": (", 1) + f" + pull on another node {once:.0f} s)"
    seconds = (waves.number * each + once) * factor + waves.pauses
    line += f" × {factor:g}" + (f" + {waves.pause_words}" if waves.pauses else "") + f" = {seconds:.0f} s"
    return Share(ref_of(obj), seconds, (line,))


# one pod


def pod_seconds(pod: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> tuple[float, list[str]]:
    """How long a pod may take to be ready, and its parts: pulls, init containers, sidecars, the slowest container's probes.

    `before` is the spec of the pods that run now: their images are on the nodes.
    """
    every = pod.get("initContainers") or ()
    inits = [one for one in every if one.get("restartPolicy") != "Always"]
    sidecars = sum(_startup(one.get("startupProbe") or {}) for one in every if one.get("restartPolicy") == "Always")
    probes = max((_ready_after(container) for container in pod.get("containers") or ()), default=0.0)
    pulls = len(_images(pod)) - _known_images(pod, before)
    shown = f"pull {pulls} × {PULL:.0f}" if pulls > 1 else f"pull {PULL:.0f}"
    parts = [(shown, PULL * pulls), (f"start {START:.0f}", START), (f"init {INIT * len(inits):.0f}", INIT * len(inits))]
    parts += [(f"sidecars {sidecars:.0f}", sidecars), (f"probes {probes:.0f}", probes)]
    return sum(seconds for _, seconds in parts), [words for words, seconds in parts if seconds]


def _images(pod: Mapping[str, Any] | None) -> set[str]:
    spec = pod or {}
    return {str(one.get("image", "")) for kind in ("initContainers", "containers") for one in spec.get(kind) or ()}


def _known_images(pod: Mapping[str, Any], before: Mapping[str, Any] | None) -> int:
    """How many of the images run already, and need not be pulled on the same node."""
    return len(_images(pod) & _images(before))


def _startup(probe: Mapping[str, Any]) -> float:
    if not probe:
        return 0.0
    return float(probe.get("initialDelaySeconds", 0) + probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3))


def _ready_after(container: Mapping[str, Any]) -> float:
    """The startup probe's whole budget, then the readiness probe's (pkg/kubelet/prober/worker.go)."""
    readiness = container.get("readinessProbe") or {}
    budget = _startup(container.get("startupProbe") or {})
    if readiness:
        budget += readiness.get("initialDelaySeconds", 0)
        budget += readiness.get("periodSeconds", 10) * readiness.get("successThreshold", 1) + readiness.get("timeoutSeconds", 1)
    return float(budget)


# how many waves


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


def _waits_for_old(obj: Obj) -> bool:
    """Whether a new pod is made only when an old one is gone."""
    if obj["kind"] == "Deployment":
        return bool(dig(obj, "spec.strategy.type") == "Recreate")
    if obj["kind"] == "DaemonSet":
        return not dig(obj, "spec.updateStrategy.rollingUpdate.maxSurge")
    return bool(obj["kind"] == "StatefulSet")


def replicas_of(obj: Obj, live: Obj | None) -> int:
    """What is asked for, or what an autoscaler has set where the object does not say."""
    return int(dig(obj, "spec.replicas", dig(live, "spec.replicas", 1)))


def _counted(pods: int, at_once: int, noun: str = "pod") -> Waves:
    waves = ceil(pods / max(1, at_once))
    how = "one at a time" if at_once <= 1 else f"{at_once} at a time"
    return Waves(waves, f"{_number(pods, noun)}, {how} = {_number(waves, 'wave')}")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _deployment(obj: Obj, live: Obj | None, objects: Sequence[Obj]) -> Waves:
    replicas = replicas_of(obj, live)
    if dig(obj, "spec.strategy.type") == "Recreate" or not replicas:
        return Waves(1, "all at once")
    surge, unavailable = surge_of(obj, replicas)
    if live is None:
        return Waves(1, f"{_number(replicas, 'pod')} at once")
    return _counted(replicas, surge + unavailable)


def _stateful_set(obj: Obj, live: Obj | None, objects: Sequence[Obj]) -> Waves:
    replicas = replicas_of(obj, live)
    if live is None:
        return Waves(1, "all at once") if dig(obj, "spec.podManagementPolicy") == "Parallel" else _counted(max(1, replicas), 1)
    if dig(obj, "spec.updateStrategy.type") == "OnDelete":
        return Waves(0, "its pods are replaced when somebody deletes them: no time")
    partition = int(dig(obj, "spec.updateStrategy.rollingUpdate.partition", 0))
    more = max(0, replicas - int(dig(live, "spec.replicas", 1)))
    pods = max(replicas - partition, more)
    if pods <= 0:
        return Waves(0, f"partition {partition} keeps all its pods: no time")
    at_once = amount(dig(obj, "spec.updateStrategy.rollingUpdate.maxUnavailable", 1), replicas, up=True)
    return _counted(pods, at_once)


def _daemon_set(obj: Obj, live: Obj | None, objects: Sequence[Obj]) -> Waves:
    nodes = int(dig(live, "status.desiredNumberScheduled", 0))
    if not nodes:
        return Waves(1, "a pod on every node")
    if dig(obj, "spec.updateStrategy.type") == "OnDelete":
        return Waves(0, "its pods are replaced when somebody deletes them: no time")
    rolling = dig(obj, "spec.updateStrategy.rollingUpdate", {})
    at_once = amount(rolling.get("maxSurge", 0), nodes, up=True) or amount(rolling.get("maxUnavailable", 1), nodes, up=True) or 1
    return _counted(nodes, at_once, "node")


def _rollout(obj: Obj, live: Obj | None, objects: Sequence[Obj]) -> Waves:
    """An Argo Rollout: the first version comes without steps; later ones step by step, each weight a wave of its own."""
    replicas = replicas_of(obj, live)
    if live is None:
        return Waves(1, f"{_number(replicas, 'pod')} at once")
    canary, blue = dig(obj, "spec.strategy.canary"), dig(obj, "spec.strategy.blueGreen")
    templates = {name_of(one): one for one in objects if one["kind"] in ("AnalysisTemplate", "ClusterAnalysisTemplate")}
    if canary is None:
        named = [*_named(dig(blue, "prePromotionAnalysis")), *_named(dig(blue, "postPromotionAnalysis"))]
        parts = [("promotion", float(dig(blue, "autoPromotionSeconds", 0))), ("analysis", _analysis(named, templates))]
        person = "waits for a person to promote it" if dig(blue, "autoPromotionEnabled", True) is False else ""
        if dig(blue, "autoPromotionSeconds"):
            person = ""
        return Waves(1, f"{_number(replicas, 'pod')} at once", *_pauses(parts), person)
    steps = canary.get("steps") or []
    if not steps:
        return _counted(replicas, sum(_canary_surge(canary, replicas)))
    weights = sum(1 for step in steps if "setWeight" in step or "setCanaryScale" in step)
    parts = [("pauses", sum(_seconds(step["pause"]) for step in steps if "pause" in step))]
    parts.append(("analysis", sum(_analysis(_named(step.get("analysis")), templates) for step in steps)))
    endless = next((n for n, step in enumerate(steps, 1) if "pause" in step and not (step["pause"] or {}).get("duration")), 0)
    person = f"waits at step {endless} of {len(steps)} for a person" if endless else ""
    return Waves(weights + 1, f"{weights} steps and the whole = {weights + 1} waves", *_pauses(parts), person)


def _canary_surge(canary: Mapping[str, Any], replicas: int) -> tuple[int, int]:
    surge = amount(canary.get("maxSurge", "25%"), replicas, up=True)
    unavailable = amount(canary.get("maxUnavailable", "25%"), replicas, up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _pauses(parts: Sequence[tuple[str, float]]) -> tuple[float, str]:
    return sum(seconds for _, seconds in parts), " + ".join(f"{name} {seconds:.0f} s" for name, seconds in parts if seconds)


def _seconds(pause: Mapping[str, Any] | None) -> float:
    """Of a pause; a bare number is seconds, in text too. What cannot be read is Argo's to refuse."""
    given = (pause or {}).get("duration") or 0
    try:
        return float(given) if str(given).isdigit() else duration.parse(given)
    except ValueError:
        return 0.0


def _named(analysis: Mapping[str, Any] | None) -> list[str]:
    return [str(one.get("templateName", "")) for one in (analysis or {}).get("templates") or ()]


def _analysis(names: Sequence[str], templates: Mapping[str, Obj]) -> float:
    """How long analyses take: of each metric its delay, and its interval as often as it is measured."""
    return max((_measured(metric) for name in names for metric in dig(templates.get(name), "spec.metrics", [])), default=0.0)


def _measured(metric: Mapping[str, Any]) -> float:
    count, interval = int(metric.get("count") or 1), _seconds({"duration": metric.get("interval")})
    return _seconds({"duration": metric.get("initialDelay")}) + max(0, count - 1) * interval


_COUNTS = {"Deployment": _deployment, "Rollout": _rollout, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}


def _persons(objects: Sequence[Obj], live: Mapping[Ref, Obj]) -> Iterator[str]:
    """The workloads that stop until somebody says so: for how long is not known."""
    for obj in objects:
        there = live.get(ref_of(obj))
        person = _rollout(obj, there, objects).person if obj["kind"] == "Rollout" else ""
        if person:
            yield f"Rollout {name_of(obj)} {person}; that time is not counted"


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
