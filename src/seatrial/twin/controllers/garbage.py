"""The garbage collector: deletes what has lost all its owners, and carries out foreground and orphan deletion.

It follows pkg/controller/garbagecollector: a graph of who owns whom, kept up by watching every resource, tells which
objects a change makes worth a look. Owners are known by uid, so a new object of an old name owns nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
#: Resources that own nothing and are owned by nobody, and of which there are many.
_IGNORED = frozenset({"events"})


class Vertex(NamedTuple):
    resource: str
    namespace: str
    name: str

    @property
    def key(self) -> Key:
        return self.resource, f"{self.namespace}/{self.name}"


class GarbageCollector:
    name = "garbage-collector"
    pace = 0.0

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self._vertices: dict[str, Vertex] = {}  # by uid
        self._dependents: dict[str, dict[str, Vertex]] = {}  # of an owner's uid, by uid
        self.watches: Sequence[Watch] = (Watch(None, self._changed),)

    # the graph

    def _changed(self, change: Change) -> Iterable[Key]:
        """Bring the graph up to date; returns the objects that the change makes worth a look."""
        if change.resource in _IGNORED:
            return ()
        metadata, old = change.object["metadata"], change.old
        vertex = Vertex(change.resource, metadata.get("namespace", ""), metadata["name"])
        if change.type == "DELETED":
            return self._removed(vertex, change.object)
        uid, references = metadata["uid"], metadata.get("ownerReferences") or ()
        self._vertices[uid] = vertex
        before = (old["metadata"].get("ownerReferences") or ()) if old is not None else ()
        if references != before:
            self._unlink(uid, before)
            for reference in references:
                self._dependents.setdefault(reference["uid"], {})[uid] = vertex
        keys = []
        if is_deleting(change.object):
            keys.append(vertex.key)
            # A dependent that no longer blocks lets its owner go.
            keys += self._waiting_owners(references)
        elif references != before and not all(self._stays(reference) for reference in references):
            keys.append(vertex.key)
        return keys

    def _removed(self, vertex: Vertex, obj: Obj) -> Iterable[Key]:
        uid, references = obj["metadata"]["uid"], obj["metadata"].get("ownerReferences") or ()
        self._vertices.pop(uid, None)
        self._unlink(uid, references)
        keys = [dependent.key for dependent in self._dependents.get(uid, {}).values()]
        return keys + self._waiting_owners(references)

    def _unlink(self, uid: str, references: Iterable[Obj]) -> None:
        for reference in references:
            dependents = self._dependents.get(reference["uid"])
            if dependents is not None:
                dependents.pop(uid, None)
                if not dependents:
                    del self._dependents[reference["uid"]]

    def _waiting_owners(self, references: Iterable[Obj]) -> list[Key]:
        owners = (self._vertices.get(reference["uid"]) for reference in references)
        return [owner.key for owner in owners if owner is not None and self._waits(owner)]

    def _stays(self, reference: Obj) -> bool:
        owner = self._vertices.get(reference["uid"])
        return owner is not None and not self._waits(owner)

    def _waits(self, vertex: Vertex) -> bool:
        """Whether an object waits for its dependents to be deleted."""
        obj = self._find(vertex)
        return obj is not None and is_deleting(obj) and FOREGROUND in (obj["metadata"].get("finalizers") or ())

    def _find(self, vertex: Vertex) -> Obj | None:
        return self._registry.find(*vertex)

    # the work

    def reconcile(self, key: Key) -> float | None:
        resource, path = key
        namespace, _, name = path.partition("/")
        obj = self._registry.find(resource, namespace, name)
        if obj is None:
            return None
        vertex = Vertex(resource, namespace, name)
        if is_deleting(obj):
            finalizers = obj["metadata"].get("finalizers") or ()
            if ORPHAN in finalizers:
                self._orphan(vertex, obj)
            elif FOREGROUND in finalizers:
                self._delete_dependents(vertex, obj)
        elif obj["metadata"].get("ownerReferences"):
            self._judge(vertex, obj)
        return None

    def _orphan(self, vertex: Vertex, obj: Obj) -> None:
        """Take the owner's reference from its dependents, then let it go."""
        uid = obj["metadata"]["uid"]
        for dependent in list(self._dependents.get(uid, {}).values()):
            found = self._find(dependent)
            if found is not None:
                self._disown(dependent, found, {uid})
        self._unfinalize(vertex, obj, ORPHAN)

    def _delete_dependents(self, vertex: Vertex, obj: Obj) -> None:
        """Delete the dependents; once none is left that blocks, let the owner go."""
        uid = obj["metadata"]["uid"]
        blocked = False
        for dependent in list(self._dependents.get(uid, {}).values()):
            found = self._find(dependent)
            if found is None:
                continue
            if not is_deleting(found):
                self._judge(dependent, found)
            still = self._find(dependent)
            blocked = blocked or (still is not None and _blocks(still, uid))
        if not blocked:
            self._unfinalize(vertex, obj, FOREGROUND)

    def _judge(self, vertex: Vertex, obj: Obj) -> None:
        """Delete an object none of whose owners stays; where one does, take the others' references away."""
        gone, waiting, stays = set(), set(), False
        for reference in obj["metadata"]["ownerReferences"]:
            owner = self._vertices.get(reference["uid"])
            if owner is None or owner.namespace not in ("", vertex.namespace):
                if self._is_known_kind(reference):
                    gone.add(reference["uid"])
                else:
                    stays = True
            elif self._waits(owner):
                waiting.add(reference["uid"])
            else:
                stays = True
        if stays:
            if gone or waiting:
                self._disown(vertex, obj, gone | waiting)
            return
        has_dependents = bool(self._dependents.get(obj["metadata"]["uid"]))
        self._delete(vertex, obj, "Foreground" if waiting and has_dependents else _policy(obj))

    def _is_known_kind(self, reference: Obj) -> bool:
        """An owner of a kind that is not served may exist elsewhere: what it owns is left alone."""
        return self._registry.resources.of_kind(reference["apiVersion"], reference["kind"]) is not None

    def _delete(self, vertex: Vertex, obj: Obj, propagation: str) -> None:
        uid = obj["metadata"]["uid"]
        self._registry.delete(*vertex, propagation=propagation, uid=uid, options=OPTIONS)

    def _disown(self, vertex: Vertex, obj: Obj, uids: set[str]) -> None:
        metadata = {**obj["metadata"]}
        metadata["ownerReferences"] = [each for each in metadata["ownerReferences"] if each["uid"] not in uids]
        if not metadata["ownerReferences"]:
            del metadata["ownerReferences"]
        self._registry.update(vertex.resource, {**obj, "metadata": metadata}, OPTIONS)

    def _unfinalize(self, vertex: Vertex, obj: Obj, finalizer: str) -> None:
        left = [each for each in obj["metadata"].get("finalizers") or () if each != finalizer]
        metadata = {**obj["metadata"], "finalizers": left}
        if not left:
            del metadata["finalizers"]
        self._registry.update(vertex.resource, {**obj, "metadata": metadata}, OPTIONS)


def _blocks(dependent: Obj, owner_uid: str) -> bool:
    references = dependent["metadata"].get("ownerReferences") or ()
    return any(each["uid"] == owner_uid and each.get("blockOwnerDeletion") for each in references)


def _policy(obj: Obj) -> str:
    """How an object that lost its owners goes: as its own finalizers ask."""
    finalizers = obj["metadata"].get("finalizers") or ()
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers else "Background"
