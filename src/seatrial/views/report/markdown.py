"""The report as Markdown, for a pull request's comment or a ticket."""

from __future__ import annotations

import re

from seatrial.rules.causes import Cause
from seatrial.rules.finding import Finding
from seatrial.rules.report import SEVERITIES, Report
from seatrial.views.report import Lines
from seatrial.views.report.text import summary

_MARKED = re.compile(r"([\\`*_\[\]<>|#])")


def show(report: Report, _lines: Lines) -> str:
    text = f"## {_plain(report.of)}\n\n{_plain(summary(report))}\n"
    for severity in SEVERITIES:
        causes = [cause for cause in report.causes if cause.finding.severity == severity]
        if causes:
            text += f"\n### {severity.capitalize()}s\n\n" + "\n".join(map(_cause, causes))
    for title, wanted in (("Not read", ("error", "warning")), ("Read in part, or left out", ("note",))):
        told = [one for one in report.unread if one.severity in wanted]
        text += f"\n### {title}\n\n" * bool(told) + "".join(f"- {_plain(one.where)}: {_plain(one.text)}\n" for one in told)
    return text


def _cause(cause: Cause) -> str:
    text = _finding(cause.finding)
    if cause.symptoms:
        text += "  - From it follow:\n" + "".join(f"    - {_plain(one.title)} (`{one.rule}`)\n" for one in cause.symptoms)
    return text


def _finding(finding: Finding) -> str:
    text = f"- **{_plain(finding.title)}** (`{finding.rule}`)\n"
    for fact in finding.evidence:
        text += f"  - {_plain(fact.source)}: {_code(fact.text)}\n" if fact.source else f"  - {_code(fact.text)}\n"
    for name, words in (("Why", finding.cause), ("Fix", finding.fix)):
        if words:
            text += f"  - {name}: {_plain(words)}\n"
    return text


def _line(text: str) -> str:
    """Text on one line, without what a terminal would take for a command."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", " ".join(text.split()))


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKED.sub(r"\\\1", _line(text))


def _code(text: str) -> str:
    """Text as code, in a fence that it cannot end."""
    text = _line(text)
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
