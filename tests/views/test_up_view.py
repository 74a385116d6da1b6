"""What a person sees while an application comes up: in a pipe, and when it is done."""

import io
import json

from seatrial.up.events import Event
from seatrial.up.progress import Row
from seatrial.views.up import Lines, view


def test_a_row_is_a_line_when_it_has_changed_and_the_end_says_where_it_is():
    stream = io.StringIO()
    pipe = Lines(stream)
    waits = Row("Deployment", "web", 0, 1, "starting", "pulls")
    for event in (
        Event(0.5, "step", "starting the cluster"),
        Event(1.0, "rows", rows=(waits,)),
        Event(1.2, "rows", rows=(waits,)),
        Event(2.0, "ready", "shop is up", facts={"urls": {"web": "http://localhost:8080"}, "next": ["seatrial down"]}),
    ):
        pipe.show(event)
    assert stream.getvalue().splitlines() == [
        "   1.0s  web  Deployment   0/1  starting  pulls",
        "",
        "",
        "shop is up",
        "  web          http://localhost:8080",
        "",
        "Try",
        "  seatrial down",
    ]


def test_json_has_the_rows():
    stream = io.StringIO()
    view("json", stream).show(Event(1.0, "rows", rows=(Row("Deployment", "web", 1, 1, "ready", ""),)))
    assert json.loads(stream.getvalue())["rows"][0]["ready"] == 1
