"""Nobody hands on more than they have: roles and bindings of somebody who does not hold all that they would give are refused.

pkg/registry/rbac/*/policybased/storage.go and escalation_check.go; component-helpers' ConfirmNoEscalation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seatrial.twin.admission.plugins.refusal import forbidden
from seatrial.twin.rbac import grants
from seatrial.twin.rbac.rules import EVERYTHING, GROUP, Action, allows, compact, describe, quoted, uncovered
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

_MASTERS = "system:masters"
#: What the garbage collector may change in anything.
_COLLECTED = ("ownerReferences", "finalizers")


def check(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    judge = _JUDGES.get(resource)
    if judge is None or _MASTERS in options.groups or (old is not None and _only_collected(obj, old)):
        return
    metadata = obj.get("metadata") or {}
    author = _Author(registry, options, metadata.get("namespace") or "")
    why = judge(author, obj, old, metadata.get("name") or "")
    if why:
        raise forbidden(registry, resource, obj, why)


class _Author:
    """Who writes a role or binding in a namespace ("": cluster-wide), and what they hold there."""

    def __init__(self, registry: Registry, options: Options, namespace: str) -> None:
        self.registry, self.namespace = registry, namespace
        self._name, self._groups = options.user, options.groups
        self._held = list(grants.grants(registry, options.user, options.groups, namespace))
        self._rules = [rule for grant in self._held for rule in grant.rules]

    def may(self, verb: str, resource: str, name: str) -> bool:
        action = Action(verb, GROUP, resource, self.namespace, name)
        return any(allows(rule, action) for rule in self._rules)

    def lacks(self, wanted: Sequence[Obj]) -> str:
        """Why these rules may not be given; "" when all of them are held."""
        missing = uncovered(self._rules, wanted)
        if not missing:
            return ""
        who = f'user "{self._name}" (groups={quoted(self._groups)})'
        lines = sorted({describe(rule) for rule in compact(missing)})
        why = "\n".join([f"{who} is attempting to grant RBAC permissions not currently held:", *lines])
        unknown = [grant.error for grant in self._held if grant.error]
        return f"{why}; resolution errors: [{', '.join(unknown)}]" if unknown else why


def _role(author: _Author, role: Obj, old: Obj | None, name: str) -> str:
    if author.may("escalate", "roles", name if old is not None else ""):
        return ""
    return author.lacks(role.get("rules") or ())


def _cluster_role(author: _Author, role: Obj, old: Obj | None, name: str) -> str:
    if author.may("escalate", "clusterroles", name if old is not None else ""):
        return ""
    why = author.lacks(role.get("rules") or ())
    if not why and (_aggregates(role) or _aggregates(old or {})) and author.lacks(EVERYTHING):
        return "must have cluster-admin privileges to use an aggregationRule"
    return why


def _binding(author: _Author, binding: Obj, old: Obj | None, name: str) -> str:
    reference = binding.get("roleRef") or {}
    plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
    if author.may("bind", plural, reference.get("name", "")):
        return ""
    role = grants.role_of(author.registry, reference, author.namespace)
    return author.lacks(role.get("rules") or ())


def _aggregates(role: Obj) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _only_collected(obj: Obj, old: Obj) -> bool:
    """Whether an update does no more than let the garbage collector have the object."""

    def rest(one: Obj) -> Obj:
        metadata = {key: value for key, value in one["metadata"].items() if key not in (*_COLLECTED, "managedFields")}
        return {**one, "metadata": metadata}

    return rest(obj) == rest(old)


_JUDGES: dict[str, Callable[[_Author, Obj, Obj | None, str], str]] = {
    grants.ROLES: _role,
    grants.CLUSTER_ROLES: _cluster_role,
    grants.ROLE_BINDINGS: _binding,
    grants.CLUSTER_ROLE_BINDINGS: _binding,
}
