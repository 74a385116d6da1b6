"""Validation: why an object is refused, in Kubernetes' own causes, dispatching by apiVersion and kind.

The shape of an object (types, unknown fields) is `twin/schema`'s part; here it has decoded, and is complete.
"""

from __future__ import annotations

from collections.abc import Callable

from seatrial.twin.errors import Cause
from seatrial.world.objects import Obj

Validator = Callable[[Obj, Obj | None, str], list[Cause]]

#: (apiVersion, kind) -> the function that says what is wrong with an object of that kind.
TABLE: dict[tuple[str, str], Validator] = {}


def validate(obj: Obj, old: Obj | None = None, subresource: str = "") -> list[Cause]:
    """What is wrong with a complete object, or with the change from `old` to it, in Kubernetes' order; empty when nothing is."""
    validator = TABLE.get((obj.get("apiVersion", ""), obj.get("kind", "")))
    return validator(obj, old, subresource) if validator is not None else []
