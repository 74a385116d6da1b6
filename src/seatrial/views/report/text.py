"""The report for a terminal: the cause, the line it stands in, why, what to do, and what follows from it."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator

from seatrial.rules.causes import Cause
from seatrial.rules.finding import Fact, Finding
from seatrial.rules.report import Report, named
from seatrial.views.report import Lines
from seatrial.views.report.places import place, place_of
from seatrial.world.load.problems import Problem

WIDTH = 110
_STYLES = {"error": "31;1", "warning": "33;1", "note": "36;1", "dim": "2", "bold": "1"}
#: What a terminal would take for a command.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def show(report: Report, lines: Lines, *, colour: bool = False, verbose: bool = False) -> str:
    """Notes are counted, and shown where `verbose`."""
    pen = _Pen(colour, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))
    blocks = [pen.cause(cause, lines) for cause in report.causes if verbose or cause.finding.severity != "note"]
    blocks += [pen.unread(one) for one in report.unread if verbose or one.severity != "note"]
    if verbose:
        blocks += [pen.ignored(one.finding, one.reason, one.source) for one in report.ignored]
    hidden = 0 if verbose else sum(cause.finding.severity == "note" for cause in report.causes)
    return "".join(f"{block}\n" for block in blocks) + summary(report, hidden) + "\n"


def summary(report: Report, hidden: int = 0) -> str:
    """`2 errors and 1 warning (2 causes) in 14 objects of 3 files; 1 ignored`."""
    counts = [_count(number, severity) for severity, number in report.counts().items() if number]
    files = f" of {_count(report.files, 'file')}" if report.files else ""
    joined = f" ({_count(len(report.causes), 'cause')})" if len(report.causes) < len(report.findings) else ""
    said = f"{_list(counts) or 'Nothing found'}{joined} in {_count(report.objects, 'object')}{files}"
    more = [f"{len(report.ignored)} ignored"] if report.ignored else []
    missing = sum(one.severity == "error" for one in report.unread)
    more += [f"{_count(missing, 'thing')} could not be read"] if missing else []
    mendable = sum(bool(one.patch) for one in report.findings)
    more += [f"{mendable} can be mended with --fix"] if mendable else []
    more += [f"{_count(hidden, 'note')} shown with --verbose"] if hidden else []
    return "; ".join([said, *more]) + "."


class _Pen:
    def __init__(self, colour: bool, width: int) -> None:
        self._colour, self._width = colour, max(60, width)
        self._said_before: set[tuple[str, str]] = set()

    def cause(self, cause: Cause, lines: Lines) -> str:
        one = cause.finding
        text = self._title(one)
        before = ""
        for fact in one.evidence:
            text += self._fact(Fact(fact.text, "" if fact.source == before else fact.source), lines)
            before = fact.source or before
        text += self._once("why", one.cause) + self._once("fix", one.fix)
        if len(one.refs) > 1 and not all(fact.source for fact in one.evidence[1:]):
            text += self._said("at", named(one.refs))
        if cause.symptoms:
            text += self._said("so", "\n".join(map(_symptom, cause.symptoms)))
        return text

    def unread(self, one: Problem) -> str:
        words = "\n         ".join(self._wrapped(f"{one.where}: {one.text}" if one.where else one.text))
        return f"{self._in(f'{one.severity:<7}', one.severity)}  {words}\n" + self._once("fix", one.hint)

    def ignored(self, finding: Finding, reason: str, source: str) -> str:
        return f"{self._in('ignored', 'dim')}  {_safe(finding.title)} ({finding.rule}): {_safe(reason)} [{_safe(source)}]\n"

    def _title(self, finding: Finding) -> str:
        mark = self._in(f"{finding.severity:<7}", finding.severity)
        lines = textwrap.wrap(_safe(finding.title), self._width - 9) or [""]
        title = f"\n{' ' * 9}".join(self._in(line, "bold") for line in lines)
        return f"{mark}  {title}  {self._in(f'[{finding.rule}]', 'dim')}\n"

    def _fact(self, fact: Fact, lines: Lines) -> str:
        where = place(fact.source)
        found = lines(where.file) if where else []
        text = ""
        if fact.source:
            text += f"         {self._in(_safe(fact.source), 'dim')}\n"
        if where and 0 < where.line <= len(found):
            number = f"{where.line:>7}"
            text += f"  {self._in(f'{number} |', 'dim')} {_cut(_safe(found[where.line - 1].rstrip()), self._width - 12)}\n"
            if _squeezed(fact.text) in _squeezed(found[where.line - 1]):
                return text
        return text + "".join(f"         {line}\n" for line in self._wrapped(fact.text))

    def _once(self, word: str, words: str) -> str:
        """What a rule says of each of its findings is read once."""
        if (word, words) in self._said_before:
            return ""
        self._said_before.add((word, words))
        return self._said(word, words)

    def _said(self, word: str, words: str) -> str:
        if not words:
            return ""
        first, *rest = list(self._wrapped(words))
        return f"    {self._in(f'{word:<4}', 'dim')} {first}\n" + "".join(f"         {line}\n" for line in rest)

    def _wrapped(self, words: str) -> Iterator[str]:
        for line in words.strip().split("\n"):
            yield from textwrap.wrap(_safe(line), self._width - 9, break_long_words=False, break_on_hyphens=False) or [""]

    def _in(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour and text else text


def _symptom(finding: Finding) -> str:
    """What follows, its rule, and the line of a file it is told of."""
    where = place_of(finding)
    return f"{finding.title} ({finding.rule}{f', {where}' if where else ''})"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _list(words: list[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else ""


def _safe(text: str) -> str:
    return _CONTROL.sub("\ufffd", text.replace("\t", "  "))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _squeezed(text: str) -> str:
    return "".join(text.split()).replace('"', "").replace("'", "")
