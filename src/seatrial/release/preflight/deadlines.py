"""Whether Kubernetes gives a rollout up (progressDeadlineSeconds) sooner than a pod of it may take to be ready."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.release.findings import found
from seatrial.release.preflight.target import Target
from seatrial.release.timeout import late
from seatrial.rules.finding import Fact, Finding
from seatrial.world.objects import name_of, ref_of


def check(target: Target) -> Iterator[Finding]:
    for obj, seconds, words, deadline in late(target.plan.objects):
        yield found(
            "deadline-short",
            f"a pod of {obj['kind']} {name_of(obj)} may take {seconds:.0f} s, and Kubernetes gives up after {deadline:.0f} s",
            refs=(ref_of(obj),),
            evidence=[
                Fact(f"{' + '.join(words)} = {seconds:.0f} s", "its probes and strategy"),
                Fact(f"progressDeadlineSeconds: {deadline:.0f}", f"{obj['kind']} {name_of(obj)}, spec"),
            ],
            fix=f"set progressDeadlineSeconds above {seconds:.0f}",
        )
