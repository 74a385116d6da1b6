"""How the command line tells mistakes in an app file: each with its place and a hint, their number last, exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from seatrial.app import AppFileErrors, Problem, UnknownEnvironmentError


class Mistakes(click.ClickException):
    """Everything that is wrong with an app file."""

    exit_code = 2

    def __init__(self, errors: AppFileErrors) -> None:
        super().__init__(str(errors))
        self.problems = errors.problems

    def show(self, file: IO[Any] | None = None) -> None:
        out = file or sys.stderr
        for problem in self.problems:
            where = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
            click.echo(f"{click.style(where, bold=True)}: {problem.message}", file=out)
            if problem.hint:
                click.echo(f"    {click.style(problem.hint, fg='cyan')}", file=out)
        count = len(self.problems)
        click.echo(click.style(f"{count} mistake{'s' if count > 1 else ''}", fg="red"), file=out)


def remarked(remarks: Iterable[Problem]) -> None:
    """Tell what works and is hardly meant, where it does not get into the output."""
    for remark in remarks:
        click.echo(f"note: {remark}", err=True)


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong with an app file inside is told as the command line tells it."""
    try:
        yield
    except AppFileErrors as errors:
        raise Mistakes(errors) from None
    except UnknownEnvironmentError as error:
        raise click.UsageError(f"{error}; {error.hint}") from None
