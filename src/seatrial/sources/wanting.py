"""Values that a chart demands and nobody gave, so that the rest of it can be looked at all the same.

A template that says `required "…" .Values.x` fails for want of x, and with it the whole chart.  What is missing is read where
Helm says that it failed; a placeholder stands in for it, as often as Helm finds another one.  Charts that bring values of their
own for such cases (`ci/*-values.yaml`, as chart-testing reads them) are rendered with those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.world.load import careful

#: More missing values than this are no oversight.
MOST = 40
#: Where a template fails that demands something, and what it says.
_DEMAND = re.compile(r"execution error at \([\w.-]+/(?P<file>[\w./-]+?):(?P<row>\d+):(?P<column>\d+)\): (?P<words>.*)", re.DOTALL)
_REQUIRED = re.compile(r"required\s+(?:\"(?:[^\"\\]|\\.)*\"|`[^`]*`|\([^)]*\))\s+\(?\s*\$?\.Values\.(?P<path>[\w.]+)")
_PIPED = re.compile(r"\$?\.Values\.(?P<path>[\w.]+)[^{}]*\|\s*required\b")
_VALUE = re.compile(r"(?<![\w.])\.Values\.(?P<path>[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)")
_KEYS = re.compile(r"(?<![\w./-])[A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)*(?![\w/-])")

Steps = tuple[str, ...]


def demanded(chart: Path, words: str) -> Steps:
    """The keys of the value that Helm's refusal is about; none where it does not say."""
    found = _DEMAND.search(words)
    if not found or not chart.is_dir():
        return ()
    named = _in_template(chart / found["file"], int(found["row"]), int(found["column"])) or _VALUE.search(found["words"])
    inner = re.match(r"charts/([\w-]+)/", found["file"])
    steps = tuple(named["path"].rstrip(".").split(".")) if named else _named(chart / inner[0] if inner else chart, found["words"])
    return (inner[1], *steps) if inner and steps else steps


def _named(chart: Path, words: str) -> Steps:
    """The value that is named by its keys alone, without `.Values.`: one that the chart has, and has nothing for."""
    try:
        found, _ = careful.load((chart / "values.yaml").read_bytes(), "values.yaml", 1)
    except OSError:
        return ()
    own = found[0] if found else None
    for word in _KEYS.findall(words):
        *above, last = word.split(".")
        at = own if isinstance(own, dict) and [*above, last][0] in own else None
        for step in above:
            at = (at.get(step) or {}) if isinstance(at, dict) else None
        if isinstance(at, dict) and not at.get(last) and at.get(last) is not False:
            return (*above, last)
    return ()


def _in_template(file: Path, row: int, column: int) -> re.Match[str] | None:
    """The demand that begins nearest to the place; Helm counts columns from the action's first word."""
    try:
        line = file.read_text(errors="replace").splitlines()[row - 1]
    except (OSError, IndexError):
        return None
    found = [*_REQUIRED.finditer(line), *_PIPED.finditer(line)]
    return min(found, key=lambda one: abs(one.start() + 1 - column), default=None)


def with_placeholder(values: Mapping[str, Any], steps: Steps) -> dict[str, Any] | None:
    """The values with something at the keys; None where something is there that has no keys, or that Helm was given in vain."""
    first, *rest = steps
    there = values.get(first)
    if not rest:
        return None if there else {**values, first: 8080 if first.lower().endswith("port") else "placeholder"}
    if there is not None and not isinstance(there, Mapping):
        return None
    inner = with_placeholder(there or {}, tuple(rest))
    return None if inner is None else {**values, first: inner}


def own_values(chart: Path) -> list[Path]:
    """The values a chart brings for those who try it."""
    return sorted(chart.glob("ci/*values.yaml")) if chart.is_dir() else []
