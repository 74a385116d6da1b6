"""Acting as somebody else: the Impersonate-* headers, for those who may (apiserver/pkg/endpoints/filters/impersonation).

Every part of the other identity, user or service account, groups, uid and extra, is a permission of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from seatrial.twin import errors
from seatrial.twin.api.authentication import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, service_account
from seatrial.twin.api.authorization import Action, Authorizer
from seatrial.twin.api.http import User

_EXTRA = "impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"


@dataclass
class _Wanted:
    name: str = ""
    uid: str = ""
    groups: list[str] = field(default_factory=list)
    extra: dict[str, list[str]] = field(default_factory=dict)


def impersonated(user: User, headers: Iterable[tuple[bytes, bytes]], authorizer: Authorizer) -> User:
    """The user that `user` acts as. Raises ApiError (403) when they may not, and (500) for headers that name no user."""
    wanted = _wanted(headers)
    if not wanted.name:
        given = [*wanted.groups, wanted.uid, *wanted.extra]
        raise errors.internal(f"requested [{' '.join(one for one in given if one)}] without impersonating a user")
    for action in _actions(wanted):
        authorizer.require(user, action)
    extra = tuple((key, tuple(values)) for key, values in wanted.extra.items())
    account = _account(wanted.name)
    if account and not wanted.groups:
        return User(wanted.name, service_account(*account).groups, wanted.uid, extra)
    return User(wanted.name, _groups(wanted), wanted.uid, extra)


def _wanted(headers: Iterable[tuple[bytes, bytes]]) -> _Wanted:
    wanted = _Wanted()
    for raw, content in headers:
        key, value = raw.decode("latin-1").lower(), content.decode("latin-1")
        if key == "impersonate-user":
            wanted.name = value
        elif key == "impersonate-group":
            wanted.groups.append(value)
        elif key == "impersonate-uid":
            wanted.uid = value
        elif key.startswith(_EXTRA):
            wanted.extra.setdefault(unquote(key.removeprefix(_EXTRA)), []).append(value)
    return wanted


def _actions(wanted: _Wanted) -> Iterable[Action]:
    """What one must be allowed to, to be this somebody."""
    account = _account(wanted.name)
    if account:
        yield Action("impersonate", "", "serviceaccounts", account[0], account[1])
    else:
        yield Action("impersonate", "", "users", "", wanted.name)
    for group in wanted.groups:
        yield Action("impersonate", "", "groups", "", group)
    for key, values in wanted.extra.items():
        for value in values:
            yield Action("impersonate", _AUTHENTICATION, f"userextras/{key}", "", value)
    if wanted.uid:
        yield Action("impersonate", _AUTHENTICATION, "uids", "", wanted.uid)


def _account(name: str) -> tuple[str, str] | None:
    """Namespace and name of the service account that a user name is."""
    parts = name.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"] and parts[2] and parts[3]:
        return parts[2], parts[3]
    return None


def _groups(wanted: _Wanted) -> tuple[str, ...]:
    """The groups asked for, and that of everybody unless it was said which of the two it is."""
    if wanted.name == ANONYMOUS.name:
        more = [] if UNAUTHENTICATED in wanted.groups else [UNAUTHENTICATED]
    else:
        more = [] if {AUTHENTICATED, UNAUTHENTICATED} & set(wanted.groups) else [AUTHENTICATED]
    return (*wanted.groups, *more)
