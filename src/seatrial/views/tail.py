"""The end of a file, and what is added to it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

#: Seconds between two looks at a file that is followed.
PAUSE = 0.2


def tail(path: Path, lines: int, follow: Callable[[], bool] | None = None) -> Iterator[str]:
    """The last `lines` lines; with `follow`, those that come as long as it says True."""
    with path.open(errors="replace") as file:
        yield from (line.rstrip("\n") for line in deque(file, maxlen=lines))
        while follow is not None and follow():
            added = file.readline()
            if added:
                yield added.rstrip("\n")
            else:
                time.sleep(PAUSE)
