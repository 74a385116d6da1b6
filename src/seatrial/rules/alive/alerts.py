# ruff: noqa: E501 - a line of the table is one saying
"""Rules of Prometheus that can never have a result: it refuses them at every evaluation, and tells nobody but its own log.

What a query should not mean is for the rules of what is written; here is only what Prometheus itself cannot evaluate.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules import promql
from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, dig
from seatrial.world.world import World, short

ALERT = Rule(
    "alert-refused", "error", "a rule of Prometheus fails at every evaluation", "It has no result: what it should warn of goes by unseen, and what is built on it too.",
    "Correct the query; Prometheus shows the failure at its page of rules, and counts it in prometheus_rule_evaluation_failures_total.",
)  # fmt: skip
#: What is wrong with a query that Prometheus cannot evaluate -> what it answers.
FAILS = {
    "promql-syntax": "it cannot be parsed",
    "promql-many-to-many": "many-to-many matching not allowed: matching labels must be unique on one side",
    "promql-quantile-le": "there is nothing to take a quantile of",
}


@check("PrometheusRule", rules=[ALERT], live=True)
def evaluated(world: World, obj: Obj) -> Iterator[Finding]:
    for place, group in enumerate(dig(obj, "spec.groups", [])):
        for nth, rule in enumerate(group.get("rules") or ()):
            expr = rule.get("expr")
            slip = (
                next((each for each in promql.slips(expr, False) if each.rule in FAILS), None) if isinstance(expr, str) else None
            )
            if slip is not None:
                name = f"alert {rule['alert']}" if "alert" in rule else f"record {rule.get('record', '')}".rstrip()
                path = f"spec.groups[{place}].rules[{nth}].expr"
                facts = [status(world, obj, path, f"expr: {expr}"), Fact(slip.says)]
                yield told(
                    ALERT, f"{name} of {short(obj)} fails at every evaluation: {FAILS[slip.rule]}", [obj], facts, alert=name
                )
