"""What Helm says against values by the schema of a chart, as findings: each with the path of the value and where it is set.  Pure
but for reading the values files again, for their lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from seatrial.release.findings import found
from seatrial.rules.finding import Fact, Finding

_BEGIN = "values don't meet the specifications of the schema(s) in the following chart(s):"
#: Helm 4 (santhosh-tekuri/jsonschema), then Helm 3 (xeipuu/gojsonschema).
_LINES = (
    re.compile(r"- at '(?P<path>[^']*)': (?P<words>.*)"),
    re.compile(r"- (?P<path>\(root\)|[^\s:]+): (?P<words>.*)"),
)

#: A key that the schema does not know, by its name; one that it wants.
_EXTRA = re.compile(r"^additional propert(?:y|ies) '([^']+)' not allowed$|^Additional property (\S+) is not allowed$")
_MISSING = re.compile(r"missing propert|.* is required$")


def violations(said: str, chart: Path, files: Sequence[Path] = ()) -> tuple[Finding, ...]:
    """The findings in what Helm said; none where it is about something else. `files` are the values files, the last one wins."""
    if _BEGIN not in said:
        return ()
    return tuple(_findings(said.partition(_BEGIN)[2].splitlines(), _name(chart), files))


def _findings(lines: Sequence[str], root: str, files: Sequence[Path]) -> Iterator[Finding]:
    below: list[str] = []
    for line in lines:
        read = next((one for pattern in _LINES if (one := pattern.fullmatch(line.strip()))), None)
        if read is None:
            name = line.strip().removesuffix(":")
            below = [] if name in ("", root) else [name]
            continue
        words = read["words"]
        extra = _EXTRA.search(words)
        steps = [*below, *_steps(read["path"]), *([extra[1] or extra[2]] if extra else [])]
        path = ".".join(steps)
        where = _places(files, steps)[:1]
        facts = [Fact("set here", where[0])] if where else [Fact("in none of the files that were given: the chart's own value")]
        if not steps or _MISSING.match(words):
            facts = []
        title = f"value {path}: {words}" if path else f"the values: {words}"
        yield found("values-schema", title, evidence=facts, path=path)


def _steps(path: str) -> list[str]:
    if path.startswith("/"):
        return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    return [] if path in ("", "(root)") else path.split(".")


def _name(chart: Path) -> str:
    """The name of a chart: of its folder's Chart.yaml, or of its archive."""
    if not chart.is_dir():
        return re.sub(r"-v?\d+\.\d+.*$|\.tgz$", "", chart.name)
    try:
        said = yaml.safe_load((chart / "Chart.yaml").read_text())
    except (OSError, yaml.YAMLError):
        return chart.name
    return str(said.get("name", chart.name)) if isinstance(said, dict) else chart.name


def _places(files: Sequence[Path], steps: Sequence[str]) -> list[str]:
    """Where a value is set, as file:line; in the file that wins first."""
    places = []
    for path in reversed(files):
        try:
            node = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue
        line = _line(node, steps) if steps else None
        if line is not None:
            places.append(f"{path}:{line}")
    return places


def _line(node: yaml.Node | None, steps: Sequence[str]) -> int | None:
    """The line of a value in a document, from 1; None where it is not set there."""
    line = None
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is None:
                return None
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
            node = node.value[int(step)]
            line = node.start_mark.line + 1
        else:
            return None
    return line
