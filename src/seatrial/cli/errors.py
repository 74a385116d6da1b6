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


def _say(error: Exception, code: int, before: str = "") -> None:
    click.echo(f"Error: {before}{error}", err=True)
    sys.exit(code)
