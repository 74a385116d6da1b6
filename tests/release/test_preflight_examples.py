"""Each example of a release's rule: it speaks of what is wrong in it, and the release, or the return, that is right is let go."""

import json
import subprocess
from pathlib import Path

import pytest
from asking import asked_of, given_to, laid, once_up, returned_to

import tools
from seatrial.release import needs
from seatrial.release.examples import AFTER, EXAMPLES, GIVEN, RETURNS
from seatrial.release.findings import RULES
from seatrial.release.preflight import check
from seatrial.release.rules import TOPICS

#: Each rule of a release by its id.
KNOWN = {rule.id: rule for _, _, rules in TOPICS for rule in rules}


def test_every_rule_of_a_release_has_an_example():
    assert {*EXAMPLES, *GIVEN, *RETURNS, *AFTER} == set(KNOWN)
    assert {*EXAMPLES, *GIVEN} == set(RULES)
    assert set(RETURNS) == {rule.id for rule in needs.RULES}


@pytest.mark.parametrize("rule", EXAMPLES)
def test_what_is_wrong_is_told_and_nothing_else(rule):
    _, found = check(asked_of(EXAMPLES[rule].wrong))
    assert [one.rule for one in found] == [rule], [one.title for one in found]
    assert found[0].severity == RULES[rule].severity
    assert found[0].title and found[0].cause and found[0].fix


@pytest.mark.parametrize("rule", EXAMPLES)
def test_what_is_right_is_let_go(rule):
    assert [one.title for one in check(asked_of(EXAMPLES[rule].right))[1]] == []


@pytest.mark.parametrize("rule", RETURNS)
def test_a_return_is_told_what_is_wrong_and_let_go_when_it_is_right(rule):
    (told,) = returned_to(RETURNS[rule].wrong)
    assert (told.rule, told.severity) == (rule, KNOWN[rule].severity)
    assert returned_to(RETURNS[rule].right) == []


@pytest.mark.parametrize("rule", GIVEN)
def test_files_with_which_nothing_can_be_rendered_are_told_and_those_that_are_right_are_read(rule):
    (told,) = given_to(GIVEN[rule].wrong)
    assert (told.rule, told.severity) == (rule, KNOWN[rule].severity)
    assert given_to(GIVEN[rule].right) == []


@pytest.mark.parametrize("side", ["wrong", "right"])
def test_helm_says_of_the_values_what_the_example_has_it_say(side, tmp_path):
    shown = getattr(GIVEN["values-schema"], side)
    paths = laid(shown, tmp_path)
    (tmp_path / "backend" / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "backend", "version": "0.1.0"}))
    command = [tools.helm(), "template", "x", str(tmp_path / "backend"), "--values", str(paths["production.yaml"])]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert said.removeprefix("Error: ").strip() == shown.asked["helm"].strip()


@pytest.mark.parametrize("rule", AFTER)
def test_what_does_not_hold_once_it_is_up_is_told_and_what_holds_is_released(rule):
    (told,) = once_up(AFTER[rule].wrong)
    assert (told.rule, told.severity) == (rule, KNOWN[rule].severity)
    assert once_up(AFTER[rule].right) == []


def test_the_files_of_an_example_are_told_without_the_folder_that_they_lie_in():
    for example in GIVEN.values():
        (told,) = given_to(example.wrong)
        assert all(not Path(fact.source).is_absolute() for fact in told.evidence)
