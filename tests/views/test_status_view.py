"""What `seatrial status` and `seatrial history` show."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.cluster.records import Record
from seatrial.release.status import Status, described
from seatrial.views.status import ago, history_lines, status_lines

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def record(status: str = "deployed", description: str = "shop (production), by ada on bridge with seatrial") -> Record:
    info = {"status": status, "description": description, "last_deployed": "2027-01-15T07:55:00Z"}
    chart = {"metadata": {"name": "shop", "version": "0.1.0", "appVersion": "1.4"}}
    return Record("shop", "prod", 4, status, {}, {}, {"info": info, "chart": chart})


def row(state: str = "ready", ready: int = 2, **more: Any) -> dict[str, Any]:
    ref = {"group": "apps", "kind": "Deployment", "namespace": "prod", "name": "api"}
    return {"ref": ref, "state": state, "ready": ready, "total": 2, "updated": 2, "old": 0, "why": "", "pods": [], **more}


def shown(status: Status) -> list[str]:
    return [line for line, _ in status_lines(status.as_json(), NOW, " -n prod --release-name shop")]


def test_what_is_up_is_told_in_a_few_lines():
    found = Status(record(), rows=(row(),), back=3)
    assert found.settled
    assert shown(found) == [
        "shop in prod: revision 4 deployed, 5 min ago by ada on bridge",
        "  chart shop-0.1.0, app version 1.4",
        "  shop (production)",
        "  ● api  Deployment   2/2",
    ]


def test_what_is_under_way_names_who_is_at_it_what_waits_and_what_to_do():
    pod = {"name": "api-1", "new": True, "ready": False, "why": "ImagePullBackOff", "restarts": 0}
    from seatrial.release.lock import Holder

    holder = Holder("x", "grace", "bridge", "2027-01-15T07:59:00Z", "", "watch")
    found = Status(record(), holder, True, (row("rolling", 1, old=1, why="ImagePullBackOff", pods=[pod]),), back=3)
    assert not found.settled
    assert shown(found)[3:] == [
        "  grace on bridge is at it, in watch",
        "  ◌ api  Deployment   1/2 +1 old  ImagePullBackOff",
        "      api-1  new  ImagePullBackOff",
        "Try",
        "  seatrial status -n prod --release-name shop --watch",
        "  seatrial rollback -n prod --release-name shop",
    ]
    left = shown(Status(record("pending-upgrade"), holder, False, ()))
    assert left[3:] == [
        "  grace on bridge has left it in watch: no heartbeat any more",
        "Try",
        "  the same release again, with --recover",
    ]


def test_the_history_is_a_line_a_revision():
    revision = {
        "revision": 1,
        "status": "failed",
        "deployed": "nonsense",
        "chart": "shop-0.1.0",
        "appVersion": "",
        "by": "",
        "description": "it crashed",
    }
    head, line = history_lines({"revisions": [revision]})
    assert head.split() == ["REVISION", "WHEN", "STATUS", "CHART", "APP", "VERSION", "BY", "DESCRIPTION"]
    assert line.split() == ["1", "nonsense", "failed", "shop-0.1.0", "-", "it", "crashed"]
    assert head.index("BY") == line.index("-", 40)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("shop (production), by ada on bridge with seatrial", ("shop (production)", "ada on bridge")),
        ("CrashLoop: it crashed, by ada on bridge with seatrial", ("CrashLoop: it crashed", "ada on bridge")),
        ("Upgrade complete", ("Upgrade complete", "")),
    ],
)
def test_who_released_is_read_from_helm_s_description(text, parts):
    assert described(record(description=text)) == parts


@pytest.mark.parametrize(
    ("stamp", "text"),
    [("2027-01-15T07:59:15Z", "45 s ago"), ("2027-01-15T07:00:00Z", "60 min ago"), ("2027-01-14T20:00:00Z", "12 h ago"),
     ("2027-01-05T08:00:00Z", "10 days ago"), ("2027-01-15T09:00:00Z", "0 s ago"), ("never", "at never")],
)  # fmt: skip
def test_how_long_ago(stamp, text):
    assert ago(stamp, NOW) == text
