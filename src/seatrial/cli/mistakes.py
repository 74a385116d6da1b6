"""How the command line tells mistakes in an app file: each with its place and a hint, their number last, exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
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


#: So many remarks are told by verbs that have other things to say.
MOST = 3


def noted(remarks: Sequence[Problem]) -> None:
    """The same in a line each, and how many more there are, where the verb is about something else."""
    for remark in remarks[:MOST]:
        where = f"{remark.file}:{remark.line}" if remark.line else remark.file
        click.echo(f"note: {where}: {remark.message}", err=True)
    if remarks:
        more = len(remarks) - MOST
        click.echo(f"note: {f'{more} more, and ' if more > 0 else ''}what to do: seatrial check", err=True)


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong with an app file inside is told as the command line tells it."""
    try:
        yield
    except AppFileErrors as errors:
        raise Mistakes(errors) from None
    except UnknownEnvironmentError as error:
        raise click.UsageError(f"{error}; {error.hint}") from None
