"""The `seatrial` command: one module a verb, imported when that verb is called, so that `--help` answers at once.

Exit codes are those of the design: 0 done, 2 usage or a mistake in a file, 130 interrupted; a verb's page names the rest.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from typing import Any

import click

from seatrial import __version__

#: verb -> where its click command lives, and the line that `seatrial --help` shows without importing it.
VERBS = {
    "init": ("seatrial.cli.init:command", "Write a first app file, from docker-compose, manifests or a few answers."),
    "up": ("seatrial.cli.up:up", "Run the whole application on this machine, on the embedded cluster."),
    "down": ("seatrial.cli.up:down", "Take down what `up --detach` left running."),
    "release": ("seatrial.cli.release:command", "Release an app or a chart to a cluster, and roll back when it fails."),
    "diff": ("seatrial.cli.diff:command", "Show what a release would change, by object and field."),
    "status": ("seatrial.cli.status:status", "Show what is released, or follow a release that is under way."),
    "history": ("seatrial.cli.status:history", "Show the revisions of a release: when, what became of each, and who made it."),
    "rollback": ("seatrial.cli.rollback:command", "Roll a release back to a revision that ran before."),
    "check": ("seatrial.cli.check:command", "Find what is wrong in manifests, charts, kustomizations and app files."),
    "render": ("seatrial.cli.render:command", "Print the Kubernetes objects, or write the Helm chart or Kustomize tree."),
    "diagnose": ("seatrial.cli.diagnose:command", "Find the root cause in a cluster, or in what a failed release left behind."),
    "graph": ("seatrial.cli.graph:command", "Draw services, calls, stores and ways in, with faults in red."),
    "twin": ("seatrial.cli.twin:twin", "Start, stop and look at the embedded Kubernetes itself."),
    "schema": ("seatrial.cli.schema:command", "Print the JSON schema of the app file, for editors."),
}

EPILOG = """\b
Examples:
  seatrial up examples/shop            run the shop; Ctrl-C takes it down
  seatrial render -e production        what production needs, as YAML
  seatrial twin start --detach         an embedded Kubernetes for kubectl and Helm
"""


class Lazy(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else " `seatrial --help` lists the verbs."
            raise click.UsageError(f"there is no verb {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would end with 1, which is for findings
            click.echo("\nInterrupted.", err=True)
            sys.exit(130)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.group(cls=Lazy, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="seatrial %(version)s")
@click.option("--debug", is_flag=True, envvar="SEATRIAL_DEBUG", help="Show stack traces of unexpected errors.")
def seatrial(debug: bool) -> None:
    """Takes a microservices application from one file to production on Kubernetes, and tries every release first."""


#: Why no more can be written to standard output; none of these names a file.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def _have_streams() -> None:
    """Standard streams that the caller has closed (`>&-`) lead nowhere; and no text is too odd to be written."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))  # noqa: SIM115, PTH123 - for as long as the process lasts
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_output() -> None:
    """What is left in the buffer has nowhere to go; at the end of the process it would be tried again, and told as a defect."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def main() -> None:
    _have_streams()
    try:
        seatrial.main(prog_name="seatrial")
    except BrokenPipeError:  # the reader of our output went away: `seatrial render | head`
        _let_go_of_output()
        sys.exit(1)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
            _let_go_of_output()
            click.echo(f"Error: the output cannot be written: {error.strerror}", err=True)
            sys.exit(2)
        if "--debug" in sys.argv or os.environ.get("SEATRIAL_DEBUG"):
            raise
        hint = "This is a defect in Seatrial. Run it again as `seatrial --debug …` for details."
        click.echo(f"Error: {type(error).__name__}: {error}\n{hint}", err=True)
        sys.exit(70)
