"""A finding may be ignored by comment, annotation or file, always with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.rules.finding import Fact, Finding, look_at
from seatrial.rules.ignoring import Decisions, Ignore, entries_of
from seatrial.world.objects import ref_of
from seatrial.world.world import World

TEXT = """\
# Why so
# seatrial: ignore[image-*] mirrored and pinned there
kind: Deployment
metadata:
  name: web
spec:
  image: nginx  # seatrial: ignore[probe-missing,user-root] known
  # seatrial: ignore[port-odd] legacy clients
  port: 99
  # seatrial: ignore[no-reason]
  last: 1
"""


def world(annotations: dict[str, Any] | None = None) -> World:
    metadata = {"name": "web", "namespace": "n", "annotations": annotations or {}}
    return World([{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}], dict.fromkeys([REF], "a.yaml:3"))


REF = ref_of({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n"}})


def about(rule: str, line: int) -> Finding:
    return Finding(rule, "warning", rule, (REF,), (Fact("", f"a.yaml:{line}"),))


def reasons(decisions: Decisions, where: World, *findings: Finding) -> list[tuple[str, str]]:
    _, ignored = decisions.split(where, findings)
    return [(one.reason, one.source) for one in ignored]


@pytest.mark.parametrize(
    ("rule", "line", "wanted"),
    [
        ("probe-missing", 7, [("known", "a.yaml:7")]),
        ("user-root", 7, [("known", "a.yaml:7")]),
        ("port-odd", 9, [("legacy clients", "a.yaml:8")]),
        ("port-odd", 7, []),
        ("image-latest", 7, [("mirrored and pinned there", "a.yaml:2")]),
        ("no-reason", 11, []),
        ("other", 7, []),
    ],
)
def test_a_comment_ignores_on_its_line_below_it_and_for_a_whole_document(
    rule: str, line: int, wanted: list[tuple[str, str]]
) -> None:
    assert reasons(Decisions(lines=lambda _: TEXT.split("\n")), world(), about(rule, line)) == wanted


def test_a_comment_without_a_reason_ignores_nothing_and_is_told() -> None:
    decisions = Decisions(lines=lambda _: TEXT.split("\n"))
    (kept, told), ignored = decisions.split(world(), [about("no-reason", 11)])
    assert (kept.rule, ignored) == ("no-reason", [])
    assert told.rule == "ignore-no-reason" and told.evidence[0].source == "a.yaml:10"


def test_an_annotation_ignores_with_its_reason_and_is_told_without() -> None:
    where = world({"ignore.seatrial.dev/image-*": "pinned", "ignore.seatrial.dev/user-root": ""})
    found = reasons(Decisions(), where, about("image-latest", 7), about("user-root", 7))
    assert [reason for reason, _ in found] == ["pinned"]
    told = [one for obj in where for one in look_at(where, obj, live=False) if one.rule == "ignore-no-reason"]
    assert [one.title for one in told] == ["Deployment web: user-root is to be ignored, and no reason is given"]


def test_a_file_ignores_by_rule_object_and_file() -> None:
    entries = (
        Ignore("image-*", "pinned", objects=("Deployment/w*",), source="c.yaml, ignore[0]"),
        Ignore("user-root", "known", files=("b/*",)),
    )
    assert reasons(Decisions(entries), world(), about("image-latest", 7), about("user-root", 7)) == [
        ("pinned", "c.yaml, ignore[0]")
    ]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "this should be `ignore:`"),
        ({"ignore": [], "rules": []}, "this should be `ignore:`"),
        ({"ignore": ["image-latest"]}, r"ignore\[0\]: an entry has `rule` and `reason`"),
        ({"ignore": [{"rule": "a", "reason": "b", "object": "c"}]}, "may have `objects` and `files`"),
        ({"ignore": [{"rule": "a"}]}, "a is to be ignored, and no reason is given"),
        ({"ignore": [{"rule": "a", "reason": "b", "files": 3}]}, "are lists of patterns"),
    ],
)
def test_a_wrong_file_says_which_entry_and_how(document: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        entries_of(document, "c.yaml")


def test_a_right_file_is_read() -> None:
    listed = entries_of({"ignore": [{"rule": "a", "reason": " b ", "objects": "Pod/x"}]}, "c.yaml")
    assert listed == (Ignore("a", "b", ("Pod/x",), (), "c.yaml, ignore[0]"),)
    assert entries_of(None, "c.yaml") == ()
