"""What is computed of a world at most once, kept in its graph until the world changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from seatrial.world.world import World

T = TypeVar("T")


def once(world: World, make: Callable[[World], T]) -> T:
    """What a function says of a world, computed at most once."""
    kept = world.graph.kept
    if make not in kept:
        kept[make] = make(world)
    return cast("T", kept[make])
