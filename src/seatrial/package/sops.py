"""Secrets in the format of SOPS, for age keys: what `sops -d` opens, written without it.

Each value is encrypted by AES-256-GCM under one data key, bound to its path; the data key is encrypted for each age recipient;
a checksum over the encrypted values, itself encrypted, shows tampering.  It covers nothing else (`mac_only_encrypted`), so that
Kustomize may still put labels and namespaces on.  A file that holds the same values already is kept as it is, for encrypting
twice never gives the same bytes.  Opening files is left to `world.sops`.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from seatrial.world.objects import Obj
from seatrial.world.sops import SopsError, is_encrypted

#: What is secret in a Secret, and in the values of a chart.
IN_SECRET, IN_VALUES = "^(data|stringData)$", "^secrets$"
#: The release of SOPS whose format this is.
VERSION = "3.11.0"
#: What the checksum begins with where it covers encrypted values only: MACOnlyEncryptedInitialization of sops.go.
_BEGIN = bytes.fromhex("8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69")

Opened = Callable[[Mapping[str, Any]], dict[str, Any]]


def encrypt(document: Mapping[str, Any], recipients: Sequence[str], now: datetime.datetime, regex: str = IN_SECRET) -> Obj:
    """The document with all texts under keys that match `regex` encrypted for age `recipients`, and SOPS' metadata.

    Raises SopsError where age is not installed or a recipient is no public key of age.
    """
    key = secrets.token_bytes(32)
    digest = hashlib.sha512(_BEGIN)
    body = {name: _sealed(value, (name,), key, re.compile(regex), digest.update) for name, value in document.items()}
    changed = now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    mark = {
        "age": [{"recipient": one, "enc": _wrapped(key, one)} for one in recipients],
        "lastmodified": changed,
        "mac": _cipher(digest.hexdigest().upper(), changed, key),
        "encrypted_regex": regex,
        "mac_only_encrypted": True,
        "version": VERSION,
    }
    return {**body, "sops": mark}


def _sealed(value: Any, at: tuple[str, ...], key: bytes, regex: re.Pattern[str], digest: Callable[[bytes], None]) -> Any:
    if isinstance(value, Mapping):
        return {name: _sealed(child, (*at, name), key, regex, digest) for name, child in value.items()}
    if not any(regex.search(step) for step in at):
        return value
    if not isinstance(value, str):
        raise SopsError(f"{'.'.join(at)} is no text")
    digest(value.encode())
    return _cipher(value, ":".join(at) + ":", key) if value else value  # SOPS leaves empty texts as they are


def _cipher(value: str, bound_to: str, key: bytes) -> str:
    """`ENC[AES256_GCM,…]`: a text, bound to where it stands."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(32)
    found = AESGCM(key).encrypt(nonce, value.encode(), bound_to.encode())
    data, iv, tag = (base64.b64encode(part).decode() for part in (found[:-16], nonce, found[-16:]))
    return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:str]"


def _wrapped(key: bytes, recipient: str) -> str:
    try:
        import pyrage
    except ImportError:
        raise SopsError(
            "age is not installed, which encrypts the secrets\nInstall it: pip install 'seatrial[embedded]'"
        ) from None
    try:
        found: bytes = pyrage.encrypt(key, [pyrage.x25519.Recipient.from_str(recipient)], armored=True)
    except pyrage.RecipientError as error:
        raise SopsError(f"{recipient} is no public key of age: {error}") from None
    return found.decode()


def kept_or_encrypted(
    document: Mapping[str, Any],
    there: Mapping[str, Any] | None,
    recipients: Sequence[str],
    now: datetime.datetime,
    opened: Opened,
    regex: str = IN_SECRET,
) -> tuple[Obj, bool]:
    """The encrypted document, and whether it is known to hold these values.

    `there` is what stands in its place already. If it is for the same recipients and `opened` finds the same values in it, its
    ciphertexts are kept; if `opened` raises SopsError, because no key is here, `there` is left as it is.
    """
    if there is None or not is_encrypted(there):
        return encrypt(document, recipients, now, regex), True
    try:
        before = opened(there)
    except SopsError:
        return dict(there), False
    mark = there["sops"]
    alike = _secret_parts(before, regex) == _secret_parts(document, regex) and mark.get("encrypted_regex") == regex
    if alike and mark.get("mac_only_encrypted") and [one.get("recipient") for one in mark.get("age", ())] == list(recipients):
        return {**_with_ciphers(document, there, regex), "sops": mark}, True
    return encrypt(document, recipients, now, regex), True


def _secret_parts(document: Mapping[str, Any], regex: str) -> list[tuple[tuple[str, ...], Any]]:
    """The secret values by path, in their order, which the checksum depends on."""
    return [(path, value) for path, value in _leaves(document, ()) if any(re.search(regex, step) for step in path)]


def _leaves(value: Any, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from _leaves(child, (*at, name))
    else:
        yield at, value


def _with_ciphers(document: Mapping[str, Any], there: Mapping[str, Any], regex: str) -> Obj:
    """The document as it is now, with the ciphertexts of before in place of its secrets."""
    return {
        name: there[name]
        if re.search(regex, name)
        else _with_ciphers(value, there.get(name, {}), regex)
        if isinstance(value, Mapping)
        else value
        for name, value in document.items()
    }
