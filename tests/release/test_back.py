"""Which revision a rollback returns to, when nobody or somebody names one."""

from __future__ import annotations

import pytest

from seatrial.cluster.records import Record
from seatrial.release.back import chosen
from seatrial.release.session import Stop

OF = "web in shop"


def history(*statuses: str) -> list[Record]:
    return [Record("web", "shop", number, status, {}, {}, {}) for number, status in enumerate(statuses, 1)]


@pytest.mark.parametrize(
    ("statuses", "revision"),
    [
        (("superseded", "deployed"), 1),
        (("superseded", "superseded", "deployed"), 2),
        (("superseded", "failed", "deployed"), 1),  # one that failed is no place to return to
        (("deployed", "failed"), 1),
        (("deployed", "failed", "failed"), 1),
        (("superseded", "deployed", "pending-upgrade"), 2),
    ],
)
def test_it_is_the_last_one_that_came_up_before_the_present_one(statuses, revision):
    assert chosen(history(*statuses), None, OF).revision == revision


def test_the_one_that_is_named_is_taken_even_if_it_failed():
    assert chosen(history("superseded", "failed", "deployed"), 2, OF).status == "failed"


@pytest.mark.parametrize(
    ("statuses", "revision", "told"),
    [
        ((), None, "there is no release web in shop"),
        (("deployed",), None, "no revision of web in shop came up before revision 1: there are 1"),
        (("failed", "failed"), None, "no revision of web in shop came up before revision 2: there are 1, 2"),
        (("superseded", "deployed"), 7, "there is no revision 7 of web in shop: there are 1, 2"),
    ],
)
def test_where_there_is_none_those_that_are_there_are_named(statuses, revision, told):
    with pytest.raises(Stop) as stop:
        chosen(history(*statuses), revision, OF)
    assert (stop.value.code, stop.value.text) == (2, told)
