# ruff: noqa: E501 - a line of the table is one saying
"""Autoscalers that cannot scale: no metrics, no target, no room left; budgets that let nobody go."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.alive.pods import condition
from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.rules.patching import Patch, patch_of, put
from seatrial.rules.slips import meant
from seatrial.world.objects import Obj, Ref, dig, group_of, name_of, namespace_of, ref_of
from seatrial.world.world import World, short

RULES = {
    rule.id: rule
    for rule in (
        Rule("hpa-no-metrics", "error", "an autoscaler cannot read its metrics", "It leaves the number of replicas as it is, however high the load.",
             "Install metrics-server for cpu and memory, or the adapter that serves the metric; `kubectl top pods` should answer."),
        Rule("hpa-no-request", "error", "an autoscaler is to keep a share of a request that its pods do not state", "It leaves the number of replicas as it is, however high the load.",
             "State a request for that resource in every container, sidecars included, or use ContainerResource metrics."),
        Rule("hpa-target-missing", "error", "an autoscaler's target does not exist", "It scales nothing.", "Correct scaleTargetRef: kind, name and apiVersion."),
        Rule("hpa-at-maximum", "warning", "an autoscaler has reached its maximum and would go on", "Load beyond this is answered slower, or not at all.",
             "Raise maxReplicas, and see that quota and nodes have room for it; or make the pods larger."),
    )
}  # fmt: skip
BUDGET = Rule(
    "budget-allows-none", "note", "a disruption budget lets no pod go now", "A drain of their nodes waits.",
    "With all pods ready, a budget should let one go: lower minAvailable, or add a replica.",
)  # fmt: skip


#: What the controller says of a target that is not there.
_MISSING = re.compile(r"not found|no matches for kind")


def _target(world: World, hpa: Obj, wanted: Obj) -> Patch | None:
    """The workload of the kind that is meant by a name that none has, or by a group that has no such kind."""
    kind, name = str(wanted.get("kind")), str(wanted.get("name"))
    there = [each for each in world.of(kind) if namespace_of(each) == namespace_of(hpa)]
    right = name if any(name_of(each) == name for each in there) else meant(name, map(name_of, there))
    found = next((each for each in there if name_of(each) == right), None)
    if found is None:
        return None
    fields = {"name": right, "apiVersion": found["apiVersion"]}
    changed = {key: value for key, value in fields.items() if wanted.get(key) != value}
    return patch_of(ref_of(hpa), [put(hpa, ("spec", "scaleTargetRef", key), value) for key, value in changed.items()])


@check("HorizontalPodAutoscaler", rules=RULES.values(), live=True)
def stuck(world: World, hpa: Obj) -> Iterator[Finding]:
    able, active, limited = (condition(hpa, kind) for kind in ("AbleToScale", "ScalingActive", "ScalingLimited"))
    wanted = dig(hpa, "spec.scaleTargetRef", {})
    target = world.find(str(wanted.get("kind")), namespace_of(hpa), str(wanted.get("name")), group_of(wanted))
    about: list[Obj | Ref] = [hpa, *([target] if target else [])]
    there = target is not None and target.get("apiVersion") == wanted.get("apiVersion")
    if there and _MISSING.search(str(able.get("message", ""))):
        return  # it has come since the controller looked
    if able.get("status") == "False" and able.get("reason") == "FailedGetScale":
        fact = status(world, hpa, "status.conditions[AbleToScale]", f"{able['reason']}: {able.get('message', '')}")
        yield told(
            RULES["hpa-target-missing"],
            f"{short(hpa)} scales nothing: there is no {wanted.get('kind')} {wanted.get('name')}",
            about,
            [fact],
            patch=None if there else _target(world, hpa, wanted),
        )
        return
    if active.get("status") == "False" and active.get("reason") != "ScalingDisabled":
        message = str(active.get("message", ""))
        fact = status(world, hpa, "status.conditions[ScalingActive]", f"{active.get('reason', '')}: {message}")
        unset = "missing request for" in message
        rule = RULES["hpa-no-request" if unset else "hpa-no-metrics"]
        why = message.rpartition("missing request for ")[2].partition(" ")[0] if unset else ""
        title = f"{short(hpa)}: its pods state no request for {why}" if unset else f"{short(hpa)} cannot read its metrics"
        yield told(rule, title, about, [fact])
    if limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas":
        most = dig(hpa, "spec.maxReplicas")
        facts = [
            status(world, hpa, "status.conditions[ScalingLimited]", f"{limited['reason']}: {limited.get('message', '')}"),
            *_measured(world, hpa),
        ]
        yield told(RULES["hpa-at-maximum"], f"{short(hpa)} is at its maximum of {most} and would go on", about, facts)


def _measured(world: World, hpa: Obj) -> Iterator[Fact]:
    """What it measures beside what it wants."""
    targets = {
        dig(each, "resource.name"): dig(each, "resource.target.averageUtilization") for each in dig(hpa, "spec.metrics", [])
    }
    for metric in dig(hpa, "status.currentMetrics", []):
        name, value = dig(metric, "resource.name"), dig(metric, "resource.current.averageUtilization")
        if name and value is not None:
            yield status(world, hpa, "status.currentMetrics", f"{name}: {value} % of the request, wanted {targets.get(name)} %")


@check("PodDisruptionBudget", rules=[BUDGET], live=True)
def blocking(world: World, budget: Obj) -> Iterator[Finding]:
    expected, healthy = dig(budget, "status.expectedPods", 0), dig(budget, "status.currentHealthy", 0)
    if expected and not dig(budget, "status.disruptionsAllowed", 0) and dig(budget, "status.observedGeneration"):
        words = f"{healthy} of {expected} pods are healthy, {dig(budget, 'status.desiredHealthy')} have to be"
        yield told(BUDGET, f"{short(budget)} lets no pod go: {words}", [ref_of(budget)], [status(world, budget, "status", words)])
