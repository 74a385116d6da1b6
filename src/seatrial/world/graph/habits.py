"""Custom resources that no table knows, read by the habits of their schemas: `…Ref: {name, kind}`, `secretName`, pod templates.

What is found this way is a guess: it may name something that the resource's controller makes.  So it never counts as missing, and
what it names counts as possibly made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from seatrial.world.graph.kinds import GROUPS
from seatrial.world.objects import Obj
from seatrial.world.paths import Steps

#: Keys whose text is a name of a kind, whole or as the end of a longer key (`tlsSecretName`).
NAMES = {
    "secretName": "Secret",
    "existingSecret": "Secret",
    "configMapName": "ConfigMap",
    "serviceAccountName": "ServiceAccount",
    "serviceName": "Service",
    "claimName": "PersistentVolumeClaim",
    "storageClassName": "StorageClass",
    "storageClass": "StorageClass",
    "ingressClassName": "IngressClass",
    "priorityClassName": "PriorityClass",
    "gatewayClassName": "GatewayClass",
}
#: Keys, whole or as an end, whose map with a `name` refers to a kind when no `kind` beside the name says another.
MAPS = {
    "secretKeyRef": "Secret",
    "secretRef": "Secret",
    "configMapKeyRef": "ConfigMap",
    "configMapRef": "ConfigMap",
    "serviceAccountRef": "ServiceAccount",
    "issuerRef": "Issuer",
}
#: Parts that are not of the resource's own schema: its status, and values for something else.
_FOREIGN = frozenset({"apiVersion", "kind", "metadata", "status", "values", "valuesObject"})
_DEEPEST = 40


class Guess(NamedTuple):
    steps: Steps
    group: str
    kind: str
    name: str
    namespace: str = ""
    key: str = ""


def guesses(obj: Obj) -> Iterator[Guess]:
    """What a custom resource seems to name."""
    for steps, key, value, _ in _entries(obj):
        if isinstance(value, str) and value:
            kind = _named_by(key)
            if kind:
                yield Guess(steps, GROUPS[kind], kind, value)
        elif isinstance(value, dict) and isinstance(value.get("name"), str) and value["name"]:
            named = _named(key, value)
            if named:
                key_in = value.get("key")
                yield Guess((*steps, "name"), *named, value["name"], _text(value.get("namespace")), _text(key_in))


def templates(obj: Obj) -> Iterator[tuple[Steps, Obj]]:
    """The pod templates in a custom resource: maps with a spec that has containers with images."""
    for steps, _, value, _ in _entries(obj):
        spec = value.get("spec") if isinstance(value, dict) else None
        containers = spec.get("containers") if isinstance(spec, dict) else None
        if isinstance(containers, list) and any(isinstance(each, dict) and "image" in each for each in containers):
            yield steps, value


def _entries(obj: Obj) -> Iterator[tuple[Steps, str, Any, Any]]:
    """Every entry below the spec: its steps, the key it stands under (that of its list for an item), itself, what it stands
    in.
    """
    stack: list[tuple[Steps, str, Any]] = [((key,), key, value) for key, value in obj.items() if key not in _FOREIGN]
    while stack:
        steps, key, value = stack.pop()
        if len(steps) > _DEEPEST:
            continue
        yield steps, key, value, None
        if isinstance(value, dict):
            stack.extend(((*steps, each), each, below) for each, below in value.items()
                         if isinstance(each, str) and each not in ("values", "valuesObject"))  # fmt: skip
        elif isinstance(value, list):
            stack.extend(((*steps, index), key, below) for index, below in enumerate(value))


def _named(key: str, value: Mapping[str, Any]) -> tuple[str, str] | None:
    """(group, kind) of what a map with a name refers to; None when it is no reference."""
    singular = key.removesuffix("s") if key.endswith("Refs") else key
    if not singular.endswith("Ref"):
        return None
    kind = value.get("kind")
    if not isinstance(kind, str) or not kind:
        known = _mapped_by(singular)
        return (GROUPS[known], known) if known else None
    version = value.get("apiVersion")
    if isinstance(version, str) and version:
        return version.rpartition("/")[0], kind
    group = value.get("group", value.get("apiGroup"))
    return (group if isinstance(group, str) else GROUPS.get(kind, "")), kind


@lru_cache(maxsize=8192)
def _named_by(key: str) -> str:
    return _ending(key, NAMES)


@lru_cache(maxsize=8192)
def _mapped_by(key: str) -> str:
    return _ending(key, MAPS)


def _ending(key: str, table: Mapping[str, str]) -> str:
    if key in table:
        return table[key]
    return next((kind for end, kind in table.items() if key.endswith(end[0].upper() + end[1:])), "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
