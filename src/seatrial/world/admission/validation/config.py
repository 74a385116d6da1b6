"""ConfigMaps, Secrets, Namespaces, Nodes and Events (pkg/apis/core/validation/validation.go)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import internal, meta, names, resources, scheduling
from seatrial.world.objects import Obj, annotations_of

#: Bytes that a ConfigMap or a Secret may hold.
MAX_BYTES = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"
_ACCOUNT = "kubernetes.io/service-account.name"
#: Keys that a type of Secret must have.
_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def config_map(obj: Obj, causes: Causes) -> None:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for key in data:
        for why in names.config_key(key):
            causes.invalid(f"data[{key}]", key, why)
        if key in binary:
            causes.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        causes.each(f"binaryData[{key}]", key, names.config_key(key))
    size = sum(len(value.encode()) for value in data.values()) + _decoded_size(binary)
    if size > MAX_BYTES:
        causes.too_long("", MAX_BYTES)


def _decoded_size(data: Mapping[str, str]) -> int:
    return sum(len(value) * 3 // 4 - value.count("=") for value in data.values())


def config_map_update(obj: Obj, old: Obj, causes: Causes) -> None:
    _frozen(obj, old, ("data", "binaryData"), causes)
    config_map(obj, causes)


def _frozen(obj: Obj, old: Obj, keys: tuple[str, ...], causes: Causes) -> None:
    if not old.get("immutable"):
        return
    if not obj.get("immutable"):
        causes.forbidden("immutable", _FROZEN)
    for key in keys:
        if (obj.get(key) or {}) != (old.get(key) or {}):
            causes.forbidden(key, _FROZEN)


def secret(obj: Obj, causes: Causes) -> None:
    data = obj.get("data") or {}
    for key in data:
        causes.each(f"data[{key}]", key, names.config_key(key))
    if _decoded_size(data) > MAX_BYTES:
        causes.too_long("data", MAX_BYTES)
    kind = obj.get("type", "")
    if kind == "kubernetes.io/service-account-token":
        if not annotations_of(obj).get(_ACCOUNT):
            causes.required(f"metadata.annotations[{_ACCOUNT}]")
    elif kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        causes.required("data[username]")
        causes.required("data[password]")
    for key in _KEYS.get(kind, ()):
        if key not in data or (kind == "kubernetes.io/ssh-auth" and not data[key]):
            causes.required(f"data[{key}]")
        elif kind.startswith("kubernetes.io/docker"):
            _is_json(data[key], f"data[{key}]", causes)


def _is_json(encoded: str, field: str, causes: Causes) -> None:
    try:
        read: Any = json.loads(base64.b64decode(encoded))
    except (ValueError, binascii.Error):
        causes.invalid(field, "<secret contents redacted>", "invalid character 'o' in literal null (expecting 'u')")
        return
    if not isinstance(read, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(read), "number")
        why = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        causes.invalid(field, "<secret contents redacted>", why)


def secret_update(obj: Obj, old: Obj, causes: Causes) -> None:
    causes.same("type", obj.get("type"), old.get("type"))
    _frozen(obj, old, ("data",), causes)
    secret(obj, causes)


def nothing(obj: Obj, causes: Causes) -> None:
    """Only the metadata is checked."""


# namespaces and nodes


def namespace(obj: Obj, causes: Causes) -> None:
    for name in (obj.get("spec") or {}).get("finalizers") or ():
        causes.each("spec.finalizers", name, names.qualified(name))
        if "/" not in name and name not in meta.FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            causes.invalid("spec.finalizers", name, why)


def namespace_status(obj: Obj, old: Obj, causes: Causes) -> None:
    phase = (obj.get("status") or {}).get("phase", "")
    going = bool(obj["metadata"].get("deletionTimestamp"))
    if going and phase != "Terminating":
        why = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        causes.invalid("status.Phase", phase, why)
    if not going and phase != "Active":
        causes.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")


def node(obj: Obj, causes: Causes) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if spec.get("taints"):
        _taints(spec["taints"], "metadata.taints", causes)
    for key in ("capacity", "allocatable"):
        for name, amount in sorted((status.get(key) or {}).items()):
            resources.amount(name, amount, f"status.{key}.{name}", causes)
    for number, cidr in enumerate(spec.get("podCIDRs") or ()):
        causes.each(f"spec.podCIDRs[{number}]", cidr, names.cidr(cidr))


def _taints(taints: list[Obj], field: str, causes: Causes) -> None:
    seen: set[tuple[str, str]] = set()
    for number, taint in enumerate(taints):
        at = f"{field}[{number}]"
        key, value, effect = (taint.get(name) or "" for name in ("key", "value", "effect"))
        causes.each(f"{at}.key", key, names.qualified(key))
        reasons = names.label_value(value)
        if reasons:
            causes.invalid(f"{at}.value", value, ";".join(reasons))
        scheduling.taint_effect(effect, f"{at}.effect", causes)
        if (key, effect) in seen:
            shown = internal.dump("api.core.v1.Taint", taint)
            causes.duplicate(at, shown, "taints must be unique by key and effect pair")
        seen.add((key, effect))


def node_update(obj: Obj, old: Obj, causes: Causes) -> None:
    new, before = obj.get("spec") or {}, old.get("spec") or {}
    if new.get("taints") and new["taints"] != before.get("taints"):
        _taints(new["taints"], "metadata.taints", causes)
    if before.get("podCIDRs") and new.get("podCIDRs") != before["podCIDRs"]:
        causes.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if before.get("providerID") and new.get("providerID") != before["providerID"]:
        causes.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')


# events


def event(obj: Obj, causes: Causes) -> None:
    about = obj.get("involvedObject") or {}
    where, mine = about.get("namespace") or "", obj["metadata"].get("namespace") or ""
    if not where:
        if mine != "default":
            causes.invalid("involvedObject.namespace", where, "does not match event.namespace")
    elif where != mine:
        causes.invalid("involvedObject.namespace", where, "does not match event.namespace")


def any_name(name: str) -> names.Reasons:
    """Names of events are not looked at closely."""
    return names.dns_subdomain(name)
