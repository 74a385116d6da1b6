"""Defaulting: completes an object in place as the API server does, dispatching by apiVersion and kind.

What the registry gives an object (uid, times, generation, cluster IPs, node ports) is not here.
"""

from __future__ import annotations

from collections.abc import Callable

from seatrial.world.objects import Obj

#: (apiVersion, kind) -> the function that completes an object of that kind.
TABLE: dict[tuple[str, str], Callable[[Obj], None]] = {}


def default(obj: Obj) -> None:
    """Complete an object in place; idempotent, and nothing for a kind without defaults."""
    complete = TABLE.get((obj.get("apiVersion", ""), obj.get("kind", "")))
    if complete is not None:
        complete(obj)
