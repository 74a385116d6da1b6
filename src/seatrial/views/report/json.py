"""The report as its versioned JSON document."""

from __future__ import annotations

import json

from seatrial.rules.report import Report
from seatrial.views.report import Lines


def show(report: Report, _lines: Lines) -> str:
    return json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"
