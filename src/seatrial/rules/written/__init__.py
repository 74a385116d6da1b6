"""What is wrong with what is written, before it runs: one module a topic, each rule with its examples beside it.

`findings` asks every rule about every object of a world.  Joining findings and printing them is for others.
"""

from seatrial.rules.written import (
    availability,
    canary,
    configuration,
    containers,
    duplicates,
    images,
    jobs,
    mesh,
    monitoring,
    namespaces,
    naming,
    networking,
    operators,
    policies,
    probing,
    promql,
    rbac,
    resources,
    runtimes,
    scaling,
    secrets,
    security,
    versions,
)
from seatrial.rules.written.asking import findings

__all__ = [
    "availability",
    "canary",
    "configuration",
    "containers",
    "duplicates",
    "findings",
    "images",
    "jobs",
    "mesh",
    "monitoring",
    "namespaces",
    "naming",
    "networking",
    "operators",
    "policies",
    "probing",
    "promql",
    "rbac",
    "resources",
    "runtimes",
    "scaling",
    "secrets",
    "security",
    "versions",
]
