# ruff: noqa: E501 - a line of the table is one saying
"""Autoscalers and disruption budgets by themselves: HorizontalPodAutoscaler, ScaledObject, PodDisruptionBudget, VPA."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.reading import has, items, mapping, number, percent, text
from seatrial.rules.written.telling import Path, brief, put, take, tell
from seatrial.world.objects import Obj
from seatrial.world.world import World

_REFUSED = "The API server refuses the object."
_TARGET = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}"
_CPU = "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]"
_PROMETHEUS = "triggers: [{type: prometheus, metadata: {serverAddress: 'http://prometheus.monitoring:9090', query: 'sum(rate(http_requests_total[2m]))', threshold: '100'}}]"


def _hpa(spec: str) -> str:
    return manifest("autoscaling/v2", "HorizontalPodAutoscaler", f"spec: {{{spec}}}")


def _keda(spec: str) -> str:
    return manifest("keda.sh/v1alpha1", "ScaledObject", f"spec: {{{spec}}}")


def _budget(spec: str) -> str:
    return manifest("policy/v1", "PodDisruptionBudget", f"spec: {{{spec}}}")


_HPA = _hpa(f"{_TARGET}, minReplicas: 2, maxReplicas: 10, {_CPU}")
_KEDA = _keda(f"scaleTargetRef: {{name: api}}, minReplicaCount: 2, maxReplicaCount: 10, {_PROMETHEUS}")
_SMALL = "scaleTargetRef: {name: api}, minReplicaCount: %d, maxReplicaCount: 3, triggers: [%s]"
_BY_CPU = "{type: cpu, metricType: Utilization, metadata: {value: '70'}}"
_SELECT = "selector: {matchLabels: {app: api}}"
_PDB = _budget(f"maxUnavailable: 1, {_SELECT}")

RULES = (
    Rule("hpa-bounds", "error", "may have fewer replicas at most than at least", _REFUSED,
         "Let maxReplicas be at least minReplicas.",
         _hpa(f"{_TARGET}, minReplicas: 5, maxReplicas: 3, {_CPU}"), _HPA),
    Rule("hpa-idle", "warning", "has no room to scale", "minReplicas and maxReplicas are equal: it never does anything, and who relies on it is surprised under load.",
         "Raise maxReplicas, or take the autoscaler out.",
         _hpa(f"{_TARGET}, minReplicas: 3, maxReplicas: 3, {_CPU}"), _HPA),
    Rule("hpa-single", "note", "may go down to one replica", "At night every drained node and every crash is an outage.",
         "Set minReplicas: 2.",
         _hpa(f"{_TARGET}, maxReplicas: 3, {_CPU}"), _HPA),
    Rule("hpa-metric-unset", "note", "does not say what it scales by", "Without metrics it scales by 80 % of the CPU requests, which hardly anybody means.",
         "Name the metric and its target.",
         _hpa(f"{_TARGET}, minReplicas: 2, maxReplicas: 10"), _HPA),
    Rule("hpa-zero", "error", "goes down to nothing by a metric that only pods have", _REFUSED + " Zero replicas have no CPU to measure; the API allows it with Object or External metrics only.",
         "Set minReplicas to 1 or more, or use KEDA.",
         _hpa(f"{_TARGET}, minReplicas: 0, maxReplicas: 10, {_CPU}"), _HPA),
    Rule("hpa-target-kind", "error", "scales a kind that has no replicas", "Nothing is ever scaled: FailedGetScale, for ever.",
         "Scale a Deployment, StatefulSet or Rollout.",
         _hpa(f"scaleTargetRef: {{apiVersion: apps/v1, kind: DaemonSet, name: api}}, minReplicas: 2, maxReplicas: 10, {_CPU}"), _HPA),
    Rule("hpa-target-api", "error", "looks for its target in the wrong API", "Nothing is ever scaled: FailedGetScale, no matches for the kind.",
         "Give the target's own apiVersion (apps/v1, argoproj.io/v1alpha1).",
         _hpa(f"scaleTargetRef: {{apiVersion: apps/v1, kind: Rollout, name: api}}, minReplicas: 2, maxReplicas: 10, {_CPU}"), _HPA),
    Rule("hpa-metric", "error", "has a metric that it cannot compute", _REFUSED,
         "Give each metric the block of its type, and a target of Utilization, AverageValue or Value with its number.",
         _hpa(f"{_TARGET}, minReplicas: 2, maxReplicas: 10, metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization}}}}}}]"), _HPA),
    Rule("hpa-never-down", "warning", "may never change its size in a direction", "selectPolicy: Disabled leaves the replicas where one burst has put them, or where none helps.",
         "Use a longer stabilizationWindowSeconds instead.",
         _hpa(f"{_TARGET}, minReplicas: 2, maxReplicas: 10, {_CPU}, behavior: {{scaleUp: {{selectPolicy: Disabled}}}}"), _HPA),
    Rule("hpa-flapping", "note", "shrinks at once", "Each short pause takes pods away that the next second needs: it flaps, and cold starts answer.",
         "Leave stabilizationWindowSeconds of scaleDown at 300.",
         _hpa(f"{_TARGET}, minReplicas: 2, maxReplicas: 10, {_CPU}, behavior: {{scaleDown: {{stabilizationWindowSeconds: 0}}}}"), _HPA),
    Rule("hpa-memory-only", "note", "scales by memory alone", "Most runtimes never give memory back: it grows to its maximum and stays there.",
         "Scale by CPU or by requests, with memory besides at most.",
         _hpa(f"{_TARGET}, minReplicas: 2, maxReplicas: 10, metrics: [{{type: Resource, resource: {{name: memory, target: {{type: Utilization, averageUtilization: 80}}}}}}]"), _HPA),
    Rule("keda-bounds", "error", "has bounds that contradict one another", "KEDA refuses the ScaledObject, and nothing is scaled.",
         "Let minReplicaCount be at most maxReplicaCount, and idleReplicaCount less than minReplicaCount.",
         _keda(f"scaleTargetRef: {{name: api}}, minReplicaCount: 5, maxReplicaCount: 3, {_PROMETHEUS}"), _KEDA),
    Rule("keda-no-triggers", "error", "has nothing to scale by", "KEDA refuses the ScaledObject, and nothing is scaled.",
         "Add a trigger.",
         _keda("scaleTargetRef: {name: api}, minReplicaCount: 1, maxReplicaCount: 3, triggers: []"), _KEDA),
    Rule("keda-zero-by-cpu", "error", "goes down to nothing by what only pods have", "Without pods there is no CPU or memory to measure: KEDA refuses zero with such triggers alone.",
         "Set minReplicaCount: 1, or add a trigger from outside.",
         _keda("scaleTargetRef: {name: api}, minReplicaCount: 0, maxReplicaCount: 3, triggers: [{type: cpu, metricType: Utilization, metadata: {value: '70'}}]"), _keda(_SMALL % (1, _BY_CPU))),
    Rule("keda-trigger", "error", "has a trigger that lacks what its kind needs", "KEDA cannot build the scaler: the ScaledObject is not ready, and nothing is scaled.",
         "Give the trigger the metadata that its page names.",
         _keda("scaleTargetRef: {name: api}, minReplicaCount: 1, maxReplicaCount: 3, triggers: [{type: prometheus, metadata: {query: up, threshold: '1'}}]"),
         _keda(_SMALL % (1, "{type: prometheus, metadata: {serverAddress: 'http://prometheus.monitoring:9090', query: up, threshold: '1'}}"))),
    Rule("keda-metadata-text", "error", "has trigger metadata that are no texts", _REFUSED + " All metadata of triggers are texts.",
         "Put quotes around numbers and truth values.",
         _keda("scaleTargetRef: {name: api}, minReplicaCount: 1, maxReplicaCount: 3, triggers: [{type: cpu, metricType: Utilization, metadata: {value: 70}}]"), _keda(_SMALL % (1, _BY_CPU))),
    Rule("keda-old-type", "warning", "says how to measure in the old place", "KEDA no longer reads metadata.type of CPU and memory triggers: the ScaledObject is refused by newer versions.",
         "Use the trigger's metricType.",
         _keda("scaleTargetRef: {name: api}, minReplicaCount: 1, maxReplicaCount: 3, triggers: [{type: cpu, metadata: {type: Utilization, value: '70'}}]"), _keda(_SMALL % (1, _BY_CPU))),
    Rule("keda-no-maximum", "note", "may grow to a hundred replicas", "Without maxReplicaCount the bound is 100: a faulty metric fills the cluster.",
         "Set maxReplicaCount.",
         _keda(f"scaleTargetRef: {{name: api}}, minReplicaCount: 1, {_PROMETHEUS}"), _KEDA),
    Rule("budget-both", "error", "sets both of its bounds", _REFUSED,
         "Keep maxUnavailable.",
         _budget(f"minAvailable: 1, maxUnavailable: 1, {_SELECT}"), _PDB),
    Rule("budget-none", "error", "sets no bound", "Every eviction is refused: nodes cannot be drained, upgrades hang.",
         "Set maxUnavailable: 1.",
         _budget(_SELECT), _PDB),
    Rule("budget-blocks", "warning", "never allows an eviction", "Nodes cannot be drained: upgrades and scale-downs of the cluster hang until somebody deletes pods by hand.",
         "Set maxUnavailable: 1 (or a percentage below 100 of minAvailable).",
         _budget(f"maxUnavailable: 0, {_SELECT}"), _PDB),
    Rule("budget-allows-all", "note", "allows to evict all pods at once", "It protects nothing: a drain may take every replica.",
         "Set maxUnavailable: 1 or 25%.",
         _budget(f"maxUnavailable: 100%, {_SELECT}"), _PDB),
    Rule("budget-selects-all", "warning", "is for every pod of the namespace", "Pods under two budgets cannot be evicted at all, and Jobs count too.",
         "Select one workload's pods.",
         _budget("maxUnavailable: 1, selector: {}"), _PDB),
    Rule("budget-selects-none", "warning", "selects no pods", "Without a selector it protects nothing.",
         "Select the workload's pods.",
         _budget("maxUnavailable: 1"), _PDB),
    Rule("vpa-mode", "error", "has an update mode that does not exist", _REFUSED,
         "The modes are Off, Initial, Recreate, InPlaceOrRecreate and Auto.",
         manifest("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: api}, updatePolicy: {updateMode: On}}"),
         manifest("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: api}, updatePolicy: {updateMode: 'Off'}}")),
    Rule("budget-unhealthy-pods", "note", "keeps pods that do not work from being evicted", "By default a pod that is not ready counts as one that may not go: one broken pod keeps a node from being drained.",
         "Set unhealthyPodEvictionPolicy: AlwaysAllow.",
         _PDB, _budget(f"maxUnavailable: 1, unhealthyPodEvictionPolicy: AlwaysAllow, {_SELECT}")),
)  # fmt: skip

#: kind -> the group that has it.
KINDS = {"Deployment": "apps", "StatefulSet": "apps", "ReplicaSet": "apps", "Rollout": "argoproj.io", "DaemonSet": "apps"}
UNSCALABLE = frozenset({"DaemonSet", "Job", "CronJob", "Pod", "Service"})
#: Metric type -> its block, and where the target stands in it.
METRICS = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}
TARGETS = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}
#: KEDA's triggers -> metadata of which each group has to have one (the fields' names in the page of each scaler).
TRIGGERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "prometheus": (("serverAddress",), ("query",), ("threshold",)),
    "cron": (("timezone",), ("start",), ("end",), ("desiredReplicas",)),
    "cpu": (("value",),),
    "memory": (("value",),),
    "redis": (("address", "addressFromEnv", "host", "hostFromEnv"), ("listName",)),
    "rabbitmq": (("queueName",),),
    "aws-sqs-queue": (("queueURL", "queueURLFromEnv"), ("awsRegion",)),
    "postgresql": (("query",), ("targetQueryValue",)),
}
#: Scalers whose address may come from the TriggerAuthentication instead.
_BY_AUTH = frozenset({"address", "host", "serverAddress"})


@check("HorizontalPodAutoscaler", rules=RULES[:11])
def hpa(world: World, obj: Obj) -> Iterator[Finding]:
    """A HorizontalPodAutoscaler."""
    spec = mapping(obj, "spec")
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
    if isinstance(least, int) and isinstance(most, int):
        words = f"minReplicas: {least}, maxReplicas: {most}"
        if least > most or most < 1:
            yield tell(world, "hpa-bounds", obj, ("spec", "maxReplicas"), words)
        elif least == most:
            yield tell(world, "hpa-idle", obj, ("spec", "maxReplicas"), words)
        elif least == 1:
            yield tell(world, "hpa-single", obj, ("spec", "minReplicas"), words)
    metrics = items(spec, "metrics")
    if not metrics and not has(spec, "targetCPUUtilizationPercentage"):
        yield tell(world, "hpa-metric-unset", obj, ("spec", "metrics"), "metrics: none")
    kinds = {text(metric, "type") for metric in metrics}
    if least == 0 and not kinds & {"Object", "External"}:
        yield tell(
            world, "hpa-zero", obj, ("spec", "minReplicas"), f"minReplicas: 0, metrics: {', '.join(sorted(kinds)) or 'none'}"
        )
    resources = {text(mapping(metric, METRICS.get(text(metric, "type"), "")), "name") for metric in metrics}
    if resources == {"memory"}:
        yield tell(world, "hpa-memory-only", obj, ("spec", "metrics"), "metrics: memory alone")
    yield from _target(world, obj, spec)
    if str(obj.get("apiVersion")) == "autoscaling/v2":
        yield from _metrics(world, obj, metrics)
    yield from _behavior(world, obj, mapping(spec, "behavior"))


def _target(world: World, obj: Obj, spec: Obj) -> Iterator[Finding]:
    target = mapping(spec, "scaleTargetRef")
    kind, version = text(target, "kind"), text(target, "apiVersion")
    at: Path = ("spec", "scaleTargetRef")
    if kind in UNSCALABLE:
        yield tell(world, "hpa-target-kind", obj, (*at, "kind"), f"kind: {kind}")
    elif kind in KINDS and version.partition("/")[0] != KINDS[kind]:
        right = f"{KINDS[kind]}/{'v1alpha1' if kind == 'Rollout' else 'v1'}"
        ops = [put(obj, (*at, "apiVersion"), right)]
        yield tell(
            world, "hpa-target-api", obj, (*at, "apiVersion"), f"apiVersion: {version or 'not set'}, kind: {kind}", ops=ops
        )


def _metrics(world: World, obj: Obj, metrics: list[Obj]) -> Iterator[Finding]:
    for place, metric in enumerate(metrics):
        at, kind = ("spec", "metrics", place), text(metric, "type")
        block = mapping(metric, METRICS.get(kind, ""))
        target = mapping(block, "target")
        wanted = TARGETS.get(text(target, "type"))
        if kind not in METRICS or not block:
            yield tell(world, "hpa-metric", obj, at, f"type: {kind or 'not set'}, without its block")
        elif wanted is None or not has(target, wanted):
            words = f"target: {text(target, 'type') or 'no type'}, {wanted or 'no value'} not set"
            yield tell(world, "hpa-metric", obj, (*at, METRICS[kind], "target"), words)
        elif number(target, wanted, default=1) <= 0:
            yield tell(world, "hpa-metric", obj, (*at, METRICS[kind], "target"), f"{wanted}: {target[wanted]}")


def _behavior(world: World, obj: Obj, behavior: Obj) -> Iterator[Finding]:
    for direction in ("scaleUp", "scaleDown"):
        at = ("spec", "behavior", direction)
        if text(behavior, direction, "selectPolicy") == "Disabled":
            yield tell(world, "hpa-never-down", obj, (*at, "selectPolicy"), f"{direction}: Disabled")
    if mapping(behavior, "scaleDown").get("stabilizationWindowSeconds") == 0:
        window = ("spec", "behavior", "scaleDown", "stabilizationWindowSeconds")
        yield tell(world, "hpa-flapping", obj, window, "stabilizationWindowSeconds: 0", ops=[take(window)])


@check("ScaledObject", rules=RULES[11:18])
def keda(world: World, obj: Obj) -> Iterator[Finding]:
    """A ScaledObject of KEDA."""
    spec = mapping(obj, "spec")
    least, most = number(spec, "minReplicaCount"), number(spec, "maxReplicaCount", default=100)
    idle = spec.get("idleReplicaCount")
    triggers = items(spec, "triggers")
    if least > most or (isinstance(idle, int) and idle >= least):
        words = f"minReplicaCount: {least:.0f}, maxReplicaCount: {most:.0f}" + (
            f", idleReplicaCount: {idle}" if idle is not None else ""
        )
        yield tell(world, "keda-bounds", obj, ("spec", "minReplicaCount"), words)
    if not triggers:
        yield tell(world, "keda-no-triggers", obj, ("spec", "triggers"), "triggers: none")
    elif (least == 0 or idle == 0) and {text(each, "type") for each in triggers} <= {"cpu", "memory"}:
        ops = [put(obj, ("spec", "minReplicaCount"), 1)] if idle is None else []
        yield tell(
            world,
            "keda-zero-by-cpu",
            obj,
            ("spec", "minReplicaCount"),
            "minReplicaCount: 0, triggers: cpu or memory alone",
            ops=ops,
        )
    if not has(spec, "maxReplicaCount"):
        yield tell(world, "keda-no-maximum", obj, ("spec", "maxReplicaCount"), "maxReplicaCount: not set")
    for place, trigger in enumerate(triggers):
        yield from _trigger(world, obj, ("spec", "triggers", place), trigger)


def _trigger(world: World, obj: Obj, at: Path, trigger: Obj) -> Iterator[Finding]:
    kind, metadata = text(trigger, "type"), mapping(trigger, "metadata")
    by_auth = has(trigger, "authenticationRef")
    for wanted in TRIGGERS.get(kind, ()):
        if not any(name in metadata for name in wanted) and not (by_auth and set(wanted) & _BY_AUTH):
            yield tell(world, "keda-trigger", obj, (*at, "metadata"), f"type: {kind}, without {wanted[0]}")
    for name, given in metadata.items():
        if given is not None and not isinstance(given, str):
            ops = [put(obj, (*at, "metadata", name), str(given).lower() if isinstance(given, bool) else str(given))]
            yield tell(world, "keda-metadata-text", obj, (*at, "metadata", name), f"{name}: {given}", ops=ops)
    if kind in ("cpu", "memory") and "type" in metadata and not text(trigger, "metricType"):
        ops = [put(obj, (*at, "metricType"), metadata["type"]), take((*at, "metadata", "type"))]
        yield tell(world, "keda-old-type", obj, (*at, "metadata", "type"), f"type: {metadata['type']}", ops=ops)


@check("PodDisruptionBudget", rules=RULES[18:24] + RULES[25:])
def budget(world: World, obj: Obj) -> Iterator[Finding]:
    """A PodDisruptionBudget by itself."""
    spec = mapping(obj, "spec")
    least, gone = spec.get("minAvailable"), spec.get("maxUnavailable")
    at: Path = ("spec", "maxUnavailable" if gone is not None else "minAvailable")
    words = f"minAvailable: {_or_not(least)}, maxUnavailable: {_or_not(gone)}"
    if least is not None and gone is not None:
        yield tell(
            world, "budget-both", obj, at, words, ops=[take(("spec", "minAvailable"))] if gone not in (0, "0%", "0") else ()
        )
    elif least is None and gone is None:
        yield tell(world, "budget-none", obj, ("spec",), words, ops=[put(obj, ("spec", "maxUnavailable"), 1)])
    elif percent(least) == 100 or gone in (0, "0", "0%"):
        ops = [take(at), put(obj, ("spec", "maxUnavailable"), 1)] if least is not None else [put(obj, at, 1)]
        yield tell(world, "budget-blocks", obj, at, words, ops=ops)
    elif percent(gone) == 100 or least in (0, "0", "0%"):
        yield tell(world, "budget-allows-all", obj, at, words)
    if "unhealthyPodEvictionPolicy" not in spec:
        there = ("spec", "unhealthyPodEvictionPolicy")
        said = "unhealthyPodEvictionPolicy: not set, which is IfHealthyBudget"
        yield tell(world, "budget-unhealthy-pods", obj, there, said, ops=[put(obj, there, "AlwaysAllow")])
    selector = spec.get("selector")
    if selector is None:
        yield tell(world, "budget-selects-none", obj, ("spec", "selector"), "selector: not set")
    elif not mapping(spec, "selector", "matchLabels") and not items(spec, "selector", "matchExpressions"):
        yield tell(world, "budget-selects-all", obj, ("spec", "selector"), "selector: {}")


def _or_not(written: object) -> str:
    return "not set" if written is None else str(written)


@check("VerticalPodAutoscaler", rules=RULES[24:25])
def vpa(world: World, obj: Obj) -> Iterator[Finding]:
    """A VerticalPodAutoscaler's mode."""
    mode = mapping(obj, "spec", "updatePolicy").get("updateMode")
    if mode is not None and mode not in ("Off", "Initial", "Recreate", "InPlaceOrRecreate", "Auto"):
        at = ("spec", "updatePolicy", "updateMode")
        written = f"{'On' if mode else 'Off'}, which YAML reads as a truth value" if isinstance(mode, bool) else brief(mode)
        ops = [put(obj, at, "Off")] if mode is False else []
        yield tell(world, "vpa-mode", obj, at, f"updateMode: {written}", ops=ops)
