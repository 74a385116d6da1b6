"""`seatrial diagnose`: why a cluster, a namespace or a failed release is broken."""

from __future__ import annotations

import asyncio
import gc
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.rule_pages import explaining
from seatrial.cli.source import FILE

if TYPE_CHECKING:
    from seatrial.cluster.client import Client
    from seatrial.release.redact import Redactor
    from seatrial.rules.finding import Finding
    from seatrial.rules.report import Report
    from seatrial.sources import Loaded
    from seatrial.world.load import Problem
    from seatrial.world.objects import Obj
    from seatrial.world.world import World

FORMATS = ("text", "json", "sarif", "junit", "github", "markdown")

EXAMPLES = """\b
Examples:
  seatrial diagnose -n shop                     what is wrong in a namespace, and why
  seatrial diagnose -A                          in the whole cluster
  seatrial diagnose seatrial-evidence/shop-…    what a failed release left behind, without its cluster
  kubectl get pods,events,deploy,rs -o yaml | seatrial diagnose -
  seatrial diagnose -n shop --fix               the commands that mend it; --yes applies them
  seatrial diagnose --explain crash-oom         what a rule is about, how to recognise it, and what to do

\b
Exit codes: 0 nothing is wrong, 1 something is (see --fail-on), 2 a mistake in the command, or something could not be read,
10 the cluster refuses us, 50 it does not answer
"""


@click.command(epilog=EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[FOLDER|FILE]...")
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Which namespaces. [default: the context's]")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="All namespaces, and the nodes.")
@click.option("--context", help="The context of the kubeconfig.")
@click.option("--kubeconfig", type=FILE, help="The kubeconfig file.")
@click.option("-o", "--output", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--fail-on", type=click.Choice(["error", "warning", "note", "never"]), default="error", show_default=True,
              help="Exit with 1 from this severity on.")  # fmt: skip
@click.option("--fix", is_flag=True, help="Show the commands that mend what can be mended; each was tried on a copy.")
@click.option("-y", "--yes", is_flag=True, help="With --fix: apply them.")
@explaining
def command(
    paths: Sequence[str], namespaces: Sequence[str], everywhere: bool, context: str | None, kubeconfig: Path | None, output: str,
    fail_on: str, fix: bool, yes: bool,
) -> None:  # fmt: skip
    """Find the root cause of what is broken: in a cluster, a namespace, a folder of evidence or a dump of objects.

    Symptoms are told under their cause, with the evidence. Nothing is changed.
    """
    from seatrial.cli.errors import reported, see_paths

    gc.disable()  # the process ends with the answer, and all objects stay until then
    see_paths(paths)
    if paths and (everywhere or context or kubeconfig or (fix and yes)):
        raise click.UsageError("of files and folders there is no cluster: leave out --context, --kubeconfig, -A and --yes")
    if yes and not fix:
        raise click.UsageError("--yes applies what --fix shows: give both")
    with reported():
        if paths:
            loaded, said = _saved(paths), ", ".join("standard input" if path == "-" else path for path in paths)
            redactor = _redactor(loaded.world)
            report = _masked(_report(loaded, said), redactor)
            _show(report, output)
            if fix:
                _mend(loaded.world, report, (), redactor.text, output != "text")
        else:
            report = asyncio.run(_live(namespaces, everywhere, context, kubeconfig, output, fix, yes))
    if not report.objects and not report.unread:
        click.echo(f"There is no Kubernetes object in {report.of}.", err=True)
    elif paths and not any("status" in obj for obj in loaded.world):
        words = f"Nothing in {report.of} has a status: this was never in a cluster. What is wrong with what is written"
        click.echo(f"{words}: seatrial check {shlex.join(paths)}", err=True)
    if fail_on != "never" and report.fails(fail_on):
        sys.exit(1)
    sys.exit(2 if any(problem.severity == "error" for problem in report.unread) else 0)


def _saved(paths: Sequence[str]) -> Loaded:
    from seatrial.sources import load
    from seatrial.sources.dumps import logs_below
    from seatrial.world.moments import latest

    loaded = load(paths)
    for folder in (Path(path) for path in paths if path != "-"):
        if folder.is_dir():
            loaded.world.logs.update({**logs_below(folder, loaded.world), **loaded.world.logs})
    if (seen := latest(loaded.world)) is not None:
        loaded.world.facts["now"] = seen
    return loaded


async def _live(
    namespaces: Sequence[str],
    everywhere: bool,
    context: str | None,
    kubeconfig: Path | None,
    output: str,
    fix: bool,
    yes: bool,
) -> Report:
    from seatrial.cli.source import connect
    from seatrial.release.redact import Redactor
    from seatrial.sources.live import live

    client, _ = connect(context, kubeconfig)
    try:
        chosen = [] if everywhere else list(namespaces) or [client.namespace]
        redactor = Redactor()
        loaded = await live(client, chosen, secret=lambda obj: redactor.add(_values(obj)))
        _see_namespaces(loaded.world, chosen)
        await _look_around(client, loaded.world)
        said = "the cluster" if everywhere else f"namespace{'s' if len(chosen) > 1 else ''} {', '.join(chosen)}"
        plain = _report(loaded, said)
        report = _masked(plain, redactor)
        _show(report, output)
        if fix:
            flags = _flags(context, kubeconfig)
            repairs = _mend(loaded.world, plain, flags, redactor.text, yes or output != "text")
            if yes and repairs:
                from seatrial.cli.repairing import apply

                failed = await apply(client, repairs)
                click.echo(
                    f"To see what is left: seatrial diagnose {shlex.join([*_where(namespaces, everywhere), *flags])}", err=True
                )
                if failed:
                    sys.exit(failed)
        return report
    finally:
        await client.close()


def _flags(context: str | None, kubeconfig: Path | None) -> list[str]:
    """What leads kubectl to the same cluster."""
    given = (("--context", context), ("--kubeconfig", str(kubeconfig.absolute()) if kubeconfig else None))
    return [word for option, value in given if value for word in (option, value)]


def _where(namespaces: Sequence[str], everywhere: bool) -> list[str]:
    return ["-A"] if everywhere else [word for name in namespaces for word in ("-n", name)]


def _see_namespaces(world: World, chosen: Sequence[str]) -> None:
    """Of a namespace that is not there nothing would be found, as of one that is well."""
    from difflib import get_close_matches

    there = {obj["metadata"]["name"] for obj in world.of("Namespace")}
    for name in chosen:
        if there and name not in there and ("", "Namespace") not in world.facts.get("refused", ()):
            near = get_close_matches(name, there, n=1)
            raise click.UsageError(f"the cluster has no namespace {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))


async def _look_around(client: Client, world: World) -> None:
    """What no object of the namespaces says: the time, and who adds nodes."""
    from seatrial.cluster.api import CONFIGMAPS, Api
    from seatrial.cluster.client import ClusterError

    world.facts["now"], world.facts["complete"] = time.time(), True
    if ("karpenter.sh", "NodePool") in world.facts.get("kinds", ()):
        world.facts["autoscaler"] = "Karpenter"
        return
    try:
        found = await Api(client, patience=2.0).get(CONFIGMAPS, "kube-system", "cluster-autoscaler-status")
    except ClusterError:
        return  # nobody knows: what is pending may still be helped
    world.facts["autoscaler"] = "cluster-autoscaler" if found else ""


def _report(loaded: Loaded, said: str) -> Report:
    import seatrial.rules.alive  # noqa: F401 - enters the rules into their table
    from seatrial.rules.causes import causes
    from seatrial.rules.explaining import behind
    from seatrial.rules.ignoring import Decisions
    from seatrial.rules.looking import found
    from seatrial.rules.report import Report

    world = loaded.world
    problems: list[Problem] = list(loaded.problems)
    kept, ignored = Decisions().split(world, found(world, live=True, problems=problems))
    unread = tuple(problem for problem in problems if problem.severity != "note")
    return Report(said, tuple(causes(world, kept, behind(world, kept))), tuple(ignored), unread, len(world), 0)


def _redactor(world: World) -> Redactor:
    """What masks the values of the Secrets of a dump: `kubectl get secrets -o yaml` has them in full."""
    from seatrial.release.redact import Redactor

    redactor = Redactor()
    redactor.add(value for secret in world.of("Secret") for value in _values(secret))
    return redactor


def _values(secret: Obj) -> Iterator[str]:
    """The values of a Secret as they are meant; certificates are none."""
    import base64
    import binascii

    given, data = secret.get("stringData"), secret.get("data")
    yield from (str(value) for value in (given.values() if isinstance(given, dict) else ()))
    for key, value in data.items() if isinstance(data, dict) else ():
        if not str(key).endswith(".crt"):
            with suppress(binascii.Error, ValueError, TypeError):
                yield base64.b64decode(value).decode(errors="replace")


def _masked(report: Report, redactor: Redactor) -> Report:
    """What containers print, and events, may hold what is in a Secret."""

    def clean(finding: Finding) -> Finding:
        facts = tuple(fact._replace(text=redactor.text(fact.text)) for fact in finding.evidence)
        return replace(finding, title=redactor.text(finding.title), cause=redactor.text(finding.cause), evidence=facts)

    masked = (c._replace(finding=clean(c.finding), symptoms=tuple(map(clean, c.symptoms))) for c in report.causes)
    return report._replace(causes=tuple(masked))


def _show(report: Report, output: str) -> None:
    from seatrial.views.colour import coloured
    from seatrial.views.report import show

    colour = output == "text" and coloured(sys.stdout)
    click.echo(show(report, output, lambda _: [], colour=colour, verbose=True), nl=False)


def _mend(
    world: World, report: Report, flags: Sequence[str], clean: Callable[[str], str], beside: bool
) -> list[tuple[str, list[dict[str, Any]]]]:
    """The patches that hold on a copy of the world, told as commands (`beside` the report, on standard error); and as they are
    to be applied, by title.
    """
    from seatrial.cli.repairing import told
    from seatrial.rules.explaining import behind
    from seatrial.rules.looking import found
    from seatrial.rules.mending import mend

    def find(tried: World) -> list[Finding]:
        seen = found(tried, live=True, problems=[])
        return [*seen, *behind(tried, seen)]

    mended = mend(world, report.findings, find)
    repairs = told(world, mended.done, flags, clean)
    for _, _, lines in repairs:
        for line in lines:
            click.echo(line, err=beside)
    for finding, why in mended.refused:
        click.echo(f"# left: {' '.join(clean(f'{finding.title}: {why}').split())}", err=True)
    if not mended.done:
        click.echo("# there is nothing here that a machine can mend; the lines `fix` above say what a person can do", err=True)
    return [(" ".join(clean(finding.title).split()), parts) for finding, parts, _ in repairs]
