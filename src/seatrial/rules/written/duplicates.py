"""Objects that are written twice: the later one counts, and whoever edits the earlier one wonders why nothing changes.

In one file that is a mistake; in several it may be, or they are alternatives of which somebody applies one.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Fact, Finding, Rule, Severity, check
from seatrial.world.objects import Obj, ref_of
from seatrial.world.world import World

RULE = Rule(
    "written-twice",
    "error",
    "an object is written twice",
    "Of the two, the one that is applied later counts; what the other says is lost without a word.",
    "Keep one of them, or give them different names or namespaces.",
)


@check("*", rules=[RULE])
def twice(world: World, obj: Obj) -> Iterator[Finding]:
    """`facts["duplicates"]`: by Ref, the (first, second) places, as whoever loaded the files saw them."""
    ref = ref_of(obj)
    for first, second in world.facts.get("duplicates", {}).get(ref, ()):
        facts = (Fact("here again", str(second)), Fact("here first", str(first)))
        severity: Severity = RULE.severity if first.file == second.file else "warning"
        yield Finding(RULE.id, severity, f"{ref.kind} {ref.name}: {RULE.title}", (ref,), facts, RULE.costs, RULE.fix)
