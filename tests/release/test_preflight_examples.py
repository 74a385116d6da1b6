"""Each example of a release's rule: it speaks of what is wrong in it, and the release, or the return, that is right is let go."""

import pytest
from asking import asked_of, returned_to

from seatrial.release import needs
from seatrial.release.examples import EXAMPLES, RETURNS
from seatrial.release.findings import RULES
from seatrial.release.preflight import check

#: Found while a chart is rendered, before there is anything to ask a cluster about.
BEFORE = {"secrets-unreadable", "values-schema"}


def test_every_rule_of_a_preflight_has_an_example():
    assert set(EXAMPLES) == set(RULES) - BEFORE


@pytest.mark.parametrize("rule", EXAMPLES)
def test_what_is_wrong_is_told_and_nothing_else(rule):
    _, found = check(asked_of(EXAMPLES[rule].wrong))
    assert [one.rule for one in found] == [rule], [one.title for one in found]
    assert found[0].severity == RULES[rule].severity
    assert found[0].title and found[0].cause and found[0].fix


@pytest.mark.parametrize("rule", EXAMPLES)
def test_what_is_right_is_let_go(rule):
    assert [one.title for one in check(asked_of(EXAMPLES[rule].right))[1]] == []


def test_every_rule_of_a_return_has_an_example():
    assert set(RETURNS) == {rule.id for rule in needs.RULES}


@pytest.mark.parametrize("rule", RETURNS)
def test_a_return_is_told_what_is_wrong_and_let_go_when_it_is_right(rule):
    (told,) = returned_to(RETURNS[rule].wrong)
    known = next(one for one in needs.RULES if one.id == rule)
    assert (told.rule, told.severity) == (rule, known.severity)
    assert returned_to(RETURNS[rule].right) == []
