# ruff: noqa: E501 - a line of the table is one saying
"""Jobs that have failed, with how their last pod ended."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.alive.crash import crashes
from seatrial.rules.alive.pods import condition
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, annotations_of, dig, ref_of
from seatrial.world.world import World, short

RULES = {
    rule.id: rule
    for rule in (
        Rule("job-failed", "error", "a job has failed", "What it should have done is not done; as a hook it stops the release.",
             "The end of its pod's log says why; mend that and release again."),
        Rule("job-deadline", "error", "a job took longer than its activeDeadlineSeconds", "It was ended before its work was done.",
             "Raise activeDeadlineSeconds, or look at what it waits for."),
    )
}  # fmt: skip


@check("Job", rules=RULES.values(), live=True)
def failed(world: World, job: Obj) -> Iterator[Finding]:
    over = next((c for kind in ("Failed", "FailureTarget") if (c := condition(job, kind)).get("status") == "True"), None)
    if over is None:
        return
    rule = RULES["job-deadline" if over.get("reason") == "DeadlineExceeded" else "job-failed"]
    said = Fact(f"{over.get('reason', '')}: {over.get('message', '')}", world.source(ref_of(job), "status.conditions[Failed]"))
    facts = [said]
    if rule.id == "job-deadline":
        facts.append(
            Fact(
                f"activeDeadlineSeconds: {dig(job, 'spec.activeDeadlineSeconds')}",
                world.source(ref_of(job), "spec.activeDeadlineSeconds"),
            )
        )
    below = [finding for pod in world.owned(job, "Pod") for finding in crashes(world, pod)]
    why = below[-1].title if below else str(over.get("message", ""))
    if rule.id == "job-deadline":
        late = f"it took longer than its activeDeadlineSeconds of {dig(job, 'spec.activeDeadlineSeconds')}"
        why = f"{late}; {why}" if below else late
    hook = annotations_of(job).get("helm.sh/hook", "")
    yield Finding(
        rule.id,
        "error",
        f"{short(job)} has failed: {why}",
        (ref_of(job), *(ref for finding in below[-1:] for ref in finding.refs[1:])),
        (*facts, *(fact for finding in below[-1:] for fact in finding.evidence)),
        below[-1].cause if below else rule.title,
        below[-1].fix if below else rule.fix,
        details={"count": dig(job, "status.failed", 1)} | ({"hook": hook} if hook else {}),
    )
