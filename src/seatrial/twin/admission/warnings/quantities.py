"""Bytes come in whole numbers: `200m` of memory is a fifth of a byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from seatrial.world import quantity
from seatrial.world.objects import Obj

BYTES = ("memory", "ephemeral-storage")


def fractions(amounts: dict[str, Any] | None, at: str, names: Iterable[str] = BYTES) -> Iterator[str]:
    for name in names if amounts else ():
        value = (amounts or {}).get(name)
        if value is not None and quantity.millis(value) % 1000:
            shown = quantity.canonical(value)
            yield f'{at}[{name}]: fractional byte value "{shown}" is invalid, must be an integer'


def storage(claim: Obj, at: str) -> Iterator[str]:
    """Of the spec of a claim (pkg/api/persistentvolumeclaim/util.go)."""
    resources = claim.get("resources") or {}
    yield from fractions(resources.get("requests"), f"{at}.resources.requests", ("storage",))
    yield from fractions(resources.get("limits"), f"{at}.resources.limits", ("storage",))
