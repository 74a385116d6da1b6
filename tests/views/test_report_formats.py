"""One report in every form: what each holds, and that no text of somebody else's breaks out of it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest

from seatrial.rules.causes import Cause
from seatrial.rules.finding import Fact, Finding
from seatrial.rules.ignoring import Ignored
from seatrial.rules.report import Report
from seatrial.views.report import FORMATS, show
from seatrial.world.load.problems import Problem
from seatrial.world.objects import Ref

WEB, SERVICE = Ref("apps", "Deployment", "shop", "web"), Ref("", "Service", "shop", "web")
NASTY = "a%b,c:d\n::error::x <b>&\"'`*_ \x1b[31m \x00"
CAUSE = Finding(
    "refused-quota", "error", "Deployment web: the quota compute has no room for a pod", (WEB,),
    (Fact("replicas: 9", "deploy/web.yaml:2"), Fact("limits.cpu: used 4 of 4", "ResourceQuota compute in shop, status")),
    "Two replicas fit.", "Raise the quota to 6 CPUs.", patch=[{"ref": {}, "operations": []}],
)  # fmt: skip
SYMPTOM = Finding("service-no-endpoints", "error", "Service web: no pod is ready", (SERVICE,))
LINES = {"deploy/web.yaml": ["kind: Deployment", "  replicas: 9  # all", ""]}

REPORT = Report(
    "deploy/",
    (Cause(CAUSE, (SYMPTOM,)), Cause(Finding("probe-fails", "note", NASTY, (WEB,), (Fact(NASTY, "deploy/web.yaml:1"),)))),
    (Ignored(Finding("image-no-tag", "warning", "no tag", (WEB,)), "mirrored", "deploy/web.yaml:1"),),
    (Problem("deploy/broken.yaml", 7, 3, "this is no YAML"),),
    objects=12,
    files=3,
)


def shown(output: str, report: Report = REPORT, **more: bool) -> str:
    return show(report, output, lambda file: LINES.get(file, []), **more)


def test_the_terminal_shows_cause_line_reason_fix_and_what_follows() -> None:
    assert (
        shown("text").split("\n\n")[0]
        == """\
error    Deployment web: the quota compute has no room for a pod  [refused-quota]
         deploy/web.yaml:2
        2 |   replicas: 9  # all
         ResourceQuota compute in shop, status
         limits.cpu: used 4 of 4
    why  Two replicas fit.
    fix  Raise the quota to 6 CPUs.
    so   Service web: no pod is ready (service-no-endpoints)"""
    )
    last = shown("text").strip().split("\n")[-1]
    assert last == (
        "2 errors and 1 note (2 causes) in 12 objects of 3 files; 1 ignored; 1 thing could not be read; "
        "1 can be mended with --fix; 1 note shown with --verbose."
    )
    assert "error    deploy/broken.yaml:7:3: this is no YAML" in shown("text")


def test_verbose_shows_notes_and_what_was_ignored_and_why() -> None:
    text = shown("text", verbose=True)
    assert "ignored  no tag (image-no-tag): mirrored [deploy/web.yaml:1]" in text and "[probe-fails]" in text


def test_colour_is_only_where_it_is_asked_for_and_foreign_commands_never_get_through() -> None:
    assert "\x1b" not in shown("text", verbose=True)
    coloured = shown("text", verbose=True, colour=True)
    assert "\x1b[31;1m" in coloured and "\x1b[31m" not in coloured and "\x00" not in coloured


def test_json_is_versioned_and_whole() -> None:
    document = json.loads(shown("json"))
    assert document["apiVersion"] == "seatrial.dev/report/v1"
    assert document["summary"] == {"error": 2, "warning": 0, "note": 1, "causes": 2, "objects": 12, "files": 3, "ignored": 1}
    assert document["causes"][0]["symptoms"][0]["rule"] == "service-no-endpoints"
    assert document["unread"] == [{"severity": "error", "text": "this is no YAML", "source": "deploy/broken.yaml:7:3"}]


def test_sarif_points_at_the_line_and_knows_a_finding_again_when_lines_move() -> None:
    run = json.loads(shown("sarif"))["runs"][0]
    result = run["results"][0]
    where = result["locations"][0]["physicalLocation"]
    assert where == {"artifactLocation": {"uri": "deploy/web.yaml"}, "region": {"startLine": 2, "startColumn": 1}}
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert run["results"][-1]["suppressions"] == [{"kind": "inSource", "justification": "mirrored"}]
    assert run["invocations"][0]["executionSuccessful"] is False
    moved = Report("x", (Cause(Finding(CAUSE.rule, "error", CAUSE.title, CAUSE.refs, (Fact("", "deploy/web.yaml:3"),))),))
    lines = ["", "kind: Deployment", "  replicas: 9  # all"]
    again = json.loads(show(moved, "sarif", lambda _: lines))["runs"][0]["results"][0]
    assert again["partialFingerprints"] == result["partialFingerprints"]


def test_junit_is_xml_whatever_the_texts_hold() -> None:
    root = ElementTree.fromstring(shown("junit"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "2", "1")
    case = root.find("./testsuite[@name='deploy/web.yaml']/testcase")
    assert case is not None and (case.get("classname"), case.get("line")) == ("refused-quota", "2")


def test_github_annotations_are_one_line_each_and_cannot_be_forged() -> None:
    lines = shown("github").splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("::error file=deploy/web.yaml,line=2,col=1,title=refused-quota::Deployment web: the quota")
    assert sum(line.startswith("::error") for line in lines) == 3 and "%0A::error::x" in lines[2].replace(" ", "%0A")


def test_markdown_shows_texts_as_they_are() -> None:
    text = shown("markdown")
    assert "- **Deployment web: the quota compute has no room for a pod** (`refused-quota`)" in text
    assert "    - Service web: no pod is ready (`service-no-endpoints`)" in text
    assert "<b>" not in text.replace(r"\<b\>", "").replace("`` ", "\0").split("\0")[0]


@pytest.mark.parametrize("output", FORMATS)
def test_nothing_found_is_said_in_every_form(output: str) -> None:
    text = shown(output, Report("deploy/", objects=3, files=1))
    if output == "text":
        assert text == "Nothing found in 3 objects of 1 file.\n"
    elif output == "junit":
        assert ElementTree.fromstring(text).get("failures") == "0"
    elif output != "github":
        assert "deploy/" in text or output == "sarif"
