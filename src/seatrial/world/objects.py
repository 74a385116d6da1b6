"""Kubernetes objects as plain dictionaries: the names we give their parts, how to copy them and how to lay one over another.

Nothing here knows a kind; that is for `graph` (what points at what), for `schema` and for the twin's resource table.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import orjson

#: A Kubernetes object, or part of one, in its JSON form.
Obj = dict[str, Any]


class Ref(NamedTuple):
    """How anything names an object. `group` is "" for the core group, `namespace` "" for cluster-scoped objects.

    A tuple, because a world makes and looks up a hundred thousand of them.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{where}"


def ref_of(obj: Mapping[str, Any]) -> Ref:
    """The name of an object; for one that gets its name from the API server, what it begins with and a star."""
    metadata = obj.get("metadata") or {}
    name = metadata.get("name") or (f"{metadata['generateName']}*" if metadata.get("generateName") else "")
    group, slash, _ = str(obj.get("apiVersion", "")).partition("/")
    # what Ref(…) does, in half the time
    return tuple.__new__(Ref, (group if slash else "", obj.get("kind", ""), metadata.get("namespace") or "", name))


def group_of(obj: Mapping[str, Any]) -> str:
    group, slash, _ = str(obj.get("apiVersion", "")).partition("/")
    return group if slash else ""


def name_of(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"].get("name", ""))


def namespace_of(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"].get("namespace", ""))


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    metadata = obj.get("metadata")
    found = metadata.get("labels") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def annotations_of(obj: Mapping[str, Any]) -> dict[str, str]:
    metadata = obj.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def controller_of(obj: Mapping[str, Any]) -> Obj | None:
    """The owner reference that is marked as the controller, if there is one."""
    for owner in (obj.get("metadata") or {}).get("ownerReferences") or ():
        if owner.get("controller"):
            return dict(owner)
    return None


def dig(obj: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path of keys (`spec.template.spec`), or `default` where a step is missing or null."""
    for key in path.split("."):
        if type(obj) is not dict and not isinstance(obj, Mapping):  # asked a million times: the first is ten times faster
            return default
        obj = obj.get(key)
    return default if obj is None else obj


def clone(obj: Obj) -> Obj:
    """A deep copy. Objects from a store are shared: clone before you change one."""
    try:
        copied: Obj = orjson.loads(orjson.dumps(obj))
    except TypeError:  # a whole number of more than 64 bits, which only YAML can write
        copied = deepcopy(obj)
    return copied


def depth(value: Any) -> int:
    """How deep a document of dictionaries and lists nests, counted without recursion: 1 for an empty dictionary."""
    found, level = 0, [value] if isinstance(value, (dict, list)) else []
    while level:
        inner: list[Any] = []
        for item in level:
            inner.extend(item.values() if isinstance(item, dict) else item)
        level = [item for item in inner if isinstance(item, (dict, list))]
        found += 1
    return found


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Obj:
    """`over` laid over `base`: maps key by key, everything else replaced (`null` stays: it takes a chart's default away)."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
