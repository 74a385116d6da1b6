"""References from a pod to its own fields and resources (the downward API)."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import names
from seatrial.world.objects import Obj
from seatrial.world.patterns import pattern

#: What may be read of the resources of a container, besides huge pages.
RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_UNITS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
#: Fields that exist at all (pkg/apis/core/pods/helpers.go).
_FIELDS = frozenset({
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
    "spec.restartPolicy", "spec.serviceAccountName", "spec.schedulerName", "status.phase", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
})  # fmt: skip
_SUBSCRIPT = pattern(r"^(?P<path>.*)\['(?P<key>.*)'\]$")


def field_ref(reference: Obj, supported: Iterable[str], field: str, causes: Causes) -> None:
    path = reference.get("fieldPath") or ""
    if not reference.get("apiVersion"):
        causes.required(f"{field}.apiVersion")
        return
    if not path:
        causes.required(f"{field}.fieldPath")
        return
    if reference["apiVersion"] != "v1":
        why = f"error converting fieldPath: unsupported pod version: {reference['apiVersion']}"
        causes.invalid(f"{field}.fieldPath", path, why)
        return
    found = _SUBSCRIPT.match(path)
    if found:
        _subscripted(path, found["path"], found["key"], field, causes)
    elif path not in _FIELDS and path != "spec.host":
        causes.invalid(f"{field}.fieldPath", path, f"error converting fieldPath: field label not supported: {path}")
    elif path not in supported:
        causes.unsupported(f"{field}.fieldPath", path, sorted(supported))


def _subscripted(path: str, base: str, key: str, field: str, causes: Causes) -> None:
    if base == "metadata.annotations":
        causes.each(field, key.lower(), names.qualified(key.lower()))
    elif base == "metadata.labels":
        causes.each(field, key, names.qualified(key))
    else:
        why = f"error converting fieldPath: field label does not support subscript: {path}"
        causes.invalid(f"{field}.fieldPath", path, why)


def resource_ref(reference: Obj, field: str, causes: Causes, needs_container: bool = False) -> None:
    name = reference.get("resource") or ""
    if needs_container and not reference.get("containerName"):
        causes.required(f"{field}.containerName")
    elif not name:
        causes.required(f"{field}.resource")
    elif name not in RESOURCES and not name.startswith(_HUGE):
        causes.unsupported(f"{field}.resource", name, RESOURCES)
    divisor = str(reference.get("divisor") or "0")
    if divisor in ("0", ""):
        return
    if name.endswith(".cpu"):
        if divisor not in ("1m", "1"):
            causes.invalid(f"{field}.divisor", name, "only divisor's values 1m and 1 are supported with the cpu resource")
    elif divisor not in _UNITS:
        what = "memory" if name.endswith(".memory") else "hugepages" if "hugepages" in name else "local ephemeral storage"
        why = f"only divisor's values {', '.join(_UNITS)} are supported with the {what} resource"
        causes.invalid(f"{field}.divisor", name, why)
