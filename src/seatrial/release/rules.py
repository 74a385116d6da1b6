"""Every rule of a release, by the moment at which it speaks: before anything is changed, once it is up, before a return.

What is found while it rolls out are the rules of what runs.  Their pages stand in docs/rules/release.
"""

from __future__ import annotations

from seatrial.release import findings, needs, verify
from seatrial.rules.finding import Rule

#: (title, what is looked at and when, the rules)
TOPICS: tuple[tuple[str, str, tuple[Rule, ...]], ...] = (
    (
        "Before anything is changed",
        "What `seatrial release` asks of the target in its preflight. An error ends the release before it begins, with exit code "
        "10; a warning is told, and the release goes on.",
        tuple(findings.RULES.values()),
    ),
    (
        "Once it is up",
        "What `seatrial release` looks at when every workload is ready. A failure here is a failed release.",
        (verify.RESTARTED, verify.ENDPOINTS, verify.SMOKE),
    ),
    (
        "Before a return",
        "What `seatrial rollback`, and a release that failed, look at before they return to an earlier revision.",
        needs.RULES,
    ),
)
