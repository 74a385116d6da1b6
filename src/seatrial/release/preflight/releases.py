"""Whether Helm can go on from where it is: who else is at work, records stuck in a pending state, fields that others manage."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.release.findings import found
from seatrial.release.lock import holder_of, is_dead, is_gone
from seatrial.release.preflight.target import Target
from seatrial.rules.finding import Fact, Finding
from seatrial.world.objects import dig, labels_of


def check(target: Target) -> Iterator[Finding]:
    last = target.last
    if last is not None and last.pending:
        yield found(
            "release-pending",
            f"Helm's revision {last.revision} of {last.name} is stuck in {last.status}",
            evidence=[Fact(f"{last.status} since {last.deployed}", f"Secret sh.helm.release.v1.{last.name}.v{last.revision}")],
            cause="The Helm that made it was killed, or is at work still; as long as it is pending, Helm refuses every upgrade.",
        )
    holder = holder_of(target.lock)
    if target.lock is not None and holder is not None and not is_dead(target.lock, target.now) and not is_gone(holder.process):
        title = f"{target.plan.release} is being released by {holder}"
        yield found("release-in-progress", title, evidence=[Fact(f"phase {holder.phase}", "its Lease")] if holder.phase else ())
    for record in target.of("pending"):
        name = labels_of(record).get("name", "")
        if name and name != target.plan.release:
            title = f"release {name} of this namespace is in {labels_of(record).get('status')}"
            yield found("neighbour-pending", title, evidence=[Fact(record["metadata"]["name"], "Helm's record")])
    if dig(target.namespace, "metadata.deletionTimestamp"):
        yield found("namespace-going", f"namespace {target.plan.namespace} is being deleted")


def _ways(path: str, owner: str) -> str:
    if path == "spec.replicas":
        return f"leave replicas out of the chart where {owner} or an autoscaler sets them; --force-conflicts sets them once"
    return f"leave {path} to {owner}, or take it over with --force-conflicts"


def fields(target: Target) -> Iterator[Finding]:
    for ref, change in target.plan.taken_over:
        yield found(
            "field-owned",
            f"{ref.kind} {ref.name}: {change.path} is managed by {change.owner}",
            refs=(ref,),
            evidence=[Fact(f"{change.before!r} now, {change.after!r} wanted", f"{ref}, {change.path}")],
            cause="Helm applies on the server, which refuses to change a field that another manager has set.",
            fix=_ways(change.path, change.owner),
            severity="warning" if target.force_conflicts else "error",
        )
