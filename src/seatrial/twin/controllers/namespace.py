"""The namespace controller: empties a namespace that is being deleted, pods first, and lets it go.

It follows pkg/controller/namespace/deletion (namespaced_resources_deleter.go, status_condition_utils.go).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from seatrial.twin.clock import timestamp
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, own_key
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, name_of, namespace_of

NAMESPACES = "namespaces"
FINALIZER = "kubernetes"
#: A condition that is good: type -> (reason, message).
_FINE = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    "NamespaceDeletionContentFailure": ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


class NamespaceController:
    name = "namespace"
    pace = 0.1

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (Watch(NAMESPACES, own_key), Watch(None, self._of_deleted))

    def _of_deleted(self, change: Change) -> Iterable[Key]:
        """Whatever leaves a namespace that is on its way out may have been the last that held it."""
        if change.type != "DELETED":
            return ()
        name = namespace_of(change.object)
        namespace = self._registry.find(NAMESPACES, "", name) if name else None
        return (("", name),) if namespace and is_deleting(namespace) else ()

    def reconcile(self, key: Key) -> float | None:
        namespace = self._registry.find(NAMESPACES, *key)
        if namespace is None or not is_deleting(namespace):
            return None
        finalizers = (namespace.get("spec") or {}).get("finalizers") or []
        if FINALIZER not in finalizers:
            return None
        remaining = self._empty(name_of(namespace))
        namespace = self._write_conditions(namespace, remaining)
        if not remaining:
            left = [each for each in finalizers if each != FINALIZER]
            spec = {**(namespace.get("spec") or {}), "finalizers": left}
            self._registry.finalize({**namespace, "spec": spec}, OPTIONS)
        return None

    def _empty(self, name: str) -> dict[str, list[Obj]]:
        """Delete everything, the rest once the pods are gone; returns what is still there, by resource."""
        self._delete_all("pods", name)
        pods = self._context.store.list("pods", name)
        if pods:
            return {"pods": pods}
        for resource in list(self._context.store.resources()):
            self._delete_all(resource, name)
        everything = {resource: self._context.store.list(resource, name) for resource in self._context.store.resources()}
        return {resource: objects for resource, objects in everything.items() if objects}

    def _delete_all(self, resource: str, name: str) -> None:
        for obj in self._context.store.list(resource, name):
            if not is_deleting(obj) and self._context.store.get(resource, name, name_of(obj)) is not None:
                self._registry.delete(resource, name, name_of(obj), propagation="Background", options=OPTIONS)

    def _write_conditions(self, namespace: Obj, remaining: dict[str, list[Obj]]) -> Obj:
        status = namespace.get("status") or {}
        old = {each["type"]: each for each in status.get("conditions") or ()}
        moment = timestamp(self._context.clock.now())
        conditions = [_condition(type_, remaining, old.get(type_), moment) for type_ in _FINE]
        others = [each for type_, each in old.items() if type_ not in _FINE]
        written = {**status, "phase": "Terminating", "conditions": [*others, *conditions]}
        if written == status:
            return namespace
        metadata = {**namespace["metadata"]}
        return self._registry.update_status(NAMESPACES, {**namespace, "metadata": metadata, "status": written}, OPTIONS)


def _condition(type_: str, remaining: dict[str, list[Obj]], old: Obj | None, moment: str) -> Obj:
    status, (reason, message) = "False", _FINE[type_]
    if type_ == "NamespaceContentRemaining" and remaining:
        counts = (f"{_dotted(resource)} has {len(objects)} resource instances" for resource, objects in sorted(remaining.items()))
        status, reason, message = "True", "SomeResourcesRemain", f"Some resources are remaining: {', '.join(counts)}"
    finalizers = _finalizers(remaining)
    if type_ == "NamespaceFinalizersRemaining" and finalizers:
        held = (f"{finalizer} in {number} resource instances" for finalizer, number in sorted(finalizers.items()))
        message = f"Some content in the namespace has finalizers remaining: {', '.join(held)}"
        status, reason = "True", "SomeFinalizersRemain"
    if old is not None and old["status"] == status:
        moment = old["lastTransitionTime"] if (old["reason"], old["message"]) == (reason, message) else moment
    return {"type": type_, "status": status, "lastTransitionTime": moment, "reason": reason, "message": message}


def _dotted(resource: str) -> str:
    """The resource with its group, as the condition names it: `pods.`, `deployments.apps`."""
    return resource if "." in resource else f"{resource}."


def _finalizers(remaining: dict[str, list[Obj]]) -> Counter[str]:
    return Counter(
        finalizer for objects in remaining.values() for obj in objects for finalizer in obj["metadata"].get("finalizers") or ()
    )
