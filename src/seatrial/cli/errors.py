"""One place that turns what a person has to know into words on standard error and an exit code; nothing here is a defect."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def reported() -> Iterator[None]:
    """Run a verb; the errors that belong to the person become a message, without a stack trace."""
    from seatrial.cli.mistakes import told
    from seatrial.cluster.client import ClusterError
    from seatrial.cluster.helm import HelmError
    from seatrial.twin.home import TwinError
    from seatrial.up.images import ImageError

    try:
        with told():
            yield
    except TwinError as error:
        _say(error, 1)
    except ImageError as error:
        _say(error, 20)
    except HelmError as error:
        _say(error, 20, "Helm said: ")
    except ClusterError as error:
        _say(error, 50)
    except OSError as error:
        words = of_own_folder(error)
        if not words:
            raise
        _say(TwinError(words), 1)


def of_own_folder(error: OSError) -> str:
    """What to tell when Seatrial's own folder cannot be written: it is read-only, full, or below a file; "" for other files."""
    from seatrial.twin.home import base

    if not str(error.filename or "").startswith(str(base())):
        return ""
    return f"{error.filename}: {error.strerror}\nSeatrial keeps its files in {base()}; another place: export SEATRIAL_HOME=FOLDER"


def _say(error: Exception, code: int, before: str = "") -> None:
    click.echo(f"Error: {before}{error}", err=True)
    sys.exit(code)
