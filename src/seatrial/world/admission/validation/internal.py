"""Objects as Go's internal types would show them, for errors that quote a struct or show what changed in one.

The API server validates internal types, which have no JSON names: `{"Type":"Magic","RollingUpdate":null}`. Their fields
are those of the versioned type under Go's names, all of them written. Where the internal type is built differently
(the host's namespaces of a pod are in its security context) a table here says so.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from typing import Any

from seatrial.world.admission.causes import Raw, escaped, go_json
from seatrial.world.objects import Obj
from seatrial.world.patterns import pattern
from seatrial.world.schema import Shape, shape
from seatrial.world.schema.table import INT_OR_STRING

_CORE = "api.core.v1"
_META = "apimachinery.pkg.apis.meta.v1"
#: Names that Go writes in capitals, at the start of a field's name.
_INITIALS = pattern(
    r"^(api|aws|cidr|csi|dns|fc|fs|gce|gid|gmsa|grpc|http|ip|iscsi|nfs|os|pd|pid|qos|rbd|ssl|tcp|tls|ttl|tty|uid|url)(?=[A-Z]|$)"
)
_SPECIAL = {
    "seLinuxOptions": "SELinuxOptions", "seLinuxChangePolicy": "SELinuxChangePolicy", "cephfs": "CephFS",
    "storageos": "StorageOS", "iqn": "IQN", "wwids": "WWIDs", "pdID": "PdID", "diskURI": "DataDiskURI", "cidrs": "CIDRs",
    "chapAuthDiscovery": "DiscoveryCHAPAuth", "chapAuthSession": "SessionCHAPAuth", "lastState": "LastTerminationState",
    "serviceAccount": "DeprecatedServiceAccount", "seLinuxMount": "SELinuxMount",
}  # fmt: skip
#: Types that keep their JSON form, for they are the same inside and out.
_OUTER = (_META, "apimachinery.")
_ZERO: dict[str, Any] = {"string": "", "bool": False, "int32": 0, "int64": 0, "double": 0, INT_OR_STRING: 0}


def dump(type_: str, value: Obj) -> Raw:
    """The JSON of the internal struct of a versioned type (`api.core.v1.SecurityContext`)."""
    return Raw(go_json(struct(type_, value)))


def diff(type_: str, old: Obj, new: Obj) -> str:
    """What changed, as apimachinery's pkg/util/diff shows it: a unified diff of the indented JSON."""
    before, after = (_pretty(struct(type_, value)) for value in (old, new))
    lines = difflib.unified_diff(before, after, n=3)
    return "".join(line for number, line in enumerate(lines) if number >= 2)


def _pretty(value: Any) -> list[str]:
    text = escaped(json.dumps(value, indent=1, ensure_ascii=False))
    return [f"{line}\n" for line in text.split("\n")]


def struct(type_: str, value: Obj) -> Obj:
    rebuild = _REBUILT.get(type_)
    return rebuild(value) if rebuild is not None else _plain(shape(type_), value)


def _plain(of: Shape, value: Obj) -> Obj:
    shown: Obj = {}
    for name, field in of.fields.items():
        shown[go_name(name)] = _value(field.shape, value.get(name), field.pointer)
    return shown


def _value(of: Shape, value: Any, pointer: bool) -> Any:
    if of.kind == "struct" and not of.type.startswith(_OUTER):
        return None if value is None and pointer else struct(of.type, value or {})
    if of.kind == "struct":
        return value if value is not None or pointer else {}
    if of.kind == "list":
        return [_value(of.element, item, False) for item in value] if value and of.element is not None else None
    if of.kind == "map":
        if not value or of.element is None:
            return None
        return {key: _value(of.element, value[key], False) for key in sorted(value)}
    if value is None and not pointer:
        return _ZERO.get(of.type)
    return value


def go_name(name: str) -> str:
    """Go's name of a field: `hostIPC` is HostIPC, `apiVersion` APIVersion, `podIPs` PodIPs."""
    if name in _SPECIAL:
        return _SPECIAL[name]
    found = _INITIALS.match(name)
    if found:
        return found[0].upper() + name[found.end() :]
    return name[:1].upper() + name[1:]


# types that are built differently inside


def _pod_template(value: Obj) -> Obj:
    metadata = {key: item for key, item in (value.get("metadata") or {}).items() if item not in (None, "", {}, [])}
    return {**metadata, "Spec": struct(f"{_CORE}.PodSpec", value.get("spec") or {})}


_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_POD_ORDER = (
    "Volumes", "InitContainers", "Containers", "EphemeralContainers", "RestartPolicy", "TerminationGracePeriodSeconds",
    "ActiveDeadlineSeconds", "DNSPolicy", "NodeSelector", "ServiceAccountName", "AutomountServiceAccountToken", "NodeName",
    "SecurityContext", "ImagePullSecrets", "Hostname", "Subdomain", "SetHostnameAsFQDN", "Affinity", "SchedulerName",
    "Tolerations", "HostAliases", "PriorityClassName", "Priority", "PreemptionPolicy", "DNSConfig", "ReadinessGates",
    "RuntimeClassName", "Overhead", "EnableServiceLinks", "TopologySpreadConstraints", "OS", "SchedulingGates",
    "ResourceClaims", "Resources", "HostnameOverride",
)  # fmt: skip


def _pod_spec(value: Obj) -> Obj:
    plain = _plain(shape(f"{_CORE}.PodSpec"), value)
    host = {go_name(key): plain.pop(go_name(key)) for key in _HOST}
    plain.pop("DeprecatedServiceAccount", None)
    context = plain.get("SecurityContext") or _plain(shape(f"{_CORE}.PodSecurityContext"), {})
    plain["SecurityContext"] = {**host, **context}
    ordered = {key: plain[key] for key in _POD_ORDER if key in plain}
    return {**ordered, **{key: item for key, item in plain.items() if key not in ordered}}


_REBUILT: dict[str, Callable[[Obj], Obj]] = {
    f"{_CORE}.PodTemplateSpec": _pod_template,
    f"{_CORE}.PodSpec": _pod_spec,
}
