"""Every rule about what is written, asked about every object of a world."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, look_at
from seatrial.world.world import World


def findings(world: World) -> Iterator[Finding]:
    """What the rules of files say of a world, object by object, in the order of the world."""
    for obj in world:
        yield from look_at(world, obj, live=False)
