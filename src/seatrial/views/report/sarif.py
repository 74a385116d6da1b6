"""The report as SARIF 2.1.0 (OASIS), which code hosts show beside the lines."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from seatrial import __version__
from seatrial.rules.finding import RULES, Finding
from seatrial.rules.report import Report
from seatrial.views.report import Lines
from seatrial.views.report.places import Place, place, place_of, uri, words

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: Findings that come with a line of a text have this in the `level` of their own.
LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def show(report: Report, lines: Lines) -> str:
    rules = sorted({one.rule for one in report.findings} | {one.finding.rule for one in report.ignored})
    index = {rule: number for number, rule in enumerate(rules)}
    results = [_result(one, index, lines, above) for one, above in report.told]
    follow = {cause.finding: cause.symptoms for cause in report.causes if cause.symptoms}
    for result, one in zip(results, report.findings, strict=True):
        _relate(result, one, follow.get(one, ()))
    for ignored in report.ignored:
        result = _result(ignored.finding, index, lines)
        _relate(result, ignored.finding, ())
        kind = "external" if ", ignore[" in ignored.source else "inSource"
        result["suppressions"] = [{"kind": kind, "justification": ignored.reason}]
        results.append(result)
    invocation = {
        "executionSuccessful": all(one.severity != "error" for one in report.unread),
        "toolExecutionNotifications": [
            {"level": one.severity, "message": {"text": one.text}, **_locations(place(one.where))} for one in report.unread
        ],
    }
    run = {
        "tool": {"driver": {"name": "seatrial", "version": __version__, "rules": [_rule(rule) for rule in rules]}},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: str) -> dict[str, Any]:
    known = RULES.get(rule)
    if known is None:
        return {"id": rule}
    return {
        "id": rule,
        "shortDescription": {"text": known.title},
        "fullDescription": {"text": known.costs},
        "help": {"text": known.fix},
        "defaultConfiguration": {"level": LEVELS[known.severity]},
    }


def _result(finding: Finding, index: dict[str, int], lines: Lines, above: Finding | None = None) -> dict[str, Any]:
    where = place_of(finding)
    return {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": LEVELS[finding.severity],
        "message": {"text": words(finding, above)},
        **_locations(where),
        "partialFingerprints": {"seatrial/v1": _fingerprint(finding, where, lines)},
    }


def _relate(result: dict[str, Any], finding: Finding, symptoms: Sequence[Finding]) -> None:
    """The other places of a finding: those of its evidence, and those where it shows."""
    others: dict[Place, str] = {}
    for words_of, where in (
        *((fact.text, place(fact.source)) for fact in finding.evidence),
        *((f"so: {one.title}", place_of(one)) for one in symptoms),
    ):
        if where and where != place_of(finding):
            others.setdefault(where, words_of)
    if others:
        result["relatedLocations"] = [
            {"id": number, **_location(each), "message": {"text": text}} for number, (each, text) in enumerate(others.items(), 1)
        ]


def _fingerprint(finding: Finding, where: Place | None, lines: Lines) -> str:
    """The same for the same finding when lines above it come or go."""
    text = lines(where.file) if where else []
    line = text[where.line - 1].strip() if where and where.line <= len(text) else ""
    parts = (finding.rule, *map(str, finding.refs), finding.title, line)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _locations(where: Place | None) -> dict[str, Any]:
    return {"locations": [_location(where)]} if where else {}


def _location(where: Place) -> dict[str, Any]:
    named = uri(where)
    region = {"startLine": where.line, "startColumn": where.column}
    address = named if named.startswith("file:") else quote(os.fsencode(named))
    return {"physicalLocation": {"artifactLocation": {"uri": address}, "region": region}}
