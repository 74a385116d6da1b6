"""What the target is asked before anything is changed: each check a pure function of what was observed, its answer findings
and a table of what is available against what is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seatrial.release.preflight import apis, quota, releases
from seatrial.release.preflight.target import Table, Target
from seatrial.rules.finding import Finding

__all__ = ["Table", "Target", "check"]

Answer = Finding | Table
CHECKS: tuple[Callable[[Target], Iterator[Answer]], ...] = (
    releases.check, releases.fields, apis.served, apis.permitted, quota.check,
)  # fmt: skip


def check(target: Target) -> tuple[list[Table], list[Finding]]:
    """The tables and findings of every check; errors first."""
    answers = [answer for one in CHECKS for answer in one(target)]
    findings = [answer for answer in answers if isinstance(answer, Finding)]
    order = ("error", "warning", "note")
    return [one for one in answers if isinstance(one, Table)], sorted(findings, key=lambda one: order.index(one.severity))
