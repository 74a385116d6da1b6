# ruff: noqa: E501 - a line of the table is one saying
"""What a namespace lets in: quota arithmetic with surge and autoscalers, limit ranges, Pod Security; in Kubernetes' own reckoning."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.between import tell_of
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.pods import Pods, check_pods
from seatrial.rules.written.reading import amount, has, items, mapping, number, percent, text
from seatrial.rules.written.replicas import count
from seatrial.rules.written.telling import brief, tell
from seatrial.world import quantity
from seatrial.world.admission import limits, pod_security, quota_usage
from seatrial.world.graph import PodTemplate
from seatrial.world.objects import Obj, Ref, clone, labels_of, ref_of
from seatrial.world.once import once
from seatrial.world.world import World

_NEVER = "Pods are refused when they are created: the rollout waits until its deadline, and the reason stands only in the ReplicaSet's events."
_RESOURCES = "resources: {requests: {cpu: 500m, memory: 256Mi}, limits: {cpu: 500m, memory: 256Mi}}"


def _quota(hard: str) -> str:
    return manifest("v1", "ResourceQuota", f"spec: {{hard: {hard}}}")


_RANGE = manifest(
    "v1",
    "LimitRange",
    "spec: {limits: [{type: Container, max: {memory: 512Mi}, default: {memory: 256Mi, cpu: 500m}, defaultRequest: {memory: 256Mi, cpu: 100m}}]}",
)
_SPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {pod-security.kubernetes.io/enforce: restricted}\n"
_SAFE = "securityContext: {runAsNonRoot: true, runAsUser: 10001, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}"
_HPA = manifest(
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    "spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}, minReplicas: 2, maxReplicas: %s, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}",
)

RULES = (
    Rule("quota-too-small", "error", "has no room for what is to run", _NEVER,
         "Raise the quota, or lower replicas or requests.",
         together(_quota("{requests.cpu: '1'}"), container(_RESOURCES, spec="replicas: 3")), together(_quota("{requests.cpu: '4'}"), container(_RESOURCES, spec="replicas: 3"))),
    Rule("quota-no-surge", "warning", "has room for what runs, and none for a rollout", "Everything runs until the next release: its first new pod is refused, and the rollout waits until its deadline.",
         "Leave room for the surge of the largest rollout, or set maxSurge: 0.",
         together(_quota("{requests.cpu: '1.5'}"), container(_RESOURCES, spec="replicas: 3")), together(_quota("{requests.cpu: '4'}"), container(_RESOURCES, spec="replicas: 3"))),
    Rule("quota-no-scaling", "warning", "has no room for what the autoscalers may ask for", "Under load the autoscaler raises the replicas, and their pods are refused: it stays slow when it matters.",
         "Raise the quota, or lower maxReplicas to what fits.",
         together(_quota("{requests.cpu: '2'}"), container(_RESOURCES), _HPA % 10), together(_quota("{requests.cpu: '8'}"), container(_RESOURCES), _HPA % 10)),
    Rule("quota-unset-resource", "error", "does not say what its quota asks for", _NEVER + " (`must specify …`)",
         "Set the requests and limits that the quota counts, or add a LimitRange with defaults.",
         together(_quota("{limits.memory: 4Gi}"), container("resources: {requests: {memory: 256Mi}}")), together(_quota("{limits.memory: 4Gi}"), container(_RESOURCES))),
    Rule("limit-range-refuses", "error", "is refused by the limit range of its namespace", _NEVER,
         "Stay within the bounds, or change them.",
         together(_RANGE, container("resources: {requests: {cpu: 100m, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}")), together(_RANGE, container(_RESOURCES))),
    Rule("pod-security-refuses", "error", "is refused by the Pod Security level of its namespace", _NEVER,
         "Give the pod the security context that the level asks for, or label the namespace otherwise.",
         together(_SPACE, container("")), together(_SPACE, container(_SAFE))),
)  # fmt: skip


class Demand(NamedTuple):
    """What a workload asks of a quota: pods at least and at most, the surge of a rollout, and one pod with its defaults."""

    ref: Ref
    pod: Obj
    least: int
    most: int
    surge: int


def demands(world: World) -> dict[str, list[Demand]]:
    """The demands by namespace. Jobs count with the pods that they run at once."""
    found: dict[str, list[Demand]] = {}
    for template in world.graph.templates:
        if template.ref.kind in ("DaemonSet", "PodTemplate", "AnalysisTemplate") or not _is_shaped(template.spec):
            continue  # a DaemonSet has a pod for each node, which nobody here counts
        pods = count(world, template.ref)
        obj = world.get(template.ref) or {}
        least, most, surge = pods.least, pods.most, _surge(obj, pods.least)
        if template.ref.kind in ("Job", "CronJob"):
            least, most, surge = 0, 0, int(number(obj, "spec", "parallelism", default=1))
        found.setdefault(template.ref.namespace, []).append(Demand(template.ref, _completed(world, template), least, most, surge))
    return found


def _is_shaped(spec: Obj) -> bool:
    """Whether a pod spec has the types that the reckoning of admission relies on; where it has not, others say so."""
    for shelf in ("containers", "initContainers"):
        listed = spec.get(shelf)
        if not isinstance(listed, list):
            if shelf == "containers" or listed is not None:
                return False
            continue
        for each in listed:
            resources = each.get("resources") if isinstance(each, dict) else None
            if not isinstance(each, dict) or not isinstance(each.get("name"), str) or not isinstance(resources, dict | None):
                return False
            if not all(isinstance((resources or {}).get(side), dict | None) for side in ("requests", "limits")):
                return False
    whole = spec.get("resources")
    return isinstance(spec.get("overhead"), dict | None) and (
        whole is None or (isinstance(whole, dict) and all(isinstance(side, dict) for side in whole.values()))
    )


def _surge(obj: Obj, replicas: int) -> int:
    """The pods more than its replicas that a rollout makes (deployment_util.go rounds percentages up)."""
    kind = obj.get("kind")
    if kind not in ("Deployment", "Rollout") or text(obj, "spec", "strategy", "type") == "Recreate":
        return 0
    where = "canary" if kind == "Rollout" else "rollingUpdate"
    written = mapping(obj, "spec", "strategy", where).get("maxSurge", "25%")
    if kind == "Rollout" and has(obj, "spec", "strategy", "canary", "trafficRouting"):
        return replicas  # with traffic routing the stable version stays whole until the end
    share = percent(written)
    return ceil(share * replicas / 100) if share is not None else int(number({"n": written}, "n"))


def _completed(world: World, template: PodTemplate) -> Obj:
    """A pod of the template, with what the limit ranges of its namespace fill in."""
    pod: Obj = {"metadata": {"labels": template.labels}, "spec": clone(template.spec)}
    for each in once(world, _ranges).get(template.ref.namespace, ()):
        limits.complete(pod, each)
    for shelf in ("containers", "initContainers"):
        for each in items(pod["spec"], shelf):
            resources = mapping(each, "resources")
            given = mapping(resources, "limits")
            if given:  # a limit without a request is the request (pkg/apis/core/v1/defaults.go)
                resources["requests"] = {**given, **mapping(resources, "requests")}
    return pod


def _is_amounts(given: object) -> bool:
    return isinstance(given, dict) and all(amount(value) is not None for value in given.values())


def _ranges(world: World) -> dict[str, list[Obj]]:
    """The limit ranges by namespace, those that have the types that the reckoning relies on."""
    bounds = ("default", "defaultRequest", "min", "max", "maxLimitRequestRatio")
    fine = {
        space: [
            each
            for each in ranges
            if all(_is_amounts(limit.get(bound, {})) for limit in items(each, "spec", "limits") for bound in bounds)
        ]
        for space, ranges in _by_namespace(world, "LimitRange").items()
    }
    return {
        space: [each for each in ranges if items(each, "spec", "limits") and {} not in items(each, "spec", "limits")]
        for space, ranges in fine.items()
    }


def _quotas(world: World) -> dict[str, list[Obj]]:
    return _by_namespace(world, "ResourceQuota")


def _by_namespace(world: World, kind: str) -> dict[str, list[Obj]]:
    found: dict[str, list[Obj]] = {}
    for each in world.of(kind):
        found.setdefault(ref_of(each).namespace, []).append(each)
    return found


@check("ResourceQuota", rules=RULES[:3])
def room(world: World, obj: Obj) -> Iterator[Finding]:
    """A quota against the sum of what is to run in its namespace."""
    hard = mapping(obj, "spec", "hard")
    chosen = [each for each in once(world, demands).get(ref_of(obj).namespace, ()) if _in_scope(obj, each.pod)]
    usages = [
        (each, quota_usage.usage("pods", {"metadata": {}, "spec": each.pod["spec"]})) for each in chosen if _readable(each.pod)
    ]
    for name, bound in hard.items():
        most = amount(bound)
        if most is None or not isinstance(name, str):
            continue
        counted = [(each, quantity.parse(used[name])) for each, used in usages if name in used]
        if not counted:
            continue
        steady = sum((each.least * one for each, one in counted), Fraction(0))
        peak = max((each.surge * one for each, one in counted), default=Fraction(0))
        scaled = sum((each.most * one for each, one in counted if each.ref.kind not in ("Job", "CronJob")), Fraction(0))
        limit = quantity.parse(str(bound))
        rule = (
            "quota-too-small"
            if steady > limit
            else "quota-no-surge"
            if steady + peak > limit
            else "quota-no-scaling"
            if scaled > limit
            else ""
        )
        if rule:
            yield _over(world, obj, rule, name, limit, counted, steady, peak, scaled)


def _over(
    world: World,
    obj: Obj,
    rule: str,
    name: str,
    limit: Fraction,
    counted: list[tuple[Demand, Fraction]],
    steady: Fraction,
    peak: Fraction,
    scaled: Fraction,
) -> Finding:
    """The finding with its sum: who asks for how much."""
    many = [(each, one, each.most if rule == "quota-no-scaling" else each.least) for each, one in counted]
    parts = " + ".join(f"{each.ref.name} {pods} × {_shown(name, one)}" for each, one, pods in many if pods)
    total = {"quota-too-small": steady, "quota-no-surge": steady + peak, "quota-no-scaling": scaled}[rule]
    more = f" + surge {_shown(name, peak)}" if rule == "quota-no-surge" else ""
    words = f"{name}: {_shown(name, limit)}; {brief(parts)}{more} = {_shown(name, total)}"
    biggest = sorted(many, key=lambda each: -(each[1] * each[2]))[:3]
    also = [(each.ref, "spec", f"{each.ref.name}: {pods} × {_shown(name, one)}") for each, one, pods in biggest]
    details = {"hard": float(limit), "steady": float(steady), "surge": float(peak), "most": float(scaled), "resource": name}
    path = f'spec.hard["{name}"]' if "." in name else f"spec.hard.{name}"
    return tell_of(world, rule, obj, path, words, also=also, title=f"{_TITLES[rule]}: {name}", details=details)


_TITLES = {rule.id: rule.title for rule in RULES}


def _shown(name: str, value: Fraction) -> str:
    return quantity.render(value, "memory" in name or "storage" in name)


def _readable(pod: Obj) -> bool:
    """Whether all amounts of a pod can be read; those that cannot are told elsewhere."""
    return all(
        amount(given) is not None
        for shelf in ("containers", "initContainers")
        for each in items(pod["spec"], shelf)
        for side in ("requests", "limits")
        for given in mapping(each, "resources", side).values()
    )


def _in_scope(quota: Obj, pod: Obj) -> bool:
    try:
        return quota_usage.in_scope(quota, "pods", {"metadata": {}, **pod})
    except (KeyError, TypeError, ValueError, AttributeError):
        return True


@check_pods(rules=RULES[3:])
def admitted(world: World, pods: Pods) -> Iterator[Finding]:
    """A pod against what its namespace asks of each one."""
    space = ref_of(pods.obj).namespace
    quotas, ranges = once(world, _quotas).get(space, []), once(world, _ranges).get(space, [])
    namespace = world.get(Ref("", "Namespace", "", space)) if space else None
    if not (quotas or ranges or namespace) or not _is_shaped(pods.spec):
        return
    yield from _bounded(world, pods, quotas, ranges)
    if namespace is not None:
        yield from _secured(world, pods, namespace)


def _bounded(world: World, pods: Pods, quotas: list[Obj], ranges: list[Obj]) -> Iterator[Finding]:
    template = PodTemplate(ref_of(pods.obj), "", pods.template, ref_of(pods.obj))
    pod = _completed(world, template) if quotas or ranges else {"spec": {}}
    if not _readable(pod):
        return
    for quota in quotas:
        hard = list(mapping(quota, "spec", "hard"))
        open_ = quota_usage.unstated(pod["spec"], quota_usage.counted("pods", hard)) if _in_scope(quota, pod) else ""
        if open_:
            also: list[tuple[Obj, Any, str]] = [(quota, ("spec", "hard"), f"counts {', '.join(hard)}")]
            yield tell(
                world, "quota-unset-resource", pods.obj, (*pods.spec_path, "containers"), f"must specify {open_}", also=also
            )
    for words in limits.refusals("pods", pod, ranges)[:1] if ranges else ():
        also = [(ranges[0], ("spec", "limits"), "the limit range")]
        yield tell(world, "limit-range-refuses", pods.obj, (*pods.spec_path, "containers"), words, also=also)


def _secured(world: World, pods: Pods, namespace: Obj) -> Iterator[Finding]:
    policy, _ = pod_security.policy_of(labels_of(namespace))
    if policy.enforce.level == "privileged":
        return
    try:
        found = policy.enforce.violations({"metadata": mapping(pods.template, "metadata"), "spec": pods.spec})
    except (AttributeError, TypeError, ValueError):  # fields of wrong types, which are told by rules of their own
        return
    if found:
        also: list[tuple[Obj, Any, str]] = [
            (namespace, ("metadata", "labels", "pod-security.kubernetes.io/enforce"), f"enforces {policy.enforce}")
        ]
        words = brief(pod_security.details(found))
        yield tell(
            world,
            "pod-security-refuses",
            pods.obj,
            pods.spec_path,
            words,
            also=also,
            details={"violations": [list(map(str, each)) for each in found]},
        )
