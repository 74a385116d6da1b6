"""What must be laid over one form of an object to get another, as Kustomize understands it.

Maps become a strategic merge patch; so do the items of lists whose merge key Kubernetes knows, but those that are added, or
changed behind one that is not, which Kustomize would put first.  They and all other lists become JSON patch operations
(RFC 6902), which say where.  The operations are applied first: their indices are those of the first form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from seatrial.world.objects import Obj, group_of

#: The merge keys of lists that change in place, from the patchMergeKey tags of k8s.io/api/core/v1/types.go.
MERGE_KEYS = {"containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath"}
#: Groups whose kinds Kustomize has the schema of; the lists of all others it replaces whole.
BUILT_IN = ("", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "rbac.authorization.k8s.io")

#: What the items of other lists are known by.
_NAMES = ("alert", "record", "name")

Step = str | int


@dataclass(slots=True)
class Patch:
    """`merge` is a strategic merge patch without the object's name, `operations` a JSON patch to be applied before it; `becomes`
    is the kind and apiVersion that the object has after both, if they are others.
    """

    merge: Obj = field(default_factory=dict)
    operations: list[Obj] = field(default_factory=list)
    becomes: Obj = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.merge or self.operations or self.becomes)


def difference(base: Obj, other: Obj) -> Patch:
    """The patch that makes `other` of `base`. Neither holds a null."""
    patch = Patch()
    keyed, typed = group_of(base) in BUILT_IN, {"apiVersion": "", "kind": ""}
    patch.merge = _map({**base, **typed}, {**other, **typed}, (), keyed, patch.operations)
    if base["kind"] != other["kind"]:
        patch.becomes = {"apiVersion": other["apiVersion"], "kind": other["kind"]}
    return patch


def _map(base: Obj, other: Obj, at: tuple[Step, ...], keyed: bool, operations: list[Obj]) -> Obj:
    gone = [key for key in base if key not in other]
    of_metadata = at[:1] == ("metadata",)
    changes: Obj = {} if of_metadata else dict.fromkeys(gone)
    if of_metadata:  # a merge does not take away all annotations at once, and one only where no other patch comes after it
        operations += [{"op": "remove", "path": pointer((*at, key))} for key in gone]
    for key, value in other.items():
        place = (*at, key)
        if key not in base:
            if _has_empty(value):  # a merge may drop an empty map
                operations.append({"op": "add", "path": pointer(place), "value": value})
            else:
                changes[key] = value
        elif base[key] == value and type(base[key]) is type(value):
            continue
        elif isinstance(value, dict) and isinstance(base[key], dict) and value:
            inner = _map(base[key], value, place, keyed, operations)
            if inner:
                changes[key] = inner
        elif isinstance(value, (dict, list)):
            entries = _entries(key, base[key], value, place, operations) if keyed else None
            if entries is None:
                _any(base[key], value, place, operations)
            elif entries:
                changes[key] = entries
        else:
            changes[key] = value
    return changes


def _has_empty(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return not value or any(_has_empty(item) for item in (value.values() if isinstance(value, dict) else value))
    return False


def _entries(key: str, base: Any, other: Any, at: tuple[Step, ...], operations: list[Obj]) -> list[Obj] | None:
    """The changes of a list whose items are merged by a key, or None where that cannot say it."""
    by = MERGE_KEYS.get(key)
    if not by or not isinstance(base, list) or not isinstance(other, list) or not other:
        return None
    if not all(isinstance(item, dict) and by in item for item in (*base, *other)):
        return None
    names, wanted = [item[by] for item in base], [item[by] for item in other]
    if len({*names}) < len(names) or len({*wanted}) < len(wanted):
        return None
    if [name for name in names if name in wanted] != [name for name in wanted if name in names]:
        return None
    there = {item[by]: item for item in other}
    changed = [item != there[item[by]] for item in base if item[by] in there]
    first = changed == sorted(changed, reverse=True)  # what a merge changes, it puts first
    entries: list[Obj] = []
    for index, item in enumerate(base):
        name, place = item[by], (*at, index)
        if name not in there:
            entries.append({"$patch": "delete", by: name})
        elif not first:
            _any(item, there[name], place, operations)
        elif inner := _map(item, there[name], place, True, operations):
            entries.append({by: name, **inner})
    now = list(names)
    for before, name in zip([None, *wanted], wanted, strict=False):
        if name not in names:  # a merge would put it first
            now.insert(now.index(before) + 1 if before else 0, name)
            operations.append({"op": "add", "path": pointer((*at, now.index(name))), "value": there[name]})
    return entries


def _any(base: Any, other: Any, at: tuple[Step, ...], operations: list[Obj]) -> None:
    """Operations that make `other` of `base`, at a place that is there in both."""
    if base == other and type(base) is type(other):
        return
    if isinstance(base, dict) and isinstance(other, dict):
        operations += [{"op": "remove", "path": pointer((*at, key))} for key in base if key not in other]
        for key, value in other.items():
            if key in base:
                _any(base[key], value, (*at, key), operations)
            else:
                operations.append({"op": "add", "path": pointer((*at, key)), "value": value})
    elif isinstance(base, list) and isinstance(other, list) and any(isinstance(item, dict) for item in (*base, *other)):
        found: list[Obj] = []
        _list(base, other, at, found)
        whole = {"op": "replace", "path": pointer(at), "value": other}
        operations += found if len(found) == 1 or len(repr(found)) < len(repr([whole])) else [whole]
    else:
        operations.append({"op": "replace", "path": pointer(at), "value": other})


def _list(base: list[Any], other: list[Any], at: tuple[Step, ...], operations: list[Obj]) -> None:
    """Items that are the same, or are called the same, stay and change in place; then others go, and at last others come."""
    names, wanted = [called(item) for item in base], [called(item) for item in other]
    gone: list[int] = []
    come: list[int] = []
    for what, low, high, to, end in SequenceMatcher(None, names, wanted, autojunk=False).get_opcodes():
        if what == "equal" or high - low == end - to:
            for index, becomes in zip(range(low, high), range(to, end), strict=True):
                _any(base[index], other[becomes], (*at, index), operations)
        else:
            gone += range(low, high)
            come += range(to, end)
    operations += [{"op": "remove", "path": pointer((*at, index))} for index in reversed(gone)]
    operations += [{"op": "add", "path": pointer((*at, index)), "value": other[index]} for index in come]


def called(item: Any) -> str:
    """What an item of a list is known by: its name or alert, a rule of a policy its ports, else all of it."""
    if not isinstance(item, dict):
        return repr(item)
    named = [str(item[key]) for key in _NAMES if isinstance(item.get(key), str)]
    return " ".join(named) or repr(item["ports"] if "ports" in item and ("to" in item or "from" in item) else item)


def pointer(path: Sequence[Step]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
