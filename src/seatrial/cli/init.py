"""`seatrial init`: a first app file, from what is there already or from a few answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.mistakes import told

if TYPE_CHECKING:
    from seatrial.importing import Draft


@click.command("init")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default="seatrial.yaml", show_default=True, help="The file."
)
@click.option("--app", default="", metavar="NAME", help="What the app is called. [default: as its folder]")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: take the defaults.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(sources: tuple[Path, ...], out: Path, app: str, yes: bool, force: bool) -> None:
    """Write a first app file.

    SOURCE is a docker-compose file, or Kubernetes manifests: files, or a folder of them. Without one, the docker-compose file of
    this folder is taken, and where there is none, a few questions are asked.

    What could not be carried over is said on standard error, each with its place. Values of secrets are never written: `secrets`
    has their names.

    \b
    Examples:
      seatrial init                          from docker-compose.yml, or by asking
      seatrial init deploy/ --app shop       from the manifests in a folder
      helm template shop chart > all.yaml && seatrial init all.yaml
      seatrial init --yes && seatrial up
    """
    from seatrial.app import AppFileErrors
    from seatrial.importing import settled

    if out.exists() and not force:
        raise click.UsageError(f"{out} is there already; --force writes over it, --out FILE takes another")
    with told():
        draft = _draft(list(sources), out, app, yes)
        try:
            text = settled(draft)
        except AppFileErrors:
            _tell(draft)
            raise
    _write(out, text, force)
    _tell(draft)
    services, stores = (len(draft.data.get(kind, {})) for kind in ("services", "stores"))
    click.echo(f"{out}: {services} service{'s' * (services != 1)}, {stores} store{'s' * (stores != 1)}")


def _tell(draft: Draft) -> None:
    """What was not carried over, on standard error."""
    notes = sorted(set(draft.notes))
    for note in notes:
        click.echo(f"{click.style(str(note.place), bold=True)}: {note.message}", err=True)
    if notes:
        click.echo(f"{len(notes)} thing{'s' if len(notes) > 1 else ''} not carried over, or not as it was", err=True)


def _draft(sources: list[Path], out: Path, app: str, yes: bool) -> Draft:
    from seatrial.importing import asking, compose, manifests
    from seatrial.importing.source import read

    folder = out.parent
    if not sources or (len(sources) == 1 and sources[0].is_dir()):
        where = sources[0] if sources else folder
        found = [where / name for name in compose.FILES if (where / name).is_file()]
        sources = found[:1] or sources
    if not sources:
        return asking.draft_of(folder, (lambda words, default: default) if yes else _ask, app)
    if len(sources) == 1 and not sources[0].is_dir():
        nodes = read(sources[0], "a docker-compose file or a manifest")
        if len(nodes) == 1 and compose.is_compose(nodes[0]):
            return compose.draft_of(nodes[0], folder, app)
    return manifests.draft_of(sources, app)


def _ask(words: str, default: str) -> str:
    try:
        return str(click.prompt(words, default=default, err=True)).strip()
    except click.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise
        click.echo(err=True)
        hint = "name a docker-compose file or manifests, or take the defaults with --yes"
        raise click.UsageError(f"there is nothing here to begin with, and nobody answered; {hint}") from None


def _write(out: Path, text: str, force: bool) -> None:
    """Write the file; without `force`, one that somebody made in the meantime is left alone."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(out, flags, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written: {error.strerror}") from None
