"""The report as GitHub workflow commands, which become annotations on the lines of a pull request."""

from __future__ import annotations

import re

from seatrial.rules.report import Report
from seatrial.views.report import Lines
from seatrial.views.report.places import Place, place, place_of, uri, words

#: What a terminal would take for a command, and a log of CI shows in one.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_COMMAND = {"error": "error", "warning": "warning", "note": "notice"}


def show(report: Report, _lines: Lines) -> str:
    text = "".join(_line(_COMMAND[one.severity], place_of(one), one.rule, words(one, above)) for one, above in report.told)
    return text + "".join(_line(_COMMAND[one.severity], place(one.where), "unread", one.text) for one in report.unread)


def _line(command: str, where: Place | None, title: str, message: str) -> str:
    properties = (
        [f"file={_property(uri(where).removeprefix('file://'))}", f"line={where.line}", f"col={where.column}"] if where else []
    )
    return f"::{command} {','.join([*properties, f'title={_property(title)}'])}::{_data(message)}\n"


def _data(text: str) -> str:
    return _CONTROL.sub("\ufffd", text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
