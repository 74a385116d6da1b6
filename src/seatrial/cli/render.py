"""`seatrial render`: the objects of an app in an environment, as YAML, as a Helm chart or as a Kustomize tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.mistakes import remarked, told

if TYPE_CHECKING:
    from seatrial.app import App
    from seatrial.app.resolve import ResolvedApp
    from seatrial.world.objects import Obj


@click.command("render")
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("-e", "--environment", metavar="ENV", help="The environment. [default: production if there is one, else dev]")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "helm", "kustomize", "json"]),
    default="yaml",
    show_default=True,
    help="The form.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write to, instead of the terminal.")
@click.option("--explain", "key", metavar="KEY", help="Where a value of the app comes from, such as services.api.size.")
@click.option("--diff", "pair", nargs=2, metavar="ENV1 ENV2", help="What is different in ENV2; as data with -o json.")
def command(
    path: Path, environment: str | None, output: str, out: Path | None, key: str | None, pair: tuple[str, str] | None
) -> None:
    """Print the Kubernetes objects of an app, or write its Helm chart or Kustomize tree.

    PATH is the app file or its folder. A chart or tree holds all environments.

    Secret values are never in the app file. They are read from `.env.ENV`, `secrets.ENV.yaml` and `secrets.ENV.sops.yaml`
    beside it; a Secret whose values are not there is left out, and said so. With `secrets: sops` they are encrypted.

    \b
    Examples:
      seatrial render | kubectl apply -f -
      seatrial render -e staging -o json | jq '.items[] | select(.kind == "Service")'
      seatrial render -o helm --out chart
      seatrial render -o kustomize --out deploy && kubectl kustomize deploy/overlays/staging
      seatrial render -e production --explain services.api.size
      seatrial render --diff staging production
    """
    from seatrial.app import environments, load, resolve

    _usable(output, out, key, pair)
    with told():
        app = load(path)
        remarked(app.remarks)
        known = environments(app)
        chosen = environment or ("production" if "production" in known else known[0])
        resolve(app, chosen)
        if key:
            from seatrial.cli.explain import explain

            click.echo(explain(app, chosen, key), nl=False)
        elif pair:
            _diff(app, *pair, as_json=output == "json")
        elif output == "helm" and out is not None:
            _chart(app, chosen, out)
        elif output == "kustomize" and out is not None:
            _tree(app, out)
        else:
            _objects(app, chosen, out, as_json=output == "json")


def _usable(output: str, out: Path | None, key: str | None, pair: tuple[str, str] | None) -> None:
    """Refuse options that mean nothing together."""
    if key and pair:
        raise click.UsageError("--explain is about one environment and --diff about two: choose one of them")
    if output == "json" and (key or out):
        raise click.UsageError(f"-o json is for objects and for --diff; {'--explain prints text' if key else 'files are YAML'}")
    if output in ("helm", "kustomize") and out is None and not key and not pair:
        what = "Helm chart" if output == "helm" else "Kustomize tree"
        raise click.UsageError(f"a {what} is a folder: say where with --out DIR")


def _diff(app: App, before: str, after: str, as_json: bool) -> None:
    import dataclasses
    import json

    from seatrial.app import resolve
    from seatrial.package.compare import compare
    from seatrial.render import render, values

    found = [resolve(app, name) for name in (before, after)]
    changes = compare(*(render(one, secrets=values.read(one)) for one in found))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(change) for change in changes], indent=2))
        return
    if not changes:
        click.echo(f"{before} and {after} are the same, but for the namespace they are in")
    width = max((len(change.path) for change in changes), default=0)
    title = ""
    for change in changes:
        if change.sign != "~":
            click.secho(f"{change.sign} {change.object}", fg="green" if change.sign == "+" else "red")
            continue
        if change.object != title:
            title = change.object
            click.secho(f"~ {title}", fg="yellow")
        click.echo(f"    {change.path:<{width}}  {_short(change.before)} -> {_short(change.after)}")


def _short(value: object) -> str:
    """A value on one line; of a checksum its beginning."""
    import json
    import re

    text = "(none)" if value is None else value if isinstance(value, str) else json.dumps(value)
    if text.count("\n") > 5:
        return f"(a text of {text.count(chr(10))} lines)"
    text = " ".join(text.split())
    if re.fullmatch("[0-9a-f]{64}", text):
        return f"{text[:8]}…"
    return text if len(text) <= 100 else f"{text[:99]}…"


def _tree(app: App, out: Path) -> None:
    """The Kustomize tree of all environments, with the Secrets whose values are given."""
    from seatrial.app import environments, resolve
    from seatrial.package.kustomize import kustomize

    worlds = {}
    every = environments(app)
    for environment in every:
        resolved = resolve(app, environment)
        where = "base" if len(every) == 1 else f"overlays/{environment}"
        worlds[environment] = _rendered(resolved, out, f"{where}/secrets/*.sops.yaml")
    _write(kustomize(worlds), out)


def _objects(app: App, environment: str, out: Path | None, as_json: bool) -> None:
    from seatrial.app import resolve
    from seatrial.package import manifests

    objects = _rendered(resolve(app, environment), out, "*.sops.yaml")
    if out is not None:
        _write(manifests.files(objects), out)
    else:
        _print(manifests.as_list(objects) if as_json else manifests.stream(objects))


def _print(text: str) -> None:
    try:
        click.echo(text, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(f"standard output cannot be written: {error.strerror}") from None


def _rendered(resolved: ResolvedApp, there: Path | None, pattern: str) -> list[Obj]:
    """The objects, with the Secrets whose values are given: as they are, or encrypted where SOPS does that."""
    from seatrial.render import missing, render, values

    given = _given(resolved)
    if resolved.platform.secrets == "sops":
        from seatrial.cli.sealing import sealed

        every = values.complete(resolved, given)
        objects = sealed(resolved, render(resolved, secrets=every), every, given, there, pattern)
    else:
        objects = render(resolved, secrets=given)
    made = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "Secret"}
    absent = {name: keys for name, keys in missing(resolved, given).items() if name not in made}
    _tell_missing(absent, resolved.environment, resolved.namespace)
    _tell_needs(objects, absent)
    return objects


def _given(resolved: ResolvedApp) -> dict[str, dict[str, str]]:
    """The secret values beside the app file; what cannot be opened here is told, and does without."""
    from seatrial.render import values

    closed: list[str] = []
    given = values.read(resolved, closed)
    for words in closed:
        click.echo(f"note: {words}", err=True)
    return given


def _tell_missing(absent: Mapping[str, list[str]], environment: str, namespace: str) -> None:
    for name, keys in absent.items():
        what = f"Secret {name} in {namespace} ({', '.join(keys)})"
        made = "`seatrial up` makes its values up; to render it, " if environment == "dev" else ""
        click.echo(f"note: {what} is left out: {made}give its values in secrets.{environment}.yaml", err=True)


def _tell_needs(objects: list[Obj], told: Iterable[str]) -> None:
    """What must be in the cluster, for nothing here makes it; the Secrets whose names are in `told` have been."""
    from seatrial.package.needs import needs

    for need in needs(objects):
        if need.startswith(tuple(f"Secret {name}, with " for name in told)):
            continue
        click.echo(f"note: not made here, and must be in the cluster: the {need}", err=True)


def _write(files: Mapping[str, str], out: Path) -> None:
    from seatrial.package.files import ForeignFilesError, UnsafePathError, replace

    try:
        written = replace(files, out)
    except ForeignFilesError as error:
        shown = ", ".join(str(out / path) for path in error.paths[:3])
        more = f" and {len(error.paths) - 3} more" if len(error.paths) > 3 else ""
        message = f"{shown}{more} would be written over, and `seatrial render` did not write it"
        raise click.ClickException(f"{message}: nothing was written\nMove it away, or name another folder with --out") from None
    except UnsafePathError as error:
        raise click.ClickException(f"{error}: nothing was written") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or out} cannot be written: {error.strerror}") from None
    for sign, paths in (("+", written.created), ("~", written.changed), ("-", written.removed)):
        for path in paths:
            click.echo(f"{sign} {out / path}")
    gone = f", {len(written.removed)} removed" if written.removed else ""
    counts = f"{len(written.created)} created, {len(written.changed)} changed, {len(written.unchanged)} unchanged"
    click.echo(f"{counts}{gone} in {out}")


def _chart(app: App, base: str, out: Path) -> None:
    """The chart of all environments. Secret values are asked for by name; none is written."""
    from seatrial.app import environments, resolve
    from seatrial.package.emit import document
    from seatrial.package.helm import chart, secret_values
    from seatrial.render import render, values

    worlds: dict[str, list[Obj]] = {}
    encrypted: dict[str, str] = {}
    for environment in environments(app):
        resolved = resolve(app, environment)
        worlds[environment] = render(resolved, secrets=values.complete(resolved))
        if resolved.platform.secrets == "sops":
            from seatrial.cli.sealing import sealed_values

            path = f"secrets-{environment}.sops.yaml"
            own = secret_values(render(resolved, secrets=_given(resolved)))
            found = sealed_values(resolved, own, out / path)
            encrypted |= {path: document(found)} if found else {}
    _write(chart(app.app, worlds, base=base) | encrypted, out)
