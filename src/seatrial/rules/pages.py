"""The runbook pages below docs/rules, one a rule, made of what the rules say of themselves: `python -m seatrial.rules.pages`.

A page is what a person reads who has a finding before them: what it is, what it costs, what to do, how it looks wrong and right.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import seatrial.rules.alive
import seatrial.rules.ignoring
import seatrial.rules.written  # noqa: F401 - they enter their rules into the table
from seatrial.rules.finding import CHECKS, Check, Rule
from seatrial.rules.ignoring import PREFIX

FOLDER = Path("docs/rules")
WORDS = {
    "error": "an error: it will be refused, will not work, or is a hole",
    "warning": "a warning: it works until the day it does not",
    "note": "a note: worth knowing, and sometimes meant so",
}
NOTE = "<!-- made by `make rules` from the rules themselves: change them, not this page -->\n"


def pages() -> dict[str, str]:
    """Every page by its file's name, `README.md` (the index) among them."""
    found = {f"{rule.id}.md": page(rule, entry) for rule, entry in _rules()}
    found["README.md"] = index()
    return found


def page(rule: Rule, entry: Check) -> str:
    """The page of one rule."""
    where = "`seatrial diagnose`, in what runs" if entry.live else "`seatrial check`, in what is written"
    parts = [
        NOTE,
        f"# {rule.id}\n",
        f"**{_sentence(rule.title)}.**\n",
        f"It is {WORDS[rule.severity]}. Found by {where}" + (f": {_kinds(entry)}.\n" if entry.kinds != {"*"} else ".\n"),
        f"## What it costs\n\n{rule.costs}\n",
        f"## What to do\n\n{rule.fix}\n",
    ]
    if rule.wrong:
        parts.append(f"## Wrong\n\n```yaml\n{rule.wrong.rstrip()}\n```\n")
    if rule.right:
        parts.append(f"## Right\n\n```yaml\n{rule.right.rstrip()}\n```\n")
    if not entry.live:
        parts.append(
            f"## Where it is meant so\n\nSay why: `# seatrial: ignore[{rule.id}] the reason` at the line, or, as an annotation, "
            f"`{PREFIX}{rule.id}: the reason`.\n"
        )
    return "\n".join(parts)


def index() -> str:
    """The list of all rules by topic, those of files first."""
    total = list(_rules())
    written = sum(1 for _, entry in total if not entry.live)
    parts = [
        NOTE,
        "# The rules\n",
        f"{len(total)} rules: {written} about what is written (`seatrial check`), {len(total) - written} about what runs "
        "(`seatrial diagnose`, `seatrial release`). Each page says what the fault costs and what to do, with examples.\n",
    ]
    topic = None
    for rule, entry in total:
        module = _module(entry)
        if module is not topic:
            topic = module
            parts.append(f"\n## {_topic(module)}\n\n{_opening(module)}\n\n| rule | | |\n|---|---|---|")
        parts.append(f"| [{rule.id}]({rule.id}.md) | {rule.severity} | {_cell(rule.title)} |")
    return "\n".join(parts) + "\n"


def _rules() -> Iterator[tuple[Rule, Check]]:
    """Every rule with the check that finds it, by topic."""
    ours = [entry for entry in CHECKS if _module(entry).__name__.startswith("seatrial.rules.")]
    for entry in sorted(ours, key=lambda entry: (entry.live, _module(entry).__name__)):
        for rule in entry.rules:
            yield rule, entry


def _module(entry: Check) -> ModuleType:
    return sys.modules[inspect.unwrap(entry.look).__module__]


def _topic(module: ModuleType) -> str:
    room, name = module.__name__.split(".")[-2:]
    return f"{'What runs: ' if room == 'alive' else ''}{name.replace('_', ' ')}"


def _opening(module: ModuleType) -> str:
    return " ".join((module.__doc__ or "").strip().split("\n\n")[0].split())


def _kinds(entry: Check) -> str:
    return ", ".join(sorted(entry.kinds))


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write(folder: Path = FOLDER) -> int:
    """Write the pages, and remove those of rules that are gone. Gives how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    found = pages()
    for old in folder.glob("*.md"):
        if old.name not in found:
            old.unlink()
    for name, text in found.items():
        (folder / name).write_text(text)
    return len(found)


if __name__ == "__main__":
    sys.stdout.write(f"{write()} pages below {FOLDER}\n")
