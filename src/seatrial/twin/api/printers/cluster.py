"""How nodes, namespaces, roles, classes and definitions are printed."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.twin.api.printers.columns import NONE, UNKNOWN, UNSET, WIDE, Column, age, at, column, condition, created, name
from seatrial.world.objects import Obj, dig

_ROLE_PREFIX, _ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def _node_status(node: Obj) -> str:
    ready = condition(node, "Ready")
    word = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return word + (",SchedulingDisabled" if dig(node, "spec.unschedulable") else "")


def _roles(node: Obj) -> str:
    roles = set()
    for key, value in (node["metadata"].get("labels") or {}).items():
        if key.startswith(_ROLE_PREFIX) and len(key) > len(_ROLE_PREFIX):
            roles.add(key[len(_ROLE_PREFIX) :])
        elif key == _ROLE_LABEL and value:
            roles.add(value)
    return ",".join(sorted(roles)) or NONE


def _node_address(type_: str) -> Callable[[Obj], str]:
    def read(node: Obj) -> str:
        return next((entry["address"] for entry in dig(node, "status.addresses") or () if entry["type"] == type_), NONE)

    return read


def _info(title: str, key: str, default: str = UNKNOWN) -> Column:
    return column(title, lambda node: dig(node, f"status.nodeInfo.{key}") or default, priority=WIDE)


def _role(binding: Obj) -> str:
    return f"{dig(binding, 'roleRef.kind', '')}/{dig(binding, 'roleRef.name', '')}"


def _subjects(kind: str) -> Callable[[Obj], str]:
    def read(binding: Obj) -> str:
        found = [subject for subject in binding.get("subjects") or () if subject.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{subject.get('namespace', '')}/{subject['name']}" for subject in found)
        return ", ".join(subject["name"] for subject in found)

    return read


def _class_name(storage_class: Obj) -> str:
    default = (storage_class["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    return str(storage_class["metadata"]["name"]) + (" (default)" if default else "")


def _available(service: Obj) -> str:
    found = condition(service, "Available")
    if found is None:
        return "Unknown"
    return "True" if found.get("status") == "True" else f"{found.get('status')} ({found.get('reason', '')})"


def _csr_condition(request: Obj) -> str:
    words = [entry["type"] for entry in dig(request, "status.conditions") or ()]
    order = [word for word in ("Approved", "Denied", "Failed") if word in words]
    issued = ["Issued"] if dig(request, "status.certificate") else []
    return ",".join(order + issued) or "Pending"


_BINDING = (
    name(),
    column("Role", _role),
    age(),
    column("Users", _subjects("User"), priority=WIDE),
    column("Groups", _subjects("Group"), priority=WIDE),
    column("ServiceAccounts", _subjects("ServiceAccount"), priority=WIDE),
)

PRINTERS: dict[str, tuple[Column, ...]] = {
    "nodes": (
        name(),
        column("Status", _node_status),
        column("Roles", _roles),
        age(),
        at("Version", "status.nodeInfo.kubeletVersion"),
        column("Internal-IP", _node_address("InternalIP"), priority=WIDE),
        column("External-IP", _node_address("ExternalIP"), priority=WIDE),
        _info("OS-Image", "osImage"),
        _info("Kernel-Version", "kernelVersion"),
        _info("Container-Runtime", "containerRuntimeVersion"),
    ),
    "namespaces": (name(), at("Status", "status.phase"), age()),
    "componentstatuses": (name(), column("Status", lambda obj: ""), column("Message", lambda obj: "")),
    "roles.rbac.authorization.k8s.io": (name(), created()),
    "clusterroles.rbac.authorization.k8s.io": (name(), created()),
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "storageclasses.storage.k8s.io": (
        Column("Name", lambda obj, now: _class_name(obj), format="name"),
        at("Provisioner", "provisioner"),
        at("ReclaimPolicy", "reclaimPolicy", "Delete"),
        at("VolumeBindingMode", "volumeBindingMode", UNSET),
        at("AllowVolumeExpansion", "allowVolumeExpansion", False),
        age(),
    ),
    "priorityclasses.scheduling.k8s.io": (
        name(),
        at("Value", "value", 0, "integer"),
        at("Global-Default", "globalDefault", False, "boolean"),
        age(),
        at("PreemptionPolicy", "preemptionPolicy", "PreemptLowerPriority"),
    ),
    "runtimeclasses.node.k8s.io": (name(), at("Handler", "handler"), age()),
    "customresourcedefinitions.apiextensions.k8s.io": (name(), created()),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": (
        name(),
        column("Webhooks", lambda obj: len(obj.get("webhooks") or ()), "integer"),
        age(),
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": (
        name(),
        column("Webhooks", lambda obj: len(obj.get("webhooks") or ()), "integer"),
        age(),
    ),
    "certificatesigningrequests.certificates.k8s.io": (
        name(),
        age(),
        at("SignerName", "spec.signerName", NONE),
        at("Requestor", "spec.username"),
        at("RequestedDuration", "spec.expirationSeconds", NONE),
        column("Condition", _csr_condition),
    ),
    "apiservices.apiregistration.k8s.io": (
        name(),
        column("Service", lambda obj: "Local"),
        column("Available", _available),
        age(),
    ),
}
