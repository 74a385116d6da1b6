"""What a user may do, by RBAC: roles and their bindings are read from the registry at every question.

Members of system:masters may do everything (plugin/pkg/auth/authorizer/rbac).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.twin.api.authentication import MASTERS
from seatrial.twin.api.http import User
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj

_GROUP = "rbac.authorization.k8s.io"

#: What everybody who is authenticated may ask (the roles system:discovery and system:basic-user).
_PUBLIC_PATHS = ("/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi", "/.well-known")
_OWN_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")


@dataclass(frozen=True, slots=True)
class Action:
    """A verb on a resource (`resource` may be `pods/log`), or on a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


class Authorizer:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def allows(self, user: User, action: Action) -> bool:
        if MASTERS in user.groups:
            return True
        if action.path:
            return any(action.path == public or action.path.startswith(public + "/") for public in _PUBLIC_PATHS)
        if action.resource in _OWN_REVIEWS and action.verb == "create":
            return True
        return any(_rule_allows(rule, action) for rule in self.rules(user, action.namespace))

    def rules(self, user: User, namespace: str) -> Iterable[Obj]:
        """The rules that hold for a user cluster-wide, and in a namespace when one is given."""
        for binding in self._registry.list(f"clusterrolebindings.{_GROUP}"):
            yield from self._bound(binding, user, "")
        if namespace:
            for binding in self._registry.list(f"rolebindings.{_GROUP}", namespace):
                yield from self._bound(binding, user, namespace)

    def _bound(self, binding: Obj, user: User, namespace: str) -> Iterable[Obj]:
        if not any(_is(subject, user, namespace) for subject in binding.get("subjects") or ()):
            return ()
        reference = binding.get("roleRef") or {}
        name = reference.get("name", "")
        if reference.get("kind") == "ClusterRole":
            role = self._registry.find(f"clusterroles.{_GROUP}", "", name)
        else:
            role = self._registry.find(f"roles.{_GROUP}", namespace, name)
        return (role or {}).get("rules") or ()


def refusal(user: User, action: Action) -> str:
    """Why an action is forbidden, in the words of apiserver's responsewriters."""
    if action.path:
        return f'User "{user.name}" cannot {action.verb} path "{action.path}"'
    where = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    what = f'resource "{action.resource}" in API group "{action.group}" {where}'
    return f'User "{user.name}" cannot {action.verb} {what}'


def _is(subject: Obj, user: User, namespace: str) -> bool:
    name = subject.get("name", "")
    match subject.get("kind"):
        case "User":
            return bool(name == user.name)
        case "Group":
            return name in user.groups
        case "ServiceAccount":
            return user.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
    return False


def _rule_allows(rule: Obj, action: Action) -> bool:
    resources = rule.get("resources") or ()
    subresource = action.resource.partition("/")[2]
    named = action.resource in resources or "*" in resources or (subresource and f"*/{subresource}" in resources)
    if not named or not _holds(rule.get("verbs"), action.verb) or not _holds(rule.get("apiGroups"), action.group):
        return False
    names = rule.get("resourceNames")
    return not names or action.name in names


def _holds(values: list[str] | None, wanted: str) -> bool:
    return values is not None and ("*" in values or wanted in values)
