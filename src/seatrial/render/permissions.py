"""What a service may do at the Kubernetes API: a Role with exactly its `permissions`, bound to its own account.

Roles add up and take nothing away, so one Role holds them all.  A rule with names never matches a request to create, which has
no name yet: `create` stands in a rule without them.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.app.model import Permission
from seatrial.render.scope import SERVICE, Scope
from seatrial.world.objects import Obj

GROUP = "rbac.authorization.k8s.io"


def objects(scope: Scope, name: str) -> list[Obj]:
    """The Role and RoleBinding of a service, if it has permissions."""
    permissions = scope.app.services[name].permissions
    if not permissions:
        return []
    metadata = scope.meta(name, name, SERVICE)
    rules = [rule for permission in permissions for rule in _rules(permission)]
    subject = {"kind": "ServiceAccount", "name": name, "namespace": scope.app.namespace}
    return [
        {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    ]


def _rules(permission: Permission) -> Iterator[Obj]:
    """A rule for each API group among the resources."""
    groups: dict[str, list[str]] = {}
    for resource in dict.fromkeys(permission.resources):
        plural, _, group = resource.partition(".")
        groups.setdefault(group, []).append(plural)
    verbs = list(dict.fromkeys(permission.verbs))
    named = [verb for verb in verbs if verb != "create"] if permission.names else []
    free = [verb for verb in verbs if verb not in named]
    for group, resources in groups.items():
        rule: Obj = {"apiGroups": [group], "resources": resources}
        if named:
            yield rule | {"resourceNames": list(dict.fromkeys(permission.names or ())), "verbs": named}
        if free:
            yield rule | {"verbs": free}
