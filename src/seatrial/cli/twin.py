"""`seatrial twin`: the embedded Kubernetes itself, for kubectl, Helm and tests."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.errors import of_own_folder
from seatrial.cli.params import STATE
from seatrial.twin.home import Home, Running, TwinError, names

if TYPE_CHECKING:
    from seatrial.twin.kubelet.node import NodeSpec

NAME = click.option("--name", default="default", show_default=True, help="Which twin; several can run side by side.")

EXAMPLES = """\b
Examples:
  seatrial twin start --detach && export KUBECONFIG=$(seatrial twin kubeconfig)
  kubectl create deployment web --image=nginx --replicas=2
  seatrial twin start --name big --nodes 3 --zones a,b,c --simulate
  seatrial twin start --nodes nodes.yaml      nodes of any size, zone, label and taint
  seatrial twin start --state cluster.db      the objects are there again after a restart
  seatrial twin start --operators keda        ScaledObjects work
  seatrial twin stop
"""


@click.group(epilog=EXAMPLES)
def twin() -> None:
    """An embedded Kubernetes in one process: no container engine, no root. kubectl, Helm and clients work on it unchanged."""


@twin.command(epilog=EXAMPLES)
@NAME
@click.option("-d", "--detach", is_flag=True, help="Return when it is ready, and leave it running.")
@click.option("--port", default=0, help="Port of the API server on 127.0.0.1; a free one by default.")
@click.option("--state", type=STATE, help="Keep the objects and claims in this file.")
@click.option("--nodes", default="1", show_default=True, metavar="N|FILE", help="How many nodes, or a file that lists them.")
@click.option("--zones", default="", help="Zones the nodes are spread over: a,b,c.")
@click.option("--simulate", is_flag=True, help="Simulate every container; start no process.")
@click.option("--machine-pressure", is_flag=True, help="Evict pods when this machine itself runs low on memory or disk.")
@click.option("--operators", default="", help="Operators to run, with their custom resources: keda.")
@click.option("--ready-fd", type=int, hidden=True, help="Write a line to this file descriptor when ready.")
@click.option("--owner", default="", hidden=True, help="Who started it and may stop it again.")
@click.option("--lifeline-fd", type=int, hidden=True, help="Stop when this file descriptor is closed.")
def start(
    name: str,
    detach: bool,
    port: int,
    state: Path | None,
    nodes: str,
    zones: str,
    simulate: bool,
    machine_pressure: bool,
    operators: str,
    ready_fd: int | None,
    lifeline_fd: int | None,
    owner: str,
) -> None:
    """Start a twin, in the foreground unless --detach is given."""
    with told():
        switched_on = tuple(each.strip() for each in operators.split(",") if each.strip())
        known_operators(switched_on)
        made = wanted_nodes(nodes, zones)
        if detach:
            from seatrial.twin.spawn import spawn

            given = nodes if isinstance(made, int) else str(Path(nodes).absolute())
            options = ["--port", str(port), "--nodes", given, "--zones", zones]
            options += ["--state", str(state.absolute())] if state else []
            options += ["--simulate"] if simulate else []
            options += ["--machine-pressure"] if machine_pressure else []
            options += ["--operators", operators] if switched_on else []
            say(spawn(Home(name), options).running)
            return
        from seatrial.twin.server import TwinOptions, serve

        options_ = TwinOptions(
            port=port,
            state=state.absolute() if state else None,
            nodes=made,
            zones=tuple(zone for zone in zones.split(",") if zone),
            simulate=simulate,
            machine_pressure=machine_pressure,
            operators=switched_on,
            ready_fd=ready_fd,
            lifeline_fd=lifeline_fd,
            owner=owner,
        )
        serve(Home(name), options_, ready=None if ready_fd is not None else say)


def wanted_nodes(said: str, zones: str) -> int | tuple[NodeSpec, ...]:
    """A number of nodes, or those that a file lists. What is wrong with it is told with its line, exit code 2."""
    if said.isdigit():
        from seatrial.twin.kubelet.node import MOST_NODES

        if not 1 <= int(said) <= MOST_NODES:
            raise click.UsageError(f"--nodes {said}: there can be 1 to {MOST_NODES}")
        return int(said)
    if zones:
        raise click.UsageError("--zones goes with a number of nodes; in a file each entry has its own `zone`")
    if not Path(said).is_file():
        raise click.UsageError(f"--nodes {said}: neither a number nor a file")
    from seatrial.app.problems import AppFileErrors, Problem
    from seatrial.cli.mistakes import Mistakes
    from seatrial.twin.nodes import NodesFileError, read

    try:
        return tuple(read(Path(said)))
    except NodesFileError as error:
        problems = (Problem(said, each.line, each.column, each.message, each.hint) for each in error.mistakes)
        raise Mistakes(AppFileErrors(problems)) from None


@twin.command()
@NAME
def stop(name: str) -> None:
    """Stop a twin and everything it started."""
    with told():
        click.echo(f"Twin {name!r} is stopped." if Home(name).stop() else f"Twin {name!r} does not run.")


@twin.command()
@NAME
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--all", "everything", is_flag=True, help="All twins of this user.")
def status(name: str, output: str, everything: bool) -> None:
    """Say where a twin answers. Exits with 1 when it does not run."""
    with told():
        found = [running for each in (names() if everything else [name]) if (running := Home(each).running())]
        if output == "json":
            click.echo(json.dumps([asdict(running) for running in found], indent=2))
        for running in found if output == "text" else ():
            say(running)
        if not found:
            if output == "text":
                click.echo("No twin runs." if everything else f"Twin {name!r} does not run.")
            sys.exit(1)


@twin.command()
@NAME
def kubeconfig(name: str) -> None:
    """Print the path of a twin's kubeconfig: export KUBECONFIG=$(seatrial twin kubeconfig)."""
    with told():
        click.echo(Home(name).require().kubeconfig)


@twin.command()
@NAME
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come, until the twin stops.")
@click.option("-n", "--lines", default=200, show_default=True, help="How many lines from the end.")
def logs(name: str, follow: bool, lines: int) -> None:
    """Print what a detached twin logged: the one that runs, or the last one."""
    with told():
        home = Home(name)
        if not home.log.exists():
            if home.running():
                raise TwinError(f"Twin {name!r} was started in the foreground: what it logs is in that terminal.")
            home.require()
        from seatrial.views.tail import tail

        for line in tail(home.log, lines, follow=(lambda: home.running() is not None) if follow else None):
            click.echo(line)


def known_operators(names: tuple[str, ...]) -> None:
    """Raises TwinError for a name that is no operator's, before anything is started."""
    if names:
        from seatrial.twin.operators import UnknownOperator, load

        try:
            for each in names:
                load(each)
        except UnknownOperator as error:
            raise TwinError(str(error)) from None


def say(running: Running) -> None:
    rows = [
        ("Twin", running.name),
        ("server", running.server),
        ("kubeconfig", running.kubeconfig),
        ("ingress", running.ingress),
        ("containers", running.runtime),
        ("state", running.state),
        ("pid", str(running.pid)),
    ]
    for key, value in rows:
        if value:
            click.echo(f"{key:<12}{value}")


class told:  # noqa: N801 - reads as a word in a with statement
    """Turns what a person has to know into a message and exit code 1, without a stack trace."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        words = str(error) if isinstance(error, TwinError) else of_own_folder(error) if isinstance(error, OSError) else ""
        if words:
            click.echo(f"Error: {words}", err=True)
            sys.exit(1)
