"""`seatrial diff`: what a release would change."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from seatrial.cli.source import cluster_options, place_options, source_options

EXAMPLES = """\b
Examples:
  seatrial diff -e production              the app file of this folder, against what is live
  seatrial diff -e staging --set api.replicas=3
  seatrial diff -n staging --release-name backend --chart-path ./chart --values-file values.yaml
  seatrial diff -e production -o json | jq '.changes[] | select(.action == "remove") | .ref.name'

\b
Exit codes:
  0  no difference    1  differences    2  usage, or a mistake in a file
  10 not permitted    50 cluster unreachable
"""


@click.command(epilog=EXAMPLES)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@place_options
@source_options
@cluster_options
def command(path: Path, output: str, context: str | None, kubeconfig: Path | None, **options: Any) -> None:
    """Show what a release would change, by object and field: what the cluster says would come of it, against what is live.

    Values of Secrets are shown as a short SHA-256. Fields that somebody else manages are named with their manager.
    """
    from seatrial.cli.errors import reported
    from seatrial.views.plan import lines, styled

    with reported(), tempfile.TemporaryDirectory(prefix="seatrial-diff-") as scratch:
        document = asyncio.run(_diff(path, context, kubeconfig, Path(scratch), options))
    if output == "json":
        click.echo(json.dumps(document))
    else:
        for line in lines(document):
            click.echo(styled(line))
    sys.exit(1 if document["changes"] else 0)


async def _diff(
    path: Path, context: str | None, kubeconfig: Path | None, scratch: Path, options: dict[str, Any]
) -> dict[str, Any]:
    from seatrial.cli.source import connect, source_of
    from seatrial.cluster.api import Api
    from seatrial.cluster.records import records
    from seatrial.release import plan as planning
    from seatrial.release.events import VERSION
    from seatrial.release.redact import Redactor
    from seatrial.release.sources import SourceError

    client, helm = connect(context, kubeconfig)
    redactor = Redactor()
    try:
        source = await source_of(path, client, helm, scratch, options)
        redactor.add(source.secrets)
        api = Api(client)
        served, found = await asyncio.gather(api.served(), records(api, source.namespace, source.release))
        plan = await planning.of_source(api, served, helm, source, found, redactor, whole=True)
    except SourceError as error:
        raise click.UsageError(str(error)) from None
    finally:
        await client.close()
    document = {
        "version": VERSION,
        "kind": "diff",
        "release": source.release,
        "namespace": source.namespace,
        "source": source.words,
        "revision": found[-1].revision if found else None,
        "changes": [change.as_json() for change in plan.changes],
        "summary": plan.summary,
    }
    masked: dict[str, Any] = redactor.data(document)
    return masked
