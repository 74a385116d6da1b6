"""What changes, object by object and field by field: two states of an object in, the fields that differ out.  Pure.

Noise is left out: what the cluster writes for itself, and values that differ in spelling only (`1000m` and `1`).  Where the
cluster was not asked what would come of an object, `predicted` says it: what is live, with what is wanted laid over it, without
what was wanted before and no longer is.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seatrial.world import quantity
from seatrial.world.objects import Obj, dig

Kind = Literal["added", "changed", "removed"]

#: Fields that say nothing about what somebody wants.
NOISE = frozenset(
    {
        "status", "metadata.managedFields", "metadata.resourceVersion", "metadata.uid", "metadata.generation",
        "metadata.creationTimestamp", "metadata.selfLink", "metadata.namespace", "metadata.ownerReferences",
        "metadata.annotations.meta\\.helm\\.sh/release-name", "metadata.annotations.meta\\.helm\\.sh/release-namespace",
        "metadata.annotations.deployment\\.kubernetes\\.io/revision", "metadata.labels.app\\.kubernetes\\.io/managed-by",
        "metadata.annotations.kubectl\\.kubernetes\\.io/last-applied-configuration",
    }
)  # fmt: skip
#: By which key the items of a list are told apart, by the name of the list (the patchMergeKey of api/core/v1/types.go).
KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",), "initContainers": ("name",), "ephemeralContainers": ("name",), "volumes": ("name",),
    "env": ("name",), "imagePullSecrets": ("name",), "volumeMounts": ("mountPath",), "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port", "protocol"), "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "hostAliases": ("ip",), "volumeClaimTemplates": ("metadata.name",), "subjects": ("kind", "name"),
}  # fmt: skip
_MAPS = frozenset({"metadata.labels", "metadata.annotations"})
_QUANTITY = re.compile(r"\d+(\.\d+)?([numkMGTPE]|[KMGTPE]i)?")
#: Fields below which numbers are quantities, by the name of a key above them.
_MEASURED = frozenset({"requests", "limits", "hard", "capacity", "min", "max", "default", "defaultRequest"})


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: `path` as in `spec.template.spec.containers[web].image`; None where it is not there."""

    path: str
    kind: Kind
    before: Any = None
    after: Any = None
    owner: str = ""  # who manages it now, where it would be taken over

    def as_json(self) -> dict[str, Any]:
        found = {"path": self.path, "change": self.kind, "before": self.before, "after": self.after, "owner": self.owner}
        return {key: value for key, value in found.items() if value not in (None, "")}


def compare(before: Obj | None, after: Obj | None) -> list[FieldChange]:
    """The fields in which two states of an object differ, in the order of `after`. Secret values are still in them."""
    return list(_compare(decoded(before or {}), decoded(after or {}), ""))


def previewed(changes: Iterable[FieldChange], preview: Callable[[str], str]) -> list[FieldChange]:
    """The fields of a Secret with every value as a short hash."""

    def shown(change: FieldChange, value: Any) -> Any:
        if value is None or not re.match(r"(data|stringData)([.\[]|$)", change.path):
            return value
        if isinstance(value, Mapping):
            return {key: preview(str(one)) for key, one in value.items()}
        return preview(str(value))

    return [FieldChange(c.path, c.kind, shown(c, c.before), shown(c, c.after), c.owner) for c in changes]


def decoded(obj: Obj) -> Obj:
    """A Secret with its data as the text that was meant: `stringData` is how people write the same thing."""
    if obj.get("kind") != "Secret":
        return obj
    data = {key: _text(str(value)) for key, value in (obj.get("data") or {}).items()} | (obj.get("stringData") or {})
    return {**{key: value for key, value in obj.items() if key != "stringData"}, "data": data}


def _text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode(errors="backslashreplace")
    except ValueError:
        return encoded


def _compare(before: Any, after: Any, path: str, name: str = "") -> Iterator[FieldChange]:
    if path in NOISE or before == after or _same(before, after, path):
        return
    if path in _MAPS:  # where there is none, each of its keys is new: some of them are noise
        before, after = before or {}, after or {}
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*after, *before)):
            yield from _compare(before.get(key), after.get(key), _join(path, str(key)), str(key))
    elif isinstance(before, list) and isinstance(after, list) and (named := _named(before, after, name)):
        old, new = named
        for key in dict.fromkeys((*new, *old)):
            yield from _compare(old.get(key), new.get(key), f"{path}[{key}]")
    elif _empty(before) and _empty(after):
        return
    else:
        kind: Kind = "added" if before is None else "removed" if after is None else "changed"
        yield FieldChange(path, kind, before, after)


def _join(path: str, key: str) -> str:
    key = key.replace(".", "\\.")
    return f"{path}.{key}" if path else key


def _empty(value: Any) -> bool:
    return value is None or value in ({}, [], "")


def _same(before: Any, after: Any, path: str) -> bool:
    """Whether two scalars mean the same amount."""
    if isinstance(before, (dict, list, bool)) or isinstance(after, (dict, list, bool)) or before is None or after is None:
        return False
    if not any(f".{word}." in f".{path}" for word in _MEASURED):
        return str(before) == str(after) if isinstance(before, (int, float)) != isinstance(after, (int, float)) else False
    texts = str(before), str(after)
    return all(_QUANTITY.fullmatch(text) for text in texts) and quantity.parse(texts[0]) == quantity.parse(texts[1])


def _named(before: Sequence[Any], after: Sequence[Any], name: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Both lists by the key that tells their items apart; None where nothing does."""
    keys = KEYS.get(name, ("name",))
    found = []
    for items in (before, after):
        if not all(isinstance(item, Mapping) for item in items):
            return None
        by_key = {"/".join(str(value) for key in keys if (value := dig(item, key)) is not None): item for item in items}
        if len(by_key) != len(items) or "" in by_key:
            return None
        found.append(by_key)
    return found[0], found[1]


def predicted(live: Any, wanted: Any, previous: Any, name: str = "") -> Any:
    """What is live once `wanted` is applied where `previous` was applied before (a three-way merge)."""
    if isinstance(wanted, Mapping):
        base = dict(live) if isinstance(live, Mapping) else {}
        before = previous if isinstance(previous, Mapping) else {}
        for key in before:
            if key not in wanted:
                base.pop(key, None)
        for key, value in wanted.items():
            base[key] = predicted(base.get(key), value, before.get(key), str(key))
        return base
    if isinstance(wanted, list) and isinstance(live, list) and name in KEYS and (named := _named(live, wanted, name)):
        old, new = named
        before = (_named(previous, [], name) or ({}, {}))[0] if isinstance(previous, list) else {}
        kept = [item for key, item in old.items() if key not in new and key not in before]
        return [predicted(old.get(key), item, before.get(key)) for key, item in new.items()] + kept
    return wanted
