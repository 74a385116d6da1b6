"""The runbook pages below docs/rules, one a rule, made of what the rules say of themselves.

A page is what a person reads who has a finding before them: what it is, what it costs, how it is recognised, what to do, how it
looks wrong and right.  What kubectl shows of an example is given by whoever writes the pages (`make rules`), and so are the
rules of a release, which are another room's, with their examples.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType

import seatrial.rules.alive
import seatrial.rules.ignoring
import seatrial.rules.written  # noqa: F401 - they enter their rules into the table
from seatrial.rules.alive.examples import EXAMPLES, Example, world_of
from seatrial.rules.finding import CHECKS, Check, Finding, Rule
from seatrial.rules.ignoring import PREFIX
from seatrial.rules.looking import found
from seatrial.world.patterns import pattern

#: (rule, its example) -> the commands that show what is wrong in it, with what they print.
Screen = Callable[[str, Example], str]
#: (rule of another room) -> an example of it, with what is said of it; "" where there is none.
Shown = Callable[[Rule], str]
#: Rules of another room: (title, when they speak, the rules).
Topics = Iterable[tuple[str, str, tuple[Rule, ...]]]
FOLDER = "release"
WORDS = {
    "error": "an error: it will be refused, will not work, or is a hole",
    "warning": "a warning: it works until the day it does not",
    "note": "a note: worth knowing, and sometimes meant so",
}
ALIVE = {
    "error": "an error: it does not go away by waiting",
    "warning": "a warning: it may go away by itself, and may get worse",
    "note": "a note: worth knowing when something else is wrong",
}
RELEASE = {
    "error": "an error: the release does not begin, or has failed",
    "warning": "a warning: the release goes on, and may end badly",
    "note": "a note: the release goes on",
}
#: What a topic is called whose module is called by too little, or stands beside another for its size.
TITLES = {
    "astray": "selectors",
    "bare": "pods that nothing keeps",
    "egress": "calls",
    "ends": "what does not end",
    "hardening": "security",
    "heap_scaling": "scaling",
    "inert": "what does nothing",
    "order": "order of a release",
    "rbac": "RBAC",
    "rooms": "quotas and limit ranges",
    "selection": "selectors",
    "shapes": "fields and values",
    "sharing": "what is shared",
    "versions": "API versions",
}
NOTE = "<!-- made by `make rules` from the rules themselves: change them, not this page -->\n"


def pages(screen: Screen, topics: Topics, shown: Shown) -> dict[str, str]:
    """Every page by its path: one a rule, those of a release in a folder of their own, and the index (`README.md`)."""
    made = {f"{rule.id}.md": page(rule, entry, screen) for rule, entry in every()}
    made |= {f"{FOLDER}/{rule.id}.md": of_release(rule, title.lower(), shown) for title, _, rules in topics for rule in rules}
    return made | {"README.md": index(topics)}


def page(rule: Rule, entry: Check, screen: Screen) -> str:
    """The page of one rule."""
    where = "`seatrial diagnose`, in what runs" if entry.live else "`seatrial check`, in what is written"
    parts = [
        NOTE,
        f"# {rule.id}\n",
        f"**{_sentence(rule.title)}.**\n",
        f"It is {(ALIVE if entry.live else WORDS)[rule.severity]}. Found by {where}"
        + (f": {_kinds(entry)}.\n" if entry.kinds != {"*"} else ".\n"),
        f"## What it costs\n\n{rule.costs}\n",
    ]
    example = EXAMPLES.get(rule.id)
    parts.append(_seen(rule, entry) if example is None else _recognised(rule, example, screen))
    parts.append(f"## What to do\n\n{rule.fix}\n")
    parts += _of_what_runs(example) if example else _of_what_is_written(rule)
    if not entry.live:
        parts.append(
            f"## Where it is meant so\n\nSay why: `# seatrial: ignore[{rule.id}] the reason` at the line, or, as an annotation, "
            f"`{PREFIX}{rule.id}: the reason`.\n"
        )
    return "\n".join(parts)


#: What is asked of a cluster for a rule about workloads of any kind.
WORKLOADS = ("deployment", "statefulset", "daemonset", "cronjob")


#: A fault that no cluster can have, and how the costs of those begin that its API server lets nothing in with.
ONLY_IN_FILES = frozenset({"written-twice"})
REFUSED = ("The API server refuses the object", "It is refused")


def _seen(rule: Rule, entry: Check) -> str:
    """How a person sees whether files have the fault, and whether a cluster has it: of the kinds that the example is made of."""
    alone = f"seatrial check --rule {rule.id}"
    lines = [f"{alone}   # in the files below this folder"]
    if rule.costs.startswith(REFUSED):
        lines.append("kubectl apply --dry-run=server -f FILE   # what the API server says of it")
    elif rule.id not in ONLY_IN_FILES and (kinds := _kinds_of(f"{rule.wrong}\n---\n{rule.right}")):
        if "StatefulSet" in entry.kinds or entry.kinds == {"*"}:
            kinds = list(dict.fromkeys(one for kind in kinds for one in (WORKLOADS if kind == WORKLOADS[0] else (kind,))))
        lines.append(f"kubectl get {','.join(kinds)} -A -o yaml | {alone} -   # in a cluster")
    return "## How to see it\n\n```sh\n" + "\n".join(lines) + "\n```\n"


#: The kind of each object of an example, as kubectl takes it.
_KIND = pattern(r"^kind: (\w+)$", re.MULTILINE)


def _kinds_of(text: str) -> list[str]:
    return list(dict.fromkeys(kind.lower() for kind in _KIND.findall(text) if not kind.endswith("List")))


def _of_what_is_written(rule: Rule) -> Iterator[str]:
    for title, text in (("Wrong", rule.wrong), ("Right", rule.right)):
        if text:
            yield f"## {title}\n\n```yaml\n{text.rstrip()}\n```\n"


def _of_what_runs(example: Example) -> Iterator[str]:
    """What the cluster shows when it is wrong, and what is different when it is right."""
    before, after = (text.split("---\n") for text in (example.wrong, example.right))
    changed = [text for text in after if text not in before]
    others = " The other objects are as they were." if len(changed) < len(after) else ""
    yield f"## Wrong\n\nWhat the cluster shows, less what does not matter here:\n\n```yaml\n{example.wrong.rstrip()}\n```\n"
    text = "---\n".join(changed).rstrip()
    yield f"## Right\n\nWhat it shows when all is well.{others}\n\n```yaml\n{text}\n```\n"


def _recognised(rule: Rule, example: Example, screen: Screen) -> str:
    """What a person sees, and what a diagnosis says of it."""
    told = [one for one in found(world_of(example, example.wrong), live=True) if one.rule == rule.id]
    shown = screen(rule.id, example)
    typed = f"```console\n{shown}\n```\n\n" if shown else ""
    return f"## How to recognise it\n\n{typed}`seatrial diagnose` says of it:\n\n```\n{said(told[0], rule)}\n```\n"


def said(finding: Finding, rule: Rule) -> str:
    """A finding in lines: its severity and title, its evidence, and its fix where that is more than the rule's own."""
    lines = [f"{finding.severity}  {finding.title}"]
    for fact in finding.evidence:
        lines.append(f"    {fact.text}" + (f"  ({fact.source})" if fact.source else ""))
    if finding.fix != rule.fix:
        lines.append(f"  fix: {finding.fix}")
    return "\n".join(lines)


def of_release(rule: Rule, when: str, shown: Shown) -> str:
    """The page of a rule of a release."""
    parts = [
        NOTE,
        f"# {rule.id}\n",
        f"**{_sentence(rule.title)}.**\n",
        f"It is {RELEASE[rule.severity]}. Found by a release, {when}.\n",
        f"## What it costs\n\n{rule.costs}\n",
        f"## What to do\n\n{_sentence(rule.fix)}{'' if rule.fix.endswith('.') else '.'}\n",
        shown(rule),
    ]
    return "\n".join(part for part in parts if part)


def index(topics: Topics) -> str:
    """All rules by topic: those of files, of what runs, of a release. What topics there are stands at the top."""
    shelves = [
        ("In files: `seatrial check`", _shelves(live=False)),
        ("In what runs: `seatrial diagnose`", _shelves(live=True)),
        (
            "Around a release: `seatrial release`",
            [_Shelf(f"A release: {title.lower()}", opening, f"{FOLDER}/", [*rules]) for title, opening, rules in topics],
        ),
    ]
    counts = [sum(len(shelf.rules) for shelf in own) for _, own in shelves]
    parts = [
        NOTE,
        "# The rules\n",
        f"{counts[0] + counts[1]} rules: {counts[0]} about what is written (`seatrial check`), {counts[1]} about what runs "
        f"(`seatrial diagnose`, `seatrial release`); and {counts[2]} of a release before and after it rolls out. Each page says "
        "what the fault costs, how to recognise it and what to do, with examples, which are its tests. In the terminal: "
        "`seatrial check --explain RULE`, and `--list-rules`.\n",
        "An **error** will break, be refused, or is a hole; a **warning** will hurt one day; a **note** is worth knowing.\n",
    ]
    for title, own in shelves:
        links = ", ".join(f"[{_plain(shelf.title)}](#{_anchor(shelf.title)}) {len(shelf.rules)}" for shelf in own)
        parts.append(f"- **{title}**: {links}")
    for title, own in shelves:
        parts.append(f"\n## {title}")
        for shelf in own:
            parts.append(f"\n### {shelf.title}\n\n{shelf.opening}\n\n| rule | severity | what is wrong |\n|---|---|---|")
            parts += [
                f"| [{rule.id}]({shelf.folder}{rule.id}.md) | {rule.severity} | {_cell(rule.title)} |" for rule in shelf.rules
            ]
    return "\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The rules of a topic, and the folder of their pages."""

    title: str
    opening: str
    folder: str
    rules: list[Rule]


def _shelves(*, live: bool) -> list[_Shelf]:
    """The rules of files, or of what runs, by topic in the order of the alphabet."""
    found: dict[str, _Shelf] = {}
    for rule, entry in every():
        if entry.live is live:
            module = _module(entry)
            found.setdefault(_topic(module), _Shelf(_topic(module), _opening(module), "", [])).rules.append(rule)
    return sorted(found.values(), key=lambda shelf: shelf.title.lower())


def _plain(title: str) -> str:
    words = title.rpartition(": ")[2]
    return words if words[:2].isupper() else words[:1].lower() + words[1:]


def _anchor(title: str) -> str:
    """How a heading is linked to, as GitHub does it."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def every() -> Iterator[tuple[Rule, Check]]:
    """Every rule with the check that finds it, by topic."""
    ours = [entry for entry in CHECKS if _module(entry).__name__.startswith("seatrial.rules.")]
    for entry in sorted(ours, key=lambda entry: (entry.live, _module(entry).__name__)):
        for rule in entry.rules:
            yield rule, entry


def _module(entry: Check) -> ModuleType:
    return sys.modules[inspect.unwrap(entry.look).__module__]


def _topic(module: ModuleType) -> str:
    room, name = module.__name__.split(".")[-2:]
    words = TITLES.get(name, name.replace("_", " "))
    return f"What runs: {words}" if room == "alive" else _sentence(words)


def _opening(module: ModuleType) -> str:
    return " ".join((module.__doc__ or "").strip().split("\n\n")[0].split())


def _kinds(entry: Check) -> str:
    return ", ".join(sorted(entry.kinds))


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
