"""The user that a client certificate speaks for: its common name, and its organizations as groups.

TLS has verified the certificate by the time it is looked at, and it is looked at once a connection
(apiserver/pkg/authentication/request/x509/x509.go).
"""

from __future__ import annotations

import hashlib
import ssl
from asyncio import BaseTransport
from typing import Any

from seatrial.twin.api.authentication import AUTHENTICATED, CREDENTIAL, PEER
from seatrial.twin.api.http import User
from seatrial.twin.api.protocol import Protocol


class HttpProtocol(Protocol):
    """One connection, whose requests (and the WebSockets they become) have the user of the certificate in their state."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        user = peer_of(transport.get_extra_info("ssl_object"))
        if user is not None:
            self.app_state = {**self.app_state, PEER: user}


def peer_of(connection: ssl.SSLObject | None) -> User | None:
    """Who is at the other end; None without a certificate, or for one that names nobody."""
    certificate: Any = connection.getpeercert() if connection is not None else None
    if not certificate:
        return None
    subject = [pair for relative in certificate.get("subject", ()) for pair in relative]
    names = [value for key, value in subject if key == "commonName"]
    if not names or not names[-1]:
        return None
    groups = [value for key, value in subject if key == "organizationName"]
    assert connection is not None
    fingerprint = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
    extra = ((CREDENTIAL, (f"X509SHA256={fingerprint}",)),)
    return User(names[-1], (*groups, *(() if AUTHENTICATED in groups else (AUTHENTICATED,))), extra=extra)
