"""How configuration, quotas, storage and events are printed."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.twin.api.printers.columns import UNSET, WIDE, Column, age, at, column, created, name, since
from seatrial.world.objects import Obj, dig

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _modes(path: str) -> Callable[[Obj], str]:
    return lambda obj: ",".join(short for mode, short in _MODES.items() if mode in (dig(obj, path) or ()))


def _claim_status(claim: Obj) -> str:
    return "Terminating" if "deletionTimestamp" in claim["metadata"] else dig(claim, "status.phase", "")


def _bound(path: str, default: str = "") -> Callable[[Obj], str]:
    """What a claim has once it is bound."""
    return lambda claim: dig(claim, path, default) if dig(claim, "spec.volumeName") else default


def _claim(volume: Obj) -> str:
    reference = dig(volume, "spec.claimRef")
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""


def _quota(limits: bool) -> Callable[[Obj], str]:
    """`pods: 1/3, …`: requests and counts, or the limits (printResourceQuota)."""

    def read(quota: Obj) -> str:
        hard, used = dig(quota, "status.hard") or {}, dig(quota, "status.used") or {}
        shown = [name for name in sorted(hard) if name.startswith("limits.") == limits]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in shown)

    return read


# events


def _first_seen(event: Obj, now: float) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"), now)


def _last_seen(event: Obj, now: float) -> str:
    series = event.get("series") or {}
    stamp = series.get("lastObservedTime") or event.get("lastTimestamp")
    return since(stamp, now) if stamp else _first_seen(event, now)


def _about(event: Obj) -> str:
    target = event.get("involvedObject") or {}
    kind, called = target.get("kind", "").lower(), target.get("name", "")
    return f"{kind}/{called}" if called else kind


def _source(event: Obj) -> str:
    source = event.get("source") or {}
    parts = [
        source.get("component") or event.get("reportingComponent", ""),
        source.get("host") or event.get("reportingInstance", ""),
    ]
    return ", ".join(part for part in parts if part)


def _count(event: Obj) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


PRINTERS: dict[str, tuple[Column, ...]] = {
    "configmaps": (
        name(),
        column("Data", lambda obj: str(len(obj.get("data") or ()) + len(obj.get("binaryData") or ()))),
        age(),
    ),
    "secrets": (name(), at("Type", "type"), column("Data", lambda obj: str(len(obj.get("data") or ()))), age()),
    "serviceaccounts": (name(), column("Secrets", lambda obj: str(len(obj.get("secrets") or ()))), age()),
    "resourcequotas": (name(), column("Request", _quota(limits=False)), column("Limit", _quota(limits=True)), age()),
    "limitranges": (name(), created()),
    "persistentvolumeclaims": (
        name(),
        column("Status", _claim_status),
        at("Volume", "spec.volumeName"),
        column("Capacity", _bound("status.capacity.storage")),
        column("Access Modes", lambda claim: _modes("status.accessModes")(claim) if dig(claim, "spec.volumeName") else ""),
        at("StorageClass", "spec.storageClassName"),
        at("VolumeAttributesClass", "spec.volumeAttributesClassName", UNSET),
        age(),
        at("VolumeMode", "spec.volumeMode", UNSET, priority=WIDE),
    ),
    "persistentvolumes": (
        name(),
        at("Capacity", "spec.capacity.storage"),
        column("Access Modes", _modes("spec.accessModes")),
        at("Reclaim Policy", "spec.persistentVolumeReclaimPolicy"),
        column("Status", _claim_status),
        column("Claim", _claim),
        at("StorageClass", "spec.storageClassName"),
        at("VolumeAttributesClass", "spec.volumeAttributesClassName", UNSET),
        at("Reason", "status.reason"),
        age(),
        at("VolumeMode", "spec.volumeMode", UNSET, priority=WIDE),
    ),
    "events": (
        Column("Last Seen", _last_seen),
        at("Type", "type"),
        at("Reason", "reason"),
        column("Object", _about),
        at("Subobject", "involvedObject.fieldPath", priority=WIDE),
        column("Source", _source, priority=WIDE),
        column("Message", lambda event: (event.get("message") or "").strip()),
        Column("First Seen", _first_seen, priority=WIDE),
        column("Count", _count, priority=WIDE),
        Column("Name", lambda event, now: event["metadata"]["name"], priority=WIDE, format="name"),
    ),
    "leases.coordination.k8s.io": (name(), at("Holder", "spec.holderIdentity"), age()),
}
