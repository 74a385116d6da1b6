"""Each example of a rule about what runs: the rule speaks of what is wrong in it, and of nothing once it is right."""

from collections import Counter

import pytest

import seatrial.rules.alive  # noqa: F401 - enters the rules
from seatrial.rules.alive.examples import EXAMPLES, world_of
from seatrial.rules.finding import CHECKS, RULES
from seatrial.rules.looking import found
from seatrial.rules.patching import applied
from seatrial.world import schema

ALIVE = sorted(rule.id for check in CHECKS if check.live for rule in check.rules)


def findings(rule, text):
    return found(world_of(EXAMPLES[rule], text), live=True)


def errors(several):
    return sorted({one.rule for one in several if one.severity == "error"})


def test_every_rule_about_what_runs_has_an_example():
    assert sorted(EXAMPLES) == ALIVE, "the examples stand in rules/alive/examples"


@pytest.mark.parametrize("rule", sorted(EXAMPLES))
def test_what_is_wrong_is_told_as_the_rule_says_and_nothing_else_is_an_error(rule):
    several = findings(rule, EXAMPLES[rule].wrong)
    mine = [one for one in several if one.rule == rule]
    assert mine, f"{rule} does not find its own example: {[one.title for one in several]}"
    for one in mine:
        assert one.title and one.evidence and one.fix and one.cause and one.refs
        assert one.severity == RULES[rule].severity
    assert set(errors(several)) - {rule} == EXAMPLES[rule].also, [one.title for one in several]


@pytest.mark.parametrize("rule", sorted(EXAMPLES))
def test_of_what_is_right_no_rule_speaks(rule):
    assert [one.title for one in findings(rule, EXAMPLES[rule].right)] == []


@pytest.mark.parametrize("rule", sorted(EXAMPLES))
def test_a_patch_mends_the_example_and_brings_nothing_new(rule):
    world = world_of(EXAMPLES[rule], EXAMPLES[rule].wrong)
    before = Counter((one.rule, one.refs[:1]) for one in found(world, live=True))
    for one in findings(rule, EXAMPLES[rule].wrong):
        if one.rule == rule and one.patch:
            after = Counter((one.rule, one.refs[:1]) for one in found(applied(world, one.patch), live=True))
            assert after[rule, one.refs[:1]] < before[rule, one.refs[:1]]
            assert not after - before


@pytest.mark.parametrize("rule", sorted(EXAMPLES))
def test_an_example_holds_what_a_cluster_would_show(rule):
    for text in (EXAMPLES[rule].wrong, EXAMPLES[rule].right):
        for obj in world_of(EXAMPLES[rule], text):
            problems = schema.check(obj)
            assert not problems, (problems.strict, problems.error)


#: rule -> what its finding says is to be done in the very case of its example.
FIXES = {
    "certificate-not-issued": "`kubectl get certificaterequests,orders,challenges -n shop`",
    "helm-stuck": "`helm rollback shop 6 -n shop`",
    "namespace-stuck": "`kubectl get queues.messaging.example -n shop-pr-217`",
    "node-cordoned": "`kubectl uncordon node-1`",
    "pod-stuck": "`kubectl delete pod api-7d4b9c6f5-x2kqp -n shop --force`",
    "probe-kills": "a startupProbe with failureThreshold: 9 and periodSeconds: 10 (90 s)",
    "probe-scheme": "Set readinessProbe.httpGet.scheme: HTTP,",
}


@pytest.mark.parametrize("rule", FIXES)
def test_what_mends_it_is_said_of_this_case(rule):
    (told,) = [one for one in findings(rule, EXAMPLES[rule].wrong) if one.rule == rule]
    assert FIXES[rule] in told.fix
