"""Which files of a folder belong into an image: not caches, version control and virtual environments, nor what the team excludes.

`.dockerignore` says what a container engine would leave out; without one, `.gitignore` says what is not source.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Never part of an image, wherever they are.
NEVER = frozenset({
    ".git", ".hg", ".svn", ".jj", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox",
    ".idea", ".vscode", ".DS_Store", ".terraform",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    pattern: re.Pattern[str]
    negated: bool
    folders_only: bool


def files(folder: Path) -> Iterator[Path]:
    """The files and links that belong into the image, as paths under the folder, in an order that does not change."""
    rules = _rules(folder)
    excepted = any(rule.negated for rule in rules)
    for place, folders, names in os.walk(folder):
        under = Path(place).relative_to(folder)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        # An excluded folder may hold something that a later rule takes back: it is looked into only where there is such a rule.
        folders[:] = sorted(
            name
            for name in folders
            if name not in links
            and name not in NEVER
            and not (Path(place) / name / "pyvenv.cfg").exists()
            and (excepted or not _excluded(rules, under / name, True))
        )
        for name in sorted([*names, *links]):
            if name not in NEVER and not name.endswith(".pyc") and not _excluded(rules, under / name, False):
                yield under / name


def _rules(folder: Path) -> list[Rule]:
    for name, anchored in ((".dockerignore", True), (".gitignore", False)):
        path = folder / name
        if path.is_file():
            lines = path.read_text(errors="replace").splitlines()
            return [rule for line in lines if (rule := _rule(line, anchored))]
    return []


def _rule(line: str, anchored: bool) -> Rule | None:
    """One line of either file; `anchored`: a name without a slash means the top folder only, as Docker reads it."""
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text.removeprefix("!").strip()
    folders_only = text.endswith("/") and not anchored
    text = text.rstrip("/")
    rooted = anchored or "/" in text
    text = text.removeprefix("./").lstrip("/")
    if not text:
        return None
    prefix = "" if rooted else "(?:.*/)?"
    return Rule(re.compile(prefix + _expression(text) + r"(?P<below>/.*)?", re.DOTALL), negated, folders_only)


def _expression(glob: str) -> str:
    """A glob of gitignore(5) as a regular expression."""
    out, at = "", 0
    while at < len(glob):
        char = glob[at]
        if glob.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif glob.startswith("**", at):
            out, at = out + ".*", at + 2
        elif char == "*":
            out, at = out + "[^/]*", at + 1
        elif char == "?":
            out, at = out + "[^/]", at + 1
        elif char == "[" and (end := glob.find("]", at + 2)) > 0:
            inside = glob[at + 1 : end].replace("\\", "\\\\")
            out, at = out + "[" + ("^" + inside[1:] if inside[0] in "!^" else inside) + "]", end + 1
        else:
            if char == "\\" and at + 1 < len(glob):
                at += 1
            out, at = out + re.escape(glob[at]), at + 1
    return out


def _excluded(rules: list[Rule], path: Path, folder: bool) -> bool:
    """What the last rule that matches says."""
    text, out = path.as_posix(), False
    for rule in rules:
        match = rule.pattern.fullmatch(text)
        if match and (folder or match["below"] or not rule.folders_only):
            out = not rule.negated
    return out
