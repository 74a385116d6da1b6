"""The resources the API server serves: one row a resource, and the table that finds them by path, kind or name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version, as discovery publishes it.

    `id` (`pods`, `deployments.apps`) is how the store and the controllers name it; versions of one resource share it.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()  # status, scale, eviction, binding, log, …
    verbs: tuple[str, ...] = VERBS
    singular: str = ""
    storage: str = ""  # the id under which the store keeps it, where it differs (events.k8s.io -> events)
    served: bool = field(default=True, compare=False)

    @property
    def id(self) -> str:
        return self.storage or (f"{self.plural}.{self.group}" if self.group else self.plural)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


class ResourceTable:
    """The resources served now. Custom resources are added and removed while the server runs."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._by_id: dict[str, Resource] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Add a resource; the first version added of an id is the one the store keeps."""
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self._by_kind[resource.api_version, resource.kind] = resource
        self._by_id.setdefault(resource.id, resource)

    def remove(self, resource: Resource) -> None:
        self._by_path.pop((resource.group, resource.version, resource.plural), None)
        self._by_kind.pop((resource.api_version, resource.kind), None)
        if self._by_id.get(resource.id) == resource:
            del self._by_id[resource.id]

    def at(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_path.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        return self._by_kind.get((api_version, kind))

    def stored(self, resource_id: str) -> Resource:
        """The storage version of an id. Raises KeyError for an id nobody serves."""
        return self._by_id[resource_id]

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_path.values())
