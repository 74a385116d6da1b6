# ruff: noqa: E501 - a line of the table is one saying
"""Rollouts that their own controller has given up: progress deadlines, failed analyses, custom resources that say so."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.alive.pods import condition
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, dig, name_of, ref_of
from seatrial.world.world import World, short

RULES = {
    rule.id: rule
    for rule in (
        Rule("deadline-exceeded", "error", "a rollout has made no progress for its progressDeadlineSeconds",
             "The new version is not out, and the old one serves with what it has left.",
             "The pods that are not ready say why; a deadline that is too short for slow starts is raised."),
    )
}  # fmt: skip
ANALYSIS = Rule(
    "analysis-failed", "error", "the analysis of a canary failed", "The canary is taken back; nothing new is released.",
    "Look at the metric that failed: its query, its address and its thresholds.",
)  # fmt: skip
CONDITION = Rule(
    "condition-failed", "error", "a resource says of itself that it has failed", "What its operator should bring about is not there.",
    "The condition's message says what its operator met.",
)  # fmt: skip
#: Conditions of custom resources that say at once that waiting is in vain (as kstatus reads them).
FINAL = ("Stalled", "Failed")
#: Kinds whose conditions are read by rules of their own.
BUILT_IN = frozenset({"", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "apiextensions.k8s.io", "argoproj.io"})


@check("Deployment", "Rollout", rules=RULES.values(), live=True)
def deadline(world: World, obj: Obj) -> Iterator[Finding]:
    progress = condition(obj, "Progressing")
    if progress.get("status") == "False" and progress.get("reason") == "ProgressDeadlineExceeded":
        seconds = dig(obj, "spec.progressDeadlineSeconds", 600)
        fact = Fact(str(progress.get("message", "")), world.source(ref_of(obj), "status.conditions[Progressing]"))
        rule = RULES["deadline-exceeded"]
        title = f"{short(obj)} has made no progress for {seconds} s"
        yield Finding(rule.id, "error", title, (ref_of(obj),), (fact,), rule.title, rule.fix)


@check("AnalysisRun", rules=[ANALYSIS], live=True)
def analysis(world: World, run: Obj) -> Iterator[Finding]:
    phase = dig(run, "status.phase", "")
    if phase not in ("Failed", "Error", "Inconclusive"):
        return
    facts = [Fact(f"{phase}: {dig(run, 'status.message', '')}".rstrip(": "), world.source(ref_of(run), "status"))]
    for metric in dig(run, "status.metricResults", []):
        if metric.get("phase") == "Successful":
            continue
        last = (metric.get("measurements") or [{}])[-1]
        words = f"metric {metric.get('name')}: {metric.get('phase')}"
        words += f", value {last['value']}" if last.get("value") else ""
        words += f": {last.get('message') or metric.get('message')}" if last.get("message") or metric.get("message") else ""
        facts.append(Fact(words, world.source(ref_of(run), "status.metricResults")))
    root = world.root(run)
    whose = f" of {short(root)}" if root is not run else ""
    title = f"analysis {name_of(run)}{whose}: {facts[-1].text}"
    refs = (ref_of(root), ref_of(run)) if root is not run else (ref_of(run),)
    yield Finding(ANALYSIS.id, "error", title, refs, tuple(facts), ANALYSIS.title, ANALYSIS.fix)


@check("*", rules=[CONDITION], live=True)
def conditions(world: World, obj: Obj) -> Iterator[Finding]:
    """Custom resources only: what Kubernetes' own kinds say is read by their own rules."""
    if ref_of(obj).group in BUILT_IN:
        return
    for kind in FINAL:
        found = condition(obj, kind)
        if found.get("status") == "True":
            words = f"{kind}: {found.get('reason', '')}: {found.get('message', '')}".rstrip(": ")
            fact = Fact(words, world.source(ref_of(obj), f"status.conditions[{kind}]"))
            yield Finding(CONDITION.id, "error", f"{short(obj)} has failed: {words}", (ref_of(obj),), (fact,), CONDITION.title,
                          CONDITION.fix)  # fmt: skip
            return
