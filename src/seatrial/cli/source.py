"""What the verbs around a release share on the command line: which source, which release, which cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from seatrial.cluster.client import Client
    from seatrial.cluster.helm import Helm
    from seatrial.release.sources import Source

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)

_PLACE = (
    click.option("-e", "--environment", default="production", show_default=True, help="Which environment of the app file."),
    click.option("-n", "--namespace", help="Where it is. [default: the app file's; needed for a chart]"),
    click.option("--release-name", help="The name of the Helm release. [default: the app's; needed for a chart]"),
)
_SOURCE = (
    click.option("--chart-path", metavar="CHART", help="A chart instead of an app file: folder, .tgz or oci://…"),
    click.option("--chart-version", default="", help="Which version of an oci:// chart. [default: the latest]"),
    click.option("--plain-http", is_flag=True, help="The registry of an oci:// chart speaks HTTP without TLS."),
    click.option("--values-file", "values_files", type=FILE, multiple=True, help="Values for the chart; the later wins."),
    click.option(
        "--secrets-file", "secrets_files", type=FILE, multiple=True, help="Secret values, plain or SOPS; over the others."
    ),
    click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One value, as Helm takes it; over the files."),
)
_CLUSTER = (
    click.option("--context", help="The context of the kubeconfig."),
    click.option("--kubeconfig", type=FILE, help="The kubeconfig file."),
    click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True),
)


def _with(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def decorated(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


#: Which release: an app file's, or one that is named. Which source. Which cluster, and how it is shown.
place_options, source_options, cluster_options = _with(*_PLACE), _with(*_SOURCE), _with(*_CLUSTER)


def flags(context: str | None, kubeconfig: Path | None) -> str:
    """The options that lead to the same cluster, as they are written on a command line, with a space before them."""
    return (f" --context {context}" if context else "") + (f" --kubeconfig {kubeconfig}" if kubeconfig else "")


def connect(context: str | None, kubeconfig: Path | None) -> tuple[Client, Helm]:
    """The cluster and Helm. A context that is not there is a mistake of the command line."""
    from seatrial.cluster.helm import Helm, binary

    # Helm is asked for its version, in a process, while the client's library is read: each takes a tenth of a second
    asking = Thread(target=binary)
    asking.start()
    from seatrial.cluster.client import Client, ClusterError

    try:
        client = Client(kubeconfig, context)
        asking.join()
        return client, Helm(kubeconfig, context)
    except ClusterError as error:
        raise click.UsageError(str(error)) from None


def place(path: Path, environment: str, namespace: str | None, release_name: str | None) -> tuple[str, str]:
    """The name and the namespace of a release: as they are given, else those of the app file.

    Raises UsageError where neither says it, AppFileErrors for a broken file.
    """
    if namespace and release_name:
        return release_name, namespace
    if not _is_there(path):
        raise click.UsageError(
            f"which release? There is no app file at {path}: name its folder, or say --release-name and --namespace"
        )
    from seatrial.up.plan import read

    plan = read(path, environment)
    return release_name or plan.release, namespace or plan.namespace


def _is_there(path: Path) -> bool:
    return path.is_file() or (path / "seatrial.yaml").is_file()


async def source_of(path: Path, client: Client, helm: Helm, scratch: Path, options: dict[str, Any]) -> Source:
    """What is to be released, from the options of `source_options` and `place_options`. Raises UsageError."""
    from seatrial.release.sources import SourceError

    try:
        if options["chart_path"]:
            return await _chart(helm, scratch, options)
        return await _app(path, client, scratch, options)
    except SourceError as error:
        raise click.UsageError(str(error)) from None


async def _chart(helm: Helm, scratch: Path, options: dict[str, Any]) -> Source:
    """The chart that was named, with its values."""
    from seatrial.cluster.helm import HelmError
    from seatrial.release.sources import Source, SourceError, chart_words, opened_layers

    if not options["namespace"] or not options["release_name"]:
        raise SourceError("a chart goes into a namespace under a name: say --namespace and --release-name")
    values, secrets, problems = opened_layers(options["values_files"], options["secrets_files"], options["sets"])
    named = options["chart_path"]
    chart = Path(named)
    if named.startswith("oci://"):
        try:
            chart = await helm.pull(named, scratch, options["chart_version"], plain_http=options["plain_http"])
        except HelmError as error:
            raise SourceError(f"fetching {named}: {error}{_hint(str(error))}") from None
    _see_chart(named, chart)
    files = (*options["values_files"], *options["secrets_files"])
    place = options["release_name"], options["namespace"]
    return Source(chart_words(named, files), *place, chart, values, secrets, files=files, problems=problems)


#: What Helm says of a registry -> what a person can do.
_HINTS = (
    (r"HTTP response to HTTPS client|does not look like a TLS handshake", "it speaks HTTP without TLS: say --plain-http"),
    (r"\b40[13]\b|denied|unauthorized", "log in first: helm registry login HOST"),
    ("certificate", "its certificate is signed by nobody whom this machine trusts: see SSL_CERT_FILE"),
)


def _hint(said: str) -> str:
    return next((f"\n  {hint}" for words, hint in _HINTS if re.search(words, said)), "")


def _see_chart(named: str, chart: Path) -> None:
    """A path that is no chart is told before Helm is asked. Raises SourceError."""
    from seatrial.release.sources import SourceError

    if not chart.exists():
        raise SourceError(f"--chart-path {named}: there is no such chart")
    if chart.is_dir() and not (chart / "Chart.yaml").is_file():
        if (chart / "seatrial.yaml").is_file():
            raise SourceError(f"--chart-path {named}: this is an app file's folder; release it with: seatrial release {named}")
        raise SourceError(f"--chart-path {named}: there is no Chart.yaml in it, so it is no chart")


async def _app(path: Path, client: Client, scratch: Path, options: dict[str, Any]) -> Source:
    """The chart of an app file's environment, with secrets from the files beside it and those that are live."""
    from seatrial.app.resolve import DEV
    from seatrial.cli.mistakes import noted
    from seatrial.cluster.client import SECRETS
    from seatrial.package.files import write
    from seatrial.release.sources import Source, SourceError, opened_layers, texts
    from seatrial.up.plan import make_chart, read, secrets_for
    from seatrial.world.objects import merged

    plan = read(path, options["environment"])
    noted(plan.remarks)
    namespace = options["namespace"] or plan.namespace
    live, _ = await client.list(SECRETS, namespace)
    found, made_up = secrets_for(plan, live)
    chart = make_chart(plan, {}, found)
    write(chart.files, scratch / "chart")
    more, secrets, problems = opened_layers(options["values_files"], options["secrets_files"], options["sets"])
    values = merged(chart.secrets, more)
    left = [f"{name}: {key}" for (name, key), value in made_up.items() if value in texts(values)]
    if left and options["environment"] != DEV and not problems:  # chance is for the developer's machine alone
        where = f"secrets.{options['environment']}.yaml beside the app file"
        raise SourceError(f"secret values are missing: {', '.join(left)}. Give them in {where}, or by --secrets-file")
    return Source(
        f"{plan.app} ({options['environment']})",
        options["release_name"] or plan.release,
        namespace,
        scratch / "chart",
        values,
        (*texts(chart.secrets), *secrets),
        chart.namespace if namespace == plan.namespace else None,
        (*options["values_files"], *options["secrets_files"]),
        problems,
    )


def paths_and_numbers(given: Sequence[str]) -> tuple[Path, int | None]:
    """`[PATH] [REVISION]` in any order. Raises UsageError for more than that."""
    numbers = [int(one) for one in given if one.isdecimal()]
    paths = [Path(one) for one in given if not one.isdecimal()]
    if len(numbers) > 1 or len(paths) > 1:
        raise click.UsageError(f"one revision and one app file at most, not {' '.join(given)}")
    return paths[0] if paths else Path(), numbers[0] if numbers else None
