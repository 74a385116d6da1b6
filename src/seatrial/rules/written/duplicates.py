"""Objects that are written twice: the later one counts, and whoever edits the earlier one wonders why nothing changes.

In one file that is a mistake; in several it may be, or they are alternatives of which somebody applies one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from seatrial.rules.finding import Fact, Finding, Rule, Severity, check
from seatrial.rules.written.examples import manifest, together
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.once import once
from seatrial.world.world import World

RULE = Rule(
    "written-twice",
    "error",
    "an object is written twice",
    "Of the two, the one that is applied later counts; what the other says is lost without a word.",
    "Keep one of them, or give them different names or namespaces.",
    together(*(manifest("v1", "ConfigMap", f"data: {{LOG_LEVEL: {level}}}") for level in ("info", "debug"))),
    together(*(manifest("v1", "ConfigMap", "data: {LOG_LEVEL: info}", name=name) for name in ("api", "web"))),
)


@check("*", rules=[RULE])
def twice(world: World, obj: Obj) -> Iterator[Finding]:
    """`facts["duplicates"]`: by Ref, the (first, second) places, as whoever loaded the files saw them; `facts["unlike"]`: those
    that do not say the same each time.

    Two files with many objects in common are told once, at the first of these.
    """
    ref = ref_of(obj)
    for first, second in world.facts.get("duplicates", {}).get(ref, ()):
        common = once(world, _common)[first.file, second.file]
        apart = first.file != second.file
        if apart and common[0] != ref:
            continue
        more = f", and {len(common) - 1} more of the same two files" if apart and len(common) > 1 else ""
        facts = (Fact(f"here again{more}", str(second)), Fact("here first", str(first)))
        steps = ref.group.endswith("knative.dev")  # written in the order of its revisions, each of which stays
        alike = "unlike" in world.facts and ref not in world.facts["unlike"]  # nothing is lost
        severity: Severity = "warning" if apart or steps or alike else RULE.severity
        yield Finding(RULE.id, severity, f"{ref.kind} {ref.name}: {RULE.title}{more}", (ref,), facts, RULE.costs, RULE.fix)


def _common(world: World) -> dict[tuple[str, str], list[Ref]]:
    """The objects that two files have in common, in the order of the world."""
    found: dict[tuple[str, str], list[Ref]] = defaultdict(list)
    known = world.facts.get("duplicates", {})
    for ref in world.refs():
        for first, second in known.get(ref, ()):
            found[first.file, second.file].append(ref)
    return found
