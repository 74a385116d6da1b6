"""`seatrial rollback`: back to a revision that ran before."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from seatrial.cli.params import SECONDS
from seatrial.cli.source import cluster_options, connect, flags, paths_and_numbers, place, place_options

EXAMPLES = """\b
Examples:
  seatrial rollback -e production                  the app file of this folder, to the revision before
  seatrial rollback 3 -e production                to revision 3
  seatrial rollback 3 -n staging --release-name backend --dry-run
  seatrial rollback examples/shop --yes -o json    another app file, for a pipeline

\b
Exit codes:
  0  what ran before runs again, or nothing to do    10 it cannot: something it needs is gone; nothing was changed
  2  usage, or no such revision                      22 it did not come up    30 timed out
  40 interrupted, or declined                        50 cluster unreachable
"""


@click.command(epilog=EXAMPLES)
@click.argument("path_or_revision", nargs=-1, metavar="[PATH] [REVISION]")
@place_options
@click.option("--timeout", type=SECONDS, help="Instead of the computed one: seconds, or 10m.")
@click.option("--safety-factor", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Times the timeout.")
@click.option("--recover", is_flag=True, help="Take a Helm release that is stuck in pending for failed, and go on.")
@click.option("--despite-migrations", is_flag=True, help="Go back past migrations that may not be undone.")
@click.option("--wait-for-lock", type=SECONDS, default="0s", metavar="DURATION", help="Wait for another release to end.")
@click.option("--dry-run", is_flag=True, help="The difference and the checks only.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@cluster_options
def command(
    path_or_revision: tuple[str, ...], environment: str, namespace: str | None, release_name: str | None,
    context: str | None, kubeconfig: Path | None, output: str, **options: Any,
) -> None:  # fmt: skip
    """Roll a release back, to the last revision that came up before the present one, or to REVISION.

    Checked first: that the revision is there, that the ConfigMaps, Secrets and claims it needs still are or come with it,
    and that no migration has run since that it never ran with.
    """
    from seatrial.cli.errors import reported
    from seatrial.cli.running import must_answer, run, wish_of
    from seatrial.release.back import Rollback
    from seatrial.release.session import Wish

    must_answer(options["yes"], options["dry_run"])
    path, revision = paths_and_numbers(path_or_revision)
    keys = ("dry_run", "yes", "recover", "timeout", "wait_for_lock", "despite_migrations")
    wish = Wish(factor=options["safety_factor"], **wish_of(options, *keys))

    async def go(name: str, where: str) -> int:
        client, helm = connect(context, kubeconfig)
        return await run(
            lambda parts: Rollback(name, where, revision, client, helm, wish, parts), output, flags(context, kubeconfig)
        )

    with reported():
        code = asyncio.run(go(*place(path, environment, namespace, release_name)))
    sys.exit(code)
