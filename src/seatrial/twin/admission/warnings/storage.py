"""Volumes, claims and their classes (pkg/api/persistentvolume, persistentvolumeclaim and storage)."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.twin.admission.warnings import labels, quantities, volumes
from seatrial.world.objects import Obj, annotations_of

_CLASS, _OPTIONS = "volume.beta.kubernetes.io/storage-class", "volume.beta.kubernetes.io/mount-options"
_OLD_CLASS = f'metadata.annotations[{_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead'
_OLD_OPTIONS = f'metadata.annotations[{_OPTIONS}]: deprecated since v1.31; use "mountOptions" attribute instead'
_RECYCLE = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."


def claim(obj: Obj, old: Obj | None) -> Iterator[str]:
    if _CLASS in annotations_of(obj):
        yield _OLD_CLASS
    yield from quantities.storage(obj["spec"], "spec")


def volume(obj: Obj, old: Obj | None) -> Iterator[str]:
    spec, annotations = obj["spec"], annotations_of(obj)
    if _CLASS in annotations:
        yield _OLD_CLASS
    if _OPTIONS in annotations:
        yield _OLD_OPTIONS
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield f"spec.persistentVolumeReclaimPolicy: {_RECYCLE}"
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    for index, term in enumerate(required.get("nodeSelectorTerms") or ()):
        yield from labels.node_term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]")
    yield from volumes.deprecated(spec, "spec")


def storage_class(obj: Obj, old: Obj | None) -> Iterator[str]:
    for number, term in enumerate(obj.get("allowedTopologies") or ()):
        for index, rule in enumerate(term.get("matchLabelExpressions") or ()):
            key = rule.get("key", "")
            if key in labels.DEPRECATED:
                yield f"allowedTopologies[{number}].matchLabelExpressions[{index}].key: {labels.DEPRECATED[key]}"
