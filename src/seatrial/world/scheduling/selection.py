"""Which pods a selector means, in a form that can be counted as pods come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from seatrial.world import selectors
from seatrial.world.objects import Obj, controller_of
from seatrial.world.scheduling.shelf import Store
from seatrial.world.scheduling.state import PodInfo

#: Owners whose selector tells which pods are of a kind with a pod (component-helpers, spread.go DefaultSelector).
_OWNERS = {
    "ReplicaSet": "replicasets.apps",
    "StatefulSet": "statefulsets.apps",
    "ReplicationController": "replicationcontrollers",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Pods of a namespace that match all of some label selectors; `key` tells selections apart.

    Pods that are on their way out are meant only by `everyone`.
    """

    namespace: str
    key: bytes
    everyone: bool = False

    @classmethod
    def of(cls, namespace: str, *wanted: Mapping[str, Any] | None, everyone: bool = False) -> Selection:
        return cls(namespace, orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS), everyone)

    def matches(self, namespace: str, labels: Mapping[str, str]) -> bool:
        if namespace != self.namespace:
            return False
        return all(selectors.matches(selector, labels) for selector in _parsed(self.key))


_parsed_by_key: dict[bytes, list[Obj | None]] = {}


def _parsed(key: bytes) -> list[Obj | None]:
    found = _parsed_by_key.get(key)
    if found is None:
        if len(_parsed_by_key) > 4096:
            _parsed_by_key.clear()
        found = _parsed_by_key[key] = orjson.loads(key)
    return found


def default_selection(store: Store, pod: PodInfo) -> Selection | None:
    """The pods of a kind with a pod: those its Services and its owner select; None when nothing does."""
    wanted: dict[str, str] = {}
    for service in store.list("services", pod.namespace):
        selector = service["spec"].get("selector")
        if selector and selectors.matches_labels(selector, pod.labels):
            wanted |= selector
    parts: list[Obj] = [{"matchLabels": wanted}] if wanted else []
    owner = controller_of(pod.pod)
    resource = _OWNERS.get(owner["kind"]) if owner else None
    found = store.get(resource, pod.namespace, owner["name"]) if resource and owner else None
    if found:
        selector = found["spec"].get("selector")
        if selector:
            parts.append({"matchLabels": selector} if owner and owner["kind"] == "ReplicationController" else selector)
    return Selection.of(pod.namespace, *parts) if parts else None
