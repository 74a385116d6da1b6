"""Where a pod may run: affinity, tolerations, topology spread (pkg/apis/core/validation, validateAffinity and below)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from seatrial.world.admission.causes import NOT_POSITIVE, Causes
from seatrial.world.admission.validation import meta, names
from seatrial.world.objects import Obj

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT = "must be in the range 1-100"
_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_NODE_POLICIES = ("Honor", "Ignore")


def affinity(rules: Obj, field: str, causes: Causes) -> None:
    node = rules.get("nodeAffinity")
    if node is not None:
        if node.get(_REQUIRED) is not None:
            node_selector(node[_REQUIRED], f"{field}.nodeAffinity.{_REQUIRED}", causes)
        for number, term in enumerate(node.get(_PREFERRED) or ()):
            at = f"{field}.nodeAffinity.{_PREFERRED}[{number}]"
            _weight(term, at, causes)
            _node_term(term.get("preference") or {}, f"{at}.preference", causes, values=False)
    for key in ("podAffinity", "podAntiAffinity"):
        pods = rules.get(key) or {}
        for number, term in enumerate(pods.get(_REQUIRED) or ()):
            _pod_term(term, f"{field}.{key}.{_REQUIRED}[{number}]", causes)
        for number, weighted in enumerate(pods.get(_PREFERRED) or ()):
            at = f"{field}.{key}.{_PREFERRED}[{number}]"
            _weight(weighted, at, causes)
            _pod_term(weighted.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm", causes)


def _weight(term: Obj, at: str, causes: Causes) -> None:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        causes.invalid(f"{at}.weight", weight, _WEIGHT)


def node_selector(selector: Obj, field: str, causes: Causes) -> None:
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        causes.required(f"{field}.nodeSelectorTerms", "must have at least one node selector term")
    for number, term in enumerate(terms):
        _node_term(term, f"{field}.nodeSelectorTerms[{number}]", causes)


def _node_term(term: Obj, field: str, causes: Causes, values: bool = True) -> None:
    for number, rule in enumerate(term.get("matchExpressions") or ()):
        _node_rule(rule, f"{field}.matchExpressions[{number}]", causes, values)
    for number, rule in enumerate(term.get("matchFields") or ()):
        _node_field_rule(rule, f"{field}.matchFields[{number}]", causes)


def _node_rule(rule: Obj, field: str, causes: Causes, values: bool) -> None:
    operator, given = rule.get("operator", ""), rule.get("values") or []
    if operator in ("In", "NotIn"):
        if not given:
            causes.required(f"{field}.values", meta.IN_VALUES)
    elif operator in ("Exists", "DoesNotExist"):
        if given:
            causes.forbidden(f"{field}.values", meta.NO_VALUES)
    elif operator in ("Gt", "Lt"):
        if len(given) != 1:
            causes.required(f"{field}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        causes.invalid(f"{field}.operator", operator, "not a valid selector operator")
    causes.each(f"{field}.key", rule.get("key", ""), names.qualified(rule.get("key", "")))
    for number, value in enumerate(given if values else ()):
        causes.each(f"{field}.values[{number}]", value, names.label_value(value))


def _node_field_rule(rule: Obj, field: str, causes: Causes) -> None:
    operator, given = rule.get("operator", ""), rule.get("values") or []
    if operator not in ("In", "NotIn"):
        causes.invalid(f"{field}.operator", operator, "not a valid selector operator")
    elif len(given) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        causes.required(f"{field}.values", why)
    if rule.get("key") != "metadata.name":
        causes.invalid(f"{field}.key", rule.get("key", ""), "not a valid field selector key")
        return
    for number, value in enumerate(given):
        causes.each(f"{field}.values[{number}]", value, names.dns_subdomain(value))


def _pod_term(term: Obj, field: str, causes: Causes) -> None:
    for key in ("labelSelector", "namespaceSelector"):
        meta.label_selector(term.get(key), f"{field}.{key}", causes)
    for namespace in term.get("namespaces") or ():
        causes.each(f"{field}.namespace", namespace, names.dns_label(namespace))
    _label_keys(term, field, causes)
    key = term.get("topologyKey") or ""
    if not key:
        causes.required(f"{field}.topologyKey", "can not be empty")
    causes.each(f"{field}.topologyKey", key, names.qualified(key))


def _label_keys(term: Obj, field: str, causes: Causes) -> None:
    """matchLabelKeys and mismatchLabelKeys of a pod affinity term."""
    for key in ("matchLabelKeys", "mismatchLabelKeys"):
        listed = term.get(key) or []
        if listed and term.get("labelSelector") is None:
            causes.forbidden(f"{field}.{key}", "must not be specified when labelSelector is not set")
            continue
        for number, name in enumerate(listed):
            causes.each(f"{field}.{key}[{number}]", name, names.qualified(name))
    mismatched = term.get("mismatchLabelKeys") or []
    for number, name in enumerate(term.get("matchLabelKeys") or ()):
        if name in mismatched:
            why = "exists in both matchLabelKeys and mismatchLabelKeys"
            causes.invalid(f"{field}.matchLabelKeys[{number}]", name, why)


def taint_effect(effect: str, field: str, causes: Causes) -> None:
    if not effect:
        causes.required(field)
    elif effect not in EFFECTS:
        causes.unsupported(field, effect, EFFECTS)


def tolerations(listed: Iterable[Obj], field: str, causes: Causes) -> None:
    for number, one in enumerate(listed):
        at = f"{field}[{number}]"
        key, operator, effect = one.get("key") or "", one.get("operator") or "", one.get("effect") or ""
        value = one.get("value") or ""
        if key:
            causes.each(f"{at}.key", key, names.qualified(key))
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            causes.invalid(f"{at}.operator", operator, why)
        if one.get("tolerationSeconds") is not None and effect != "NoExecute":
            causes.invalid(f"{at}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        if operator in ("Equal", ""):
            reasons = names.label_value(value)
            if reasons:
                causes.invalid(f"{at}.operator", value, ";".join(reasons))
        elif operator == "Exists":
            if value:
                causes.invalid(f"{at}.operator", value, "value must be empty when `operator` is 'Exists'")
        else:
            causes.unsupported(f"{at}.operator", operator, ("Equal", "Exists"))
        if effect:
            taint_effect(effect, f"{at}.effect", causes)


def topology_spread(constraints: list[Obj], field: str, causes: Causes) -> None:
    for number, one in enumerate(constraints):
        at = f"{field}[{number}]"
        skew, key, action = one.get("maxSkew") or 0, one.get("topologyKey") or "", one.get("whenUnsatisfiable") or ""
        if skew <= 0:
            causes.invalid(f"{at}.maxSkew", skew, NOT_POSITIVE)
        if not key:
            causes.required(f"{at}.topologyKey", "can not be empty")
        if action not in _ACTIONS:
            causes.unsupported(f"{at}.whenUnsatisfiable", action, _ACTIONS)
        if any((o.get("topologyKey"), o.get("whenUnsatisfiable")) == (key, action) for o in constraints[number + 1 :]):
            causes.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        _domains(one, action, at, causes)
        for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if one.get(policy) is not None and one[policy] not in _NODE_POLICIES:
                causes.unsupported(f"{at}.{policy}", one[policy], _NODE_POLICIES)
        _spread_keys(one, at, causes)
        meta.label_selector(one.get("labelSelector"), f"{at}.labelSelector", causes)


def _domains(constraint: Obj, action: str, at: str, causes: Causes) -> None:
    least = constraint.get("minDomains")
    if least is None:
        return
    if least <= 0:
        causes.invalid(f"{at}.minDomains", least, NOT_POSITIVE)
    if action != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        causes.invalid(f"{at}.minDomains", least, why)


def _spread_keys(constraint: Obj, at: str, causes: Causes) -> None:
    keys: list[str] = constraint.get("matchLabelKeys") or []
    if not keys:
        return
    selector: Mapping[str, object] | None = constraint.get("labelSelector")
    if selector is None:
        causes.forbidden(f"{at}.matchLabelKeys", "must not be specified when labelSelector is not set")
    taken = {*((constraint.get("labelSelector") or {}).get("matchLabels") or {})}
    taken |= {rule.get("key") for rule in (constraint.get("labelSelector") or {}).get("matchExpressions") or ()}
    for number, key in enumerate(keys):
        causes.each(f"{at}.matchLabelKeys[{number}]", key, names.qualified(key))
        if key in taken:
            causes.invalid(f"{at}.matchLabelKeys[{number}]", key, "exists in both matchLabelKeys and labelSelector")
