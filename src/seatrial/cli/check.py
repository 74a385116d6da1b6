"""`seatrial check`: what is wrong with what is written, before it runs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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
@click.option("-o", "--output", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--fail-on", type=click.Choice(LEVELS), default="error", show_default=True, help="Exit with 1 from this severity on."
)
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Only these rules; * stands for anything.")
@click.option(
    "--kubernetes-version", "version", default="", metavar="1.N", help="The cluster's version. [default: the newest known]"
)
@click.option("--ignore-file", type=click.Path(path_type=Path, dir_okay=False, exists=True), help=f"[default: {IGNORE_FILE}]")
@click.option("--fix", is_flag=True, help="Mend the files where a machine can; comments and layout stay.")
@click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Notes too, and what was ignored and why.")
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
    from seatrial.views.colour import coloured
    from seatrial.views.report import show

    missing = [path for path in paths if path != "-" and not Path(path).exists()]
    if missing:
        raise click.UsageError(f"there is no {missing[0]!r}")
    loaded = _loaded(paths, options)
    report, decisions = _report(paths, loaded, options)
    if fix:
        mended = _fix(loaded, report, decisions, dry)
        if mended and not dry:
            report, decisions = _report(paths, _loaded(paths, options), options)
    colour = output == "text" and coloured(sys.stdout)
    click.echo(show(report, output, decisions.lines, colour=colour, verbose=verbose), nl=False)
    gc.freeze()  # nor when it ends
    if not report.objects and not report.unread:
        click.echo(f"There is no Kubernetes object in {report.of}: {NOTHING}", err=True)
    if fail_on != "never" and report.fails(fail_on):
        return 1
    return 2 if any(problem.severity == "error" for problem in report.unread) else 0


def _loaded(paths: Sequence[str], options: dict[str, Any]) -> Loaded:
    from seatrial.sources import load

    return load(
        paths,
        values=_values(options["values_files"], options["sets"]),
        release=options["release_name"],
        namespace=options["namespace"],
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


def _fix(loaded: Loaded, report: Report, decisions: Decisions, dry: bool) -> bool:
    """Mend the files, or show what would be done; whether anything was, or would be, changed."""
    from seatrial.cli.mending import edits, write
    from seatrial.rules.looking import found
    from seatrial.rules.mending import mend

    offered = [one for one in report.findings if one.patch]
    done, refused = [], []
    for world in loaded.worlds.values():
        mended = mend(world, offered, lambda tried: decisions.split(tried, found(tried, live=False))[0])
        done += [one for one in mended.done if one not in done]
        refused += [pair for pair in mended.refused if pair not in refused]
    kept = [one for one in done if one not in [finding for finding, _ in refused]]
    made = edits(loaded.world, kept)
    if dry:
        click.echo(_diff(made.texts), nl=False)
    else:
        write(made.texts)
    for finding in made.done:
        click.echo(f"{'would mend' if dry else 'mended'}  {finding.title} [{finding.rule}]", err=True)
    for finding, why in (*refused, *made.left):
        click.echo(f"left      {finding.title} [{finding.rule}]: {why}", err=True)
    return bool(made.texts)


def _lines(text: str) -> list[str]:
    """The lines with their ends, of which only the line feed is one."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + ([last] if (last := text.rpartition("\n")[2]) else [])


def _diff(texts: dict[str, str]) -> str:
    import difflib

    return "".join(
        line if line.endswith("\n") else line + "\n"
        for file, text in texts.items()
        for line in difflib.unified_diff(_lines(Path(file).read_bytes().decode()), _lines(text), f"a/{file}", f"b/{file}")
    )
