# ruff: noqa: E501 - a line of the table is one saying
"""ConfigMaps and Secrets: what is too large, not to be decoded, in the wrong one of the two, or lacks what its type needs."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import chain

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.reading import mapping, text
from seatrial.rules.written.secrets import looks_secret
from seatrial.rules.written.telling import brief, put, take, tell
from seatrial.world.objects import Obj, ref_of
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_REFUSED = "The API server refuses the object."


def _map(body: str) -> str:
    return manifest("v1", "ConfigMap", body)


def _secret(body: str) -> str:
    return manifest("v1", "Secret", body)


RULES = (
    Rule("config-not-text", "error", "has a value that is no text", _REFUSED + " YAML reads 8080, true and 1.0 as numbers and truth values.",
         "Put quotes around the value.",
         _map("data: {PORT: 8080}"), _map("data: {PORT: '8080'}")),
    Rule("config-key-invalid", "error", "has a key that cannot be", _REFUSED,
         "Keys have letters, digits, -, _ and ., at most 253 of them.",
         _map("data: {'a/b': x}"), _map("data: {a.b: x}")),
    Rule("config-too-large", "error", "is larger than a MiB", _REFUSED + " (It is stored as one value of etcd.)",
         "Split it, or keep the data in a volume or an object store.",
         _map("data:\n  prices.csv: <1100000 characters>"), _map("data:\n  prices.csv: <90000 characters>")),
    Rule("config-key-twice", "error", "has a key as text and as bytes", _REFUSED,
         "Keep one of the two.",
         _map("data: {a: x}\nbinaryData: {a: eA==}"), _map("data: {a: x}")),
    Rule("secret-in-config-map", "warning", "holds a secret that is no Secret", "ConfigMaps are shown, logged and given to everybody who may read the namespace.",
         "Move it to a Secret, best one that External Secrets or SOPS writes.",
         _map("data: {DB_PASSWORD: hunter2-but-longer}"), _map("data: {DB_HOST: db}")),
    Rule("kubelet-config-unread", "warning", "holds the kubelet's settings, which no kubelet reads", "A kubelet reads a file of its node: nothing changes. And where evictionHard is given, the signals that it leaves out are off (memory.available too), unless mergeDefaultEvictionSettings says otherwise.",
         "Give the settings to whoever makes the nodes: the node pool, kubeadm's or Karpenter's kubelet configuration, all signals of evictionHard among them.",
         _map("data: {config.yaml: 'evictionHard: {nodefs.available: 10%}'}"), _map("data: {config.yaml: 'level: info'}")),
    Rule("secret-not-base64", "error", "has data that are not base64", _REFUSED,
         "Encode the value, or put it into stringData.",
         _secret("data: {password: hunter2!}"), _secret("data: {password: aHVudGVyMg==}")),
    Rule("secret-line-feed", "warning", "ends in a line feed that was hardly meant", "`echo value | base64` adds one: the password is refused, and nobody sees why.",
         "Encode without it: printf %s value | base64.",
         _secret("data: {password: aHVudGVyMgo=}"), _secret("data: {password: aHVudGVyMg==}")),
    Rule("secret-encoded-twice", "warning", "is encoded twice", "The process gets base64 where it expects the value.",
         "Encode it once, or put the plain value into stringData.",
         _secret("stringData: {password: aHVudGVyMi1idXQtbG9uZ2VyLWFuZC1sb25nZXI=}"), _secret("stringData: {password: '${PASSWORD}'}")),
    Rule("secret-type-keys", "error", "lacks a key that its type needs", _REFUSED,
         "A TLS secret has tls.crt and tls.key, a pull secret .dockerconfigjson.",
         _secret("type: kubernetes.io/tls\ndata: {tls.crt: eA==}"), _secret("type: kubernetes.io/tls\ndata: {tls.crt: eA==, tls.key: eA==}")),
    Rule("secret-in-files", "note", "stands in the files unencrypted", "Base64 hides nothing: whoever may read the repository has the value, for as long as its history lives.",
         "Encrypt it with SOPS, seal it, or let External Secrets write it.",
         _secret("data: {password: aHVudGVyMg==}"), _secret("data: {}")),
)  # fmt: skip

LIMIT = 1 << 20
_KEY = pattern(r"[-._a-zA-Z0-9]{1,253}")
_BASE64 = pattern(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_TYPES = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
#: Settings that only a kubelet's configuration has, at the beginning of a line.
_KUBELET = pattern(
    r"^(evictionHard|evictionSoft|imageGCHighThresholdPercent|imageGCLowThresholdPercent|kubeReserved|systemReserved):", re.M
)
_PARTS = ("data", "stringData", "binaryData")


@check("ConfigMap", "Secret", rules=RULES[:4])
def shapes(world: World, obj: Obj) -> Iterator[Finding]:
    """Keys, types and size."""
    size = 0
    for part in _PARTS:
        for key, given in mapping(obj, part).items():
            at = (part, str(key))
            if given is not None and not isinstance(given, str):
                written = str(given).lower() if isinstance(given, bool) else str(given)
                ops = [put(obj, at, written)] if not isinstance(given, (dict, list)) else []
                yield tell(
                    world,
                    "config-not-text",
                    obj,
                    at,
                    f"{key}: {brief(written) if obj.get('kind') == 'ConfigMap' else 'a ' + type(given).__name__}",
                    ops=ops,
                )
            elif given:
                size += _bytes(obj, part, given)
            if not isinstance(key, str) or not _KEY.fullmatch(key) or key in (".", ".."):
                yield tell(world, "config-key-invalid", obj, at, f"key: {brief(key)}")
    if size > LIMIT:
        yield tell(world, "config-too-large", obj, ("data",), f"{size / LIMIT:.2f} MiB")
    for key in mapping(obj, "data").keys() & mapping(obj, "binaryData").keys():
        yield tell(world, "config-key-twice", obj, ("binaryData", key), f"key: {key}")


def _bytes(obj: Obj, part: str, given: str) -> int:
    """What a value counts for: its bytes, those that base64 stands for (MaxSecretSize of pkg/apis/core/validation)."""
    if part == "binaryData" or (part == "data" and obj.get("kind") == "Secret"):
        return len(given) * 3 // 4
    return len(given) if given.isascii() else len(given.encode(errors="replace"))


@check("ConfigMap", rules=RULES[4:6])
def config_map(world: World, obj: Obj) -> Iterator[Finding]:
    """Secrets in a ConfigMap; what is told is the key, never the value."""
    for key, given in mapping(obj, "data").items():
        if isinstance(given, str) and len(given) < 4096 and looks_secret(str(key), given):
            yield tell(world, "secret-in-config-map", obj, ("data", str(key)), f"{key}: a value of {len(given)} characters")
        if isinstance(given, str) and _KUBELET.search(given) and not _is_read(world, obj, str(key)):
            yield tell(world, "kubelet-config-unread", obj, ("data", str(key)), ", ".join(_KUBELET.findall(given)))


def _is_read(world: World, obj: Obj, key: str) -> bool:
    """Whether something takes the settings from here: kubeadm from its key `kubelet`, or a pod that mounts them."""
    return key == "kubelet" or any(one.relation in ("volume", "env", "envFrom") for one in world.graph.into(ref_of(obj)))


@check("Secret", rules=RULES[6:])
def secret(world: World, obj: Obj) -> Iterator[Finding]:
    """A Secret's values, none of which is told."""
    if "sops" in obj:
        return
    data, plain = mapping(obj, "data"), mapping(obj, "stringData")
    for key, given in data.items():
        if not isinstance(given, str) or _placeholder(given):
            continue
        at = ("data", str(key))
        decoded = _decoded(given)
        if decoded is None:
            yield tell(world, "secret-not-base64", obj, at, f"{key}: {len(given)} characters that are not base64",
                       ops=[take(at), put(obj, ("stringData", str(key)), given)])  # fmt: skip
        elif decoded.endswith(b"\n") and decoded.count(b"\n") == 1 and 1 < len(decoded) < 200:
            yield tell(world, "secret-line-feed", obj, at, f"{key}: decodes to {len(decoded)} bytes, the last of them a line feed",
                       ops=[put(obj, at, base64.b64encode(decoded[:-1]).decode())])  # fmt: skip
        elif len(decoded) >= 24 and _looks_encoded(decoded.decode("latin-1")):
            yield tell(world, "secret-encoded-twice", obj, at, f"{key}: base64 of base64")
    for key, given in plain.items():
        if isinstance(given, str) and len(given) >= 24 and _looks_encoded(given):
            yield tell(world, "secret-encoded-twice", obj, ("stringData", str(key)), f"{key}: base64 in stringData")
    missing = [key for key in _TYPES.get(text(obj, "type"), ()) if key not in data and key not in plain]
    if missing:
        yield tell(world, "secret-type-keys", obj, ("type",), f"type: {obj['type']}, without {', '.join(missing)}")
    if any(isinstance(given, str) and given and not _placeholder(given) for given in chain(data.values(), plain.values())):
        made = mapping(obj, "metadata").get("ownerReferences") or mapping(obj, "metadata").get("uid")
        if not made:
            keys = sorted(str(key) for key in (*data, *plain))
            yield tell(world, "secret-in-files", obj, ("data",) if data else ("stringData",), f"keys: {', '.join(keys[:6])}")


def _placeholder(given: str) -> bool:
    return any(mark in given for mark in ("{{", "${", "ENC[", "<", "[REDACTED")) or not given.strip()


def _decoded(given: str) -> bytes | None:
    packed = "".join(given.split())
    if not _BASE64.fullmatch(packed):
        return None
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return None


def _looks_encoded(given: str) -> bool:
    """Whether a text is base64 of printable text, which a password hardly is by chance."""
    decoded = _decoded(given) if len(given) % 4 == 0 else None
    return decoded is not None and len(decoded) >= 16 and all(32 <= byte < 127 or byte in (9, 10, 13) for byte in decoded)
