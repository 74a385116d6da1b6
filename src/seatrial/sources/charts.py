"""Helm charts: rendered by Helm without a cluster, each object with the template, and the line in it, that it comes from.

Helm says which template made an object, not which line.  The line is found by looking at the template as text: the document
with the object's kind, and in it the keys by their indentation.  Where a template writes a part with a helper, the nearest line
above it that is written out stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.sources import wanting
from seatrial.sources.asked import now
from seatrial.sources.dependencies import SCHEMA, staged, without_schemas
from seatrial.sources.files import content, load_bytes
from seatrial.sources.loaded import Gathering, Input
from seatrial.world.load import Problem, careful, read
from seatrial.world.objects import merged
from seatrial.world.paths import Step, split
from seatrial.world.place import Place

if TYPE_CHECKING:
    from seatrial.cluster.helm import HelmError

#: A values file with one of these names belongs to an environment, and makes a world of its own.
ENVIRONMENTS = (
    *("dev", "develop", "development", "local", "test", "testing", "qa", "uat", "int", "integration"),
    *("stage", "staging", "preprod", "pre-production", "prod", "production", "live"),
)
_VALUES = re.compile(r"values[-._](?P<name>[a-z-]+)\.ya?ml")
_SOURCE = re.compile(rb"^# Source: (\S+)\n", re.MULTILINE)


def load_chart(
    chart: Path,
    gathering: Gathering,
    *,
    values: Mapping[str, Any] | None = None,
    release: str = "",
    only: Sequence[str] = (),
) -> None:
    """The objects of a chart (folder or archive) with some values; without any, once for each environment that it has values of.

    `only` names the environments that are wanted, all where it is empty.
    """
    about = _about(chart, gathering)
    if about is None:
        gathering.inputs.append(Input(str(chart), "chart", _pieces(chart, gathering, "")))
        return
    if about.get("type") == "library":
        gathering.problem(str(chart), "this chart is a library: it has no objects of its own", note=True)
        return
    environments = {} if values else _environments(chart)
    gathering.known |= environments.keys()
    wanted = {name: path for name, path in environments.items() if not only or name in only}
    if not wanted:
        _render(chart, gathering, dict(values or {}), release, "")
    for name, path in wanted.items():
        given = read_values(path, gathering)
        if given is not None:
            _render(chart, gathering, given, release, name)


def _about(chart: Path, gathering: Gathering) -> dict[str, Any] | None:
    """What a chart says of itself; None where that cannot be read, which is told. Of an archive Helm alone reads it."""
    about = chart / "Chart.yaml"
    return read_values(about, gathering) if about.is_file() else {}


def _pieces(chart: Path, gathering: Gathering, variant: str) -> int:
    """What of a chart that cannot be rendered is there all the same: its CRDs, and templates that have nothing to fill in."""
    count = 0
    for path in (*sorted(chart.glob("crds/**/*.y*ml")), *sorted(chart.glob("templates/**/*.y*ml"))):
        data = content(path, gathering)
        if data is not None and b"{{" not in data:
            gathering.pieces.add(str(path))
            count += load_bytes(data, str(path), gathering, strict=False, variant=variant)
    return count


def read_values(path: Path, gathering: Gathering) -> dict[str, Any] | None:
    """A values file, or None and what is wrong with it."""
    try:
        found, problems = careful.load(path.read_bytes(), str(path), 1)
    except OSError as error:
        gathering.problem(str(path), f"this file cannot be read: {error.strerror}")
        return None
    gathering.problems += problems
    if found and not isinstance(found[0], dict):
        gathering.problem(str(path), "this file must be a map of keys to values", line=1)
        return None
    return found[0] if found else None if problems else {}


def _environments(chart: Path) -> dict[str, Path]:
    """The values files of environments beside a chart's own, in the order of a promotion; its own count as the environment that
    they name (`environment: production`), or as `default`, beside them.
    """
    if not chart.is_dir():
        return {}
    found = {}
    for path in sorted(chart.glob("values*.y*ml")):
        name = _VALUES.fullmatch(path.name)
        if name and name["name"] in ENVIRONMENTS:
            found[name["name"]] = path
    order = {name: found[name] for name in ENVIRONMENTS if name in found}
    if order and not {"prod", "production", "live"} & order.keys() and (chart / "values.yaml").is_file():
        own = (read_values(chart / "values.yaml", Gathering()) or {}).get("environment")
        order[own if own in ENVIRONMENTS and own not in order else "default"] = chart / "values.yaml"
    return order


def _release(chart: Path) -> str:
    """A name for what nobody has named: the folder's, or the chart's own where that is only a version (`shop/1.2.0`)."""
    own = read_values(chart / "Chart.yaml", Gathering()) if (chart / "Chart.yaml").is_file() else None
    for given in (chart.stem, str((own or {}).get("name"))):
        name = re.sub(r"[^a-z0-9-]+", "-", given.lower()).strip("-")[:53]
        if name[:1].isalpha():
            return name
    return "release"


def _render(chart: Path, gathering: Gathering, values: dict[str, Any], release: str, variant: str) -> None:
    from seatrial.cluster.helm import HelmError

    name = release or _release(chart)
    try:
        with staged(chart, values) as given:
            text = _rendered(given.folder, chart, gathering, name, values)
    except HelmError as error:
        gathering.problems.append(_incomplete(chart, given.without) if given.without else _refused(chart, str(error)))
        gathering.inputs.append(Input(str(chart), "chart", _pieces(chart, gathering, variant), variant))
        return
    except OSError as error:
        gathering.problem(str(chart), f"this chart cannot be read: {error.strerror or error}")
        return
    if given.without:
        words = (
            f"read without {_listed(given.without)}, which this chart depends on and which {_are(given.without)} not in charts/"
        )
        gathering.problems.append(Problem(str(chart), 0, 0, words, f"to have all of it: helm dependency build {chart}", "note"))
        gathering.without.update(given.without)
    objects = _objects(text.encode(), chart, gathering, variant, given.elsewhere)
    gathering.inputs.append(Input(str(chart), "chart", objects, variant))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _are(names: Sequence[str]) -> str:
    return "are" if names[1:] else "is"


def _incomplete(chart: Path, without: Sequence[str]) -> Problem:
    """A chart that is nothing without what it depends on."""
    words = f"this chart cannot be rendered without {_listed(without)}, which {_are(without)} not in charts/"
    return Problem(str(chart), 0, 0, words, f"to fetch what it depends on: helm dependency build {chart}")


def _rendered(folder: Path, chart: Path, gathering: Gathering, name: str, values: dict[str, Any]) -> str:
    """What Helm makes of a chart, whose files are in a folder; where it demands values that nobody gave, with those it brings to
    be tried with, or with placeholders, which is noted. Raises HelmError.
    """
    text, refused = _tried(folder, gathering, name, values)
    if refused is None:
        return text
    if _SCHEMA.search(str(refused)) and any(folder.rglob(SCHEMA)):
        with without_schemas(folder) as bare:
            text = _rendered(bare, chart, gathering, name, values)
        gathering.problem(str(chart), _UNHELD, note=True)
        return text
    for path in wanting.own_values(chart) if wanting.demanded(folder, str(refused)) else []:
        text, failed = _tried(folder, gathering, name, merged(read_values(path, gathering) or {}, values))
        if failed is None:
            gathering.problem(str(chart), f"this chart demands values that it has none for: it was read with {path}", note=True)
            return text
    given, missing, failed = values, list[str](), refused
    while failed is not None:
        steps = wanting.demanded(folder, str(failed))
        filled = wanting.with_placeholder(given, steps) if steps and len(missing) < wanting.MOST else None
        if filled is None:
            raise refused
        given = filled
        missing.append(".".join(steps))
        text, failed = _tried(folder, gathering, name, given)
    words = f"this chart demands {', '.join(missing)}: it was read with placeholders there"
    gathering.problem(str(chart), words, "give values with --values-file or --set", note=True)
    return text


def _tried(folder: Path, gathering: Gathering, name: str, values: dict[str, Any]) -> tuple[str, HelmError | None]:
    from seatrial.cluster.helm import Helm, HelmError, binary

    if gathering.version and binary() is None:
        words = f"read as of Helm's own Kubernetes version, not of {gathering.version}: that takes a helm on the PATH"
        gathering.problem(str(folder), words, note=True)
    try:
        rendering = Helm().template(name, folder, gathering.namespace or "default", values=values, version=gathering.version)
        return now(rendering), None
    except HelmError as error:
        return "", error


#: What Helm says of a schema of values that it would have to fetch a part of.
_SCHEMA = re.compile(r"failing loading \"https?://|unable to load (?:schema|\$ref)|failed to compile.*https?://")
_UNHELD = "the schema of this chart's values names another by its address, which does not answer: it was read without"
#: Where Helm says that a template fails: (shop/templates/web.yaml:10:15) or template: shop/templates/web.yaml:10:15.
_AT = re.compile(r"(?:\(|template: |parse error at \()[\w.-]+/((?:charts/[\w.-]+/)*templates/[\w./-]+?):(\d+)(?::(\d+))?")


def _refused(chart: Path, words: str) -> Problem:
    """What Helm said of a chart that it cannot render, at the line of the template where it says one."""
    said = words.partition("\n\nUse --debug")[0].strip()
    at = _AT.search(said)
    hint = f"to see it: helm template {chart}"
    if "Chart.yaml file is missing" in said and chart.is_file():
        return Problem(str(chart), 0, 0, "this archive is no chart: it has no Chart.yaml", f"unpack it: tar xzf {chart}")
    if at is None:
        return Problem(str(chart), 0, 0, f"this chart cannot be rendered: {said}", hint)
    return Problem(str(chart / at[1]), int(at[2]), int(at[3] or 0), f"this chart cannot be rendered: {said}", hint)


def _objects(text: bytes, chart: Path, gathering: Gathering, variant: str, elsewhere: Mapping[str, Path]) -> int:
    """Each part of what Helm printed belongs to the template named above it."""
    marks = list(_SOURCE.finditer(text))
    count = 0
    seen: dict[tuple[Path, str], int] = {}
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    for mark, end in zip(marks, ends if marks else (), strict=True):
        path = _path(chart, mark[1].decode(errors="replace"), elsewhere)
        body = text[mark.end() : end]
        found = read(body, str(path), strict=False)
        gathering.problems += found.problems  # lines of what was rendered: close to the template's, and all there is
        for obj, _ in found.objects:
            nth = seen.get((path, obj["kind"]), 0)
            seen[path, obj["kind"]] = nth + 1
            gathering.add(obj, Template(path, obj["kind"], nth), variant)
        count += len(found.objects)
    if not marks:  # nothing is named: what was printed is all that is known
        count = load_bytes(text, str(chart), gathering, strict=False, variant=variant)
    return count


def _path(chart: Path, source: str, elsewhere: Mapping[str, Path]) -> Path:
    """The template of `shop/templates/web.yaml`, whose first part is the chart's name; that of a dependency may be elsewhere."""
    _, _, inside = source.partition("/")
    place = max((each for each in elsewhere if inside.startswith(each)), key=len, default="")
    return elsewhere[place] / inside.removeprefix(place) if place else chart / inside


@dataclass(frozen=True, slots=True)
class Template:
    """An object as a template writes it: the `nth` of its kind there. Called with a path, it says where that is written."""

    file: Path
    kind: str
    nth: int

    def __call__(self, path: str = "") -> Place:
        document = _document(self.file, self.kind, self.nth)
        line = document.line_of(split(path)) if path else document.start
        return Place(str(self.file), line)


@dataclass(frozen=True, slots=True)
class _Document:
    """Some lines of a template, from line `start` on."""

    start: int
    lines: tuple[str, ...] = field(repr=False)

    def line_of(self, steps: Sequence[Step]) -> int:
        """The line of the last step that is written out."""
        first, last, indent, found = 0, len(self.lines), -1, 0
        for step in steps:
            at = self._key(step, first, last, indent) if isinstance(step, str) else self._item(step, first, last, indent)
            if at is None:
                break
            row, column = at
            found, first, indent = row, row if isinstance(step, int) else row + 1, column
            last = self._end(row + 1, last, column, isinstance(step, str))
        return self.start + found

    def _key(self, step: str, first: int, last: int, indent: int) -> tuple[int, int] | None:
        key = re.compile(rf"^(\s*(?:- +)*)[\"']?{re.escape(step)}[\"']?\s*:")
        found = [(len(match[1]), row) for row in range(first, last) if (match := key.match(self.lines[row]))]
        inside = [(column, row) for column, row in found if column > indent]
        return (min(inside)[1], min(inside)[0]) if inside else None

    def _item(self, step: int, first: int, last: int, indent: int) -> tuple[int, int] | None:
        dashes = [
            (len(line) - len(line.lstrip()), row)
            for row, line in enumerate(self.lines[first:last], first)
            if line.lstrip().startswith("- ")
        ]
        inside = [(column, row) for column, row in dashes if column >= indent]
        if not inside:
            return None
        column = min(inside)[0]
        rows = [row for at, row in inside if at == column]
        return (rows[step], column) if step < len(rows) else (rows[0], column) if len(rows) == 1 else None

    def _end(self, first: int, last: int, indent: int, key: bool) -> int:
        """Where what belongs to a line ends: at the first that is written out and not deeper. Items may stand as far left as
        their key.
        """
        for row in range(first, last):
            line = self.lines[row]
            bare = line.strip()
            column = len(line) - len(line.lstrip())
            if not bare or bare.startswith(("{{", "#")) or (key and column == indent and bare.startswith("- ")):
                continue
            if column <= indent:
                return row
        return last


@lru_cache(maxsize=512)
def _document(file: Path, kind: str, nth: int) -> _Document:
    """The document of a template that makes the nth object of a kind; in a loop one document makes several."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return _Document(1, ())
    parts: list[tuple[int, list[str]]] = [(0, [])]
    for row, line in enumerate(lines):
        if re.match(r"---(\s|$)", line):
            parts.append((row + 1, []))
        else:
            parts[-1][1].append(line)
    wanted = re.compile(rf"^kind:\s*[\"']?{re.escape(kind)}[\"']?\s*(#.*)?$")
    fitting = [part for part in parts if any(wanted.match(line) for line in part[1])]
    if not fitting:
        return _Document(1, tuple(lines))
    start, body = fitting[min(nth, len(fitting) - 1)]
    row = next(row for row, line in enumerate(body) if re.match(r"(apiVersion|kind):", line))
    return _Document(start + row + 1, tuple(body[row:]))
