"""Who is asking: bearer tokens into users, and impersonation by those who may."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.twin import errors
from seatrial.twin.api.http import User
from seatrial.twin.registry import tokens
from seatrial.twin.registry.registry import Registry

MASTERS = "system:masters"
_AUTHENTICATED = "system:authenticated"
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def admin(name: str = "admin") -> User:
    """The user that a kubeconfig of the twin's owner speaks for."""
    return User(name, (MASTERS, _AUTHENTICATED))


class Authenticator:
    """`known`: tokens that were given out, and their users; service accounts' tokens are verified by the registry's signer."""

    def __init__(self, registry: Registry, known: Mapping[str, User]) -> None:
        self._registry = registry
        self._headers = {f"Bearer {token}".encode(): user for token, user in known.items()}

    def user(self, headers: Mapping[bytes, bytes]) -> User:
        """The user of a request. Raises ApiError (401) for a token nobody knows, and (403) for a forbidden impersonation."""
        header = headers.get(b"authorization")
        if header is None:
            return ANONYMOUS
        user = self._headers.get(header) or self.of_token(header.decode("latin-1").partition(" ")[2])
        if user is None:
            raise errors.unauthorized()
        return _impersonated(user, headers) if b"impersonate-user" in headers else user

    def of_token(self, token: str) -> User | None:
        """The user of a bearer token, None when it is not valid."""
        known = self._headers.get(b"Bearer " + token.encode())
        if known is not None:
            return known
        try:
            claims = self._registry.signer.verify(token, self._registry.clock.now())
        except ValueError:
            return None
        return self._service_account(*tokens.account_of(claims)) if claims else None

    def _service_account(self, namespace: str, name: str) -> User | None:
        account = self._registry.find("serviceaccounts", namespace, name)
        return service_account(namespace, name, account["metadata"]["uid"]) if account else None


def service_account(namespace: str, name: str, uid: str = "") -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", _AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid)


def _impersonated(user: User, headers: Mapping[bytes, bytes]) -> User:
    name = headers[b"impersonate-user"].decode("latin-1")
    if MASTERS not in user.groups:
        why = f'User "{user.name}" cannot impersonate resource "users" in API group "" at the cluster scope'
        raise errors.forbidden("", "users", name, why)
    parts = name.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:
        return service_account(parts[2], parts[3])
    groups = headers.get(b"impersonate-group", b"").decode("latin-1")
    return User(name, (*([groups] if groups else ()), _AUTHENTICATED))
