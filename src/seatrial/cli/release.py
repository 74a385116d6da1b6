"""`seatrial release`: an app file or a chart, released to a cluster."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.params import SECONDS
from seatrial.cli.source import cluster_options, place_options, source_options

if TYPE_CHECKING:
    from seatrial.release.verdict import Weights

EXAMPLES = """\b
Examples:
  seatrial release -e production                 the app file of this folder
  seatrial release -e production --dry-run       what would change, and whether the cluster can take it
  seatrial release --namespace staging --release-name backend --chart-path ./chart.tgz \\
      --values-file values.yaml --secrets-file secrets.yaml --safety-factor 3
  seatrial release -e production --yes -o json   for a pipeline: one JSON document a line, the last is the result

\b
Exit codes:
  0  released, or nothing to do     10 preflight: nothing was changed    20 failed, rolled back
  2  usage, or a mistake in a file  30 timed out                         21 failed, left as it is
  40 interrupted                    50 cluster unreachable               22 failed, and so did the rollback
"""

#: Options that a Wish has by the same name.
WISHES = (
    "dry_run", "yes", "recover", "on_failure", "timeout", "force_conflicts", "settle", "smoke", "evidence", "wait_for_lock",
    "despite_migrations",
)  # fmt: skip


@click.command(epilog=EXAMPLES)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@place_options
@source_options
@click.option("--timeout", type=SECONDS, help="Instead of the computed one: seconds, or 10m.")
@click.option("--safety-factor", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Times the timeout.")
@click.option(
    "--on-failure",
    type=click.Choice(["rollback", "keep", "ask"]),
    default="rollback",
    show_default=True,
    help="After a failed first install, rollback means uninstall.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="KEY=VALUE",
    help="How a failure is weighed: share=50%, crashes=2, stubborn=5, probes=3, patience=30s, patience-serving=90s.",
)
@click.option("--recover", is_flag=True, help="Take a Helm release that is stuck in pending for failed, and go on.")
@click.option("--force-conflicts", is_flag=True, help="Take over fields that somebody else manages.")
@click.option("--despite-migrations", is_flag=True, help="Roll back past migrations that may not be undone.")
@click.option("--wait-for-lock", type=SECONDS, default="0s", metavar="DURATION", help="Wait for another release to end.")
@click.option(
    "--settle", type=SECONDS, help="For how long new pods must have been ready. [default: 2s where they have no readiness probe]"
)
@click.option("--smoke", default="", metavar="SERVICE:PORT/PATH", help="A request through a Service that must succeed.")
@click.option(
    "--evidence", type=click.Path(path_type=Path), default="seatrial-evidence", show_default=True, help="Where to save."
)
@click.option("--dry-run", is_flag=True, help="Plan and preflight only.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@cluster_options
def command(path: Path, output: str, context: str | None, kubeconfig: Path | None, **options: Any) -> None:
    """Release an app or a chart: plan, preflight, apply, watch, and when it fails the evidence and the way back.

    PATH is the app file or its folder; with --chart-path an existing chart is released instead.
    """
    from seatrial.cli.errors import reported
    from seatrial.cli.running import can_ask, must_answer

    must_answer(options["yes"], options["dry_run"])
    options["weights"] = _weights(options["weights"])
    if options["on_failure"] == "ask" and not can_ask():
        raise click.UsageError("--on-failure ask needs a terminal to ask on: say rollback or keep")
    with reported(), tempfile.TemporaryDirectory(prefix="seatrial-release-") as scratch:
        code = asyncio.run(_run(path, output, context, kubeconfig, Path(scratch), options))
    sys.exit(code)


async def _run(
    path: Path, output: str, context: str | None, kubeconfig: Path | None, scratch: Path, options: dict[str, Any]
) -> int:
    from seatrial.cli.running import run, wish_of
    from seatrial.cli.source import connect, flags, source_of
    from seatrial.release.run import Release
    from seatrial.release.session import Wish

    client, helm = connect(context, kubeconfig)
    try:
        source = await source_of(path, client, helm, scratch, options)
    except BaseException:
        await client.close()
        raise
    wish = Wish(factor=options["safety_factor"], **wish_of(options, *WISHES))
    place = flags(context, kubeconfig)
    return await run(lambda parts: Release(source, client, helm, wish, parts), output, place, scratch, options["weights"])


def _weights(settings: tuple[str, ...]) -> Weights:
    from seatrial.release.verdict import Weights

    try:
        return Weights().with_settings(settings)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--weight") from None
