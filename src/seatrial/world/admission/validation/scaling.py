"""Horizontal pod autoscalers (pkg/apis/autoscaling/validation/validation.go)."""

from __future__ import annotations

from seatrial.world.admission.causes import NEGATIVE, Causes
from seatrial.world.admission.validation import names
from seatrial.world.admission.validation.resources import value_of
from seatrial.world.objects import Obj

#: The key of each type of metric.
_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_TARGETS = ("Utilization", "Value", "AverageValue")
_SELECT = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")
#: Seconds.
LONGEST_WINDOW, LONGEST_PERIOD = 3600, 1800


def autoscaler(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        causes.invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most == 0:
        causes.required("spec.maxReplicas", "must be set and greater than 0")
    elif most < 1:
        causes.invalid("spec.maxReplicas", most, "must be greater than 0")
    if least is not None and most < least:
        causes.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    _reference(target, "spec.scaleTargetRef", target.get("kind") != "ReplicationController", causes)
    for number, metric in enumerate(spec.get("metrics") or ()):
        _metric(metric, f"spec.metrics[{number}]", causes)
    percentage = spec.get("targetCPUUtilizationPercentage")
    if percentage is not None and percentage < 1:
        where = "spec.metrics[0].resource.target.averageUtilization"
        causes.invalid(where, percentage, "must be greater than 0")
    for direction in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(direction)
        if rules is not None:
            _rules(rules, f"spec.behavior.{direction}", causes)


def autoscaler_update(obj: Obj, old: Obj, causes: Causes) -> None:
    autoscaler(obj, causes)


def _reference(reference: Obj, field: str, needs_group: bool, causes: Causes) -> None:
    for key in ("kind", "name"):
        value = reference.get(key) or ""
        if not value:
            causes.required(f"{field}.{key}")
        else:
            causes.each(f"{field}.{key}", value, names.path_segment(value))
    version = reference.get("apiVersion") or ""
    if version.count("/") > 1:
        causes.invalid(f"{field}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    elif needs_group and "/" not in version:
        causes.invalid(f"{field}.apiVersion", version, "apiVersion must specify API group")


def _metric(metric: Obj, field: str, causes: Causes) -> None:
    kind = metric.get("type") or ""
    if not kind:
        causes.required(f"{field}.type", "must specify a metric source type")
    if kind not in _SOURCES:
        causes.unsupported(f"{field}.type", kind, _SOURCES)
    present = [key for key in ("object", "external", "pods", "resource", "containerResource") if metric.get(key) is not None]
    if present:
        _source(present[0], metric[present[0]], f"{field}.{present[0]}", causes)
    expected = _SOURCES.get(kind)
    if expected is None:
        causes.unsupported(f"{field}.type", kind, _SOURCES)
    elif expected not in present:
        causes.required(f"{field}.{expected}", "must populate information for the given metric source")
    if len(present) != 1:
        for key in present:
            if key != expected:
                causes.forbidden(f"{field}.{key}", "must populate the given metric source only")


def _source(key: str, source: Obj, field: str, causes: Causes) -> None:
    target = source.get("target") or {}
    if key == "object":
        _reference(source.get("describedObject") or {}, f"{field}.describedObject", False, causes)
    if key in ("resource", "containerResource"):
        if not source.get("name"):
            causes.required(f"{field}.name", "must specify a resource name")
    else:
        _identifier(source.get("metric") or {}, f"{field}.metric", causes)
    if key == "containerResource":
        container = source.get("container") or ""
        if not container:
            causes.required(f"{field}.container", "must specify a container")
        else:
            causes.each(f"{field}.container", container, names.dns_label(container))
    _target(target, f"{field}.target", causes)
    _target_given(key, target, f"{field}.target", causes)


def _identifier(identifier: Obj, field: str, causes: Causes) -> None:
    name = identifier.get("name") or ""
    if not name:
        causes.required(f"{field}.name", "must specify a metric name")
    else:
        causes.each(f"{field}.name", name, names.path_segment(name))


def _target(target: Obj, field: str, causes: Causes) -> None:
    kind = target.get("type") or ""
    if not kind:
        causes.required(f"{field}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        causes.invalid(f"{field}.type", kind, "must be either Utilization, Value, or AverageValue")
    for key in ("value", "averageValue"):
        if target.get(key) is not None and value_of(target[key]) <= 0:
            causes.invalid(f"{field}.{key}", str(target[key]), "must be positive")
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        causes.invalid(f"{field}.averageUtilization", share, "must be greater than 0")


def _target_given(key: str, target: Obj, field: str, causes: Causes) -> None:
    value, average, share = (target.get(name) is not None for name in ("value", "averageValue", "averageUtilization"))
    if key in ("resource", "containerResource"):
        if not share and not average:
            why = "must set either a target raw value or a target utilization"
            causes.required(f"{field}.averageUtilization", why)
        if share and average:
            causes.forbidden(f"{field}.averageValue", "may not set both a target raw value and a target utilization")
    elif key == "object" and not value and not average:
        causes.required(f"{field}.averageValue", "must set either a target value or averageValue")
    elif key == "pods" and not average:
        causes.required(f"{field}.averageValue", "must specify a positive target averageValue")
    elif key == "external":
        if not value and not average:
            why = "must set either a target value for metric or a per-pod target"
            causes.required(f"{field}.averageValue", why)
        if value and average:
            causes.forbidden(f"{field}.value", "may not set both a target value for metric and a per-pod target")


def _rules(rules: Obj, field: str, causes: Causes) -> None:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        causes.invalid(f"{field}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > LONGEST_WINDOW:
        why = f"must be less than or equal to {LONGEST_WINDOW}"
        causes.invalid(f"{field}.stabilizationWindowSeconds", window, why)
    chosen = rules.get("selectPolicy")
    if chosen is not None and chosen not in _SELECT:
        causes.unsupported(f"{field}.selectPolicy", chosen, _SELECT)
    policies = rules.get("policies") or []
    if not policies:
        causes.required(f"{field}.policies", "must specify at least one Policy")
    for number, policy in enumerate(policies):
        _policy(policy, f"{field}.policies[{number}]", causes)
    if rules.get("tolerance") is not None and value_of(rules["tolerance"]) < 0:
        causes.invalid(f"{field}.tolerance", str(rules["tolerance"]), NEGATIVE)


def _policy(policy: Obj, field: str, causes: Causes) -> None:
    kind, period = policy.get("type") or "", policy.get("periodSeconds") or 0
    if kind not in _POLICIES:
        causes.unsupported(f"{field}.type", kind, _POLICIES)
    if (policy.get("value") or 0) <= 0:
        causes.invalid(f"{field}.value", policy.get("value") or 0, "must be greater than zero")
    if period <= 0:
        causes.invalid(f"{field}.periodSeconds", period, "must be greater than zero")
    if period > LONGEST_PERIOD:
        causes.invalid(f"{field}.periodSeconds", period, f"must be less than or equal to {LONGEST_PERIOD}")
