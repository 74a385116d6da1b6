"""What is wrong with what is written, before it runs: one module a topic, each rule with its examples beside it.

`findings` asks every rule about every object of a world.  Joining findings and printing them is for others.
"""

from seatrial.rules.written import (
    availability,
    containers,
    images,
    probing,
    resources,
    runtimes,
    secrets,
    security,
)
from seatrial.rules.written.asking import findings

__all__ = [
    "availability",
    "containers",
    "findings",
    "images",
    "probing",
    "resources",
    "runtimes",
    "secrets",
    "security",
]
