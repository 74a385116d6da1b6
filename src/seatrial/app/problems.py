"""What is wrong with an app file, said so that a person can mend it: where, what, and the nearest thing that is right.

How mistakes are found is for the other modules; how they are coloured for the terminal is for whoever prints them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. `line` and `column` count from 1; both are 0 when it is about the file as a whole. `rule`: one of `seatrial
    check` that tells the same of what is rendered for `part`, a service or store. `only`: the environments in which it is so,
    where it is not so in all."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    rule: str = ""
    part: str = ""
    only: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.message}" + (f"\n    {self.hint}" if self.hint else "")


class AppFileErrors(Exception):  # noqa: N818
    """Everything that is wrong with an app file, in the order of its lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: list[Problem] = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


def nearest(word: object, known: Iterable[str]) -> str:
    """The known word most like `word`, or "" when none is near."""
    names = list(known)
    text = str(word)
    folded = {name.lower(): name for name in names}
    if text.lower() in folded:
        return folded[text.lower()]
    found = difflib.get_close_matches(text, names, n=1, cutoff=0.66)
    beginnings = [name for name in names if len(text) > 2 and (name.startswith(text) or text.startswith(name))]
    return (found or beginnings or [""])[0]


def surely(word: object, known: Iterable[str]) -> str:
    """The known word that was meant beyond doubt: one that differs in case or in a slip of the keyboard; else ""."""
    names = list(known)
    text = str(word)
    folded = {name.lower(): name for name in names}
    return folded.get(text.lower()) or next(iter(difflib.get_close_matches(text, names, n=1, cutoff=0.75)), "")


def did_you_mean(word: object, known: Sequence[str], what: str) -> str:
    """A hint: the nearest known word, or all of them when none is near. `what` says what they are (`keys here`)."""
    near = nearest(word, known)
    if near:
        return f"did you mean `{near}`?"
    return f"{what}: {', '.join(known)}" if known else f"there are no {what}"
