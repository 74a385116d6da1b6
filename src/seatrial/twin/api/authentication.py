"""Who is asking: client certificates and bearer tokens into users."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.twin import errors
from seatrial.twin.api.http import Scope, User
from seatrial.twin.registry import tokens
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj

MASTERS = "system:masters"
#: Where the state of an ASGI scope has the user of a connection that showed a certificate.
PEER = "peer"
#: The key under which a user's `extra` names the token or certificate that was shown.
CREDENTIAL = "authentication.kubernetes.io/credential-id"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


def admin(name: str = "admin") -> User:
    """The user that a kubeconfig of the twin's owner speaks for."""
    return User(name, (MASTERS, AUTHENTICATED))


class Authenticator:
    """`known`: tokens that were given out, and their users; service accounts' tokens are verified by the registry's signer."""

    def __init__(self, registry: Registry, known: Mapping[str, User]) -> None:
        self._registry = registry
        self._headers = {f"Bearer {token}".encode(): user for token, user in known.items()}

    def user(self, scope: Scope, headers: Mapping[bytes, bytes]) -> User:
        """The user of the connection's certificate, else of the token. Raises ApiError (401) for a token nobody knows."""
        state = scope.get("state")
        if state and PEER in state:
            peer: User = state[PEER]
            return peer
        header = headers.get(b"authorization")
        if header is None:
            return ANONYMOUS
        user = self._headers.get(header) or self.of_token(header.decode("latin-1").partition(" ")[2])
        if user is None:
            raise errors.unauthorized()
        return user

    def of_token(self, token: str) -> User | None:
        """The user of a bearer token, None when it is not valid."""
        known = self._headers.get(b"Bearer " + token.encode())
        if known is not None:
            return known
        try:
            claims = self._registry.signer.verify(token, self._registry.clock.now())
        except ValueError:
            return None
        return self._service_account(claims) if claims else None

    def _service_account(self, claims: Obj) -> User | None:
        """The account a token was made for; another one of the same name that came later is somebody else."""
        namespace, name, uid = tokens.account_of(claims)
        account = self._registry.find("serviceaccounts", namespace, name)
        if account is None or account["metadata"]["uid"] != uid:
            return None
        return service_account(namespace, name, uid, ((CREDENTIAL, (f"JTI={claims.get('jti', '')}",)),))


def service_account(namespace: str, name: str, uid: str = "", extra: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)
