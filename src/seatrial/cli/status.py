"""`seatrial status` and `seatrial history`: what is released, and what was."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import click

from seatrial.cli.params import SECONDS
from seatrial.cli.source import cluster_options, connect, flags, place, place_options

STATUS = """\b
Examples:
  seatrial status -e production                    the app file of this folder
  seatrial status -n staging --release-name backend
  seatrial status -e production --watch            follow a release that somebody else has started, to its verdict
  seatrial status -o json | jq .settled

\b
Exit codes:
  0  all of it runs in its version    1  not (yet): rolling, failed, or somebody is at it
  With --watch those of seatrial release: 0 up, 21 failed, 30 timed out, 40 left pending or stopped watching
  2  usage, or no such release        10 not permitted    50 cluster unreachable
"""
HISTORY = """\b
Examples:
  seatrial history -e production                   the app file of this folder
  seatrial history -n staging --release-name backend
  seatrial history -o json | jq '.revisions[-1].revision'
"""


@click.command(epilog=STATUS)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@place_options
@click.option("-w", "--watch", is_flag=True, help="Follow it until there is a verdict.")
@click.option("--timeout", type=SECONDS, help="With --watch: instead of the computed one.")
@cluster_options
def status(
    path: Path, environment: str, namespace: str | None, release_name: str | None, watch: bool, timeout: float | None,
    context: str | None, kubeconfig: Path | None, output: str,
) -> None:  # fmt: skip
    """Show what is released: the revision, its chart, who is at it, and how far each workload is.

    With --watch a release that another process has started, or has left behind, is followed to its verdict.
    """
    from seatrial.cli.errors import reported

    with reported():
        name, where = place(path, environment, namespace, release_name)
        if watch:
            code = asyncio.run(_watch(name, where, timeout, output, context, kubeconfig))
        else:
            code = asyncio.run(_status(name, where, output, context, kubeconfig))
    sys.exit(code)


async def _status(release: str, namespace: str, output: str, context: str | None, kubeconfig: Path | None) -> int:
    from seatrial.cluster.api import Api
    from seatrial.release.sources import SourceError
    from seatrial.release.status import observe
    from seatrial.views.status import status_lines

    client, _ = connect(context, kubeconfig)
    try:
        found = await observe(Api(client), namespace, release, time.time())
    except SourceError as error:
        raise click.UsageError(str(error)) from None
    finally:
        await client.close()
    document = found.as_json()
    if output == "json":
        click.echo(json.dumps(document))
    else:
        option = f" -n {namespace} --release-name {release}{flags(context, kubeconfig)}"
        for line, style in status_lines(document, time.time(), option):
            click.secho(line, fg=style or None)
    return 0 if found.settled else 1


async def _watch(
    release: str, namespace: str, timeout: float | None, output: str, context: str | None, kubeconfig: Path | None
) -> int:
    from seatrial.cli.running import run
    from seatrial.release.session import Wish
    from seatrial.release.status import Following

    client, helm = connect(context, kubeconfig)
    wish = Wish(timeout=timeout)
    return await run(lambda parts: Following(release, namespace, client, helm, wish, parts), output, flags(context, kubeconfig))


@click.command(epilog=HISTORY)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@place_options
@cluster_options
def history(
    path: Path, environment: str, namespace: str | None, release_name: str | None,
    context: str | None, kubeconfig: Path | None, output: str,
) -> None:  # fmt: skip
    """Show the revisions of a release: when, what became of each, and who made it."""
    from seatrial.cli.errors import reported
    from seatrial.views.status import history_lines

    with reported():
        name, where = place(path, environment, namespace, release_name)
        document = asyncio.run(_history(name, where, context, kubeconfig))
    if output == "json":
        click.echo(json.dumps(document))
    else:
        for line in history_lines(document):
            click.echo(line)


async def _history(release: str, namespace: str, context: str | None, kubeconfig: Path | None) -> dict[str, object]:
    from seatrial.cluster.api import Api
    from seatrial.cluster.records import records
    from seatrial.release.events import VERSION
    from seatrial.release.sources import SourceError
    from seatrial.release.status import last_of, revision_json

    client, _ = connect(context, kubeconfig)
    try:
        found = await records(Api(client), namespace, release)
        last_of(found, release, namespace)
    except SourceError as error:
        raise click.UsageError(str(error)) from None
    finally:
        await client.close()
    revisions = [revision_json(record) for record in found]
    return {"version": VERSION, "kind": "history", "release": release, "namespace": namespace, "revisions": revisions}
