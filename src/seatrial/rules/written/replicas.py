# ruff: noqa: E501 - a line of the table is one saying
"""How many pods there will be: autoscalers that fight, replicas beside an autoscaler, budgets that block a drain.

All of it is reckoned for the world at hand, which is one environment: a budget that is right for three replicas blocks the
drain where an overlay asks for one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import ceil
from typing import NamedTuple

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.between import names, out, tell_of
from seatrial.rules.written.containers import replicas_of
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.reading import has, items, mapping, number, percent, text, value
from seatrial.rules.written.telling import take
from seatrial.world import paths
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.once import once
from seatrial.world.world import World

_RESOURCES = "resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 128Mi}}"
_TARGET = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}"
_CPU = "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]"
_HPA = manifest("autoscaling/v2", "HorizontalPodAutoscaler", f"spec: {{{_TARGET}, minReplicas: 2, maxReplicas: 10, {_CPU}}}")
_KEDA = manifest(
    "keda.sh/v1alpha1",
    "ScaledObject",
    "spec: {scaleTargetRef: {name: api}, minReplicaCount: 2, maxReplicaCount: 10, triggers: [{type: cpu, metricType: Utilization, metadata: {value: '70'}}]}",
)


def _budget(bound: str) -> str:
    return manifest("policy/v1", "PodDisruptionBudget", f"spec: {{{bound}, selector: {{matchLabels: {{app: api}}}}}}")


def _vpa(mode: str) -> str:
    return manifest(
        "autoscaling.k8s.io/v1",
        "VerticalPodAutoscaler",
        f"spec: {{targetRef: {{apiVersion: apps/v1, kind: Deployment, name: api}}, updatePolicy: {{updateMode: '{mode}'}}}}",
    )


RULES = (
    Rule("two-autoscalers", "error", "is not the only autoscaler of its target", "Each sets the replicas that the other has just changed: they go up and down for ever. (A ScaledObject makes a HorizontalPodAutoscaler of its own.)",
         "Keep one: put the metrics of both into it.",
         together(container(_RESOURCES), _HPA, _KEDA), together(container(_RESOURCES), _HPA)),
    Rule("replicas-beside-autoscaler", "warning", "sets the replicas that an autoscaler sets", "Each release puts the count back to what the file says, in the middle of the load that raised it.",
         "Take replicas out of the workload.",
         together(container(_RESOURCES, spec="replicas: 2"), _HPA), together(container(_RESOURCES), _HPA)),
    Rule("autoscaler-no-request", "error", "scales by a share of a request that is not there", "FailedGetResourceMetric, missing request: it never scales.",
         "Request the resource in every container, sidecars included, or use averageValue.",
         together(container("resources: {limits: {memory: 128Mi}}"), _HPA), together(container(_RESOURCES), _HPA)),
    Rule("two-autoscalers-vertical", "warning", "is scaled by number and by size for one resource", "When the load rises, the one adds pods and the other makes them larger; each acts on what the other has just changed.",
         "Let the VerticalPodAutoscaler only recommend (updateMode: Off), or scale by number on other metrics.",
         together(container(_RESOURCES), _HPA, _vpa("Auto")), together(container(_RESOURCES), _HPA, _vpa("Off"))),
    Rule("budget-blocks-drain", "error", "allows no eviction with the replicas that there are", "Nodes cannot be drained: upgrades of the cluster hang at this pod until somebody deletes it by hand.",
         "Set maxUnavailable: 1, or run one replica more than minAvailable in this environment.",
         together(container("", spec="replicas: 2"), _budget("minAvailable: 2")), together(container("", spec="replicas: 3"), _budget("minAvailable: 2"))),
    Rule("budget-of-one", "warning", "keeps a single replica from being moved", "There is one pod and it may not go: nodes cannot be drained. Without the budget the drain would cost a short outage.",
         "Run two replicas, or set maxUnavailable: 1 in this environment.",
         together(container("", spec="replicas: 1"), _budget("minAvailable: 1")), together(container("", spec="replicas: 2"), _budget("minAvailable: 1"))),
    Rule("budget-against-minimum", "warning", "allows no eviction while its autoscaler is at the minimum", "At night, when nodes are drained, the replicas are at their minimum and none may go.",
         "Set maxUnavailable: 1, or raise the autoscaler's minimum.",
         together(container(_RESOURCES), _HPA, _budget("minAvailable: 2")), together(container(_RESOURCES), _HPA, _budget("minAvailable: 1"))),
    Rule("no-budget", "note", "has several replicas and no disruption budget", "A drain of two nodes may take all of them at once.",
         "Add a PodDisruptionBudget with maxUnavailable: 1.",
         container("ports: [{containerPort: 8080}]", spec="replicas: 3"), together(container("ports: [{containerPort: 8080}]", spec="replicas: 3"), _budget("maxUnavailable: 1"))),
    Rule("no-autoscaler-target-replicas", "note", "begins outside of its autoscaler's bounds", "The first minutes after each release run with a number that the autoscaler then corrects.",
         "Take replicas out of the workload.",
         together(container(_RESOURCES, spec="replicas: 20"), _HPA), together(container(_RESOURCES), _HPA)),
)  # fmt: skip

HORIZONTAL = ("HorizontalPodAutoscaler", "ScaledObject")
WORKLOADS = ("Deployment", "StatefulSet", "Rollout", "ReplicaSet")


class Count(NamedTuple):
    """How many pods a workload has: at least, at most, and which autoscaler says so (None for the file)."""

    least: int
    most: int
    by: Ref | None = None


def scalers(world: World) -> dict[Ref, list[Ref]]:
    """The horizontal autoscalers of each workload; a ScaledObject's own HorizontalPodAutoscaler counts as the ScaledObject."""
    found: dict[Ref, list[Ref]] = defaultdict(list)
    for scaler in world.of(*HORIZONTAL):
        owner = world.owner(scaler)
        if owner is None or owner.get("kind") != "ScaledObject":
            for reference in out(world, scaler, "scale-target"):
                target = world.get(reference.target)
                real = text(target, "spec", "workloadRef", "name") if target else ""
                found[reference.target].append(ref_of(scaler))
                if real:  # a Rollout and the Deployment it takes its pods from are one
                    found[Ref("apps", "Deployment", reference.target.namespace, real)].append(ref_of(scaler))
    return found


def count(world: World, ref: Ref) -> Count:
    """How many pods a workload of the world has."""
    obj = world.get(ref) or {}
    for scaler in once(world, scalers).get(ref, ()):
        spec = mapping(world.get(scaler), "spec")
        if scaler.kind == "HorizontalPodAutoscaler":
            return Count(int(number(spec, "minReplicas", default=1)), int(number(spec, "maxReplicas", default=1)), scaler)
        return Count(int(number(spec, "minReplicaCount")), int(number(spec, "maxReplicaCount", default=100)), scaler)
    if ref.kind == "DaemonSet":
        return Count(0, 0)
    replicas = replicas_of(obj) if ref.kind in WORKLOADS else 1
    return Count(replicas, replicas)


@check(*WORKLOADS, rules=RULES[:2] + RULES[3:4] + RULES[8:])
def autoscaled(world: World, obj: Obj) -> Iterator[Finding]:
    """A workload and whoever scales it."""
    ref = ref_of(obj)
    found = once(world, scalers).get(ref, [])
    if len(found) > 1:
        for first, second in pairwise(found):
            scaler = world.get(second) or {}
            also = [(first, "spec.scaleTargetRef", f"scales {ref.kind} {ref.name} too")]
            words = f"scaleTargetRef: {ref.kind} {ref.name}"
            title = f"is not the only autoscaler of {ref.kind} {ref.name}: {first.kind} {first.name} is another"
            yield tell_of(
                world,
                "two-autoscalers",
                scaler,
                "spec.scaleTargetRef",
                words,
                also=[*also, (ref, "spec", "the target")],
                title=title,
            )
    if found and has(obj, "spec", "replicas"):
        bounds = count(world, ref)
        also = [(found[0], "spec", f"sets between {bounds.least} and {bounds.most}")]
        words = f"replicas: {value(obj, 'spec', 'replicas')}, {found[0].kind} {found[0].name} sets them"
        at = ("spec", "replicas")
        yield tell_of(world, "replicas-beside-autoscaler", obj, "spec.replicas", words, also=also, ops=[take(at)])
        if not bounds.least <= number(obj, "spec", "replicas", default=-1) <= bounds.most:
            words = f"replicas: {value(obj, 'spec', 'replicas')}, between {bounds.least} and {bounds.most} by {found[0].kind} {found[0].name}"
            yield tell_of(world, "no-autoscaler-target-replicas", obj, "spec.replicas", words, also=also)
    for reference in world.graph.into(ref):
        if reference.relation == "scale-target" and reference.source.kind == "VerticalPodAutoscaler" and found:
            yield from _vertical(world, reference.source, found[0])


def _vertical(world: World, vertical: Ref, horizontal: Ref) -> Iterator[Finding]:
    obj = world.get(vertical) or {}
    if text(obj, "spec", "updatePolicy", "updateMode") in ("Off", "Initial"):
        return
    controlled = {
        name
        for policy in items(obj, "spec", "resourcePolicy", "containerPolicies")
        for name in policy.get("controlledResources") or ()
    } or {"cpu", "memory"}
    both = sorted(controlled & _measured(world, horizontal))
    if both:
        also = [(horizontal, "spec", f"scales by {', '.join(both)}")]
        words = f"updateMode: {text(obj, 'spec', 'updatePolicy', 'updateMode') or 'Auto'}, for {', '.join(both)}"
        yield tell_of(world, "two-autoscalers-vertical", obj, "spec.updatePolicy", words, also=also)


def _measured(world: World, scaler: Ref) -> set[str]:
    """The resources that an autoscaler measures as a share of requests."""
    spec = mapping(world.get(scaler), "spec")
    if scaler.kind == "ScaledObject":
        return {
            text(each, "type")
            for each in items(spec, "triggers")
            if (text(each, "metricType") or text(each, "metadata", "type") or "Utilization") == "Utilization"
        } & {"cpu", "memory"}
    found = {
        text(metric, "resource", "name")
        for metric in items(spec, "metrics")
        if text(metric, "resource", "target", "type") == "Utilization"
    }
    return found | ({"cpu"} if has(spec, "targetCPUUtilizationPercentage") or not items(spec, "metrics") else set())


@check(*HORIZONTAL, rules=RULES[2:3])
def requests(world: World, obj: Obj) -> Iterator[Finding]:
    """Whether what an autoscaler measures against is requested by every container."""
    ref = ref_of(obj)
    for resource in sorted(_measured(world, ref)):
        for reference in out(world, obj, "scale-target"):
            if _filled_in(world, reference.target.namespace, resource):
                continue
            for template in world.graph.templates_of(reference.target):
                for place, each in enumerate(items(template.spec, "containers")):
                    resources = mapping(each, "resources")
                    if (
                        resource not in mapping(resources, "requests")
                        and resource not in mapping(resources, "limits")
                        and not has(template.spec, "resources", "requests", resource)
                    ):
                        at = f"{template.spec_path}.containers[{place}].resources"
                        also = [(template.written, at, f"container {each.get('name')} requests no {resource}")]
                        words = f"{resource} as a share of the request; container {each.get('name')} of {reference.target} requests none"
                        where = "spec.metrics" if ref.kind == "HorizontalPodAutoscaler" else "spec.triggers"
                        title = f"scales by a share of the {resource} request, which container {each.get('name')} of {reference.target.kind} {reference.target.name} does not have"
                        yield tell_of(world, "autoscaler-no-request", obj, where, words, also=also, title=title)


def _filled_in(world: World, namespace: str, resource: str) -> bool:
    """Whether a limit range gives containers a request."""
    return resource in once(world, _defaults).get(namespace, ())


def _defaults(world: World) -> dict[str, set[str]]:
    """The resources that limit ranges give to containers, by namespace."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in world.of("LimitRange"):
        for limit in items(each, "spec", "limits"):
            found[ref_of(each).namespace] |= {*mapping(limit, "defaultRequest"), *mapping(limit, "default")}
    return found


def healthy(bound: object, pods: int) -> int:
    """How many pods a bound means; percentages round up (pkg/controller/disruption)."""
    share = percent(bound)
    if share is not None:
        return ceil(share * pods / 100)
    return int(bound) if isinstance(bound, (int, str)) and str(bound).isdigit() else 0


@check("PodDisruptionBudget", rules=RULES[4:7])
def budgets(world: World, obj: Obj) -> Iterator[Finding]:
    """A budget against the replicas of this environment, those of Rollouts and of autoscalers at their minimum included."""
    spec = mapping(obj, "spec")
    least, gone = spec.get("minAvailable"), spec.get("maxUnavailable")
    if (least is None) == (gone is None) or gone in (0, "0", "0%") or percent(least) == 100:
        return  # told by the rules of the budget alone
    chosen = dict.fromkeys(reference.target for reference in out(world, obj, "selects") if reference.target.kind in WORKLOADS)
    if len(chosen) != 1:
        return
    ref = next(iter(chosen))
    pods = count(world, ref)
    written = value(world.get(ref) or {}, "spec", "replicas")
    again = written if pods.by and isinstance(written, int) and 0 < written < pods.least else 0
    if again and not (again - healthy(least, again) if least is not None else healthy(gone, again)):
        words = f"minAvailable: {least} of {again}: nobody may go until {pods.by.name if pods.by else ''} has raised it to {pods.least}"
        also = [(ref, "spec.replicas", f"replicas: {again}, at every apply")]
        title = f"allows no eviction after every apply ({names([ref])})"
        yield tell_of(world, "budget-against-minimum", obj, "spec.minAvailable", words, also=also, title=title)
    if pods.least == 0:
        return
    allowed = pods.least - healthy(least, pods.least) if least is not None else healthy(gone, pods.least)
    if allowed > 0:
        return
    at = "spec.minAvailable" if least is not None else "spec.maxUnavailable"
    bound = f"minAvailable: {least}" if least is not None else f"maxUnavailable: {gone}"
    who = pods.by or ref
    words = f"{bound} of {pods.least} pod{'s' if pods.least > 1 else ''}: {pods.least} − {healthy(least, pods.least)} = {allowed} may go"
    also = [
        (
            who,
            "spec.minReplicas" if pods.by else "spec.replicas",
            f"{pods.least} replica{'s' if pods.least > 1 else ''}" + (" at least" if pods.by else ""),
        )
    ]
    rule = (
        "budget-of-one"
        if pods.least == 1
        else "budget-against-minimum"
        if pods.by and pods.most > pods.least
        else "budget-blocks-drain"
    )
    yield tell_of(world, rule, obj, at, words, also=also, title=f"{_TITLES[rule]} ({names([ref])})")


_TITLES = {rule.id: rule.title for rule in RULES}


@check("Deployment", "StatefulSet", "Rollout", rules=RULES[7:8])
def unprotected(world: World, obj: Obj) -> Iterator[Finding]:
    """Replicas that a drain may take all at once."""
    ref = ref_of(obj)
    serves = any(
        paths.at(each, "ports") for template in world.graph.templates_of(ref) for each in items(template.spec, "containers")
    )
    if not serves or count(world, ref).least < 2:
        return
    if not any(reference.source.kind == "PodDisruptionBudget" for reference in world.graph.into(ref)):
        yield tell_of(world, "no-budget", obj, "spec", f"{count(world, ref).least} replicas, no PodDisruptionBudget")
