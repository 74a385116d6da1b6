"""`seatrial release`: an app file or a chart, released to a cluster."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.params import SECONDS

if TYPE_CHECKING:
    from seatrial.cluster.client import Client
    from seatrial.cluster.helm import Helm
    from seatrial.release.run import Release
    from seatrial.release.sources import Source

EXAMPLES = """\b
Examples:
  seatrial release -e production                 the app file of this folder
  seatrial release -e production --dry-run       what would change, and whether the cluster can take it
  seatrial release --namespace staging --release-name backend --chart-path ./chart.tgz \\
      --values-file values.yaml --secrets-file secrets.yaml --safety-factor 3

\b
Exit codes:
  0  released, or nothing to do     10 preflight: nothing was changed    20 failed, rolled back
  2  usage, or a mistake in a file  30 timed out                         21 failed, left as it is
  40 interrupted                    50 cluster unreachable               22 failed, and so did the rollback
"""

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(epilog=EXAMPLES)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("-e", "--environment", default="production", show_default=True, help="Which environment of the app file.")
@click.option("--chart-path", metavar="CHART", help="A chart instead of an app file: folder, .tgz or oci://…")
@click.option("-n", "--namespace", help="Where to. [default: the app file's; needed for a chart]")
@click.option("--release-name", help="The name of the Helm release. [default: the app's; needed for a chart]")
@click.option("--values-file", "values_files", type=FILE, multiple=True, help="Values for the chart; the later wins.")
@click.option("--secrets-file", "secrets_files", type=FILE, multiple=True, help="Secret values, plain or SOPS; over the others.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One value, as Helm takes it.")
@click.option("--timeout", type=SECONDS, help="Instead of the computed one: seconds, or 10m.")
@click.option("--safety-factor", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Times the timeout.")
@click.option("--on-failure", type=click.Choice(["rollback", "keep", "ask"]), default="rollback", show_default=True)
@click.option("--recover", is_flag=True, help="Take a Helm release that is stuck in pending for failed, and go on.")
@click.option("--force-conflicts", is_flag=True, help="Take over fields that somebody else manages.")
@click.option("--settle", type=SECONDS, default="0s", show_default=True, help="For how long new pods must have held.")
@click.option("--smoke", default="", metavar="SERVICE:PORT/PATH", help="A request through a Service that must succeed.")
@click.option(
    "--evidence", type=click.Path(path_type=Path), default="seatrial-evidence", show_default=True, help="Where to save."
)
@click.option("--dry-run", is_flag=True, help="Plan and preflight only.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@click.option("--context", help="The context of the kubeconfig.")
@click.option("--kubeconfig", type=FILE, help="The kubeconfig file.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(path: Path, output: str, context: str | None, kubeconfig: Path | None, **options: Any) -> None:
    """Release an app or a chart: plan, preflight, apply, watch, and when it fails the evidence and the way back.

    PATH is the app file or its folder; with --chart-path an existing chart is released instead.
    """
    from seatrial.cli.errors import reported
    from seatrial.cluster.client import Client
    from seatrial.cluster.helm import Helm

    with reported(), tempfile.TemporaryDirectory(prefix="seatrial-release-") as scratch:
        code = asyncio.run(_run(path, output, Client(kubeconfig, context), Helm(kubeconfig, context), Path(scratch), options))
    sys.exit(code)


async def _run(path: Path, output: str, client: Client, helm: Helm, scratch: Path, options: dict[str, Any]) -> int:
    from seatrial.release.evidence import save_evidence
    from seatrial.release.redact import Redactor
    from seatrial.release.run import Parts, Release, Wish
    from seatrial.release.sources import SourceError
    from seatrial.release.verify import verify
    from seatrial.release.watch import Watcher
    from seatrial.views.release import view

    try:
        if options["chart_path"]:
            source = await _chart(helm, scratch, options)
        else:
            source = await _app(path, client, scratch, options)
    except SourceError as error:
        await client.close()
        raise click.UsageError(str(error)) from None
    keys = ("dry_run", "yes", "recover", "on_failure", "timeout", "force_conflicts", "settle", "smoke", "evidence")
    wish = Wish(factor=options["safety_factor"], **{key: options[key] for key in keys})
    parts = Parts(Watcher, Redactor(), verify=verify, save=save_evidence, listen=view(output).show, ask=_ask)
    release = Release(source, client, helm, wish, parts)
    _interruptible(release)
    try:
        return (await release.run()).code
    finally:
        await client.close()


def _interruptible(release: Release) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, release.interrupt, number.name)


def _ask(question: str) -> bool:
    """Nobody is asked where nobody can answer."""
    if not sys.stdin.isatty():
        click.echo(f"{question} There is nobody to ask here: --yes answers.", err=True)
        return False
    return click.confirm(question)


async def _chart(helm: Helm, scratch: Path, options: dict[str, Any]) -> Source:
    """The chart that was named, with its values."""
    from seatrial.release.sources import Source, SourceError, chart_words, layered

    if not options["namespace"] or not options["release_name"]:
        raise SourceError("a chart goes into a namespace under a name: say --namespace and --release-name")
    named = options["chart_path"]
    chart = await helm.pull(named, scratch) if named.startswith("oci://") else Path(named)
    if not chart.exists():
        raise SourceError(f"--chart-path {named}: there is no such chart")
    values, secrets = layered(options["values_files"], options["secrets_files"], options["sets"])
    words = chart_words(named, (*options["values_files"], *options["secrets_files"]))
    return Source(words, options["release_name"], options["namespace"], chart, values, secrets)


async def _app(path: Path, client: Client, scratch: Path, options: dict[str, Any]) -> Source:
    """The chart of an app file's environment, with secrets from the files beside it and those that are live."""
    from seatrial.app.resolve import DEV
    from seatrial.cluster.client import SECRETS
    from seatrial.package.files import write
    from seatrial.release.sources import Source, SourceError, layered, merged, texts
    from seatrial.up.plan import make_chart, read, secrets_for

    plan = read(path, options["environment"])
    namespace = options["namespace"] or plan.namespace
    live, _ = await client.list(SECRETS, namespace)
    found, made_up = secrets_for(plan, live)
    chart = make_chart(plan, {}, found)
    write(chart.files, scratch / "chart")
    more, secrets = layered(options["values_files"], options["secrets_files"], options["sets"])
    values = merged(chart.secrets, more)
    left = [f"{name}: {key}" for (name, key), value in made_up.items() if value in texts(values)]
    if left and options["environment"] != DEV:  # chance is for the developer's machine alone
        where = f"secrets.{options['environment']}.yaml beside the app file"
        raise SourceError(f"secret values are missing: {', '.join(left)}. Give them in {where}, or by --secrets-file")
    return Source(
        f"{plan.app} ({options['environment']})",
        options["release_name"] or plan.release,
        namespace,
        scratch / "chart",
        values,
        (*texts(chart.secrets), *secrets),
        chart.namespace if namespace == plan.namespace else None,
    )
