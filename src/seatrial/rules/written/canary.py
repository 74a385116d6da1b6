# ruff: noqa: E501 - a line of the table is one saying
"""Argo Rollouts and their analyses: strategies that are refused, never move or measure the wrong thing."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from itertools import pairwise

from seatrial.rules import promql
from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.containers import replicas_of
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.reading import has, items, mapping, number, text, value
from seatrial.rules.written.telling import Path, brief, take, tell
from seatrial.world.objects import Obj
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_REFUSED = "The controller marks the Rollout InvalidSpec and does nothing more with it."
_POD = "selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'registry.example/web:1.4.2'}]}}"
_TRAFFIC = "canaryService: web-canary, stableService: web, trafficRouting: {nginx: {stableIngress: web}}"
_STEPS = "steps: [{setWeight: 10}, {pause: {duration: 5m}}, {setWeight: 50}, {pause: {duration: 5m}}]"


def _rollout(strategy: str, more: str = _POD, replicas: int = 10) -> str:
    return manifest(
        "argoproj.io/v1alpha1", "Rollout", f"spec: {{replicas: {replicas}, {more}, strategy: {strategy}}}", name="web"
    )


def _analysis(metric: str, args: str = "[]") -> str:
    return manifest(
        "argoproj.io/v1alpha1", "AnalysisTemplate", f"spec:\n  args: {args}\n  metrics:\n    - {metric}", name="errors"
    )


_FINE = _rollout(f"{{canary: {{{_TRAFFIC}, {_STEPS}}}}}")
_QUERY = 'sum(rate(http_requests_total{namespace="shop", pod=~"{{args.pods}}", code=~"5.."}[2m])) / sum(rate(http_requests_total{namespace="shop", pod=~"{{args.pods}}"}[2m])) or vector(0)'
_ADDRESS = "http://prometheus.monitoring:9090"


def _metric(
    query: str = _QUERY, more: str = "interval: 1m, count: 5, failureLimit: 1, successCondition: 'result[0] <= 0.05'"
) -> str:
    return f"{{name: errors, {more}, provider: {{prometheus: {{address: '{_ADDRESS}', query: '{query}'}}}}}}"


_MEASURED = _analysis(_metric(), "[{name: pods}]")

RULES = (
    Rule("rollout-strategy", "error", "has no strategy, or two", _REFUSED,
         "Give either canary or blueGreen.",
         _rollout("{}"), _FINE),
    Rule("rollout-template", "error", "has no pods of its own, or two kinds of them", _REFUSED,
         "Give either template or workloadRef.",
         _rollout(f"{{canary: {{{_STEPS}}}}}", "selector: {matchLabels: {app: web}}"), _FINE),
    Rule("rollout-weight", "error", "has a weight that cannot be", _REFUSED,
         "Weights go from 0 to 100.",
         _rollout("{canary: {steps: [{setWeight: 150}]}}"), _FINE),
    Rule("rollout-weights-fall", "warning", "takes traffic back from the new version on its way", "Each step should send more than the one before: the later analysis sees less of the new version than the earlier.",
         "Put the steps in the order of their weights.",
         _rollout(f"{{canary: {{{_TRAFFIC}, steps: [{{setWeight: 50}}, {{pause: {{duration: 5m}}}}, {{setWeight: 20}}, {{pause: {{duration: 5m}}}}]}}}}"), _FINE),
    Rule("rollout-no-steps", "warning", "is a canary without steps", "It is an ordinary rolling update: nothing waits, nothing is measured.",
         "Add steps with weights, pauses and an analysis.",
         _rollout(f"{{canary: {{{_TRAFFIC}}}}}"), _FINE),
    Rule("rollout-no-pause", "warning", "never waits between its steps", "All weights pass within seconds: no fault can show before everybody gets it.",
         "Add a pause or an analysis after each weight.",
         _rollout(f"{{canary: {{{_TRAFFIC}, steps: [{{setWeight: 10}}, {{setWeight: 50}}]}}}}"), _FINE),
    Rule("rollout-waits-for-ever", "note", "waits for a person at a step", "A pause without a duration ends when somebody promotes it: at night nobody does, and the pipeline waits.",
         "Give the pause a duration, or say who promotes.",
         _rollout(f"{{canary: {{{_TRAFFIC}, steps: [{{setWeight: 10}}, {{pause: {{}}}}]}}}}"), _FINE),
    Rule("rollout-pause-invalid", "error", "has a pause of no length", _REFUSED,
         "Write 30s, 5m or 1h.",
         _rollout("{canary: {steps: [{setWeight: 10}, {pause: {duration: 5 minutes}}]}}"), _FINE),
    Rule("rollout-no-services", "error", "routes traffic without the two services that it takes", _REFUSED,
         "Set canaryService and stableService.",
         _rollout(f"{{canary: {{trafficRouting: {{nginx: {{stableIngress: web}}}}, {_STEPS}}}}}"), _FINE),
    Rule("rollout-one-service", "error", "has one service for both versions", _REFUSED,
         "Make a Service of its own for each.",
         _rollout(f"{{canary: {{canaryService: web, stableService: web, {_STEPS}}}}}"), _FINE),
    Rule("rollout-active-missing", "error", "is blue-green without an active service", _REFUSED,
         "Set blueGreen.activeService.",
         _rollout("{blueGreen: {previewService: web-preview}}"), _rollout("{blueGreen: {activeService: web, previewService: web-preview}}")),
    Rule("rollout-coarse", "warning", "has too few pods for its first weight", "Without traffic routing the weight is a share of pods: at least one pod is new, which takes much more than was meant.",
         "Route traffic (mesh, ingress), or run more replicas.",
         _rollout(f"{{canary: {{{_STEPS}}}}}", replicas=2), _FINE),
    Rule("rollout-scale-unrouted", "error", "scales its canary without traffic routing", _REFUSED,
         "Take setCanaryScale out, or route traffic.",
         _rollout("{canary: {steps: [{setCanaryScale: {weight: 25}}, {setWeight: 10}, {pause: {duration: 5m}}]}}"), _FINE),
    Rule("rollout-not-measured", "note", "moves on without measuring anything", "Nobody looks at night: a broken version reaches everybody after the last pause.",
         "Add an analysis.",
         _rollout(f"{{canary: {{{_TRAFFIC}, {_STEPS}}}}}"),
         _rollout(f"{{canary: {{{_TRAFFIC}, {_STEPS}, analysis: {{templates: [{{templateName: errors}}], startingStep: 1}}}}}}")),
    Rule("analysis-no-templates", "error", "has an analysis that measures nothing", _REFUSED,
         "Name a template.",
         _rollout("{canary: {steps: [{setWeight: 10}, {analysis: {args: [{name: a, value: b}]}}]}}"), _FINE),
    Rule("analysis-argument-unresolved", "error", "uses an argument that it does not declare", "Each run ends at once with `failed to resolve args`, and the release is rolled back.",
         "Declare it under args.",
         _analysis(_metric()), _MEASURED),
    Rule("analysis-argument-self", "error", "gives an argument its own name for a value", "Arguments are not resolved inside of arguments: each run ends with `failed to resolve args`.",
         "Leave the value out and let the Rollout give it, or write the value.",
         _analysis(_metric(), "[{name: pods, value: '{{args.pods}}'}]"), _MEASURED),
    Rule("analysis-argument-unused", "note", "declares an argument that nobody uses", "Without a value it has to be given all the same, or the run fails.",
         "Take it out, or use it in the query.",
         _analysis(_metric(), "[{name: pods}, {name: other}]"), _MEASURED),
    Rule("analysis-count", "error", "measures several times without an interval", _REFUSED + " The same holds for an interval that is none.",
         "Set interval.",
         _analysis(_metric(more="count: 5, successCondition: 'result[0] <= 0.05'"), "[{name: pods}]"), _MEASURED),
    Rule("analysis-limit", "warning", "allows as many failures as it measures", _REFUSED + " It could never fail.",
         "Let failureLimit be less than count.",
         _analysis(_metric(more="interval: 1m, count: 3, failureLimit: 3, successCondition: 'result[0] <= 0.05'"), "[{name: pods}]"), _MEASURED),
    Rule("analysis-no-condition", "warning", "measures without judging", "Every measurement counts as a success, whatever it is.",
         "Add a successCondition or a failureCondition.",
         _analysis(_metric(more="interval: 1m, count: 5"), "[{name: pods}]"), _MEASURED),
    Rule("analysis-no-provider", "error", "has a metric that comes from nowhere", _REFUSED,
         "Name one provider, with its address.",
         _analysis("{name: errors, interval: 1m, count: 5, successCondition: 'result[0] <= 0.05'}"), _MEASURED),
    Rule("analysis-empty-result", "warning", "fails when there is no traffic", "A query without a result leaves nothing at result[0]: the measurement is an error, and a quiet night rolls the release back.",
         "Add `or vector(0)`, or allow it: len(result) == 0 || result[0] <= …",
         _analysis(_metric("sum(rate(http_requests_total{namespace=\"shop\", pod=~\"{{args.pods}}\", code=~\"5..\"}[2m]))"), "[{name: pods}]"), _MEASURED),
    Rule("analysis-divides-by-zero", "note", "divides by what may be 0", "0 / 0 is NaN, which is neither above nor below a bound: without traffic the measurement fails.",
         "Guard it: … or vector(0), with `> 0` under the line, or isNaN(result[0]) in the condition.",
         _analysis(_metric("sum(rate(http_requests_total{namespace=\"shop\", pod=~\"{{args.pods}}\", code=~\"5..\"}[2m])) / sum(rate(http_requests_total{namespace=\"shop\", pod=~\"{{args.pods}}\"}[2m]))"), "[{name: pods}]"),
         _analysis(_metric("sum(rate(http_requests_total{namespace=\"shop\", pod=~\"{{args.pods}}\", code=~\"5..\"}[2m])) / (sum(rate(http_requests_total{namespace=\"shop\", pod=~\"{{args.pods}}\"}[2m])) > 0) or vector(0)"), "[{name: pods}]")),
    Rule("analysis-blind", "note", "passes where there is nothing to measure", "No series at all (a wrong label, a metric that was renamed, no traffic) counts as good: what was never measured is promoted.",
         "Add a metric that asks for traffic: sum(rate(…)) > 0, with a condition of its own.",
         _analysis(_metric("sum(rate(http_requests_total{namespace=\"shop\", pod=~\"{{args.pods}}\", code=~\"5..\"}[2m])) or vector(0)"), "[{name: pods}]"),
         _analysis(_metric("sum(rate(http_requests_total{namespace=\"shop\", pod=~\"{{args.pods}}\", code=~\"2..\"}[2m])) or vector(0)", more="interval: 1m, count: 5, failureLimit: 1, successCondition: 'result[0] >= 0.95'"), "[{name: pods}]")),
    Rule("analysis-of-both", "warning", "measures the old version with the new one", "At 10 % of the traffic a canary that fails every request shows as 10 % errors at most; a bound below may pass, and a fault of the old version stops the new one.",
         "Tell the versions apart: the canary's service, or its pod-template-hash as an argument.",
         _analysis(_metric("sum(rate(http_requests_total{job=\"web\", code=~\"5..\"}[2m])) / sum(rate(http_requests_total{job=\"web\"}[2m])) or vector(0)")), _MEASURED),
)  # fmt: skip

_USED = pattern(r"\{\{\s*args\.([\w-]+)\s*\}\}")
_DURATION = pattern(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
#: Words in a query that tell the canary from the stable version.
_TOLD_APART = pattern(r"canary|hash|revision|version|preview|\{\{", re.IGNORECASE)


@check("Rollout", rules=RULES[:2] + RULES[8:12])
def strategy(world: World, obj: Obj) -> Iterator[Finding]:
    """The strategy as a whole."""
    spec = mapping(obj, "spec")
    strategies = [name for name in ("canary", "blueGreen") if name in mapping(spec, "strategy")]
    if len(strategies) != 1:
        yield tell(
            world, "rollout-strategy", obj, ("spec", "strategy"), " and ".join(strategies) or "neither canary nor blueGreen"
        )
    if bool(mapping(spec, "template")) == has(spec, "workloadRef"):
        words = "template and workloadRef" if has(spec, "workloadRef") else "neither template nor workloadRef"
        yield tell(world, "rollout-template", obj, ("spec",), words)
    canary, green = mapping(spec, "strategy", "canary"), mapping(spec, "strategy", "blueGreen")
    at: Path = ("spec", "strategy", "canary")
    routed = bool(mapping(canary, "trafficRouting"))
    new, old = text(canary, "canaryService"), text(canary, "stableService")
    if routed and not (new and old) and not has(canary, "pingPong") and not _by_subsets(canary):
        yield tell(world, "rollout-no-services", obj, at, f"canaryService: {new or 'not set'}, stableService: {old or 'not set'}")
    if new and new == old:
        yield tell(world, "rollout-one-service", obj, at, f"canaryService and stableService: {new}")
    if "blueGreen" in strategies and not text(green, "activeService"):
        yield tell(world, "rollout-active-missing", obj, ("spec", "strategy", "blueGreen"), "activeService: not set")
    weights = [number(step, "setWeight") for step in items(canary, "steps") if has(step, "setWeight")]
    count = replicas_of(obj)
    if not routed and weights and 0 < weights[0] < 100 and count and 100 / count > 2 * weights[0]:
        words = f"setWeight: {weights[0]:.0f}, replicas: {count}: one new pod is {100 / (count + 1):.0f} % at least"
        yield tell(world, "rollout-coarse", obj, (*at, "steps"), words)


def _by_subsets(canary: Obj) -> bool:
    """Whether the versions are told apart by subsets of one host, which takes no services (Istio's DestinationRule)."""
    return has(canary, "trafficRouting", "istio", "destinationRule")


@check("Rollout", rules=RULES[2:8] + RULES[12:15])
def steps(world: World, obj: Obj) -> Iterator[Finding]:
    """The steps of a canary."""
    canary = mapping(obj, "spec", "strategy", "canary")
    if not has(obj, "spec", "strategy", "canary"):
        return
    at: Path = ("spec", "strategy", "canary", "steps")
    found = items(canary, "steps")
    if not found:
        yield tell(world, "rollout-no-steps", obj, at, "steps: none")
        return
    weights = [(place, number(step, "setWeight")) for place, step in enumerate(found) if has(step, "setWeight")]
    for (_, before), (place, weight) in pairwise(weights):
        if 0 < weight < before:
            yield tell(world, "rollout-weights-fall", obj, (*at, place), f"setWeight: {before:.0f}, then {weight:.0f}")
    waits = [step for step in found if {"pause", "analysis", "experiment"} & step.keys()]
    if len(weights) > 1 and not waits:
        yield tell(world, "rollout-no-pause", obj, at, f"{len(weights)} weights, no pause")
    for place, step in enumerate(found):
        yield from _step(world, obj, (*at, place), step, bool(mapping(canary, "trafficRouting")))
    measured = has(canary, "analysis") or any({"analysis", "experiment"} & step.keys() for step in found)
    by_hand = any("pause" in step and not has(step, "pause", "duration") for step in found)
    if not measured and not by_hand:
        yield tell(world, "rollout-not-measured", obj, at, "no analysis, in the steps or beside them")


def _step(world: World, obj: Obj, at: Path, step: Obj, routed: bool) -> Iterator[Finding]:
    weight = step.get("setWeight")
    if weight is not None and not (isinstance(weight, int) and 0 <= weight <= 100):
        yield tell(world, "rollout-weight", obj, (*at, "setWeight"), f"setWeight: {weight}")
    if "pause" in step:
        length = value(step, "pause", "duration")
        if length is None:
            yield tell(world, "rollout-waits-for-ever", obj, (*at, "pause"), "pause: {}")
        elif isinstance(length, str) and not length.isdigit() and not _DURATION.fullmatch(length):
            yield tell(world, "rollout-pause-invalid", obj, (*at, "pause", "duration"), f"duration: {length}")
    if "setCanaryScale" in step and not routed:
        yield tell(world, "rollout-scale-unrouted", obj, (*at, "setCanaryScale"), "setCanaryScale, no trafficRouting")
    if "analysis" in step and not items(step, "analysis", "templates"):
        yield tell(world, "analysis-no-templates", obj, (*at, "analysis"), "templates: none")


#: A condition of one bound: `result[0] <= 0.05`.
_BOUND = pattern(r"result(?:\[0\])?\s*(<=|<|>=|>)\s*([0-9.]+)")
_COMPARE = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}
ANALYSES = ("AnalysisTemplate", "ClusterAnalysisTemplate")


@check(*ANALYSES, rules=RULES[15:18])
def arguments(world: World, obj: Obj) -> Iterator[Finding]:
    """What an analysis takes from whoever runs it."""
    spec = mapping(obj, "spec")
    declared = {text(each, "name"): (place, each) for place, each in enumerate(items(spec, "args"))}
    used: set[str] = set()
    for place, metric in enumerate(items(spec, "metrics")):
        wanted = set(_USED.findall(str(metric)))
        used |= wanted
        for name in sorted(wanted - declared.keys()):
            has_args = ", ".join(sorted(declared)) or "none"
            yield tell(
                world,
                "analysis-argument-unresolved",
                obj,
                ("spec", "metrics", place),
                f"{{{{args.{name}}}}}; args: {has_args}",
                who=f"metric {metric.get('name')}",
            )
    for name, (place, each) in declared.items():
        at = ("spec", "args", place)
        if _USED.search(text(each, "value")):
            yield tell(
                world, "analysis-argument-self", obj, (*at, "value"), f"{name}: {each['value']}", ops=[take((*at, "value"))]
            )
        elif name not in used and not items(spec, "templates"):
            yield tell(world, "analysis-argument-unused", obj, at, f"args: {name}")


@check(*ANALYSES, rules=RULES[18:22])
def metrics(world: World, obj: Obj) -> Iterator[Finding]:
    """The numbers and sources of each metric."""
    for place, metric in enumerate(items(obj, "spec", "metrics")):
        at: Path = ("spec", "metrics", place)
        who = f"metric {metric.get('name')}"
        count, limit, every = _whole(metric.get("count")), _whole(metric.get("failureLimit")), metric.get("interval")
        if count is not None and count > 1 and every is None:
            yield tell(world, "analysis-count", obj, (*at, "count"), f"count: {count}, interval: not set", who=who)
        elif isinstance(every, str) and "{{" not in every and not _DURATION.fullmatch(every):
            yield tell(world, "analysis-count", obj, (*at, "interval"), f"interval: {every}", who=who)
        if count is not None and limit is not None and 0 < count <= limit:
            yield tell(world, "analysis-limit", obj, (*at, "failureLimit"), f"count: {count}, failureLimit: {limit}", who=who)
        sources = mapping(metric, "provider")
        if len(sources) != 1:
            yield tell(
                world, "analysis-no-provider", obj, (*at, "provider"), f"provider: {' and '.join(sources) or 'not set'}", who=who
            )
        elif "job" not in sources and not metric.get("successCondition") and not metric.get("failureCondition"):
            yield tell(world, "analysis-no-condition", obj, at, "neither successCondition nor failureCondition", who=who)


def _whole(written: object) -> int | None:
    """A number that may be written as a text; None for placeholders and for what is missing."""
    if isinstance(written, str) and written.isdigit():
        return int(written)
    return written if isinstance(written, int) and not isinstance(written, bool) else None


@check(*ANALYSES, rules=RULES[22:])
def queries(world: World, obj: Obj) -> Iterator[Finding]:
    """The PromQL of the metrics: whether it can be read, has a result, and sees the canary alone."""
    for place, metric in enumerate(items(obj, "spec", "metrics")):
        query = value(metric, "provider", "prometheus", "query")
        at: Path = ("spec", "metrics", place, "provider", "prometheus", "query")
        who = f"metric {metric.get('name')}"
        if not isinstance(query, str) or not query.strip():
            continue
        for slip in promql.slips(query, True):
            yield tell(world, slip.rule, obj, at, slip.says, who=who)
        tree = promql.parsed(query)
        if tree is None:
            continue
        condition = f"{metric.get('successCondition', '')} {metric.get('failureCondition', '')}"
        if "result[" in condition and "len(" not in condition and promql.may_be_empty(tree):
            yield tell(world, "analysis-empty-result", obj, at, f"{brief(query)}; condition: {brief(condition.strip())}", who=who)
        if promql.divides(tree) and not _guarded(tree) and "isNaN" not in condition:
            yield tell(world, "analysis-divides-by-zero", obj, at, brief(query), who=who)
        if _passes_blind(tree, text(metric, "successCondition")):
            yield tell(world, "analysis-blind", obj, at, f"{brief(query)}; condition: {brief(condition.strip())}", who=who)
        traffic = any(promql.COUNTERS.search(promql.metric(each)) for each in promql.selectors(tree))
        if traffic and not _TOLD_APART.search(query):
            yield tell(world, "analysis-of-both", obj, at, brief(query), who=who)


def _passes_blind(tree: object, condition: str) -> bool:
    """Whether the number that a query falls back to is a success."""
    node, wanted = promql.bare(tree), _BOUND.fullmatch(condition.strip())
    if wanted is None or type(node).__name__ != "BinaryExpr" or str(node.op) != "or" or not promql.may_be_empty(node.lhs):
        return False
    instead = promql.bare(node.rhs)
    if type(instead).__name__ != "Call" or str(instead.func.name) != "vector":
        return False
    number = promql.bare(instead.args[0])
    return type(number).__name__ == "NumberLiteral" and _COMPARE[wanted[1]](number.val, float(wanted[2]))


def _guarded(tree: object) -> bool:
    """Whether what a query divides by cannot be 0."""
    for node in promql.every(tree):
        if type(node).__name__ == "BinaryExpr" and str(node.op) == "/":
            under = promql.bare(node.rhs)
            kind = type(under).__name__
            safe = (
                kind == "NumberLiteral" or promql.is_comparison(under) or (kind == "Call" and str(under.func.name) == "clamp_min")
            )
            if not safe and not (kind == "BinaryExpr" and str(under.op) == "or"):
                return False
    return True
