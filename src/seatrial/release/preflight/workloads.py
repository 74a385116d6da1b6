"""Workloads of the release that are not well now and that it does not change: they would end it, and no way back mends them."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.release.findings import found
from seatrial.release.preflight.target import Target
from seatrial.release.tree import row_of
from seatrial.rules.finding import Fact, Finding
from seatrial.world.objects import dig, name_of, ref_of
from seatrial.world.world import World

KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})


def check(target: Target) -> Iterator[Finding]:
    world = World()
    changed = {change.ref for change in target.plan.changes if change.rolls}
    for obj in target.plan.objects:
        live = target.plan.live.get(ref_of(obj))
        if obj["kind"] not in KINDS or live is None or ref_of(obj) in changed or not dig(live, "status.observedGeneration"):
            continue
        row = row_of(world, live)
        if not row.settled:
            yield found(
                "not-well-now",
                f"{obj['kind']} {name_of(obj)} is not well now, and this release does not change its pods",
                refs=(ref_of(obj),),
                evidence=[Fact(f"{row.ready} of {row.total} ready", f"{obj['kind']} {name_of(obj)}, status")],
            )
