"""The hashes that tell one revision of a pod template from another, in names and labels.

Kubernetes hashes its own memory layout of the template; ours are of its JSON, so they differ from a real cluster's and
agree with it in form: ten characters of the alphabet that spells no words (apimachinery, util/rand SafeEncodeString).
"""

from __future__ import annotations

from typing import Any

import orjson

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def hash_of(content: Any, collisions: int | None = None) -> str:
    """The hash of JSON content; `collisions` gives another one for the same content."""
    encoded = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    if collisions is not None:
        encoded += collisions.to_bytes(4, "little")
    return safe_encode(f"{_fnv32a(encoded):010d}")


def safe_encode(text: str) -> str:
    return "".join(_ALPHABET[ord(character) % len(_ALPHABET)] for character in text)


def _fnv32a(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
