"""Whether Helm can go on from where it is: a record stuck in a pending state, and fields that somebody else manages."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.release.preflight.target import Target
from seatrial.rules.finding import Fact, Finding


def check(target: Target) -> Iterator[Finding]:
    last = target.last
    if last is not None and last.pending:
        yield Finding(
            "release-pending",
            "error",
            f"Helm's revision {last.revision} of {last.name} is stuck in {last.status}",
            evidence=(Fact(f"{last.status} since {last.deployed}", f"Secret sh.helm.release.v1.{last.name}.v{last.revision}"),),
            cause="The Helm that made it was killed, or is at work still; as long as it is pending, Helm refuses every upgrade.",
            fix="seatrial release … --recover takes it for failed and goes on",
        )


def fields(target: Target) -> Iterator[Finding]:
    for ref, change in target.plan.taken_over:
        yield Finding(
            "field-owned",
            "warning" if target.force_conflicts else "error",
            f"{ref.kind} {ref.name}: {change.path} is managed by {change.owner}",
            refs=(ref,),
            evidence=(Fact(f"{change.before!r} now, {change.after!r} wanted", f"{ref}, {change.path}"),),
            cause="Helm applies on the server, which refuses to change a field that another manager has set.",
            fix=f"leave {change.path} to {change.owner}, or take it over with --force-conflicts",
        )
