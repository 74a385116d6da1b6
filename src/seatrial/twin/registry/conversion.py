"""Objects of one resource in its several versions: HorizontalPodAutoscaler v1 and v2, and the two Events.

The store keeps one version (the first in the resource table); requests for another are converted on the way in and out,
by the rules of pkg/apis/autoscaling/v1/conversion.go and pkg/apis/events/v1/conversion.go.  Custom resources whose
versions differ by name only need nothing but a new apiVersion.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from seatrial.twin.registry.resources import Resource
from seatrial.world.objects import Obj

Convert = Callable[[Obj], Obj]

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"


def convert(obj: Obj, to: Resource) -> Obj:
    """The object in the version of `to`: itself when it is there already, else a new one that shares its parts."""
    version = obj.get("apiVersion", "")
    if version == to.api_version:
        return obj
    table = _TABLE.get((version, to.api_version, to.kind))
    converted = table(obj) if table else dict(obj)
    converted["apiVersion"] = to.api_version
    return converted


# autoscaling


def _hpa_to_v1(obj: Obj) -> Obj:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    annotations = dict(obj["metadata"].get("annotations") or {})
    others = []
    for metric in spec.pop("metrics", None) or ():
        target = (metric.get("resource") or {}).get("target") or {}
        if (metric.get("resource") or {}).get("name") == "cpu" and "averageUtilization" in target:
            spec["targetCPUUtilizationPercentage"] = target["averageUtilization"]
        else:
            others.append(metric)
    current = status.pop("currentMetrics", None) or []
    for metric in current:
        usage = (metric.get("resource") or {}).get("current") or {}
        if (metric.get("resource") or {}).get("name") == "cpu" and "averageUtilization" in usage:
            status["currentCPUUtilizationPercentage"] = usage["averageUtilization"]
    kept = (
        (_METRICS, others),
        (_BEHAVIOR, spec.pop("behavior", None)),
        (_CURRENT, current),
        (_CONDITIONS, status.pop("conditions", None)),
    )
    annotations.update({key: orjson.dumps(value).decode() for key, value in kept if value})
    status.setdefault("currentReplicas", 0)
    status.setdefault("desiredReplicas", 0)
    return _with(obj, annotations, spec, status)


def _hpa_to_v2(obj: Obj) -> Obj:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    annotations = dict(obj["metadata"].get("annotations") or {})
    metrics = orjson.loads(annotations.pop(_METRICS, "[]"))
    utilization = spec.pop("targetCPUUtilizationPercentage", None)
    if utilization is not None:
        target = {"type": "Utilization", "averageUtilization": utilization}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    behavior = annotations.pop(_BEHAVIOR, None)
    if behavior:
        spec["behavior"] = orjson.loads(behavior)
    status["currentMetrics"] = orjson.loads(annotations.pop(_CURRENT, "null"))
    conditions = annotations.pop(_CONDITIONS, None)
    if conditions:
        status["conditions"] = orjson.loads(conditions)
    status.pop("currentCPUUtilizationPercentage", None)
    return _with(obj, annotations, spec, status)


def _with(obj: Obj, annotations: dict[str, str], spec: Obj, status: Obj) -> Obj:
    metadata = {**obj["metadata"], "annotations": annotations}
    if not annotations:
        del metadata["annotations"]
    return {**obj, "metadata": metadata, "spec": spec, "status": status}


# events

#: core/v1 name -> events.k8s.io/v1 name.
_EVENT_FIELDS = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
)


def _event_to_new(obj: Obj) -> Obj:
    names = dict(_EVENT_FIELDS)
    return {names.get(key, key): value for key, value in obj.items()}


def _event_to_core(obj: Obj) -> Obj:
    names = {new: old for old, new in _EVENT_FIELDS}
    core = {names.get(key, key): value for key, value in obj.items()}
    core.setdefault("source", {})
    core.setdefault("firstTimestamp", None)
    core.setdefault("lastTimestamp", None)
    return core


_TABLE: dict[tuple[str, str, str], Convert] = {
    ("autoscaling/v2", "autoscaling/v1", "HorizontalPodAutoscaler"): _hpa_to_v1,
    ("autoscaling/v1", "autoscaling/v2", "HorizontalPodAutoscaler"): _hpa_to_v2,
    ("v1", "events.k8s.io/v1", "Event"): _event_to_new,
    ("events.k8s.io/v1", "v1", "Event"): _event_to_core,
}
