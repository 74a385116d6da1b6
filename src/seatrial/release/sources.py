"""What is to be released: a chart and the values it gets, in the layers that were asked for.

Values files first, then secrets files, then `--set`, the later over the earlier.  All of it goes to Helm through its standard
input: no value is ever an argument of a process.  Secrets files may be SOPS files (`sops`); their values are what is masked
everywhere.  An app file becomes such a source in the command line, which knows how to render one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from seatrial.world import sops
from seatrial.world.objects import Obj

Values = dict[str, Any]

_STEP = re.compile(r"((?:[^.\[\]\\=]|\\.)+)|\[(\d+)\]")


class SourceError(Exception):
    """What was given cannot be released; the message names the file and line, and what to do."""


@dataclass(frozen=True)
class Source:
    """A chart (folder or archive), its values, and where it goes. `secrets` are the values to mask."""

    words: str  # how a person calls it: `shop (production)`, `./chart.tgz`
    release: str
    namespace: str
    chart: Path
    values: Values = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    namespace_object: Obj | None = None  # with its labels for Pod Security, where we render it


def layered(
    values_files: Sequence[Path] = (), secrets_files: Sequence[Path] = (), sets: Sequence[str] = ()
) -> tuple[Values, tuple[str, ...]]:
    """The values of all layers, and the secret texts among them. Raises SourceError."""
    values: Values = {}
    secrets: list[str] = []
    for path in values_files:
        values = merged(values, read(path))
    for path in secrets_files:
        opened = _opened(path)
        secrets += texts(opened)
        values = merged(values, opened)
    for text in sets:
        values = with_set(values, text)
    return values, tuple(dict.fromkeys(secrets))


def read(path: Path) -> Values:
    """A values file. Raises SourceError with the line of a mistake."""
    try:
        found = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path}: this is no text file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise SourceError(f"{where}: {getattr(error, 'problem', None) or 'this is no YAML'}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise SourceError(f"{path}:1: a values file is a map of keys to values, this is a {type(found).__name__}")
    return found


def _opened(path: Path) -> Values:
    found = read(path)
    if not sops.is_encrypted(found):
        return found
    try:
        return sops.decrypt(path, found)
    except sops.SopsError as error:
        raise SourceError(f"{path}: {error}") from None


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """`over` laid over `base`: maps key by key, everything else replaced (`null` stays: it takes a chart's default away)."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def texts(values: Any) -> Iterator[str]:
    """Every scalar in a document of values, as the text in which it can turn up."""
    stack = [values]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend(value.values())
        elif isinstance(value, (list, tuple)):
            stack.extend(value)
        elif isinstance(value, str):
            yield value
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield str(value)


def with_set(values: Mapping[str, Any], text: str) -> Values:
    """`--set a.b=1,c[0]={x,y}` laid over values, by the grammar of Helm (pkg/strvals). Raises SourceError."""
    result = dict(values)
    for assignment in _split(text):
        path, equals, value = _cut(assignment)
        if not equals:
            raise SourceError(f"--set {assignment.partition('=')[0]}: give it a value, as in --set key=value")
        result = _put(result, list(_steps(path)), _typed(value))
    return result


def _split(text: str, by: str = ",") -> Iterator[str]:
    """At commas that are neither escaped nor inside braces."""
    depth, current, position = 0, "", 0
    while position < len(text):
        char = text[position]
        if char == "\\" and position + 1 < len(text):
            current, position = current + text[position : position + 2], position + 2
            continue
        depth += (char == "{") - (char == "}")
        if char == by and depth <= 0:
            yield current
            current = ""
        else:
            current += char
        position += 1
    if current:
        yield current


def _cut(assignment: str) -> tuple[str, str, str]:
    found = re.match(r"((?:[^=\\]|\\.)*)(=)(.*)", assignment, re.DOTALL)
    return (found[1], found[2], found[3]) if found else (assignment, "", "")


def _steps(path: str) -> Iterator[str | int]:
    found = list(_STEP.finditer(path))
    if not found:
        raise SourceError(f"--set {path!r}: this is no path of keys, such as web.replicas or web.hosts[0]")
    for step in found:
        yield int(step[2]) if step[2] is not None else _plain(step[1])


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _typed(text: str) -> Any:
    if text.startswith("{") and text.endswith("}"):
        return [_typed(part) for part in _split(text[1:-1])]
    if text in ("true", "false"):
        return text == "true"
    if text == "null":
        return None
    if re.fullmatch(r"-?(0|[1-9]\d*)", text):
        return int(text)
    return _plain(text)


def _put(below: Any, steps: list[str | int], value: Any) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = list(below) if isinstance(below, list) else []
        if step > 65536:
            raise SourceError(f"--set [{step}]: a list has at most 65536 entries")
        items += [None] * (step + 1 - len(items))
        items[step] = _put(items[step], rest, value)
        return items
    result = dict(below) if isinstance(below, Mapping) else {}
    result[step] = _put(result.get(step), rest, value)
    return result


def chart_words(chart: str, files: Iterable[Path]) -> str:
    """How a chart and its values files are called."""
    names = ", ".join(path.name for path in files)
    return f"{chart} with {names}" if names else chart
