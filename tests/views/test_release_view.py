# ruff: noqa: E501 - events, and lines of output
"""What a person sees of a release: in a pipe, in a terminal, and as JSON lines."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from seatrial.release.events import Event
from seatrial.views.plan import changes, lines, summary
from seatrial.views.release import Lines, Terminal, span, view, words
from seatrial.views.stream import Json, Picture
from seatrial.world.objects import Ref

WEB = {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"}


def row(**more: Any) -> dict[str, Any]:
    base = {
        "ref": WEB,
        "state": "rolling",
        "ready": 1,
        "total": 3,
        "updated": 2,
        "old": 1,
        "why": "ContainerCreating",
        "pods": [],
    }
    return {**base, "seconds": 60.0, **more}


def shown(*events: Event) -> list[str]:
    stream = io.StringIO()
    pipe = Lines(stream)
    for event in events:
        pipe.show(event)
    return stream.getvalue().splitlines()


def test_in_a_pipe_a_row_is_a_line_only_when_it_has_changed():
    tree = Event(1.0, "tree", None, {"rows": [row()]})
    found = shown(tree, tree, Event(2.5, "tree", None, {"rows": [row(state="ready", ready=3, old=0, why="")]}))
    assert [line.split() for line in found] == [
        ["1.0s", "web", "Deployment", "1/3", "+1", "old", "rolling", "ContainerCreating"],
        ["2.5s", "web", "Deployment", "3/3", "ready"],
    ]


def test_json_is_one_versioned_document_a_line():
    stream = io.StringIO()
    found = view("json", stream)
    assert isinstance(found, Json)
    found.show(Event(0.5, "note", Ref("apps", "Deployment", "shop", "web"), {"text": "hello"}))
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line) == {"version": "seatrial.dev/release/v1", "time": 0.5, "kind": "note", "ref": WEB, "text": "hello"}


FAILED = {
    "exitCode": 20, "reason": "CrashLoop", "text": "web crashes; rolled back to revision 3", "revision": 5, "failedPhase": "watch",
    "seconds": {"plan": 0.3, "preflight": 0.01, "watch": 2.0},
    "findings": [
        {"severity": "warning", "title": "something else", "evidence": [{"text": "no matter", "source": ""}], "fix": "nothing"},
        {"severity": "error", "title": "web crashes", "evidence": [{"text": "exit code 1", "source": "Pod web-1"}], "fix": "read its log"},
    ],
    "evidence": {"folder": "evidence/web-1", "page": "evidence/web-1/index.html"}, "next": ["seatrial status -n shop"],
}  # fmt: skip


def test_the_final_report_says_what_why_where_and_what_to_do():
    assert shown(Event(2.4, "result", None, FAILED)) == [
        "",
        "✗ web crashes; rolled back to revision 3",
        "  because exit code 1",
        "  fix: read its log",
        "  CrashLoop in watch, exit code 20, revision 5, 2.3 s (plan 0.3, watch 2.0)",
        "  evidence: evidence/web-1/index.html",
        "Try",
        "  seatrial status -n shop",
    ]


def test_a_good_end_is_short():
    said = {"exitCode": 0, "reason": "Released", "text": "web is released", "revision": 2, "seconds": {"plan": 0.2}}
    assert shown(Event(1.0, "result", None, said)) == [
        "",
        "✓ web is released",
        "  Released, exit code 0, revision 2, 0.2 s (plan 0.2)",
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event(0, "warning", None, {"text": "took over the lock"}), "Warning: took over the lock"),
        (Event(0, "lock", None, {"state": "waiting", "holder": "ada", "host": "bridge"}), "waiting for ada on bridge, who releases here"),
        (Event(0, "hook", Ref("batch", "Job", "shop", "migrate"), {"hook": "pre-upgrade", "state": "failed"}), "hook migrate (pre-upgrade) failed"),
        (Event(0, "log", None, {"pod": "web-1", "line": "listening"}), "  web-1 | listening"),
        (Event(0, "table", None, {"title": "Preflight", "columns": ["check", "result"], "rows": [["quota", "ok"], ["nodes", "ok"]]}),
         "preflight: 2 checks, all well"),
    ],
)  # fmt: skip
def test_what_is_said_of_an_event(event, line):
    assert words(event) == [line]


@pytest.mark.parametrize("event", [Event(0, "lock", None, {"state": "held"}), Event(0, "step", None, {"text": "x"})])
def test_what_says_nothing_new_is_no_line(event):
    assert words(event) == []


def test_of_a_long_sum_the_end_is_always_shown():
    said = {"seconds": 860, "lines": [f"Deployment {n}: 60 s" for n in range(20)] + ["whole: 860 s"]}
    found = words(Event(0, "timeout", None, said))
    assert found[0] == "timeout 14 min 20 s"
    assert found[-2:] == ["  … and 14 workloads more", "  whole: 860 s"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (119.6, "2 min"), (860, "14 min 20 s"), (7500, "2 h 5 min"), (7200, "2 h")]
)
def test_spans_of_time_as_people_say_them(seconds, text):
    assert span(seconds) == text


def test_the_terminal_keeps_what_is_settled_and_leaves_no_picture_behind():
    stream = io.StringIO()
    terminal = Terminal()
    Picture.__init__(terminal, Console(file=stream, width=100, force_terminal=False, highlight=False))
    terminal.show(Event(0.1, "phase", None, {"phase": "plan", "state": "started"}))
    terminal.show(
        Event(
            1.0,
            "tree",
            None,
            {"rows": [row(pods=[{"name": "web-1", "new": True, "ready": False, "why": "crashes", "restarts": 2}])]},
        )
    )
    terminal.show(Event(2.0, "verdict", None, {"text": "web crashes"}))
    terminal.show(Event(2.1, "result", None, FAILED))
    terminal.close()
    said = stream.getvalue()
    assert said.index("◌ web") < said.index("web crashes") < said.index("✗ web crashes; rolled back")
    assert "2 restarts" in said


PLAN = {
    "release": "web", "namespace": "shop", "source": "shop (production)", "revision": 3, "summary": {"added": 1, "changed": 1, "removed": 1, "unchanged": 7},
    "changes": [
        {"action": "add", "ref": {**WEB, "kind": "Service"}, "fields": [{"path": "spec", "change": "added", "after": {"ports": [{"port": 80}]}}]},
        {"action": "change", "ref": WEB, "fields": [
            {"path": "spec.replicas", "change": "changed", "before": 2, "after": 3, "owner": "kubectl-edit"},
            {"path": "spec.template.spec.containers[web].env[A]", "change": "added", "after": {"name": "A", "value": "1"}},
            {"path": "spec.template.metadata.annotations.x", "change": "removed", "before": ""},
        ]},
        {"action": "remove", "ref": {**WEB, "kind": "ConfigMap", "name": "old"}},
    ],
}  # fmt: skip


def test_a_diff_is_read_object_by_object():
    assert list(lines(PLAN)) == [
        "shop (production) to web in shop, against revision 3",
        "  + Service web",
        '      + spec: {"ports": [{"port": 80}]}',
        "  ~ Deployment web  (rolls its pods)",
        "      ~ spec.replicas: 2 → 3  (managed by kubectl-edit, would be taken over)",
        '      + spec.template.spec.containers[web].env[A]: {"name": "A", "value": "1"}',
        '      - spec.template.metadata.annotations.x: ""',
        "  - ConfigMap old",
        "1 added, 1 changed, 1 removed, 7 unchanged",
    ]


def test_a_release_shows_the_first_fields_and_where_the_rest_is():
    many = {
        "action": "change",
        "ref": WEB,
        "fields": [{"path": f"spec.a{n}", "change": "changed", "before": 1, "after": 2} for n in range(12)],
    }
    found = list(changes([many]))
    assert len(found) == 10
    assert found[-1].strip() == "… and 4 fields more: seatrial diff shows them"
    assert summary({"unchanged": 4}) == "no difference: 4 objects are as they should be"
