"""Disruption budgets, quotas, limit ranges, priority classes, leases (pkg/apis/{policy,core,scheduling,coordination})."""

from __future__ import annotations

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import internal, meta, names, numbers, resources
from seatrial.world.admission.validation.resources import value_of
from seatrial.world.objects import Obj

_EVICTION = ("AlwaysAllow", "IfHealthyBudget")
#: The largest priority of a class that a user makes.
HIGHEST_PRIORITY = 1_000_000_000
_SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def disruption_budget(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        shown = internal.dump("api.policy.v1.PodDisruptionBudgetSpec", spec)
        causes.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for key, value in (("minAvailable", least), ("maxUnavailable", most)):
        numbers.int_or_percent(value, f"spec.{key}", causes)
        numbers.at_most_all(value, f"spec.{key}", causes)
    meta.label_selector(spec.get("selector"), "spec.selector", causes)
    chosen = spec.get("unhealthyPodEvictionPolicy")
    if chosen is not None and chosen not in _EVICTION:
        causes.unsupported("spec.unhealthyPodEvictionPolicy", chosen, _EVICTION)


def disruption_budget_update(obj: Obj, old: Obj, causes: Causes) -> None:
    disruption_budget(obj, causes)


def priority_class(obj: Obj, causes: Causes) -> None:
    name, value = obj["metadata"].get("name", ""), obj.get("value") or 0
    if name.startswith("system-"):
        if _SYSTEM.get(name) != value:
            why = "priority class names with 'system-' prefix are reserved for system use only. error: "
            said = (
                f"{name} is not a known system priority class"
                if name not in _SYSTEM
                else f"value of {name} PriorityClass must be {_SYSTEM[name]}"
            )
            causes.forbidden("metadata.name", why + said)
    elif value > HIGHEST_PRIORITY:
        why = f"maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}"
        causes.forbidden("value", why)
    preempts = obj.get("preemptionPolicy")
    if preempts is not None and preempts not in ("PreemptLowerPriority", "Never"):
        causes.unsupported("preemptionPolicy", preempts, ("PreemptLowerPriority", "Never"))


def priority_class_update(obj: Obj, old: Obj, causes: Causes) -> None:
    if (obj.get("value") or 0) != (old.get("value") or 0):
        causes.forbidden("value", "may not be changed in an update.")
    causes.same("preemptionPolicy", obj.get("preemptionPolicy"), old.get("preemptionPolicy"))


# quotas


_SCOPES = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity",
           "VolumeAttributesClass")  # fmt: skip
_ONLY_EXISTS = _SCOPES[:4] + _SCOPES[5:6]
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_COMPUTE = frozenset({
    "pods", "cpu", "memory", "ephemeral-storage",
    *(f"{side}.{name}" for side in ("requests", "limits") for name in ("cpu", "memory", "ephemeral-storage")),
})  # fmt: skip
_CLAIMS = ("persistentvolumeclaims", "requests.storage")


def quota(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    hard = spec.get("hard") or {}
    resources.amounts(hard, "spec.hard", resources.quota_resource, causes)
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            causes.invalid("spec.scopes", scopes, "unsupported scope")
        _applies(scope, hard, "spec.scopes", scopes, causes)
    for pair in _CONFLICTS:
        if pair <= set(scopes):
            causes.invalid("spec.scopes", scopes, "conflicting scopes")
    selector = spec.get("scopeSelector")
    if selector is not None:
        _scope_rules(selector, hard, scopes, causes)


def _applies(scope: str, hard: Obj, field: str, shown: object, causes: Causes) -> None:
    for name in sorted(hard):
        if resources.is_quota_resource(name) and not _scope_fits(scope, name):
            causes.invalid(field, shown, "unsupported scope applied to resource")


def _scope_fits(scope: str, name: str) -> bool:
    if scope == "BestEffort":
        return name == "pods"
    if scope == "VolumeAttributesClass":
        return name in _CLAIMS
    if scope in _SCOPES:
        return name in _COMPUTE or name.startswith(("hugepages-", "requests.hugepages-"))
    return True


def _scope_rules(selector: Obj, hard: Obj, scopes: list[str], causes: Causes) -> None:
    field = "spec.scopeSelector.matchExpressions"
    named: set[str] = set()
    for rule in selector.get("matchExpressions") or ():
        scope, operator, values = rule.get("scopeName", ""), rule.get("operator", ""), rule.get("values") or []
        named.add(scope)
        if scope not in _SCOPES:
            causes.invalid(f"{field}.scopeName", scope, "unsupported scope")
        _applies(scope, hard, field, internal.dump("api.core.v1.ScopeSelector", selector), causes)
        if scope in _ONLY_EXISTS and operator != "Exists":
            why = (
                "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating,"
                " ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
            )
            causes.invalid(f"{field}.operator", operator, why)
        if operator in ("In", "NotIn"):
            if not values:
                why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                causes.required(f"{field}.values", why)
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                causes.invalid(f"{field}.values", values, why)
        else:
            causes.invalid(f"{field}.operator", operator, "not a valid selector operator")
    if any(pair <= named for pair in _CONFLICTS):
        causes.invalid(field, scopes or None, "conflicting scopes")


def quota_update(obj: Obj, old: Obj, causes: Causes) -> None:
    quota(obj, causes)
    new, before = ((one.get("spec") or {}).get("scopes") or [] for one in (obj, old))
    if set(new) != set(before):
        causes.invalid("spec.scopes", new or None, "field is immutable")


def quota_status(obj: Obj, old: Obj, causes: Causes) -> None:
    for key in ("hard", "used"):
        listed = (obj.get("status") or {}).get(key) or {}
        resources.amounts(listed, f"status.{key}", resources.quota_resource, causes)


# limit ranges


_KINDS = ("Container", "PersistentVolumeClaim", "Pod")


def limit_range(obj: Obj, causes: Causes) -> None:
    seen: set[str] = set()
    for number, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        at, kind = f"spec.limits[{number}]", item.get("type", "")
        reasons = names.qualified(kind)
        if not reasons and "/" not in kind and kind not in _KINDS:
            reasons = ("must be a standard limit type or fully qualified",)
        causes.each(f"{at}.type", kind, reasons)
        if kind in seen:
            causes.duplicate(f"{at}.type", kind)
        seen.add(kind)
        _item_names(item, kind, at, causes)
        keys = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
        for name in sorted({name for key in keys for name in item.get(key) or ()}):
            _item_bounds(item, name, at, causes)


def _item_names(item: Obj, kind: str, at: str, causes: Causes) -> None:
    for key in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        listed = item.get(key) or {}
        if kind == "Pod" and key in ("default", "defaultRequest"):
            if listed:
                causes.forbidden(f"{at}.{key}", "may not be specified when `type` is 'Pod'")
            continue
        for name in sorted(listed):
            if kind in ("Pod", "Container"):
                resources.container_resource(name, f"{at}.{key}[{name}]", causes)
            else:
                resources.resource_name(name, f"{at}.{key}[{name}]", causes)
    if kind == "PersistentVolumeClaim" and not any("storage" in (item.get(key) or {}) for key in ("min", "max")):
        why = "either minimum or maximum storage value is required, but neither was provided"
        causes.required(f"{at}.limits", why)


def _item_bounds(item: Obj, name: str, at: str, causes: Causes) -> None:
    """The order of min, defaultRequest, default and max; each row says which is larger than which, and what is shown."""
    text = {key: str((item.get(key) or {}).get(name, "")) for key in ("min", "max", "default", "defaultRequest")}
    for low, high, field, shown, said in _ORDER:
        if text[low] and text[high] and value_of(text[low]) > value_of(text[high]):
            causes.invalid(f"{at}.{field}[{name}]", text[shown], said.format(text[low], text[high]))
    ratio = str((item.get("maxLimitRequestRatio") or {}).get(name, ""))
    if ratio and value_of(ratio) < 1:
        causes.invalid(f"{at}.maxLimitRequestRatio[{name}]", ratio, f"ratio {ratio} is less than 1")
    if ratio and text["min"] and text["max"] and value_of(text["min"]):
        most = value_of(text["max"]) / value_of(text["min"])
        if value_of(ratio) > most:
            why = f"ratio {ratio} is greater than max/min = {float(most):f}"
            causes.invalid(f"{at}.maxLimitRequestRatio[{name}]", ratio, why)


_ORDER = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value {} is greater than max value {}"),
    (
        "defaultRequest", "default", "defaultRequest", "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)  # fmt: skip


def lease(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        causes.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if transitions is not None and transitions < 0:
        causes.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0")
