"""How workloads are printed: Deployments to CronJobs, autoscalers and disruption budgets."""

from __future__ import annotations

from seatrial.twin.api.printers.columns import (
    NONE,
    UNKNOWN,
    UNSET,
    WIDE,
    Column,
    age,
    at,
    column,
    containers,
    is_true,
    labels,
    name,
    selector,
    since,
)
from seatrial.twin.clock import seconds_of
from seatrial.world import duration
from seatrial.world.objects import Obj, controller_of, dig

_TEMPLATE = "spec.template.spec"
_SELECTOR = column("Selector", lambda obj: selector(dig(obj, "spec.selector")), priority=WIDE)


def _ready(obj: Obj) -> str:
    return f"{dig(obj, 'status.readyReplicas', 0)}/{dig(obj, 'spec.replicas', 0)}"


def _count(title: str, path: str) -> Column:
    return at(title, path, 0, "integer")


# jobs


def _job_status(job: Obj) -> str:
    for type_, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if is_true(job, type_):
            return word
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    for type_, word in (
        ("Suspended", "Suspended"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
    ):
        if is_true(job, type_):
            return word
    return "Running"


def _completions(job: Obj) -> str:
    succeeded, completions = dig(job, "status.succeeded", 0), dig(job, "spec.completions")
    if completions is not None:
        return f"{succeeded}/{completions}"
    parallelism = dig(job, "spec.parallelism", 0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(job: Obj, now: float) -> str:
    start, end = dig(job, "status.startTime"), dig(job, "status.completionTime")
    if not start:
        return ""
    return duration.render((seconds_of(end) if end else now) - seconds_of(start))


def _yes(value: object) -> str:
    return UNSET if value is None else str(bool(value))


# autoscalers


def _reference(hpa: Obj) -> str:
    return f"{dig(hpa, 'spec.scaleTargetRef.kind', '')}/{dig(hpa, 'spec.scaleTargetRef.name', '')}"


def _targets(hpa: Obj) -> str:
    metrics, current = dig(hpa, "spec.metrics") or [], dig(hpa, "status.currentMetrics") or []
    shown = [_metric(metric, current[number] if number < len(current) else {}) for number, metric in enumerate(metrics)]
    if not shown:
        return NONE
    more = f" + {len(shown) - 2} more..." if len(shown) > 2 else ""
    return ", ".join(shown[:2]) + more


_SOURCES = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


def _metric(metric: Obj, current: Obj) -> str:
    """One metric as `cpu: 12%/70%`, `500m/1k` or `5/10 (avg)` (formatHPAMetrics)."""
    key = _SOURCES.get(metric.get("type", ""), "")
    source, usage = metric.get(key) or {}, (current.get(key) or {}).get("current") or {}
    target = source.get("target") or {}
    prefix = f"{source.get('name')}: " if key in ("resource", "containerResource") else ""
    if "averageUtilization" in target:
        now = f"{usage['averageUtilization']}%" if "averageUtilization" in usage else UNKNOWN
        return f"{prefix}{now}/{target['averageUtilization']}%"
    if "averageValue" in target:
        now, end = usage.get("averageValue", UNKNOWN), " (avg)" if key in ("object", "external") else ""
        return f"{prefix}{now}/{target['averageValue']}{end}"
    return f"{prefix}{usage.get('value', UNKNOWN)}/{target.get('value', '')}"


# the others


def _limit(key: str) -> Column:
    title = {"minAvailable": "Min Available", "maxUnavailable": "Max Unavailable"}[key]
    return column(title, lambda pdb: str(dig(pdb, f"spec.{key}", "N/A")))


def _controller(revision: Obj) -> str:
    owner = controller_of(revision)
    if owner is None:
        return NONE
    group = owner.get("apiVersion", "").partition("/")[0] if "/" in owner.get("apiVersion", "") else ""
    return f"{owner['kind'].lower()}{'.' + group if group else ''}/{owner['name']}"


PRINTERS: dict[str, tuple[Column, ...]] = {
    "deployments.apps": (
        name(),
        column("Ready", _ready),
        _count("Up-to-date", "status.updatedReplicas"),
        _count("Available", "status.availableReplicas"),
        age(),
        *containers(_TEMPLATE),
        _SELECTOR,
    ),
    "replicasets.apps": (
        name(),
        _count("Desired", "spec.replicas"),
        _count("Current", "status.replicas"),
        _count("Ready", "status.readyReplicas"),
        age(),
        *containers(_TEMPLATE),
        _SELECTOR,
    ),
    "replicationcontrollers": (
        name(),
        _count("Desired", "spec.replicas"),
        _count("Current", "status.replicas"),
        _count("Ready", "status.readyReplicas"),
        age(),
        *containers(_TEMPLATE),
        column("Selector", lambda obj: labels(dig(obj, "spec.selector")), priority=WIDE),
    ),
    "statefulsets.apps": (name(), column("Ready", _ready), age(), *containers(_TEMPLATE)),
    "daemonsets.apps": (
        name(),
        _count("Desired", "status.desiredNumberScheduled"),
        _count("Current", "status.currentNumberScheduled"),
        _count("Ready", "status.numberReady"),
        _count("Up-to-date", "status.updatedNumberScheduled"),
        _count("Available", "status.numberAvailable"),
        column("Node Selector", lambda obj: labels(dig(obj, "spec.template.spec.nodeSelector"))),
        age(),
        *containers(_TEMPLATE),
        _SELECTOR,
    ),
    "jobs.batch": (
        name(),
        column("Status", _job_status),
        column("Completions", _completions),
        Column("Duration", _duration),
        age(),
        *containers(_TEMPLATE),
        _SELECTOR,
    ),
    "cronjobs.batch": (
        name(),
        at("Schedule", "spec.schedule"),
        at("Timezone", "spec.timeZone", NONE),
        column("Suspend", lambda obj: _yes(dig(obj, "spec.suspend"))),
        column("Active", lambda obj: len(dig(obj, "status.active") or ()), "integer"),
        Column("Last Schedule", lambda obj, now: since(dig(obj, "status.lastScheduleTime"), now, NONE)),
        age(),
        *containers("spec.jobTemplate.spec.template.spec"),
        column("Selector", lambda obj: selector(dig(obj, "spec.jobTemplate.spec.selector")), priority=WIDE),
    ),
    "horizontalpodautoscalers.autoscaling": (
        name(),
        column("Reference", _reference),
        column("Targets", _targets),
        column("MinPods", lambda obj: str(dig(obj, "spec.minReplicas", UNSET))),
        _count("MaxPods", "spec.maxReplicas"),
        _count("Replicas", "status.currentReplicas"),
        age(),
    ),
    "poddisruptionbudgets.policy": (
        name(),
        _limit("minAvailable"),
        _limit("maxUnavailable"),
        _count("Allowed Disruptions", "status.disruptionsAllowed"),
        age(),
    ),
    "controllerrevisions.apps": (name(), column("Controller", _controller), _count("Revision", "revision"), age()),
    "podtemplates": (
        name(),
        *containers("template.spec"),
        column("Pod Labels", lambda obj: labels(dig(obj, "template.metadata.labels"))),
    ),
}
