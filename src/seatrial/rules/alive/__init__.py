"""What goes wrong with what runs: pods that crash, wait or are refused, jobs and analyses that fail.  Pure; one module a topic.

Each rule reads an object of a world and what belongs to it (events, owners, the ends of logs) and says what it finds.  What
follows for a release is for `release.verdict`; joining findings that explain one another is for the diagnosis.
"""

from seatrial.rules.alive import (
    alerts,
    claims,
    config,
    crash,
    ends,
    images,
    inert,
    isolation,
    jobs,
    logs,
    nodes,
    placing,
    probes,
    refusal,
    rollouts,
    routes,
    sandbox,
    scaling,
    services,
    traffic,
    waiting,
    ways,
)

__all__ = [
    "alerts",
    "claims",
    "config",
    "crash",
    "ends",
    "images",
    "inert",
    "isolation",
    "jobs",
    "logs",
    "nodes",
    "placing",
    "probes",
    "refusal",
    "rollouts",
    "routes",
    "sandbox",
    "scaling",
    "services",
    "traffic",
    "waiting",
    "ways",
]
