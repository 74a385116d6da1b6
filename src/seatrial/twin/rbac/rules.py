"""What one PolicyRule allows, and whether some rules cover others (pkg/apis/rbac/v1/evaluation_helpers.go,
component-helpers/auth/rbac/validation/policy_comparator.go)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from seatrial.world.objects import Obj

GROUP = "rbac.authorization.k8s.io"
ALL = "*"
#: Everything there is: what one must hold to let a role gather the rules of others.
EVERYTHING: tuple[Obj, ...] = (
    {"apiGroups": [ALL], "resources": [ALL], "verbs": [ALL]},
    {"nonResourceURLs": [ALL], "verbs": [ALL]},
)


@dataclass(frozen=True, slots=True)
class Action:
    """A verb on a resource (`resource` may be `pods/log`), or on a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def allows(rule: Obj, action: Action) -> bool:
    """Whether a rule allows an action; in which namespace the rule holds is the caller's part."""
    if not _holds(rule.get("verbs"), action.verb):
        return False
    if action.path:
        return any(_path_covers(path, action.path) for path in rule.get("nonResourceURLs") or ())
    if not _holds(rule.get("apiGroups"), action.group) or not _reaches(rule.get("resources") or (), action.resource):
        return False
    names = rule.get("resourceNames")
    return not names or action.name in names


def uncovered(held: Sequence[Obj], wanted: Iterable[Obj]) -> list[Obj]:
    """What `wanted` allows and `held` does not, in the smallest pieces."""
    return [piece for rule in wanted for piece in _pieces(rule) if not any(_covers(own, piece) for own in held)]


def compact(rules: Iterable[Obj]) -> list[Obj]:
    """The same, with the verbs on one resource put together."""
    together: dict[tuple[str, ...], Obj] = {}
    others = []
    for rule in rules:
        if not rule.get("resources"):
            others.append(rule)
            continue
        key = (*rule["apiGroups"], *rule["resources"], *(rule.get("resourceNames") or ()))
        seen = together.setdefault(key, {**rule, "verbs": []})
        seen["verbs"] = [*seen["verbs"], *rule["verbs"]]
    return [*others, *together.values()]


_SHOWN = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("ResourceNames", "resourceNames"),
    ("Verbs", "verbs"),
)


def describe(rule: Obj) -> str:
    """A rule in one line: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`."""
    return "{" + ", ".join(f"{title}:{quoted(rule[key])}" for title, key in _SHOWN if rule.get(key)) + "}"


def quoted(values: Sequence[str]) -> str:
    """A list of strings as Go's %q prints it."""
    return f"[{' '.join(json.dumps(value, ensure_ascii=False) for value in values)}]"


def _pieces(rule: Obj) -> Iterator[Obj]:
    """A rule taken apart: each piece has one verb on one resource (of one name, where the rule names some) or path."""
    verbs = rule.get("verbs") or ()
    names = [[name] for name in rule.get("resourceNames") or ()] or [[]]
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                for name in names:
                    piece = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                    yield {**piece, "resourceNames": name} if name else piece
    for path in rule.get("nonResourceURLs") or ():
        for verb in verbs:
            yield {"nonResourceURLs": [path], "verbs": [verb]}


def _covers(own: Obj, piece: Obj) -> bool:
    if not _holds(own.get("verbs"), piece["verbs"][0]):
        return False
    paths = piece.get("nonResourceURLs")
    if paths:
        return any(_path_covers(path, paths[0]) for path in own.get("nonResourceURLs") or ())
    if not _holds(own.get("apiGroups"), piece["apiGroups"][0]) or not _reaches(own.get("resources") or (), piece["resources"][0]):
        return False
    names = own.get("resourceNames")
    return not names or piece.get("resourceNames", [None])[0] in names


def _holds(values: Sequence[str] | None, wanted: str) -> bool:
    return bool(values) and (ALL in values or wanted in values)  # type: ignore[operator]


def _reaches(resources: Sequence[str], wanted: str) -> bool:
    if wanted in resources or ALL in resources:
        return True
    subresource = wanted.partition("/")[2]
    return bool(subresource) and f"{ALL}/{subresource}" in resources


def _path_covers(own: str, path: str) -> bool:
    return own in (ALL, path) or (own.endswith(ALL) and path.startswith(own.rstrip(ALL)))
