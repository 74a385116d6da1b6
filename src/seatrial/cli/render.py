"""`seatrial render`: the objects of an app in an environment, as YAML or as a Helm chart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.mistakes import told

if TYPE_CHECKING:
    from seatrial.app import App


@click.command("render")
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("-e", "--environment", metavar="ENV", help="The environment. [default: production if there is one, else dev]")
@click.option("-o", "--output", type=click.Choice(["yaml", "helm"]), default="yaml", show_default=True, help="The form.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write to, instead of the terminal.")
def command(path: Path, environment: str | None, output: str, out: Path | None) -> None:
    """Print the Kubernetes objects of an app, or write its Helm chart.

    PATH is the app file or its folder. A chart holds all environments, each in a values file of its own.

    Secret values are never in the app file. They are read from `.env.ENV` and `secrets.ENV.yaml` beside it; a Secret whose
    values are not there is left out, and said so.
    """
    from seatrial.app import environments, load, resolve

    if output == "helm" and out is None:
        raise click.UsageError("a Helm chart is a folder: say where with --out DIR")
    with told():
        app = load(path)
        known = environments(app)
        chosen = environment or ("production" if "production" in known else known[0])
        resolve(app, chosen)
        if output == "helm" and out is not None:
            _chart(app, chosen, out)
        else:
            _yaml(app, chosen, out)


def _yaml(app: App, environment: str, out: Path | None) -> None:
    from seatrial.app import resolve
    from seatrial.package import manifests
    from seatrial.render import missing, render, values

    resolved = resolve(app, environment)
    given = values.read(resolved)
    objects = render(resolved, secrets=given)
    if out is None:
        click.echo(manifests.stream(objects), nl=False)
    else:
        _write(manifests.files(objects), out)
    _tell_missing(missing(resolved, given), environment, resolved.namespace)


def _tell_missing(absent: Mapping[str, list[str]], environment: str, namespace: str) -> None:
    for name, keys in absent.items():
        what = f"Secret {name} in {namespace} ({', '.join(keys)})"
        click.echo(f"note: {what} is left out: give its values in secrets.{environment}.yaml", err=True)


def _write(files: Mapping[str, str], out: Path) -> None:
    from seatrial.package.files import write

    written = write(files, out)
    for sign, paths in (("+", written.created), ("~", written.changed)):
        for path in paths:
            click.echo(f"{sign} {out / path}")
    click.echo(f"{len(written.created)} created, {len(written.changed)} changed, {len(written.unchanged)} unchanged in {out}")


def _chart(app: App, base: str, out: Path) -> None:
    """The chart of all environments. Secret values are asked for by name; none is written."""
    from seatrial.app import environments, resolve
    from seatrial.package.helm import chart
    from seatrial.render import render, values

    worlds = {}
    for environment in environments(app):
        resolved = resolve(app, environment)
        worlds[environment] = render(resolved, secrets=values.complete(resolved))
    _write(chart(app.app, worlds, base=base), out)
