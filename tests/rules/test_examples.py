"""Each rule's own examples, run: what is wrong is found, what is right is not, and a patch mends it without breaking more."""

from functools import partial

import pytest
import yaml

import seatrial.rules.ignoring
import seatrial.rules.written  # noqa: F401 - they enter their rules
from seatrial.rules.finding import CHECKS, RULES
from seatrial.rules.looking import found
from seatrial.rules.mending import names
from seatrial.rules.patching import applied
from seatrial.rules.written.examples import spelled
from seatrial.world.load.reading import read
from seatrial.world.objects import ref_of
from seatrial.world.world import World

findings = partial(found, live=False)

WITH_EXAMPLES = sorted(rule.id for rule in RULES.values() if rule.wrong)


def world_of(text):
    """The world of an example, read as a file is; what is in it twice is known, as to whoever checks a file."""
    file = read(spelled(text).encode(), "example.yaml", strict=False)
    if file.problems:  # what has no name is told by who reads it; of a cluster's answers the rule tells it
        return World(document for document in yaml.safe_load_all(text) if document)
    world, seen = World(), {}
    world.facts["duplicates"] = {}
    for obj, written in file.objects:
        ref, place = ref_of(obj), written("")
        if ref in seen:
            world.facts["duplicates"].setdefault(ref, []).append((seen[ref], place))
        seen.setdefault(ref, place)
        world.put(obj, written=written)
    return world


def test_every_rule_about_what_is_written_has_examples():
    ours = {rule.id for check in CHECKS if not check.live for rule in check.rules}
    assert sorted(ours - set(WITH_EXAMPLES)) == []


def counted(world):
    """How often each rule is broken, by object."""
    found = {}
    for finding in findings(world):
        key = (finding.rule, finding.refs[:1])
        found[key] = found.get(key, 0) + 1
    return found


@pytest.mark.parametrize("rule", WITH_EXAMPLES)
def test_the_wrong_example_is_found(rule):
    found = [finding for finding in findings(world_of(RULES[rule].wrong)) if finding.rule == rule]
    assert found, f"{rule} does not find its own example"
    assert all(finding.title and finding.evidence and finding.fix and finding.cause for finding in found)


@pytest.mark.parametrize("rule", WITH_EXAMPLES)
def test_the_right_example_is_not(rule):
    assert RULES[rule].right, f"{rule} shows what is wrong, and not what is right"
    assert rule not in {finding.rule for finding in findings(world_of(RULES[rule].right))}


@pytest.mark.parametrize("rule", WITH_EXAMPLES)
def test_no_right_example_has_an_error_of_any_rule(rule):
    assert not [finding.title for finding in findings(world_of(RULES[rule].right)) if finding.severity == "error"]


@pytest.mark.parametrize("rule", WITH_EXAMPLES)
def test_its_patch_mends_the_example_and_brings_nothing_new(rule):
    world = world_of(RULES[rule].wrong)
    before = counted(world)
    for finding in findings(world):
        if finding.rule != rule or not finding.patch:
            continue
        after = counted(applied(world, finding.patch))
        key = (rule, finding.refs[:1])
        assert after.get(key, 0) < before[key], f"after its own patch, {finding.title!r} is still found"
        # what has its right name at last, more can be said of: only what would be refused speaks against that
        grave = {key for key in after if not names(finding) or RULES[key[0]].severity == "error"}
        new = [key for key, times in after.items() if times > before.get(key, 0) and key in grave]
        assert not new, f"the patch of {finding.title!r} brings {new}"


def test_every_rule_says_what_it_is_what_it_costs_and_what_to_do():
    for rule in RULES.values():
        assert rule.title and rule.costs and rule.fix and rule.severity in ("error", "warning", "note"), rule.id
        assert not rule.title.endswith("."), f"{rule.id}: a title is no sentence"
        assert len(rule.title) <= 90, f"{rule.id}: the title is too long to be read at a glance"
