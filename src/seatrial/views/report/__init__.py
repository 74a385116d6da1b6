"""A report of findings in the forms that people and machines read."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from seatrial.rules.report import Report

#: file -> its lines; an empty list where it is not to be had.
Lines = Callable[[str], list[str]]
Show = Callable[[Report, Lines], str]

#: `-o` -> the module that writes it, imported when it is asked for.
FORMATS = ("text", "json", "sarif", "junit", "github", "markdown")


def show(report: Report, output: str, lines: Lines, *, colour: bool = False, verbose: bool = False) -> str:
    """The report as text that ends with a line break (empty where the form has nothing to say)."""
    module = importlib.import_module(f"seatrial.views.report.{output}")
    if output == "text":
        return str(module.show(report, lines, colour=colour, verbose=verbose))
    return str(module.show(report, lines))
