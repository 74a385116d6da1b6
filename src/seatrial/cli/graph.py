"""`seatrial graph`: a world as a picture."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import click

EXAMPLES = """\b
Examples:
  seatrial graph                              the app, chart or manifests of this folder, as text
  seatrial graph -e production -o svg > shop.svg
  kubectl get deploy,sts,cm,svc,ing,netpol -n shop -o yaml | seatrial graph -     what a cluster has

\b
In text: → a way in, ○ a service, ■ a store, ◷ a job, … an address outside; ! marks what is at fault, and its rule, which
`seatrial check --explain RULE` explains.
Exit codes: 0 drawn, 2 something could not be read, or a mistake in the command
"""


@click.command(epilog=EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("-e", "--environment", default="", help="Which environment or overlay. [default: the last one]")
@click.option("-n", "--namespace", default="", help="The namespace of objects that name none.")
@click.option("-o", "--output", type=click.Choice(["text", "svg"]), default="text", show_default=True)
def command(paths: Sequence[str], environment: str, namespace: str, output: str) -> None:
    """Draw the services, who calls whom, the stores and the ways in; what `check` calls an error is red.

    PATH is a file or a folder; - is standard input.
    """
    from seatrial.cli.errors import reported, see_paths

    see_paths(paths)
    with reported():
        sys.exit(_draw(paths or ["."], environment, namespace, output))


def _draw(paths: Sequence[str], environment: str, namespace: str, output: str) -> int:
    import seatrial.rules.written  # noqa: F401 - enters the rules into their table
    from seatrial.rules.looking import found
    from seatrial.sources import load
    from seatrial.views.picture import drawn

    loaded = load(paths, namespace=namespace, environments=[environment] if environment else ())
    for problem in loaded.problems:
        if problem.severity == "error":
            click.echo(f"{problem.where}: {problem.text}" + (f"\n    {problem.hint}" if problem.hint else ""), err=True)
    variant = next(reversed(loaded.worlds))
    world = loaded.worlds[variant]
    problems = list(loaded.problems)
    picture = drawn(world, found(world, live=False, problems=problems), ", ".join(paths) + (f" ({variant})" if variant else ""))
    if output == "svg":
        from seatrial.views.picture import svg

        click.echo(svg.show(picture), nl=False)
    else:
        from seatrial.views.picture import text

        click.echo(text.show(picture, shutil.get_terminal_size((text.WIDTH, 24)).columns), nl=False)
    if not picture.nodes:
        click.echo(f"There is nothing to draw in {', '.join(paths)}: no workload, and no way in.", err=True)
    return 2 if any(problem.severity == "error" for problem in loaded.problems) else 0
