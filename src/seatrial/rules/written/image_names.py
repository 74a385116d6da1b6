"""Images that nobody can have: a placeholder that was left in, a slip of the hand in the name of one that everybody knows."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.pods import Container, check_containers
from seatrial.rules.written.telling import brief, tell
from seatrial.world.images import doubt
from seatrial.world.world import World

RULES = (
    Rule(
        "image-nowhere",
        "warning",
        "has an image that nobody has",
        "No registry has it: the pods wait in ImagePullBackOff.",
        "Write the image that is meant.",
        example("image: yourcompany/api:1.4.2"),
        example("image: registry.example/api:1.4.2"),
    ),
)


@check_containers(rules=RULES)
def image(world: World, container: Container) -> Iterator[Finding]:
    """An image by a name that no registry can know."""
    why = doubt(container.image) if container.image else ""
    if why:
        at = (*container.path, "image")
        yield tell(world, "image-nowhere", container.pods.obj, at, f"image: {brief(container.image)}: {why}", who=container.who)
