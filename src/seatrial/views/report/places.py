"""Where a finding is to be shown: the first of its facts that has a file and a line."""

from __future__ import annotations

from pathlib import Path, PurePath

from seatrial.rules.finding import Finding
from seatrial.world.place import Place
from seatrial.world.place import of_source as place

__all__ = ["Place", "place", "place_of", "uri", "words"]


def uri(where: Place) -> str:
    """The file as code hosts want it: from here, where it is below; else as a file's address."""
    path = PurePath(where.file)
    if not path.is_absolute():
        return path.as_posix()
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_uri()


def place_of(finding: Finding) -> Place | None:
    return next((found for fact in finding.evidence if (found := place(fact.source))), None)


def words(finding: Finding, above: Finding | None = None) -> str:
    """What is wrong, why, what it follows from and what to do, as one paragraph for machines that show one text."""
    facts = "; ".join(fact.text for fact in finding.evidence)
    parts = [finding.title, facts, finding.cause]
    if above is not None:
        where = place_of(above)
        parts.append(f"It follows from: {above.title} [{above.rule}]{f' at {where}' if where else ''}")
        parts.append(f"Fix that first: {above.fix}" if above.fix else "")
    else:
        parts.append(f"Fix: {finding.fix}" if finding.fix else "")
    return " ".join(_sentence(part) for part in parts if part)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
