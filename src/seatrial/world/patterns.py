"""Regular expressions that are compiled when they are first asked: a run asks few of those that there are, and compiling all of
them would take longer than all else that a small run does.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


def pattern(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` returns, later. For tables of a module; raises re.error when it is asked, not here."""
    return cast("re.Pattern[AnyStr]", _Later(source, flags))


class _Later:
    """A pattern's methods; after the first question they are found here without a detour."""

    def __init__(self, source: Any, flags: int) -> None:
        self._asked = source, flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(*self._asked)
        for each in ("findall", "finditer", "fullmatch", "match", "search", "split", "sub"):
            setattr(self, each, getattr(compiled, each))
        return getattr(compiled, name)
