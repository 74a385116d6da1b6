"""The pods that a release makes: of which workload, how many, in place of which, and how many at once beyond the old.

A template becomes the pod that admission would make of it: defaults, limit ranges, priority class.  The peak of a rolling update
is where the last old pod still runs beside all new ones that its strategy allows (deployment/rolling.go: never more than
replicas + maxSurge); the numbers of Argo Rollouts follow its own replicaset/canary.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seatrial.release.plan import Plan
from seatrial.release.timeout import amount, replicas_of, surge_of
from seatrial.world.admission import limits
from seatrial.world.objects import Obj, Ref, annotations_of, clone, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.scheduling.plugins.node_affinity import allows
from seatrial.world.scheduling.plugins.node_basics import tolerated

HOOK = "helm.sh/hook"
#: Kinds that make pods of a template.
MAKERS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout", "ReplicaSet", "ReplicationController"})


@dataclass(frozen=True, slots=True)
class Load:
    """One workload: `old` and `new` are pods as they are made, `before` and `after` how many of them there are to be.

    `kept` old ones are not replaced (a partition), `surge` new ones run beside all the others, `unavailable` may be missing on
    the way; a `hook` runs before or after the others.
    """

    obj: Obj
    new: Obj
    after: int
    old: Obj | None = None
    before: int = 0
    surge: int = 0
    unavailable: int = 0
    kept: int = 0
    rolls: bool = True
    hook: str = ""

    @property
    def ref(self) -> Ref:
        return ref_of(self.obj)

    def __str__(self) -> str:
        return f"{self.obj['kind']} {name_of(self.obj)}"


def loads(plan: Plan, ranges: Sequence[Obj] = (), classes: Sequence[Obj] = (), nodes: Sequence[Obj] | None = None) -> list[Load]:
    """The loads of a plan. `ranges` and `classes`: LimitRanges and PriorityClasses; `nodes`: those there are, if known."""
    found = []
    least = {(kind, name): number for kind, name, number, _ in scalers(plan)}
    rolling = {change.ref for change in plan.changes if change.rolls}
    for obj in (*plan.objects, *plan.hooks):
        template = template_of(obj)
        if template is None:
            continue
        live = plan.live.get(ref_of(obj))
        new = pod_of(obj, template, ranges, classes)
        before = template_of(live) if live is not None else None
        old = pod_of(obj, before, ranges, classes) if before is not None else None
        hook = annotations_of(obj).get(HOOK, "")
        load = _COUNT.get(obj["kind"], _single)(obj, live, new, old, ref_of(obj) in rolling or live is None, nodes)
        if load is not None and hook:
            found.append(Load(obj, new, max(1, load.after), hook=hook))
        elif load is not None:
            found.append(replace(load, after=max(load.after, least.get((obj["kind"], name_of(obj)), 0))))
    return found


def scalers(plan: Plan) -> Iterator[tuple[str, str, int, int]]:
    """What the autoscalers of a release scale, by kind and name, from how many pods to how many."""
    for obj in plan.objects:
        keys = _SCALERS.get(obj["kind"])
        if keys:
            target = dig(obj, "spec.scaleTargetRef", {})
            least, most = (int(dig(obj, f"spec.{key}", default)) for key, default in keys)
            yield target.get("kind", "Deployment"), str(target.get("name", "")), least, most


#: kind -> where it says the least and the most pods, with what holds where it does not say.
_SCALERS = {
    "HorizontalPodAutoscaler": (("minReplicas", 1), ("maxReplicas", 1)),
    "ScaledObject": (("minReplicaCount", 0), ("maxReplicaCount", 100)),
}


def template_of(obj: Obj | None) -> Obj | None:
    """The pod template of a workload (`metadata`, `spec`); the pod itself; None for what makes no pods at once."""
    if obj is None:
        return None
    if obj["kind"] == "Pod":
        return {"metadata": obj["metadata"], "spec": obj.get("spec") or {}}
    if obj["kind"] in MAKERS or obj["kind"] == "Job":
        template: Obj | None = dig(obj, "spec.template")
        return template if dig(template, "spec.containers") else None
    return None


def every_template(obj: Obj) -> Obj | None:
    """The pod template of anything that makes pods, also of what makes them later (CronJob)."""
    if obj["kind"] == "CronJob":
        template: Obj | None = dig(obj, "spec.jobTemplate.spec.template")
        return template
    return template_of(obj)


def pod_of(obj: Obj, template: Obj, ranges: Iterable[Obj] = (), classes: Iterable[Obj] = ()) -> Obj:
    """The pod that is made of a template, as admission completes it."""
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if key in ("labels", "annotations")}
    pod = clone(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "name": name_of(obj), "namespace": namespace_of(obj)},
            "spec": template["spec"],
        }
    )
    for container in (*(pod["spec"].get("containers") or ()), *(pod["spec"].get("initContainers") or ())):
        resources = container.get("resources") or {}
        if resources.get("limits"):  # a limit without a request is a request too (pkg/apis/core/v1/defaults.go)
            container["resources"] = {**resources, "requests": {**resources["limits"], **(resources.get("requests") or {})}}
    for one in ranges:
        limits.complete(pod, _with_default_requests(one))
    if not pod["spec"].get("priorityClassName"):
        pod["spec"].update(priorityClassName=next((name_of(one) for one in classes if one.get("globalDefault")), ""))
    return pod


def _with_default_requests(limit_range: Obj) -> Obj:
    """A range's `default` is its `defaultRequest` where that is not given, as the API server stores it."""
    items = [
        {**item, "defaultRequest": {**(item.get("default") or {}), **(item.get("defaultRequest") or {})}}
        for item in dig(limit_range, "spec.limits", [])
    ]
    return {**limit_range, "spec": {**(limit_range.get("spec") or {}), "limits": items}}


# how many, by kind


def _deployment(obj: Obj, live: Obj | None, new: Obj, old: Obj | None, rolls: bool, nodes: Sequence[Obj] | None) -> Load:
    after, before = replicas_of(obj, live), int(dig(live, "spec.replicas", 1 if live else 0))
    if dig(obj, "spec.strategy.type") == "Recreate":
        return Load(obj, new, after, old, before, 0, max(before, after), rolls=rolls)
    surge, unavailable = surge_of(obj, after)
    return Load(obj, new, after, old, before, surge, unavailable, rolls=rolls)


def _stateful_set(obj: Obj, live: Obj | None, new: Obj, old: Obj | None, rolls: bool, nodes: Sequence[Obj] | None) -> Load:
    after, before = replicas_of(obj, live), int(dig(live, "spec.replicas", 1 if live else 0))
    kept = min(before, after, int(dig(obj, "spec.updateStrategy.rollingUpdate.partition", 0)))
    if dig(obj, "spec.updateStrategy.type") == "OnDelete":
        kept = min(before, after)
    return Load(obj, new, after, old, before, 0, 1, kept, rolls)


def _daemon_set(obj: Obj, live: Obj | None, new: Obj, old: Obj | None, rolls: bool, nodes: Sequence[Obj] | None) -> Load:
    before = int(dig(live, "status.desiredNumberScheduled", 0))
    after = before if not nodes else sum(daemon_runs(new["spec"], node) for node in nodes)
    if dig(obj, "spec.updateStrategy.type") == "OnDelete":
        return Load(obj, new, after, old, before, 0, 1, before, rolls)
    rolling = dig(obj, "spec.updateStrategy.rollingUpdate", {})
    surge = amount(rolling.get("maxSurge", 0), after, up=True)
    return Load(obj, new, after, old, before, surge, 1 if not surge else 0, 0, rolls)


def _rollout(obj: Obj, live: Obj | None, new: Obj, old: Obj | None, rolls: bool, nodes: Sequence[Obj] | None) -> Load:
    """Argo: with routed traffic and blue-green both versions may run whole; a plain canary shares the replicas."""
    after, before = replicas_of(obj, live), int(dig(live, "spec.replicas", 1 if live else 0))
    canary = dig(obj, "spec.strategy.canary")
    if canary is None or canary.get("trafficRouting"):
        return Load(obj, new, after, old, before, after, 0, rolls=rolls)
    surge = amount(canary.get("maxSurge", "25%"), after, up=True)
    unavailable = amount(canary.get("maxUnavailable", "25%"), after, up=False)
    return Load(obj, new, after, old, before, *((surge, unavailable) if surge or unavailable else (0, 1)), rolls=rolls)


def _job(obj: Obj, live: Obj | None, new: Obj, old: Obj | None, rolls: bool, nodes: Sequence[Obj] | None) -> Load | None:
    if (live is not None and not annotations_of(obj).get(HOOK)) or dig(obj, "spec.suspend"):
        return None  # it has run, or runs and is counted
    return Load(obj, new, min(int(dig(obj, "spec.parallelism", 1)), int(dig(obj, "spec.completions", 1 << 30))))


def _single(obj: Obj, live: Obj | None, new: Obj, old: Obj | None, rolls: bool, nodes: Sequence[Obj] | None) -> Load:
    after = int(dig(obj, "spec.replicas", 1))
    before = int(dig(live, "spec.replicas", 1)) if live else 0
    return Load(obj, new, after, old, before, rolls=live is None)


#: Taints that every DaemonSet tolerates (pkg/controller/daemon/util, AddOrUpdateDaemonPodTolerations).
_DAEMON = (
    "not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable", "network-unavailable",
)  # fmt: skip


def daemon_tolerations(spec: Obj) -> list[Obj]:
    """What the pods of a DaemonSet tolerate, with what its controller adds."""
    more = ({"key": f"node.kubernetes.io/{taint}", "operator": "Exists"} for taint in _DAEMON)
    return [*(spec.get("tolerations") or ()), *more]


def daemon_runs(spec: Obj, node: Obj) -> bool:
    """Whether a DaemonSet's pod is to run on a node, by its selector, affinity and tolerations."""
    tolerations = daemon_tolerations(spec)
    hard = (taint for taint in dig(node, "spec.taints", []) if taint.get("effect") in ("NoSchedule", "NoExecute"))
    return allows(spec, name_of(node), labels_of(node)) and all(tolerated(tolerations, taint) for taint in hard)


_COUNT: Mapping[str, Any] = {
    "Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set, "Rollout": _rollout, "Job": _job,
}  # fmt: skip


def before_others(load: Load) -> bool:
    """Whether a hook has ended before the workloads roll."""
    return any(event.strip().startswith("pre-") for event in load.hook.split(","))


def hooks_and_others(found: Iterable[Load]) -> tuple[list[Load], list[Load], list[Load]]:
    """Hooks that run before, workloads, hooks that run after."""
    every = list(found)
    early = [one for one in every if one.hook and before_others(one)]
    late = [one for one in every if one.hook and not before_others(one)]
    return early, [one for one in every if not one.hook], late


def containers_of(spec: Obj) -> Iterator[tuple[str, Obj]]:
    """The containers of a pod spec, each with the list it is in."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            yield kind, container
