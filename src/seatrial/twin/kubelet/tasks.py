"""Work that waits, written as a generator: `yield` a wait, get its answer, go on where you were.

A wait is a function that takes the callback to call with the answer: `yield sleep(clock, 2)`, `done = yield partial(runtime.pull,
image)`.  This is how the kubelet writes down what takes time as one readable piece, on any clock and without threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from seatrial.twin.clock import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")
Resume = Callable[[Any], None]
Wait = Callable[[Resume], object]
Steps = Generator[Wait, Any, T]


class Task:
    """Runs steps until they end or are cancelled; `done` is called once when they end by themselves.

    An exception in the steps is logged and given to `done`.
    """

    def __init__(self, steps: Steps[object], done: Callable[[Exception | None], None]) -> None:
        self._steps, self._done, self._turn = steps, done, 0
        self._advance(None)

    def cancel(self) -> None:
        """Stop where the steps wait; answers that come later are ignored. Steps cannot cancel themselves."""
        self._turn = -1
        self._steps.close()

    def _advance(self, value: Any) -> None:
        while True:
            try:
                wait = self._steps.send(value)
            except StopIteration:
                self._end(None)
                return
            except Exception as error:
                log.exception("a task of the kubelet failed")
                self._end(error)
                return
            self._turn += 1
            answer = _Answer(self, self._turn)
            wait(answer)
            if not answer.early:
                answer.inside = False
                return
            value = answer.value  # answered before the wait returned: go on here, not deeper in the stack

    def _end(self, error: Exception | None) -> None:
        self._turn = -1
        self._done(error)

    def resume(self, turn: int, value: Any) -> None:
        if turn == self._turn:
            self._advance(value)


class _Answer:
    __slots__ = ("early", "inside", "task", "turn", "value")

    def __init__(self, task: Task, turn: int) -> None:
        self.task, self.turn = task, turn
        self.inside, self.early, self.value = True, False, None

    def __call__(self, value: Any = None) -> None:
        if self.inside:
            self.early, self.value = True, value
        else:
            self.task.resume(self.turn, value)


def sleep(clock: Clock, seconds: float) -> Wait:
    """Wait some seconds; none at all for zero."""
    if seconds <= 0:
        return lambda resume: resume(None)
    return lambda resume: clock.call_later(seconds, resume, None)


def all_of(parts: Sequence[Steps[object]]) -> Wait:
    """Run several pieces side by side and wait for the last."""

    def wait(resume: Resume) -> None:
        left = len(parts)

        def one_done(_error: Exception | None) -> None:
            nonlocal left
            left -= 1
            if not left:
                resume(None)

        if not parts:
            resume(None)
        for part in parts:
            Task(part, one_done)

    return wait


def first_of(*waits: Wait) -> Wait:
    """Wait for the first of several."""

    def wait(resume: Resume) -> None:
        answered = False

        def one(value: Any) -> None:
            nonlocal answered
            if not answered:
                answered = True
                resume(value)

        for each in waits:
            each(one)

    return wait
