"""The runbook pages of all rules, written anew below docs/rules: `python tests/runbook.py`, or `make rules`.

What the rules say is theirs; `seatrial check --explain RULE` shows the same pages.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from release.asking import asked_of, given_to, once_up, returned_to
from seatrial.cli.rule_pages import screen
from seatrial.release.examples import AFTER, EXAMPLES, GIVEN, RETURNS, Side
from seatrial.release.pages import shown
from seatrial.release.preflight import check
from seatrial.release.rules import TOPICS
from seatrial.rules import pages
from seatrial.rules.finding import Finding, Rule

FOLDER = Path(__file__).parents[1] / "docs" / "rules"


def written() -> dict[str, str]:
    """Every page by its file's name."""
    return pages.pages(screen, TOPICS, asked)


def _preflight(side: Side) -> list[Finding]:
    return list(check(asked_of(side))[1])


#: The examples of a release's rules, with what is found in a side of one.
_FOUND: tuple[tuple[dict[str, object], Callable[[Side], list[Finding]]], ...] = (
    (EXAMPLES, _preflight), (RETURNS, returned_to), (GIVEN, given_to), (AFTER, once_up)
)  # fmt: skip


def asked(rule: Rule) -> str:
    """What a release brings and a cluster has when a rule of a release speaks; what it says; and what is right."""
    for examples, found_in in _FOUND:
        if example := examples.get(rule.id):
            (told,) = found_in(example.wrong)
            return shown(rule.id, pages.said(told, rule))
    return ""


def write(folder: Path = FOLDER, made: dict[str, str] | None = None) -> int:
    """Write the pages, and remove those of rules that are gone. Gives how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = written() if made is None else made
    for old in _gone(folder, texts):
        old.unlink()
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return len(texts)


def _gone(folder: Path, texts: Iterable[str]) -> list[Path]:
    return [old for old in folder.rglob("*.md") if str(old.relative_to(folder)) not in set(texts)]


if __name__ == "__main__":
    sys.stdout.write(f"{write()} pages below docs/rules\n")
