"""Whose an object is: owner references, and how a controller adopts and releases by its selector.

The rules are those of pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, owned_by
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, controller_of, labels_of, name_of, namespace_of
from seatrial.world.selectors import matches

Selector = dict[str, Any] | None


def is_deleting(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def owner_reference(owner: Obj) -> Obj:
    """The reference that makes `owner` the controller of what carries it, and holds back the owner's foreground deletion."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def selects(selector: Selector, labels: dict[str, str]) -> bool:
    """`selectors.matches`, the common case first."""
    if selector and not selector.get("matchExpressions"):
        return (selector.get("matchLabels") or {}).items() <= labels.items()
    return matches(selector, labels)


def claim(context: Context, resource: str, owner: Obj, selector: Selector) -> list[Obj]:
    """The objects that `owner` controls, after it has adopted the orphans its selector matches and released the others."""
    mine: list[Obj] = []
    deleting = is_deleting(owner)
    for obj in owned_by(context, resource, owner):
        if selects(selector, labels_of(obj)):
            mine.append(obj)
        elif not deleting:
            _release(context, resource, obj, owner)
    if deleting:
        return mine
    for orphan in context.store.by_index(resource, "orphan", namespace_of(owner)):
        if selects(selector, labels_of(orphan)) and not is_deleting(orphan):
            mine.append(_adopt(context, resource, orphan, owner))
    return mine


def _adopt(context: Context, resource: str, obj: Obj, owner: Obj) -> Obj:
    references = [*obj["metadata"].get("ownerReferences", ()), owner_reference(owner)]
    return _own(context, resource, obj, references)


def _release(context: Context, resource: str, obj: Obj, owner: Obj) -> None:
    uid = owner["metadata"]["uid"]
    _own(context, resource, obj, [ref for ref in obj["metadata"].get("ownerReferences", ()) if ref["uid"] != uid])


def _own(context: Context, resource: str, obj: Obj, references: list[Obj]) -> Obj:
    metadata = {**obj["metadata"], "ownerReferences": references}
    if not references:
        del metadata["ownerReferences"]
    return context.registry.update(resource, {**obj, "metadata": metadata}, OPTIONS)


def claimants(context: Context, resource: str) -> Callable[[Change], Iterable[Key]]:
    """For a watch of pods or ReplicaSets: the keys of the objects of `resource` that may want a changed orphan."""

    def keys(change: Change) -> Iterable[Key]:
        orphan = change.object
        if change.type == "DELETED" or controller_of(orphan) is not None:
            return ()
        labels = labels_of(orphan)
        if not labels:
            return ()
        namespace = namespace_of(orphan)
        return [
            (namespace, name_of(candidate))
            for candidate in context.store.list(resource, namespace)
            if selects(candidate["spec"].get("selector"), labels)
        ]

    return keys
