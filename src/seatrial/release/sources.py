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

from seatrial.release.findings import found
from seatrial.rules.finding import Fact, Finding
from seatrial.world import sops
from seatrial.world.objects import Obj, merged

Values = dict[str, Any]

#: The largest index of a list that `--set` takes.
MOST = 65536
_WORDS = {"true": True, "false": False, "null": None}


class SourceError(Exception):
    """What was given cannot be released; the message names the file and line, and what to do.

    `findings` are there where it is one of the things that a preflight looks for.
    """

    def __init__(self, words: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(words)
        self.findings = findings


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
    files: tuple[Path, ...] = ()  # where values are from, the last one wins
    problems: tuple[Finding, ...] = ()  # with which nothing can be rendered: secrets that could not be decrypted


def layered(
    values_files: Sequence[Path] = (), secrets_files: Sequence[Path] = (), sets: Sequence[str] = ()
) -> tuple[Values, tuple[str, ...]]:
    """The values of all layers, and the secret texts among them. Raises SourceError."""
    values, secrets, problems = opened_layers(values_files, secrets_files, sets)
    if problems:
        raise SourceError("\n".join(f"{one.evidence[0].source}: {one.evidence[0].text}" for one in problems), problems)
    return values, secrets


def opened_layers(
    values_files: Sequence[Path] = (), secrets_files: Sequence[Path] = (), sets: Sequence[str] = ()
) -> tuple[Values, tuple[str, ...], tuple[Finding, ...]]:
    """The same without the secrets files that cannot be decrypted: those are findings. Raises SourceError for all else."""
    values: Values = {}
    secrets: list[str] = []
    problems: list[Finding] = []
    for path in values_files:
        values = merged(values, read(path))
    for path in secrets_files:
        try:
            opened = _opened(path)
        except sops.SopsError as error:
            problems.append(_unreadable(path, error))
            continue
        secrets += texts(opened)
        values = merged(values, opened)
    for text in sets:
        values = with_set(values, text)
    return values, tuple(dict.fromkeys(secrets)), tuple(problems)


def _unreadable(path: Path, error: sops.SopsError) -> Finding:
    words, _, hint = str(error).partition("\n")
    return found("secrets-unreadable", f"{path} cannot be decrypted", evidence=[Fact(words, str(path))], fix=hint)


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
    """A secrets file. Raises SourceError, and SopsError where it cannot be decrypted."""
    document = read(path)
    return sops.decrypt(path, document) if sops.is_encrypted(document) else document


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
    """`--set a.b=1,c[0]={x,y}` laid over values, by the grammar of Helm (pkg/strvals/parser.go). Raises SourceError."""
    result = dict(values)
    reader = _Reader(text)
    while not reader.done:
        steps = list(_steps(reader))
        result = _put(result, steps, _value(reader), text)
    return result


class _Reader:
    """A text, read up to one of some characters at a time; a backslash takes what follows it as it is."""

    def __init__(self, text: str) -> None:
        self.text, self.position = text, 0

    @property
    def done(self) -> bool:
        return self.position >= len(self.text)

    @property
    def next(self) -> str:
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        char = self.next
        self.position += 1
        return char

    def until(self, stops: str) -> tuple[str, str]:
        """What stands before the first of `stops`, and which one it was; "" at the end."""
        found: list[str] = []
        while not self.done:
            char = self.take()
            if char in stops:
                return "".join(found), char
            found.append(self.take() if char == "\\" else char)
        return "".join(found), ""

    def wrong(self, what: str) -> SourceError:
        return SourceError(f"--set {self.text.partition('=')[0]}: {what}, as in --set web.hosts[0]=example.com")


def _steps(reader: _Reader) -> Iterator[str | int]:
    """The keys and indexes before an equals sign, which is read as well."""
    while True:
        key, stop = reader.until(".[=,")
        if not key:
            raise reader.wrong("this is no path of keys")
        yield key
        while stop == "[":
            index, _ = reader.until("]")
            if not index.isdecimal() or int(index) > MOST:
                raise reader.wrong(f"an index is a number from 0 to {MOST}, not {index!r}")
            yield int(index)
            stop = reader.take()
        if stop == "=":
            return
        if stop != ".":
            raise reader.wrong("give it a value")


def _value(reader: _Reader) -> Any:
    """A value up to the next comma, or a list in braces."""
    if reader.next != "{":
        return _typed(reader.until(",")[0])
    reader.take()
    items, stop = [], ","
    while stop == ",":
        item, stop = reader.until(",}")
        items.append(_typed(item))
    if not stop:
        raise reader.wrong("a list ends with a brace")
    if reader.next == ",":
        reader.take()
    return items


def _typed(text: str) -> Any:
    """Words and whole numbers as what they are; the rest, `1.5` and `01` too, is text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"0|[+-]\d+|[1-9]\d*", text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    return text


def _put(below: Any, steps: list[str | int], value: Any, text: str) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    kind: type
    kind, name = (list, "list") if isinstance(step, int) else (Mapping, "map")
    if below is not None and not isinstance(below, kind):
        raise SourceError(f"--set {text.partition('=')[0]}: {step!r} cannot be set below what is no {name}")
    if isinstance(step, int):
        items = list(below or ())
        items += [None] * (step + 1 - len(items))
        items[step] = _put(items[step], rest, value, text)
        return items
    result = dict(below or {})
    result[step] = _put(result.get(step), rest, value, text)
    return result


def chart_words(chart: str, files: Iterable[Path]) -> str:
    """How a chart and its values files are called."""
    names = ", ".join(path.name for path in files)
    return f"{chart} with {names}" if names else chart
