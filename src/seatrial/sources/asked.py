"""Waiting for what others do (Helm, a cluster) from code that does not wait: loading files is plain code, and asks them one by
one.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def now(doing: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in an event loop of its own. Not to be called from inside of one."""
    import asyncio  # slow to import, and most loading asks nobody

    return asyncio.run(doing)
