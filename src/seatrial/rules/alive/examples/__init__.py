"""What a cluster shows when a rule about what runs speaks, and when not: shown in the rules' pages, and run as their tests.

Nothing here is loaded for a diagnosis.  `EXAMPLES` holds one example for each rule by its id; `world_of` makes a world of one.
"""

from __future__ import annotations

import yaml

from seatrial.rules.alive.examples import (
    around,
    config,
    crash,
    images,
    inert,
    nodes,
    placing,
    probes,
    refusal,
    traffic,
    workloads,
)
from seatrial.rules.alive.examples.shapes import NOW, Example
from seatrial.world.objects import dig, ref_of
from seatrial.world.world import LogKey, World

__all__ = ["EXAMPLES", "NOW", "Example", "world_of"]

_TOPICS = (crash, probes, config, images, placing, refusal, workloads, around, traffic, inert, nodes)
EXAMPLES: dict[str, Example] = {rule: example for topic in _TOPICS for rule, example in topic.EXAMPLES.items()}


def world_of(example: Example, text: str) -> World:
    """The world of one side of an example, as a diagnosis sees it at `NOW`; the log belongs to what is wrong."""
    world = World(document for document in yaml.safe_load_all(text) if document)
    world.facts |= {"now": NOW.timestamp(), **example.facts}
    if example.log and text == example.wrong:
        pod = next(world.of("Pod"))
        first = dig(pod, "status.containerStatuses")[0]
        world.logs[LogKey(ref_of(pod), first["name"], bool(first["restartCount"]))] = example.log.splitlines()
    return world
