"""How often Python looks for objects that only hold one another: seldom, in a process that is a twin.

The twin's objects are trees, which go when the last reference does; walking a hundred thousand of them again and again to
find next to nothing took a fifth of a large rollout's time.
"""

from __future__ import annotations

import gc

#: Objects more than went before the youngest are looked at, and how often until the older ones are.
SELDOM = (100_000, 50, 100)


def collect_seldom() -> None:
    """For whoever owns the process: servers and benchmarks call it when everything they need is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)
