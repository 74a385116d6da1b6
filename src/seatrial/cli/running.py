"""How the command line runs what changes or follows a release: its view, its signals, its questions, its exit code."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from seatrial.release.events import Event
    from seatrial.release.session import Parts, Session
    from seatrial.release.verdict import Weights
    from seatrial.views.stream import View


async def run(
    make: Callable[[Parts], Session],
    output: str,
    flags: str,
    scratch: Path | None = None,
    weights: Weights | None = None,
) -> int:
    """Run a session; its exit code. `make` gets the parts that are the command line's own to give; `weights` of the verdict."""
    from seatrial.release.evidence import save_evidence
    from seatrial.release.redact import Redactor
    from seatrial.release.session import Parts
    from seatrial.release.verify import verify
    from seatrial.release.watch import Watcher
    from seatrial.views.release import view

    shown = view(output)

    async def ask(question: str) -> bool:
        shown.close()
        return await asked(question)

    watcher = partial(Watcher, weights=weights)
    session = make(Parts(watcher, Redactor(), verify=verify, save=save_evidence, listen=shown.show, ask=ask, flags=flags))
    _interruptible(session, shown, scratch)
    try:
        return (await session.run()).code
    finally:
        shown.close()
        await session.client.close()


def _interruptible(session: Session, shown: View[Event], scratch: Path | None) -> None:
    """The first signal stops it in order; at the second there is nothing to wait for."""

    def interrupt(name: str) -> None:
        if session.interrupt(name):
            return
        shown.close()
        click.echo(f"Ended at once; what is left: seatrial status{session.place}", err=True)
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
        os._exit(40)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt, number.name)


def can_ask() -> bool:
    return sys.stdin.isatty()


def must_answer(yes: bool, dry_run: bool) -> None:
    """Where nobody can be asked, that is told before anything else is done. Raises UsageError."""
    if not (yes or dry_run or can_ask()):
        raise click.UsageError("there is no terminal to ask on: say --yes, or --dry-run to look first")


async def asked(question: str) -> bool:
    """A question on the terminal, answered with y or anything else. The heartbeat goes on, and so do signals."""
    if not can_ask():
        return False
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not answer.done():
            answer.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        return (await answer).strip().lower() in ("y", "yes")
    finally:
        loop.remove_reader(sys.stdin.fileno())


def wish_of(options: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The options that a Wish has by the same name."""
    return {key: options[key] for key in keys}
