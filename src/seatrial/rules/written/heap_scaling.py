# ruff: noqa: E501 - a line of the table is one saying
"""Autoscalers that follow the memory of a JVM: it keeps what it once took, so what they see says nothing of the load.

A heap that may grow beyond the share of the request that an autoscaler aims at takes it there sooner or later, with or without
requests, and then the workload stays at its most replicas.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.between import out, tell_of
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.pods import pods_of
from seatrial.rules.written.reading import amount, items, mapping, number, text
from seatrial.rules.written.runtimes import largest_heap, runtime_of
from seatrial.world.objects import Obj
from seatrial.world.paths import join
from seatrial.world.world import World


def _hpa(share: int) -> str:
    metrics = "".join(
        f"{{type: Resource, resource: {{name: {name}, target: {{type: Utilization, averageUtilization: {each}}}}}}}, "
        for name, each in (("cpu", 70), ("memory", share))
    )
    target = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}"
    return manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        f"spec: {{{target}, minReplicas: 2, maxReplicas: 10, metrics: [{metrics.rstrip(', ')}]}}",
    )


_JVM = container(
    "env: [{name: JAVA_TOOL_OPTIONS, value: '-XX:MaxRAMPercentage=75'}]\nresources: {requests: {cpu: 500m, memory: 512Mi}, limits: {memory: 1Gi}}"
)

RULES = (
    Rule("heap-scales-up", "warning", "follows a memory that its JVM never gives back", "A JVM keeps the heap it once took. When it has grown, which a day of traffic or one large report does, the autoscaler goes to its maximum and stays there.",
         "Scale by CPU or by requests, and leave memory out.",
         together(_JVM, _hpa(80)), together(_JVM, _hpa(160))),
)  # fmt: skip


@check("HorizontalPodAutoscaler", "ScaledObject", rules=RULES)
def heap(world: World, obj: Obj) -> Iterator[Finding]:
    """The share of requested memory that is aimed at, against the share that heaps may take."""
    aimed = _aimed(obj)
    if aimed is None:
        return
    share, where = aimed
    for reference in out(world, obj, "scale-target"):
        workload = world.get(reference.target)
        pods = pods_of(world, workload) if workload else None
        main = list(pods.main) if pods else []
        requested = sum(filter(None, (amount(mapping(one.spec, "resources", "requests").get("memory")) for one in main)))
        heaps = [(one, size) for one in main if runtime_of(one) == "jvm" and (size := largest_heap(one))]
        if not requested or not heaps or sum(size for _, size in heaps) < requested * share / 100:
            continue
        reached = 100 * sum(size for _, size in heaps) / requested
        at = join((*heaps[0][0].path, "resources"))
        also = [(reference.target, at, f"the heap may grow to {reached:.0f} % of the memory that is requested")]
        words = f"memory: {share:.0f} % of the request is aimed at"
        yield tell_of(world, "heap-scales-up", obj, where, words, also=also)


def _aimed(obj: Obj) -> tuple[float, str] | None:
    """The share of the memory request that an autoscaler aims at, in percent, and where it says so."""
    for place, metric in enumerate(items(obj, "spec", "metrics")):
        target = mapping(metric, "resource", "target")
        if text(metric, "resource", "name") == "memory" and text(target, "type") == "Utilization":
            return number(target, "averageUtilization"), f"spec.metrics[{place}]"
    for place, trigger in enumerate(items(obj, "spec", "triggers")):
        kind = text(trigger, "metricType") or text(trigger, "metadata", "type") or "Utilization"
        if text(trigger, "type") == "memory" and kind == "Utilization":
            return amount(text(trigger, "metadata", "value")) or 0, f"spec.triggers[{place}]"
    return None
