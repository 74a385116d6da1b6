"""Tokens of service accounts: the TokenRequest subresource signs them, authentication reads them back.

They are JSON Web Tokens with the claims Kubernetes writes (pkg/serviceaccount/claims.go), signed with a secret of this
cluster: nobody but its own API server has to verify them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import orjson

from seatrial.twin.clock import timestamp
from seatrial.world.objects import Obj

ISSUER = "https://kubernetes.default.svc.cluster.local"
#: Seconds: what a token lives unless asked for otherwise, and the least that can be asked for.
DEFAULT_LIFE, LEAST_LIFE = 3600, 600


class Signer:
    """Signs and verifies tokens; `key` is kept by whoever wants them valid after a restart."""

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key or secrets.token_bytes(32)

    def sign(self, claims: Obj) -> str:
        body = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
        return f"{body}.{_text(self._mac(body))}"

    def verify(self, token: str, now: float) -> Obj | None:
        """The claims of a token that is ours and has not expired."""
        body, _, signature = token.rpartition(".")
        if not body or not hmac.compare_digest(_text(self._mac(body)).encode(), signature.encode()):
            return None
        claims = orjson.loads(_bytes(body.partition(".")[2]))
        return claims if isinstance(claims, dict) and claims.get("exp", 0) > now else None

    def _mac(self, body: str) -> bytes:
        return hmac.digest(self.key, body.encode(), hashlib.sha256)


def issue(signer: Signer, account: Obj, request: Obj, now: float, identity: str) -> Obj:
    """The TokenRequest with its status; `identity` becomes the token's id (jti)."""
    spec = dict(request.get("spec") or {})
    spec["audiences"] = spec.get("audiences") or [ISSUER]
    spec["expirationSeconds"] = life = int(spec.get("expirationSeconds") or DEFAULT_LIFE)
    spec.setdefault("boundObjectRef", None)
    namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
    about: Obj = {"namespace": namespace, "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]}}
    bound = spec["boundObjectRef"]
    if bound:
        about[str(bound.get("kind", "")).lower()] = {"name": bound.get("name"), "uid": bound.get("uid")}
    claims = {
        "aud": spec["audiences"],
        "exp": int(now) + life,
        "iat": int(now),
        "iss": ISSUER,
        "jti": identity,
        "kubernetes.io": about,
        "nbf": int(now),
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }
    status = {"token": signer.sign(claims), "expirationTimestamp": timestamp(now + life)}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": timestamp(now)}
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


def account_of(claims: Obj) -> tuple[str, str, str]:
    """Namespace, name and uid of the service account a token speaks for."""
    about = claims.get("kubernetes.io") or {}
    account = about.get("serviceaccount") or {}
    return about.get("namespace", ""), account.get("name", ""), account.get("uid", "")


def _encode(part: Obj) -> str:
    return _text(orjson.dumps(part))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
