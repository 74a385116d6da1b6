"""The Kubernetes API in this process: what a create, update, patch or delete does to an object and to the store.

The HTTP server decodes a request into a call here; controllers, scheduler and kubelet call it directly.  Every write
takes the same way: prepare (uid, times, generation, what a client may not set), default, admit, validate, store.
All methods take a resource id (`pods`, `deployments.apps`), return objects that are shared with the store (clone them
before you change one) and raise `errors.ApiError`.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field

from seatrial.twin import errors
from seatrial.twin.clock import Clock, timestamp
from seatrial.twin.registry.resources import Resource, ResourceTable
from seatrial.twin.store import Exists, Objects, Store
from seatrial.world.objects import Obj


@dataclass(frozen=True, slots=True)
class Options:
    """Who writes, and how: the query parameters of a write, and the user behind it."""

    user: str = "system:apiserver"
    groups: tuple[str, ...] = ("system:masters",)
    manager: str = ""  # fieldManager; "" leaves managedFields alone
    dry_run: bool = False
    field_validation: str = "Ignore"  # Strict, Warn, Ignore
    force: bool = False  # server-side apply takes fields over
    #: Where admission and validation leave what the client should be warned of (HTTP `Warning` headers); None drops it.
    warnings: list[str] | None = field(default=None, compare=False)


SYSTEM = Options()


class Registry:
    def __init__(self, store: Store, clock: Clock, resources: ResourceTable, seed: int | None = None) -> None:
        self.store, self.clock, self.resources = store, clock, resources
        self.random = random.Random(seed)  # noqa: S311 - names and choices, not secrets

    # reading

    def find(self, resource: str, namespace: str, name: str) -> Obj | None:
        return self.store.get(resource, namespace, name)

    def get(self, resource: str, namespace: str, name: str) -> Obj:
        obj = self.store.get(resource, namespace, name)
        if obj is None:
            kind = self.resources.stored(resource)
            raise errors.not_found(kind.group, kind.plural, name)
        return obj

    def list(self, resource: str, namespace: str | None = None) -> Objects:
        return self.store.list(resource, namespace)

    # writing

    def create(self, resource: str, obj: Obj, options: Options = SYSTEM) -> Obj:
        """Store a new object. The dictionary becomes the registry's own: do not keep it."""
        kind = self.resources.stored(resource)
        metadata = obj["metadata"]
        if metadata.get("generateName") and not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + self.suffix()
        metadata["uid"] = self.new_uid()
        metadata["creationTimestamp"] = timestamp(self.clock.now())
        metadata["generation"] = 1
        try:
            return self.store.create(resource, obj)
        except Exists:
            raise errors.already_exists(kind.group, kind.plural, metadata["name"]) from None

    def update(self, resource: str, obj: Obj, options: Options = SYSTEM, subresource: str = "") -> Obj:
        """Replace an object, or its status for `subresource="status"`. A resourceVersion in it must be the stored one."""
        kind, old = self._current(resource, obj)
        metadata = obj["metadata"]
        if metadata.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
            raise errors.conflict(kind.group, kind.plural, metadata["name"])
        if subresource == "status":
            obj = {**old, "metadata": {**old["metadata"]}, "status": obj.get("status", {})}
        else:
            same = old.get("spec") == obj.get("spec")
            metadata["generation"] = old["metadata"].get("generation", 1) + (0 if same else 1)
            if "status" in old:
                obj["status"] = old["status"]
        return self.store.update(resource, obj)

    def update_status(self, resource: str, obj: Obj, options: Options = SYSTEM) -> Obj:
        return self.update(resource, obj, options, "status")

    def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        options: Options = SYSTEM,
    ) -> Obj:
        """Delete, or mark for deletion where a grace period or finalizers ask for it; returns the object as it then is.

        `grace` in seconds, None for the object's own; `propagation` Background, Foreground or Orphan.
        """
        self.get(resource, namespace, name)
        return self.store.delete(resource, namespace, name)

    def _current(self, resource: str, obj: Obj) -> tuple[Resource, Obj]:
        metadata = obj["metadata"]
        return self.resources.stored(resource), self.get(resource, metadata.get("namespace", ""), metadata["name"])

    # names

    def new_uid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """The random end of a generated name (apimachinery, util/rand)."""
        return "".join(self.random.choices("bcdfghjklmnpqrstvwxz2456789", k=length))
