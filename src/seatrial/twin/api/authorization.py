"""What a user may do, by RBAC, and the words for what they may not.

Members of system:masters may do everything (plugin/pkg/auth/authorizer/rbac).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from seatrial.twin import errors
from seatrial.twin.api.authentication import MASTERS
from seatrial.twin.api.http import User
from seatrial.twin.errors import ApiError
from seatrial.twin.rbac.grants import Grant, grants
from seatrial.twin.rbac.rules import Action, allows
from seatrial.twin.registry.registry import Registry

__all__ = ["Action", "Authorizer", "Verdict", "refusal"]


class Verdict(NamedTuple):
    """`reason`: the binding that allows it, or the roles that could not be looked into."""

    allowed: bool
    reason: str = ""


class Authorizer:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def allows(self, user: User, action: Action) -> bool:
        return self.decide(user, action).allowed

    def decide(self, user: User, action: Action) -> Verdict:
        if MASTERS in user.groups:
            return Verdict(True)
        missing = []
        for grant in self.grants(user, action.namespace):
            if any(allows(rule, action) for rule in grant.rules):
                return Verdict(True, f"RBAC: allowed by {grant}")
            if grant.error and grant.error not in missing:
                missing.append(grant.error)
        return Verdict(False, together(missing))

    def grants(self, user: User, namespace: str) -> Iterable[Grant]:
        """What a user holds cluster-wide, and in a namespace when one is given."""
        return grants(self._registry, user.name, user.groups, namespace)

    def require(self, user: User, action: Action) -> None:
        """Raises ApiError (403) for what a user may not do."""
        allowed, reason = self.decide(user, action)
        if allowed:
            return
        why = refusal(user, action) + (f": {reason}" if reason else "")
        if action.path:
            raise ApiError(403, "Forbidden", f"forbidden: {why}", {})
        raise errors.forbidden(action.group, action.resource.partition("/")[0], action.name, why)


def together(missing: list[str]) -> str:
    """The errors of a question as one, as utilerrors.Aggregate prints them; "" for none."""
    if not missing:
        return ""
    return f"RBAC: {missing[0]}" if len(missing) == 1 else f"RBAC: [{', '.join(missing)}]"


def refusal(user: User, action: Action) -> str:
    """Why an action is forbidden, in the words of apiserver's responsewriters."""
    if action.path:
        return f'User "{user.name}" cannot {action.verb} path "{action.path}"'
    where = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    what = f'resource "{action.resource}" in API group "{action.group}" {where}'
    return f'User "{user.name}" cannot {action.verb} {what}'
