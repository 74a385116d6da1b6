"""`seatrial check`: what is wrong with what is written, before it runs."""

from __future__ import annotations

import gc
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.rule_pages import explaining

if TYPE_CHECKING:
    from seatrial.rules.finding import Finding
    from seatrial.rules.ignoring import Decisions
    from seatrial.rules.report import Report
    from seatrial.sources import Loaded
    from seatrial.world.world import World

NOTHING = "no manifest (*.yaml, *.yml, *.json), chart, kustomization or seatrial.yaml was found."
IGNORE_FILE = ".seatrial-ignore.yaml"
LEVELS = ("error", "warning", "note", "never")
FORMATS = ("text", "json", "sarif", "junit", "github", "markdown")

EXAMPLES = """\b
Examples:
  seatrial check                           everything below this folder: manifests, charts, kustomizations, app files
  seatrial check deploy/ -e production     of charts, overlays and app files only what production gets
  helm template . | seatrial check -       what another tool rendered
  seatrial check --fix                     mend what a machine can mend; --diff shows it first
  seatrial check -o sarif > check.sarif    for code scanning; github, junit and markdown for other places
  seatrial check --explain target-port-unknown    what a rule is about, what it costs, and how it is put right

\b
A finding is ignored by a comment on its line, or above it, with the reason:
  image: nginx  # seatrial: ignore[image-tag-missing] our mirror pins it
by an annotation of the object (ignore.seatrial.dev/image-tag-missing: our mirror pins it), or in .seatrial-ignore.yaml.

\b
Exit codes: 0 nothing found, 1 findings (see --fail-on), 2 something could not be read, or a mistake in the command
"""


@click.command(epilog=EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("-e", "--environment", "environments", multiple=True, help="Only these environments or overlays. [default: all]")
@click.option("-f", "--values-file", "values_files", type=click.Path(path_type=Path, dir_okay=False, exists=True), multiple=True,
              help="Values for charts; the later wins.")  # fmt: skip
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One value for charts, as Helm takes it.")
@click.option("--release-name", default="", help="The release that charts are rendered as.")
@click.option("-n", "--namespace", default="", help="The namespace of objects that name none.")
@click.option("-o", "--output", type=click.Choice(FORMATS), default="text", show_default=True, help="How findings are told.")
@click.option(
    "--fail-on", type=click.Choice(LEVELS), default="error", show_default=True, help="Exit with 1 from this severity on."
)
@click.option(
    "--rule", "rules", multiple=True, metavar="ID", help="Only these rules; * stands for anything. --list-rules lists them."
)
@click.option(
    "--kubernetes-version", "version", default="", metavar="1.N", help="The cluster's version. [default: the newest known]"
)
@click.option("--ignore-file", type=click.Path(path_type=Path, dir_okay=False, exists=True),
              help=f"What is ignored, and why. [default: {IGNORE_FILE}]")  # fmt: skip
@click.option("--fix", is_flag=True, help="Mend the files where a machine can; comments and layout stay.")
@click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Notes too, and what was ignored and why.")
@explaining
def command(paths: Sequence[str], output: str, fail_on: str, fix: bool, diff: bool, verbose: bool, **options: Any) -> None:
    """Check manifests, charts, kustomizations and app files: each object, and what they mean to one another.

    PATH is a file or a folder; - is standard input. Nothing is asked of a cluster.
    """
    from seatrial.cli.errors import reported

    with reported():
        sys.exit(_check(paths or ["."], output, fail_on, fix or diff, diff, verbose, options))


def _check(paths: Sequence[str], output: str, fail_on: str, fix: bool, dry: bool, verbose: bool, options: dict[str, Any]) -> int:
    gc.disable()  # the process ends with the answer; looking for garbage among all objects takes a fifth of its time
    import seatrial.rules.written  # noqa: F401 - enters the rules into their table
    from seatrial.cli.errors import see_paths
    from seatrial.views.colour import coloured
    from seatrial.views.report import show

    see_paths(paths)
    if fix and "-" in paths:
        raise click.UsageError("standard input is no file that could be mended: give the files, or leave out --fix and --diff")
    if dry and output != "text":
        raise click.UsageError("--diff prints what patch and git apply take: leave out --output")
    loaded = _loaded(paths, options)
    report, decisions = _report(paths, loaded, options)
    if fix:
        left = _fix(paths, loaded, report, decisions, dry, options["rules"])
        if not dry:
            report, decisions = _report(paths, _loaded(paths, options), options)
            report = _without_offers(report, left)
    if dry:
        from seatrial.views.report.text import summary

        click.echo(summary(report), err=True)
        return _code(report, fail_on)
    colour = output == "text" and coloured(sys.stdout)
    click.echo(show(report, output, decisions.lines, colour=colour, verbose=verbose), nl=False)
    gc.freeze()  # nor when it ends
    if not report.objects and not report.unread:
        click.echo(f"There is no Kubernetes object in {report.of}: {NOTHING}", err=True)
    return _code(report, fail_on)


def _code(report: Report, fail_on: str) -> int:
    if fail_on != "never" and report.fails(fail_on):
        return 1
    return 2 if any(problem.severity == "error" for problem in report.unread) else 0


def _without_offers(report: Report, left: set[Any]) -> Report:
    """The report without the patches that were just found not to do: they are not offered again."""
    from dataclasses import replace

    from seatrial.rules.mending import key_of

    def plain(finding: Finding) -> Finding:
        return replace(finding, patch=None) if finding.patch and key_of(finding) in left else finding

    causes = (one._replace(finding=plain(one.finding), symptoms=tuple(map(plain, one.symptoms))) for one in report.causes)
    return report._replace(causes=tuple(causes))


def _loaded(paths: Sequence[str], options: dict[str, Any]) -> Loaded:
    from seatrial.sources import load

    return load(
        paths,
        values=_values(options["values_files"], options["sets"]),
        release=options["release_name"],
        namespace=options["namespace"],
        version=options["version"].removeprefix("v"),
        environments=options["environments"],
    )


def _values(files: Sequence[Path], sets: Sequence[str]) -> dict[str, Any] | None:
    """The values for charts that the command line gives, None where it gives none."""
    if not files and not sets:
        return None
    from seatrial.release.sources import SourceError, layered

    try:
        return layered(files, (), sets)[0] or None
    except SourceError as error:
        raise click.UsageError(str(error)) from None


def _report(paths: Sequence[str], loaded: Loaded, options: dict[str, Any]) -> tuple[Report, Decisions]:
    """The rules over every environment; what is found in several is told once."""
    from seatrial.rules.causes import written
    from seatrial.rules.ignoring import Decisions, Ignored
    from seatrial.rules.joining import Joint, agreed, joined
    from seatrial.rules.looking import found, together
    from seatrial.rules.overlap import once_told
    from seatrial.rules.report import Report

    decisions = Decisions(_entries(options["ignore_file"]), Files().lines)
    problems = list(loaded.problems)
    variants: dict[str, list[Finding]] = {}
    joints: dict[str, list[Joint]] = {}
    ignored: dict[tuple[str, str, str], Ignored] = {}
    for variant, world in loaded.worlds.items():
        _facts(world, loaded, options)
        findings, noted = once_told(world, found(world, live=False, problems=problems), loaded.problems)
        problems = [problem for problem in problems if problem not in noted]
        chosen = _chosen(findings, options["rules"])
        variants[variant], passed = decisions.split(world, chosen)
        joints[variant] = joined(world, variants[variant])
        ignored |= {(one.finding.rule, one.finding.title, one.source): one for one in passed}
    told = agreed(together(variants), joints, lambda finding, names: _where(finding, names, len(loaded.worlds)))
    objects = len({obj_ref for world in loaded.worlds.values() for obj_ref in world.refs()})
    files = len({place.file for world in loaded.worlds.values() for ref in world.refs() if (place := world.place(ref))})
    unread = tuple(dict.fromkeys(problems))
    of = ", ".join("standard input" if path == "-" else path for path in paths)
    return Report(
        of, tuple(written(*told, worlds=loaded.worlds.values())), tuple(ignored.values()), unread, objects, files
    ), decisions


def _facts(world: World, loaded: Loaded, options: dict[str, Any]) -> None:
    """What rules may want to know and no object says."""
    duplicates: dict[Any, list[Any]] = {}
    for ref, first, second in loaded.duplicates:
        duplicates.setdefault(ref, []).append((first, second))
    world.facts["duplicates"] = duplicates
    if options["version"]:
        world.facts["version"] = options["version"].removeprefix("v")


def _chosen(findings: list[Finding], rules: Sequence[str]) -> list[Finding]:
    from fnmatch import fnmatchcase

    for rule in rules:
        if wrong := _unknown(rule):
            raise click.UsageError(wrong)
    return [one for one in findings if not rules or any(fnmatchcase(one.rule, rule) for rule in rules)]


def _unknown(rule: str) -> str:
    """What to say of a rule, or a pattern of rules, that none is called; "" where one is."""
    from fnmatch import filter as matching

    from seatrial.rules.finding import RULES

    if matching(RULES, rule):
        return ""
    import difflib

    import seatrial.rules.alive  # noqa: F401 - a file of decisions may be for both

    near = difflib.get_close_matches(rule, RULES, n=1)
    return "" if matching(RULES, rule) else f"there is no rule {rule!r}." + (f" Did you mean {near[0]!r}?" if near else "")


def _where(finding: Finding, variants: Sequence[str], of: int) -> Finding:
    """The finding, with its environments where it is not in all of them."""
    from dataclasses import replace

    from seatrial.rules.finding import Fact

    if len(variants) == of or not all(variants):
        return finding
    return replace(finding, evidence=(*finding.evidence, Fact(f"in {', '.join(variants)} only")))


def _entries(file: Path | None) -> tuple[Any, ...]:
    if file is None and not Path(IGNORE_FILE).is_file():
        return ()
    from seatrial.release.sources import SourceError, read
    from seatrial.rules.ignoring import entries_of

    path = file or Path(IGNORE_FILE)
    try:
        entries = entries_of(read(path) or None, str(path))
    except (SourceError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    for entry in entries:
        if wrong := _unknown(entry.rule):
            click.echo(f"{entry.source}: {wrong} Nothing is ignored by it.", err=True)
    return entries


class Files:
    """The lines of files, each read once; none of a file that is not to be had (standard input, an archive)."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def lines(self, file: str) -> list[str]:
        if file not in self._lines:
            try:
                self._lines[file] = Path(file).read_text(errors="replace").split("\n")
            except OSError:
                self._lines[file] = []
        return self._lines[file]


def _fix(paths: Sequence[str], loaded: Loaded, report: Report, decisions: Decisions, dry: bool, rules: Sequence[str]) -> set[Any]:
    """Mend the files, or show what would be done; what was offered and not done, as `key_of` has it."""
    from seatrial.cli.mending import differences, made, write
    from seatrial.rules.looking import found
    from seatrial.rules.mending import key_of

    def find(world: World) -> list[Finding]:
        return decisions.split(world, found(world, live=False, problems=[]))[0]

    offered = [one for one in report.findings if one.patch]
    mended, left = made(
        list(loaded.worlds.values()), offered, find, _kept(paths, loaded), lambda one: bool(_chosen([one], rules))
    )
    if dry:
        text, folder = differences(mended.contents, Path.cwd())
        click.echo(text.encode("utf-8", "surrogateescape"), nl=False)
        if folder != Path.cwd().resolve():
            click.echo(f"Some of these files are not below this folder: patch -p1 -d {shlex.quote(str(folder))}", err=True)
    else:
        try:
            write(mended.contents)
        except OSError as error:
            click.echo(f"Error: {error.filename} cannot be written: {error.strerror}", err=True)
            sys.exit(2)
    for finding in mended.done:
        click.echo(f"{'would mend' if dry else 'mended'}  {finding.title} [{finding.rule}]", err=True)
    for finding, why in left:
        click.echo(f"left      {finding.title} [{finding.rule}]: {why}", err=True)
    return {key_of(finding) for finding, _ in left}


def _kept(paths: Sequence[str], loaded: Loaded) -> Callable[[str], str]:
    """Why a file is left as it is that nobody gave by its name: something makes it, and would undo the change."""
    from seatrial.cli.mending import ignored_by_git, is_made

    all_the_same = "to mend it all the same, give it by its name"
    given = {Path(path).resolve() for path in paths}
    files = {place.file for world in loaded.worlds.values() for ref in world.refs() if (place := world.place(ref))}
    ignored = ignored_by_git({file for name in files if (file := Path(name).resolve()) not in given and file.is_file()})

    def why(name: str) -> str:
        file = Path(name).resolve()
        if file in given:
            return ""
        if file in ignored:
            return f"is ignored by git, as what something makes is; {all_the_same}"
        with file.open("rb") as opened:
            return f"says that something makes it; {all_the_same}" if is_made(opened.read(4096)) else ""

    return why
