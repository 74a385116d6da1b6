"""Defaults of RBAC, of classes (priority, storage) and of what extends the API (CRDs, webhooks, API services)."""

from __future__ import annotations

from seatrial.world.admission.defaulting.fill import items, struct, unset, zero
from seatrial.world.objects import Obj

RBAC = "rbac.authorization.k8s.io"
_WEBHOOK = (("failurePolicy", "Fail"), ("matchPolicy", "Equivalent"), ("timeoutSeconds", 10))
_CSI_DRIVER = (
    ("attachRequired", True),
    ("podInfoOnMount", False),
    ("storageCapacity", False),
    ("fsGroupPolicy", "ReadWriteOnceWithFSType"),
    ("volumeLifecycleModes", ["Persistent"]),
    ("requiresRepublish", False),
    ("seLinuxMount", False),
)


def binding(obj: Obj) -> None:
    """RoleBinding and ClusterRoleBinding: the group of the role and of each subject (pkg/apis/rbac/v1/defaults.go)."""
    role = struct(obj, "roleRef")
    zero(role, (("apiGroup", RBAC), ("kind", ""), ("name", "")))
    for subject in items(obj, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            zero(subject, (("apiGroup", RBAC),))


def priority_class(obj: Obj) -> None:
    unset(obj, (("preemptionPolicy", "PreemptLowerPriority"), ("value", 0)))


def storage_class(obj: Obj) -> None:
    unset(obj, (("reclaimPolicy", "Delete"), ("volumeBindingMode", "Immediate")))


def csi_driver(obj: Obj) -> None:
    unset(struct(obj, "spec"), [(key, list(v) if isinstance(v, list) else v) for key, v in _CSI_DRIVER])


def custom_resource_definition(obj: Obj) -> None:
    """apiextensions-apiserver, pkg/apis/apiextensions/v1/defaults.go."""
    spec = struct(obj, "spec")
    zero(spec, (("scope", "Namespaced"),))
    names = struct(spec, "names")
    kind = names.get("kind") or ""
    zero(names, (("singular", kind.lower()), ("listKind", f"{kind}List" if kind else "")))
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}
    client = (spec["conversion"].get("webhook") or {}).get("clientConfig") or {}
    if client.get("service") is not None:
        unset(client["service"], (("port", 443),))


def webhooks(obj: Obj) -> None:
    for hook in items(obj, "webhooks"):
        unset(hook, _WEBHOOK)
        for selector in ("namespaceSelector", "objectSelector"):
            struct(hook, selector)
        if obj["kind"] == "MutatingWebhookConfiguration":
            unset(hook, (("reinvocationPolicy", "Never"),))
        for rule in items(hook, "rules"):
            unset(rule, (("scope", "*"),))
        if (hook.get("clientConfig") or {}).get("service") is not None:
            unset(hook["clientConfig"]["service"], (("port", 443),))


def api_service(obj: Obj) -> None:
    service = struct(obj, "spec").get("service")
    if service is not None:
        unset(service, (("port", 443),))
