"""Where a finding is to be shown: the first of its facts that has a file and a line."""

from __future__ import annotations

import re
from typing import NamedTuple

from seatrial.rules.finding import Finding

_PLACE = re.compile(r"^(?P<file>.*?):(?P<line>\d+)(?::(?P<column>\d+))?$")


class Place(NamedTuple):
    file: str
    line: int
    column: int = 1


def place(source: str) -> Place | None:
    """The file, line and column of a source `file:line[:column]`; None for any other."""
    found = _PLACE.match(source)
    return Place(found["file"], int(found["line"]), int(found["column"] or 1)) if found else None


def place_of(finding: Finding) -> Place | None:
    return next((found for fact in finding.evidence if (found := place(fact.source))), None)


def words(finding: Finding) -> str:
    """What is wrong, why and what to do, as one paragraph for machines that show one text."""
    facts = "; ".join(fact.text for fact in finding.evidence)
    parts = [finding.title, facts, finding.cause, f"Fix: {finding.fix}" if finding.fix else ""]
    return " ".join(_sentence(part) for part in parts if part)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
