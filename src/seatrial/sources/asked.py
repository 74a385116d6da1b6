"""Waiting for what others do (Helm, kubectl, a cluster) from code that does not wait: loading files is plain code, and asks them
one by one.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def now(doing: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, in an event loop of its own. Not to be called from inside of one."""
    import asyncio  # slow to import, and most loading asks nobody

    return asyncio.run(doing)


def run(command: Sequence[str], patience: float) -> subprocess.CompletedProcess[bytes]:
    """A program to its end, without input. One that takes more than `patience` seconds, or is interrupted with us, is ended
    together with all that it started (`kubectl` starts `git`). Raises TimeoutExpired, OSError.
    """
    child = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    with child:
        try:
            out, err = child.communicate(timeout=patience)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(command, child.returncode, out, err)
