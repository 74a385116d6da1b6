"""One place that turns what a person has to know into words on standard error and an exit code; nothing here is a defect."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

#: Where an error is defined, its name, the exit code, and what is said before it.  What was never imported was never raised: a
#: verb does not pay for the modules of the others.
_TOLD = (
    ("seatrial.twin.home", "TwinError", 1, ""),
    ("seatrial.up.images", "ImageError", 20, ""),
    ("seatrial.cluster.helm", "HelmError", 20, "Helm said: "),
    ("seatrial.cluster.client", "ClusterError", 50, ""),
)


def see_paths(paths: Iterable[str]) -> None:
    """Files and folders of the command line that are not there, or may not be looked at, are a mistake in it: UsageError."""
    for path in paths:
        if path == "-":
            continue
        try:
            os.stat(path)  # noqa: PTH116 - to a Path, nothing is a folder
        except FileNotFoundError:
            raise click.UsageError(f"there is no {path!r}") from None
        except OSError as error:
            shown = path if len(path) < 300 else f"{path[:300]}…"
            raise click.UsageError(f"{shown!r} cannot be read: {error.strerror}") from None


@contextmanager
def reported() -> Iterator[None]:
    """Run a verb; the errors that belong to the person become a message, without a stack trace."""
    try:
        yield
    except OSError as error:
        words = of_own_folder(error)
        if not words:
            raise
        _say(words, 1)
    except Exception as error:
        _told(error)
        raise


def _told(error: Exception) -> None:
    """End with the words and the exit code of an error that belongs to the person; return for any other."""
    for module, name, code, before in _TOLD:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            refused = getattr(error, "code", 0) in (401, 403)  # it answered: we may not
            _say(error, 10 if refused else code, before)
    if "seatrial.app" in sys.modules:
        from seatrial.cli.mistakes import told

        with told():
            raise error


def of_own_folder(error: OSError) -> str:
    """What to tell when Seatrial's own folder cannot be written: it is read-only, full, or below a file; "" for other files."""
    from seatrial.twin.home import base

    if not str(error.filename or "").startswith(str(base())):
        return ""
    return f"{error.filename}: {error.strerror}\nSeatrial keeps its files in {base()}; another place: export SEATRIAL_HOME=FOLDER"


def _say(error: object, code: int, before: str = "") -> None:
    click.echo(f"Error: {before}{error}", err=True)
    sys.exit(code)
