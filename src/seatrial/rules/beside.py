"""Two pieces of work side by side: this process does one, a copy of it (fork) the other.

A copy has everything that is in memory, so nothing is handed over but the answer.  It takes a second core, and a process of one
thread: a copy has no other.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

Own = TypeVar("Own")
Other = TypeVar("Other")


def side_by_side(own: Callable[[], Own], other: Callable[[], Other]) -> tuple[Own, Other]:
    """What both come to, one after the other where they cannot be side by side. The other's answer has to be picklable."""
    if not can_be():
        return own(), other()
    reading, writing = os.pipe()
    copy = os.fork()
    if copy == 0:
        _answer(reading, writing, other)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as answer:
            done, theirs = own(), answer.read()
    except BaseException:
        os.kill(copy, signal.SIGKILL)
        raise
    finally:
        os.waitpid(copy, 0)
    return done, pickle.loads(theirs) if theirs else other()  # noqa: S301 - our own copy's words


def can_be() -> bool:
    """Whether this machine has a second core for us, and this process only one thread."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return cores > 1 and hasattr(os, "fork") and threading.active_count() == 1


def _answer(reading: int, writing: int, work: Callable[[], object]) -> NoReturn:
    """Work, answer and end, without the ends that are the first process's: what it has open and is yet to print."""
    try:
        os.close(reading)
        answer = pickle.dumps(work(), pickle.HIGHEST_PROTOCOL)
        with os.fdopen(writing, "wb") as out:
            out.write(answer)
    finally:
        os._exit(0)
