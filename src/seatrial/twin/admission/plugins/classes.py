"""Defaults that classes give: DefaultStorageClass, DefaultIngressClass, RuntimeClass; and what keeps storage in use.

plugin/pkg/admission/{storage/storageclass/setdefault,network/defaultingressclass,runtimeclass,
storage/storageobjectinuseprotection,storage/persistentvolume/resize}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.twin.admission.plugins.refusal import forbidden
from seatrial.world import quantity
from seatrial.world.objects import Obj, annotations_of, dig, name_of

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

STORAGE, INGRESS, RUNTIME = "storageclasses.storage.k8s.io", "ingressclasses.networking.k8s.io", "runtimeclasses.node.k8s.io"
_STORAGE_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_INGRESS_DEFAULT = ("ingressclass.kubernetes.io/is-default-class",)
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_OLD_INGRESS_CLASS = "kubernetes.io/ingress.class"
PROTECTION = {"persistentvolumeclaims": "kubernetes.io/pvc-protection", "persistentvolumes": "kubernetes.io/pv-protection"}


def storage_class(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource != "persistentvolumeclaims" or old is not None:
        return
    if obj["spec"].get("storageClassName") is not None or _BETA_CLASS in annotations_of(obj):
        return
    chosen = _default(registry, STORAGE, _STORAGE_DEFAULT)
    if chosen is not None:
        obj["spec"]["storageClassName"] = chosen


def ingress_class(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource != "ingresses.networking.k8s.io" or old is not None:
        return
    spec = obj.get("spec") or {}
    if spec.get("ingressClassName") is not None or _OLD_INGRESS_CLASS in annotations_of(obj):
        return
    chosen = _default(registry, INGRESS, _INGRESS_DEFAULT)
    if chosen is not None:
        obj["spec"] = {**spec, "ingressClassName": chosen}


def _default(registry: Registry, resource: str, marks: tuple[str, ...]) -> str | None:
    """The name of the class that is marked as default: the newest, then the first by name."""
    marked = [one for one in registry.list(resource) if any(annotations_of(one).get(mark) == "true" for mark in marks)]
    if not marked:
        return None
    newest = max(one["metadata"].get("creationTimestamp") or "" for one in marked)
    return min(name_of(one) for one in marked if (one["metadata"].get("creationTimestamp") or "") == newest)


def protection(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    finalizer = PROTECTION.get(resource)
    if finalizer is None or old is not None:
        return
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer not in finalizers:
        obj["metadata"]["finalizers"] = [*finalizers, finalizer]


def runtime_class(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    name = obj["spec"].get("runtimeClassName") if resource == "pods" and old is None else None
    if not name:
        return
    found = registry.find(RUNTIME, "", name)
    if found is None:
        raise forbidden(registry, resource, obj, f'pod rejected: RuntimeClass "{name}" not found')
    overhead = dig(found, "overhead.podFixed")
    if overhead is not None:
        if obj["spec"].get("overhead") not in (None, overhead):
            why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            raise forbidden(registry, resource, obj, why)
        obj["spec"]["overhead"] = dict(overhead)
    _steer(registry, obj, found.get("scheduling") or {})


def _steer(registry: Registry, pod: Obj, scheduling: Obj) -> None:
    """The nodes that have the runtime: its selector and tolerations are added to the pod's."""
    spec = pod["spec"]
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.setdefault(key, value) != value:
            why = (
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {selector[key]}"
            )
            raise forbidden(registry, "pods", pod, why)
    if selector:
        spec["nodeSelector"] = selector
    more = [t for t in scheduling.get("tolerations") or () if t not in (spec.get("tolerations") or ())]
    if more:
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *more]


def resize(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    """PersistentVolumeClaimResize: a bound claim grows only where its class allows it."""
    if resource != "persistentvolumeclaims" or old is None:
        return
    size, before = (dig(claim, "spec.resources.requests.storage", "0") for claim in (obj, old))
    if quantity.parse(size) <= quantity.parse(before):
        return
    if dig(old, "status.phase") != "Bound":
        raise forbidden(registry, resource, obj, "Only bound persistent volume claims can be expanded")
    name = dig(obj, "spec.storageClassName") or annotations_of(obj).get(_BETA_CLASS)
    found = registry.find(STORAGE, "", name) if name else None
    if found is None or not found.get("allowVolumeExpansion"):
        why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
        raise forbidden(registry, resource, obj, why)


#: A new node takes no pods until its controller has seen it ready (plugin/pkg/admission/nodetaint).
NOT_READY: Obj = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def node_taint(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource != "nodes" or old is not None:
        return
    spec = obj.setdefault("spec", {})
    taints = spec.get("taints") or []
    if not any(taint.get("key") == NOT_READY["key"] and taint.get("effect") == "NoSchedule" for taint in taints):
        spec["taints"] = [*taints, dict(NOT_READY)]
