"""`seatrial up`: the whole application, running on this machine."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import click

from seatrial.cli.params import DURATION, STATE

EXAMPLES = """\b
Examples:
  seatrial up                          the app file of this folder; Ctrl-C takes everything down
  seatrial up examples/shop            another folder, or the file itself
  seatrial up --detach                 leave it running; `seatrial down` takes it down
  seatrial up                          again, after a change: rolls only what changed
  seatrial up -o json | jq .rows       one JSON document a line

\b
Exit codes:
  0  up (and, without --detach, taken down again)    2  a mistake in the app file
  20 something failed to come up                     40 interrupted before it was up
"""


@click.command(epilog=EXAMPLES)
@click.argument("path", default=".", type=click.Path(path_type=Path))
@click.option("-e", "--environment", default="dev", show_default=True, help="Which environment of the app file.")
@click.option("-d", "--detach", is_flag=True, help="Return when the application is up, and leave it running.")
@click.option("--name", default="default", show_default=True, help="Which twin to use; it is started when it does not run.")
@click.option("--state", type=STATE, help="Keep data across restarts, in this file.")
@click.option("--timeout", type=DURATION, default="5m", show_default=True, help="Give up when it is not up after this time.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def up(path: Path, environment: str, detach: bool, name: str, state: Path | None, timeout: float, output: str) -> None:
    """Run the whole application of an app file on this machine, on the embedded cluster: real servers, no container engine."""
    from seatrial.cli.errors import reported
    from seatrial.cli.mistakes import noted
    from seatrial.up.session import Session, Wish
    from seatrial.views.up import view

    with reported():
        wish = Wish(path, environment, detach, name, state.absolute() if state else None, timeout)
        shown = view(output)
        try:
            code = asyncio.run(_interruptible(Session(wish, shown.show, noted)))
        finally:
            shown.close()
    sys.exit(code)


async def _interruptible(session: object) -> int:
    """Run the session; SIGINT, SIGTERM and SIGHUP interrupt it."""
    from seatrial.up.session import Session

    assert isinstance(session, Session)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, session.interrupt)
    return await session.run()


@click.command(
    epilog="\b\nExamples:\n  seatrial down                        the application of this folder\n  seatrial down examples/shop"
)
@click.argument("path", default=".", type=click.Path(path_type=Path))
@click.option("-e", "--environment", default="dev", show_default=True, help="Which environment of the app file.")
@click.option("--name", default="default", show_default=True, help="Which twin it runs on.")
def down(path: Path, environment: str, name: str) -> None:
    """Take an application down, and the embedded cluster with it when `up` had started it and nothing else runs there."""
    from seatrial.cli.errors import reported
    from seatrial.up.session import take_down

    with reported():
        for line in asyncio.run(take_down(path, environment, name)):
            click.echo(line)
