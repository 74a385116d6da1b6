"""The rules that users hold through bindings (pkg/registry/rbac/validation/rule.go): read from the registry at every question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.twin import errors
from seatrial.twin.rbac.rules import GROUP
from seatrial.world.objects import Obj, name_of, namespace_of

if TYPE_CHECKING:
    from seatrial.twin.registry.registry import Registry

ROLES, CLUSTER_ROLES = f"roles.{GROUP}", f"clusterroles.{GROUP}"
ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS = f"rolebindings.{GROUP}", f"clusterrolebindings.{GROUP}"
_PLURALS = {"Role": "roles", "ClusterRole": "clusterroles"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What one binding gives to a user: rules, or why there are none."""

    binding: Obj
    subject: Obj
    rules: Sequence[Obj]
    error: str = ""

    def __str__(self) -> str:
        binding, role, subject = self.binding, self.binding["roleRef"], self.subject
        place = f"/{namespace_of(binding)}" if namespace_of(binding) else ""
        who = subject["name"]
        if subject["kind"] == "ServiceAccount":
            who += f"/{subject.get('namespace') or namespace_of(binding)}"
        of = f'{role["kind"]} "{role["name"]}" to {subject["kind"]} "{who}"'
        return f'{binding["kind"]} "{name_of(binding)}{place}" of {of}'


def grants(registry: Registry, user: str, groups: Sequence[str], namespace: str) -> Iterator[Grant]:
    """What holds for a user cluster-wide, and in a namespace when one is given."""
    for binding in registry.list(CLUSTER_ROLE_BINDINGS):
        yield from _grant(registry, binding, user, groups, "")
    if namespace:
        for binding in registry.list(ROLE_BINDINGS, namespace):
            yield from _grant(registry, binding, user, groups, namespace)


def role_of(registry: Registry, reference: Obj, namespace: str) -> Obj:
    """The role a roleRef names. Raises ApiError (404)."""
    kind, name = reference.get("kind", ""), reference.get("name", "")
    if kind == "ClusterRole":
        role = registry.find(CLUSTER_ROLES, "", name)
    else:
        role = registry.find(ROLES, namespace, name) if namespace else None
    if role is None:
        raise errors.not_found(GROUP, _PLURALS.get(kind, str(kind)), name)
    return role


def _grant(registry: Registry, binding: Obj, user: str, groups: Sequence[str], namespace: str) -> Iterator[Grant]:
    subject = next((one for one in binding.get("subjects") or () if _is(one, user, groups, namespace)), None)
    if subject is None:
        return
    reference = binding["roleRef"]
    try:
        role = role_of(registry, reference, namespace)
    except errors.ApiError:
        missing = f'{reference.get("kind", "").lower()}.{GROUP} "{reference.get("name", "")}" not found'
        yield Grant(binding, subject, (), missing)
        return
    yield Grant(binding, subject, role.get("rules") or ())


def _is(subject: Obj, user: str, groups: Sequence[str], namespace: str) -> bool:
    name = subject.get("name", "")
    match subject.get("kind"):
        case "User":
            return bool(name == user)
        case "Group":
            return name in groups
        case "ServiceAccount":
            home = subject.get("namespace") or namespace
            return bool(home) and user == f"system:serviceaccount:{home}:{name}"
    return False
