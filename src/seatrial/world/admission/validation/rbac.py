"""Roles and their bindings (pkg/apis/rbac/validation/validation.go)."""

from __future__ import annotations

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import internal, meta, names
from seatrial.world.objects import Obj

GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def role(obj: Obj, causes: Causes) -> None:
    _rules(obj, True, causes)


def cluster_role(obj: Obj, causes: Causes) -> None:
    _rules(obj, False, causes)
    rule = obj.get("aggregationRule")
    if rule is None:
        return
    selectors = rule.get("clusterRoleSelectors") or []
    if not selectors:
        why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        causes.required("aggregationRule.clusterRoleSelectors", why)
    for number, selector in enumerate(selectors):
        meta.label_selector(selector, f"aggregationRule.clusterRoleSelectors[{number}]", causes)


def _rules(obj: Obj, namespaced: bool, causes: Causes) -> None:
    for number, rule in enumerate(obj.get("rules") or ()):
        at = f"rules[{number}]"
        if not rule.get("verbs"):
            causes.required(f"{at}.verbs", "verbs must contain at least one value")
        urls = rule.get("nonResourceURLs") or []
        if urls:
            if namespaced:
                causes.invalid(f"{at}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                causes.invalid(f"{at}.nonResourceURLs", urls, why)
            continue
        if not rule.get("apiGroups"):
            causes.required(f"{at}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            causes.required(f"{at}.resources", "resource rules must supply at least one resource")


def role_binding(obj: Obj, causes: Causes) -> None:
    _binding(obj, ("Role", "ClusterRole"), True, causes)


def cluster_role_binding(obj: Obj, causes: Causes) -> None:
    _binding(obj, ("ClusterRole",), False, causes)


def _binding(obj: Obj, kinds: tuple[str, ...], namespaced: bool, causes: Causes) -> None:
    reference = obj.get("roleRef") or {}
    if reference.get("apiGroup", "") != GROUP:
        causes.unsupported("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,))
    if reference.get("kind", "") not in kinds:
        causes.unsupported("roleRef.kind", reference.get("kind", ""), kinds)
    name = reference.get("name") or ""
    if not name:
        causes.required("roleRef.name")
    else:
        causes.each("roleRef.name", name, names.path_segment(name))
    for number, subject in enumerate(obj.get("subjects") or ()):
        _subject(subject, f"subjects[{number}]", namespaced, causes)


def _subject(subject: Obj, field: str, namespaced: bool, causes: Causes) -> None:
    name, kind, group = (subject.get(key) or "" for key in ("name", "kind", "apiGroup"))
    if not name:
        causes.required(f"{field}.name")
    if kind == "ServiceAccount":
        if name:
            causes.each(f"{field}.name", name, names.dns_subdomain(name))
        if group:
            causes.unsupported(f"{field}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            causes.required(f"{field}.namespace")
    elif kind in ("User", "Group"):
        if group != GROUP:
            causes.unsupported(f"{field}.apiGroup", group, (GROUP,))
    else:
        causes.unsupported(f"{field}.kind", kind, _SUBJECTS)


def role_binding_update(obj: Obj, old: Obj, causes: Causes) -> None:
    role_binding(obj, causes)
    _same_role(obj, old, causes)


def cluster_role_binding_update(obj: Obj, old: Obj, causes: Causes) -> None:
    cluster_role_binding(obj, causes)
    _same_role(obj, old, causes)


def _same_role(obj: Obj, old: Obj, causes: Causes) -> None:
    if obj.get("roleRef") != old.get("roleRef"):
        shown = internal.dump("api.rbac.v1.RoleRef", obj.get("roleRef") or {})
        causes.invalid("roleRef", shown, "cannot change roleRef")
