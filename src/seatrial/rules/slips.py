"""Which name was meant by one that is mistyped: where that is beyond doubt, a machine may write it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

#: So many letters, side by side, may differ; and so much of both must be the same.
LETTERS, SHARE = 3, 0.75


def meant(wrong: str, names: Iterable[str]) -> str:
    """The only one of some names that a name can be meant to be; "" where there is none, or several."""
    near = {name for name in names if name != wrong and _is_slip(wrong, name)}
    return near.pop() if len(near) == 1 else ""


def _is_slip(wrong: str, right: str) -> bool:
    """Whether a name is another one mistyped: `fronted` for `frontend`, but not `backend`; and `db-1` for `db-2` never."""
    if wrong.lower() == right.lower():
        return True
    swapped = sorted(wrong) == sorted(right)  # two letters that changed places
    if not swapped and SequenceMatcher(None, wrong, right, autojunk=False).ratio() < SHARE:
        return False
    while wrong and right and wrong[0] == right[0]:
        wrong, right = wrong[1:], right[1:]
    while wrong and right and wrong[-1] == right[-1]:
        wrong, right = wrong[:-1], right[:-1]
    return max(len(wrong), len(right)) <= LETTERS and not (wrong + right).isdecimal()
