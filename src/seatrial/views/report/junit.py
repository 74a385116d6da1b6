"""The report as JUnit XML: a suite a file, a test case a rule that failed there; what could not be read is an error."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from seatrial.rules.finding import Finding
from seatrial.rules.report import Report
from seatrial.views.report import Lines
from seatrial.views.report.places import place, place_of, words

#: What XML 1.0 has no place for.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def show(report: Report, _lines: Lines) -> str:
    suites: dict[str, list[str]] = {}
    failures = errors = 0
    for finding, above in report.told:
        where = place_of(finding)
        suites.setdefault(where.file if where else report.of, []).append(_case(finding, above))
        failures += finding.severity != "note"
    for one in (each for each in report.unread if each.severity != "note"):
        where = place(one.where)
        case = f"    <testcase name={_quoted('is read')} classname={_quoted(one.where or report.of)}>\n"
        case += f"      <error message={_quoted(one.text)}/>\n    </testcase>\n"
        suites.setdefault(where.file if where else report.of, []).append(case)
        errors += 1
    if not suites:
        suites[report.of] = [f"    <testcase name={_quoted('every rule')} classname={_quoted(report.of)}/>\n"]
    total = sum(map(len, suites.values()))
    text = '<?xml version="1.0" encoding="UTF-8"?>\n'
    text += f'<testsuites name="seatrial" tests="{total}" failures="{failures}" errors="{errors}">\n'
    for name, cases in suites.items():
        failed, broken = sum("<failure" in case for case in cases), sum("<error" in case for case in cases)
        text += f'  <testsuite name={_quoted(name)} tests="{len(cases)}" failures="{failed}" errors="{broken}">\n'
        text += "".join(cases) + "  </testsuite>\n"
    return text + "</testsuites>\n"


def _case(finding: Finding, above: Finding | None) -> str:
    where = place_of(finding)
    opening = f"    <testcase name={_quoted(finding.title)} classname={_quoted(finding.rule)}"
    if where:
        opening += f' file={_quoted(where.file)} line="{where.line}"'
    if finding.severity == "note":
        return f"{opening}>\n      <system-out>{_text(words(finding, above))}</system-out>\n    </testcase>\n"
    body = f"      <failure type={_quoted(finding.severity)} message={_quoted(finding.title)}>"
    body += f"{_text(words(finding, above))}</failure>\n"
    return f"{opening}>\n{body}    </testcase>\n"


def _quoted(text: str) -> str:
    return quoteattr(_NO_XML.sub("\ufffd", text))


def _text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text))
