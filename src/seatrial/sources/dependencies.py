"""Charts whose dependencies nobody has fetched: rendered with those that are on this machine, and without the others.

Helm refuses a chart as long as one of its dependencies is not in `charts/`, even one that its values switch off.  A repository
seldom holds them (`helm dependency build` fetches them), and most of such a chart can be looked at all the same: a copy of it,
made of links, has an empty chart in place of each.  Those of `file://` are where they say, and of charts that are kept side by
side, one is often the other's dependency.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from seatrial.world.load import careful

#: Files that name dependencies: of today's charts, and of those for Helm 2. Locks would no longer fit what is named.
_NAMING, _LOCKS = ("Chart.yaml", "requirements.yaml"), ("Chart.lock", "requirements.lock")
#: The archive of a dependency: redis-18.1.0.tgz
_ARCHIVE = re.compile(r"(?P<name>.+?)-v?\d+\.\d+.*\.tgz$")
#: How deep `file://` is followed from chart to chart.
DEEPEST = 6


@dataclass(slots=True)
class Staged:
    """What Helm is given for a chart: `folder`; `without` are the dependencies that are wanted and not there; `elsewhere` says
    where the templates below `charts/…` are in truth.
    """

    folder: Path
    without: list[str] = field(default_factory=list)
    elsewhere: dict[str, Path] = field(default_factory=dict)


@contextmanager
def staged(chart: Path, values: Mapping[str, Any]) -> Iterator[Staged]:
    """A chart as Helm takes it: itself where nothing lacks, else a copy for as long as the context lasts. OSErrors are raised."""
    if not chart.is_dir() or not _lacking(chart):
        yield Staged(chart)
        return
    with tempfile.TemporaryDirectory(prefix="seatrial-chart-") as folder:
        found = Staged(Path(folder) / (chart.resolve().name or "chart"))
        _stage(chart, found.folder, values, found, "", 0)
        yield found


#: What Helm holds values against, in a chart and in those below charts/.
SCHEMA = "values.schema.json"


@contextmanager
def without_schemas(chart: Path) -> Iterator[Path]:
    """A copy of a chart that takes any values, for as long as the context lasts. OSErrors are raised."""
    with tempfile.TemporaryDirectory(prefix="seatrial-chart-") as folder:
        bare = Path(folder) / (chart.resolve().name or "chart")
        shutil.copytree(chart, bare, symlinks=True, ignore=shutil.ignore_patterns(SCHEMA))
        yield bare


def _stage(chart: Path, into: Path, values: Mapping[str, Any], found: Staged, inside: str, depth: int) -> None:
    """Links to everything of a chart, but a `charts/` and a list of dependencies of its own."""
    into.mkdir(parents=True)
    for entry in chart.resolve().iterdir():
        if entry.name not in (*_NAMING, *_LOCKS, "charts"):
            (into / entry.name).symlink_to(entry)
    (into / "charts").mkdir()
    for entry in (chart / "charts").resolve().iterdir() if (chart / "charts").is_dir() else ():
        (into / "charts" / entry.name).symlink_to(entry)
    given = {**_content(chart / "values.yaml"), **values}
    for one in _lacking(chart):
        name, there = str(one["name"]), _here(chart, one)
        place = into / "charts" / name
        if place.exists():
            continue
        if there is not None and depth < DEEPEST:
            _stage(there, place, given.get(name) or {}, found, f"{inside}charts/{name}/", depth + 1)
            found.elsewhere[f"{inside}charts/{name}/"] = there
            continue
        place.mkdir()
        (place / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": name, "version": "0.0.0"}))
        if not _is_off(one, given):
            found.without.append(str(one.get("alias") or name))
    for file in _NAMING:
        _any_version(chart / file, into / file)


def _lacking(chart: Path) -> list[dict[str, Any]]:
    """The dependencies that are not in `charts/`, as they are written."""
    named = [
        one
        for file in _NAMING
        for one in _content(chart / file).get("dependencies") or ()
        if isinstance(one, dict) and isinstance(one.get("name"), str) and re.fullmatch(r"[\w.-]+", one["name"])
    ]
    if not named:
        return []
    there = set()
    for entry in (chart / "charts").iterdir() if (chart / "charts").is_dir() else ():
        archive = _ARCHIVE.fullmatch(entry.name)
        there.add(archive["name"] if archive else str(_content(entry / "Chart.yaml").get("name") or entry.name))
    return [one for one in named if one["name"] not in there]


def _here(chart: Path, dependency: Mapping[str, Any]) -> Path | None:
    """The folder of a dependency, where it is on this machine: where `file://` leads, or beside the chart."""
    repository = str(dependency.get("repository", ""))
    local = repository.removeprefix("file://") if repository.startswith("file://") else f"../{dependency['name']}"
    folder = Path(os.path.normpath(chart / local))
    return (
        folder
        if folder.resolve() != chart.resolve() and _content(folder / "Chart.yaml").get("name") == dependency["name"]
        else None
    )


def _is_off(dependency: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether the values switch a dependency off; of several conditions the first that is there counts, as for Helm."""
    for path in str(dependency.get("condition") or "").split(","):
        at: Any = values
        for step in path.strip().split("."):
            at = at.get(step) if isinstance(at, Mapping) else None
        if isinstance(at, bool):
            return not at
    return False


def _any_version(file: Path, into: Path) -> None:
    """Write down again what a chart says of itself, where any version of a dependency will do."""
    content = _content(file)
    named = content.get("dependencies")
    if isinstance(named, list):
        content["dependencies"] = [{**one, "version": ">=0.0.0-0"} for one in named if isinstance(one, dict)]
        into.write_text(yaml.safe_dump(content))
    elif file.is_file():
        into.symlink_to(file.resolve())


def _content(file: Path) -> dict[str, Any]:
    """What stands in a file; nothing where it cannot be read, which Helm says better."""
    try:
        found, _ = careful.load(file.read_bytes(), str(file), 1)
    except OSError:
        return {}
    return found[0] if found and isinstance(found[0], dict) else {}
