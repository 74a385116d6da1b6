"""What the scheduler's plugins look up besides nodes and pods: Services, owners, claims, volumes, classes, namespaces.

The twin's store answers by itself; `Shelf` answers from objects that were read of any cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from seatrial.world.objects import Obj, name_of, namespace_of


class Store(Protocol):
    """Objects by resource (`persistentvolumeclaims`, `replicasets.apps`), namespace and name."""

    def get(self, resource: str, namespace: str, name: str, /) -> Obj | None: ...

    def list(self, resource: str, namespace: str | None = None, /) -> Sequence[Obj]:
        """Those of a namespace, of all for None."""
        ...


class Shelf:
    """A Store of objects at hand, by resource."""

    def __init__(self, objects: Mapping[str, Iterable[Obj]]) -> None:
        self._objects = {
            resource: {(namespace_of(obj), name_of(obj)): obj for obj in found} for resource, found in objects.items()
        }

    def put(self, resource: str, obj: Obj) -> None:
        self._objects.setdefault(resource, {})[namespace_of(obj), name_of(obj)] = obj

    def get(self, resource: str, namespace: str, name: str, /) -> Obj | None:
        return self._objects.get(resource, {}).get((namespace, name))

    def list(self, resource: str, namespace: str | None = None, /) -> Sequence[Obj]:
        found = self._objects.get(resource, {})
        return [obj for (where, _), obj in found.items() if namespace in (None, where)]
