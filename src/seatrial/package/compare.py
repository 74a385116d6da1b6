"""What is different between two lists of objects: those that came, those that went, and the fields that changed.

Objects are the same by group, kind and name, and a migration by its name without the checksum.  The namespace they are in is
another in each environment: it is no difference, and neither is a text that is the same but for its name.  Values of Secrets are
shown as the beginning of their SHA-256.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.package.paths import own_namespace, plain_name
from seatrial.world.objects import Obj, group_of, labels_of

_CHECKSUM = re.compile(r"-[0-9a-f]{10}$")


@dataclass(frozen=True, slots=True)
class Change:
    """`sign` is + for an object that came, - for one that went, ~ for a field; `path` is "" for whole objects."""

    sign: str
    object: str  # such as `Deployment/api`
    path: str = ""
    before: Any = None
    after: Any = None


def compare(before: Iterable[Obj], after: Iterable[Obj]) -> list[Change]:
    """The changes from one list to the other, in the order of the second; what went stands last."""
    old_objects, new_objects = list(before), list(after)
    same = _Same(_namespace(old_objects), _namespace(new_objects))
    old, new = (_indexed(objects, own_namespace(objects)) for objects in (old_objects, new_objects))
    changes: list[Change] = []
    for key, obj in new.items():
        title = f"{key[1]}/{key[2]}"
        if key not in old:
            changes.append(Change("+", title))
        else:
            changes += [Change("~", title, *found) for found in _fields(old[key], obj, "", same)]
    return changes + [Change("-", f"{key[1]}/{key[2]}") for key in old if key not in new]


def _namespace(objects: Sequence[Obj]) -> str:
    """The namespace that the app brings, or that of all objects; "" where they are in several."""
    if brought := own_namespace(objects):
        return brought
    found = {obj["metadata"].get("namespace", "") for obj in objects} - {""}
    return str(found.pop()) if len(found) == 1 else ""


class _Same:
    """Whether two texts are the same but for the namespace they name."""

    def __init__(self, before: str, after: str) -> None:
        self.word = re.compile(rf"(?<![A-Za-z0-9-]){re.escape(before)}(?![A-Za-z0-9])") if before and before != after else None
        self.after = after

    def __call__(self, before: Any, after: Any) -> bool:
        if before == after or self.word is None:
            return bool(before == after)
        if isinstance(before, str) and isinstance(after, str):
            return self.word.sub(self.after, before) == after
        if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
            return all(self(before[key], after[key]) for key in before)
        if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            return all(self(one, two) for one, two in zip(before, after, strict=True))
        return False


def _indexed(objects: Iterable[Obj], namespace: str) -> dict[tuple[str, str, str], Obj]:
    return {_key(obj, namespace): _shown(obj) for obj in objects}


def _key(obj: Obj, namespace: str) -> tuple[str, str, str]:
    name = plain_name(obj, namespace)
    if labels_of(obj).get("app.kubernetes.io/component") == "migration":
        name = _CHECKSUM.sub("", name)
    if obj["kind"] == "Namespace":
        name = labels_of(obj).get("app.kubernetes.io/part-of", name)
    return group_of(obj), obj["kind"], name


def _shown(obj: Obj) -> Obj:
    """An object without its namespace, and with short hashes in place of secret values."""
    shown = {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "namespace"}}
    if obj["kind"] == "Secret":
        for key in ("data", "stringData"):
            if key in obj:
                shown[key] = {name: f"sha256:{_hash(value)}" for name, value in obj[key].items()}
    return shown


def _hash(value: object) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()[:8]


def _fields(before: Any, after: Any, path: str, same: _Same) -> Iterator[tuple[str, Any, Any]]:
    """Path, value before and value after of each field that is different; None where there is none."""
    if same(before, after):
        return
    before, after = (_filled(one, other) for one, other in ((before, after), (after, before)))
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from _fields(before.get(key), after.get(key), f"{path}.{key}" if path else str(key), same)
    elif isinstance(before, list) and isinstance(after, list) and (names := _named(before, after)):
        for name in names:
            one, two = (next((item for item in items if item["name"] == name), None) for items in (before, after))
            yield from _fields(one, two, f"{path}[{name}]", same)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after) and before:
        for index, (one, two) in enumerate(zip(before, after, strict=True)):
            yield from _fields(one, two, f"{path}[{index}]", same)
    elif isinstance(before, list) and isinstance(after, list):
        for index, item in enumerate(before):
            if not any(same(item, other) for other in after):
                yield f"{path}[{index}]", item, None
        for index, item in enumerate(after):
            if not any(same(other, item) for other in before):
                yield f"{path}[{index}]", None, item
    else:
        yield path, before, after


def _filled(value: Any, other: Any) -> Any:
    """A small map is told key by key also where there was none before."""
    small = isinstance(other, dict) and other and not any(isinstance(item, (dict, list)) for item in other.values())
    return {} if value is None and small else value


def _named(before: list[Any], after: list[Any]) -> list[str]:
    """The names of items that have one each."""
    items = [*before, *after]
    if not all(isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in items):
        return []
    return list(dict.fromkeys(item["name"] for item in items))
