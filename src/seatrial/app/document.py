"""An app file as plain data, with the line and column of every key and value.

This reads bytes and YAML and knows nothing of services.  Scalars follow YAML 1.2 (`on` and `yes` are texts), and a number
keeps the text it was written as, so that `version: 1.10` stays 1.10.  Files that are too large, too deep, or that grow
without end through aliases are refused before they cost anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from seatrial.app.problems import AppFileErrors, Problem

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml: slower, the same events
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

MAX_BYTES = 1 << 20  # 1 MiB
MAX_DEPTH = 40
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
MAX_NODES = 50_000  # keys and values after aliases are followed

#: Where something stands in the document: `("services", "api", "port")`.
Path_ = tuple[str | int, ...]


class IntText(int):
    """A whole number that remembers how it was written."""

    source: str


class FloatText(float):
    """A number that remembers how it was written."""

    source: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the file; both count from 1."""

    line: int = 0
    column: int = 0


@dataclass(slots=True)
class Document:
    """The data of a file, and where each key and value of it stands."""

    file: str
    data: Any = None
    keys: dict[Path_, Mark] = field(default_factory=dict)
    values: dict[Path_, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unknown: set[Path_] = field(default_factory=set)  # what was not understood, and is told in `problems`

    def value_at(self, path: Path_) -> Mark:
        """Where the value at `path` stands, or the nearest thing above it that the file really holds."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Mark(1, 1))

    def key_at(self, path: Path_) -> Mark:
        """Where the key at the end of `path` stands; an item of a list has no key but its own place."""
        return self.keys.get(path) or self.value_at(path)

    def also_at(self, path: Path_, other: Path_) -> None:
        """Call what stands at `path` by another path as well: the one it would have without a slip of the keyboard."""
        for places in (self.keys, self.values):
            for known, mark in [(known, mark) for known, mark in places.items() if known[: len(path)] == path]:
                places.setdefault((*other, *known[len(path) :]), mark)

    def report(self, mark: Mark, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.file, mark.line, mark.column, message, hint))


def read(path: Path) -> Document:
    """The document at `path`. Raises AppFileErrors when it cannot be read at all; what can be read past is in `problems`."""
    return parse(_text(path), str(path))


def _text(path: Path) -> str:
    def refuse(message: str, hint: str = "", line: int = 0, column: int = 0) -> AppFileErrors:
        return AppFileErrors([Problem(str(path), line, column, message, hint)])

    try:
        if path.is_dir():
            hint = "give the folder of an app, or its file"
            if (path / "Chart.yaml").is_file():
                hint = f"it is a Helm chart: `seatrial release --chart-path {path}` releases one"
            raise refuse("there is no seatrial.yaml in this folder", hint)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
            size = max(len(content), path.stat().st_size)
    except FileNotFoundError:
        raise refuse("there is no such file", "an app is described in a file called seatrial.yaml") from None
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise refuse(f"the file has {size:,} bytes; an app file may have {MAX_BYTES:,} (1 MiB)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise refuse(f"byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8", line, column) from None


def parse(text: str, file: str = "seatrial.yaml") -> Document:
    """The document in `text`. Raises AppFileErrors when it is not YAML, is empty, or holds several documents."""
    document = Document(file)
    builder = _Builder(document)
    try:
        builder.build(yaml.parse(text, Loader=_Loader))
    except yaml.reader.ReaderError as error:
        raise AppFileErrors([_reader_problem(file, text, error)]) from None
    except yaml.MarkedYAMLError as error:
        raise AppFileErrors([*document.problems, _syntax_problem(file, text, error)]) from None
    except _StopError:
        raise AppFileErrors(document.problems) from None
    return document


def _syntax_problem(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    found = text.splitlines()[line - 1] if line <= len(text.splitlines()) else ""
    if "\t" in found[: max(column, len(found) - len(found.lstrip()))]:
        return Problem(file, line, found.index("\t") + 1, "a tab; YAML is indented with spaces")
    words = error.problem or "this is not YAML"
    context = f" ({error.context})" if error.context else ""
    return Problem(file, line, column, f"this is not YAML: {words}{context}", _syntax_hint(words))


def _syntax_hint(words: str) -> str:
    hints = {
        "mapping values are not allowed": "a value that contains `: ` needs quotes; or this line is indented too far",
        "did not find expected key": "look at the indentation of this line and the one before it",
        "unexpected end of stream": "a quote or bracket that is opened must be closed",
        "did not find expected ',' or": "a bracket that is opened must be closed, and its items separated by commas",
        "cannot start any token": "a value that begins with this character needs quotes",
    }
    return next((hint for part, hint in hints.items() if part in words), "")


def _reader_problem(file: str, text: str, error: yaml.reader.ReaderError) -> Problem:
    wrong = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if wrong is None:
        return Problem(file, 1, 1, f"this is not YAML: {error.reason}")
    before = text[: wrong.start()]
    line, column = before.count("\n") + 1, wrong.start() - before.rfind("\n")
    return Problem(file, line, column, f"control character #x{ord(wrong[0]):02x} is not allowed in YAML")


class _StopError(Exception):
    """Reading on makes no sense; the reason is in the document's problems."""


class _Builder:
    """Events to data. Aliases are followed by walking the anchored events again, at a price that is counted."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.anchors: dict[str, Any] = {}
        self.nodes = 0

    def build(self, events: Iterator[Any]) -> None:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(event, "a second document begins here; an app file is one document", "remove the `---`")
            elif isinstance(event, (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent, yaml.AliasEvent)):
                tree = _tree(event, events, self, 0)
                self.document.data = self._data(tree, (), None)
        if documents == 0 or (documents == 1 and self.document.data is None):
            self.document.report(Mark(), "the file is empty", "the smallest app file has `app:` and `services:`")
            raise _StopError

    def _stop(self, event: Any, message: str, hint: str = "") -> None:
        self.document.report(_mark(event), message, hint)
        raise _StopError

    def _count(self, event: Any) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._stop(event, f"more than {MAX_NODES:,} values once its aliases are followed; an app file is smaller than that")

    def _data(self, tree: Any, path: Path_, alias: Mark | None) -> Any:
        """Data of a tree. Inside an alias every place is the alias's own, where the person can see it."""
        event, children = tree
        self._count(event)
        if len(path) > MAX_DEPTH:
            self._stop(event, TOO_DEEP)
        if isinstance(event, yaml.AliasEvent):
            target = self.anchors.get(event.anchor or "")
            if target is None:
                self.document.report(_mark(event), f"`*{event.anchor}` has no anchor `&{event.anchor}` before it")
                self.document.values[path] = alias or _mark(event)
                self.document.unknown.add(path)
                return None
            return self._data(target, path, alias or _mark(event))
        self.document.values[path] = alias or _mark(event)
        if isinstance(event, yaml.ScalarEvent):
            data = self._scalar(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            data = [self._data(child, (*path, index), alias) for index, child in enumerate(children)]
        else:
            data = self._mapping(children, path, alias)
        if event.anchor:  # only now: an anchor cannot be used inside itself
            self.anchors[event.anchor] = tree
        return data

    def _mapping(self, children: list[Any], path: Path_, alias: Mark | None) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for key_tree, value_tree in zip(children[::2], children[1::2], strict=True):
            key_event = key_tree[0]
            mark = alias or _mark(key_event)
            if not isinstance(key_event, yaml.ScalarEvent):
                self.document.report(mark, "a key must be a text")
                continue
            self._count(key_event)
            key = key_event.value
            if key == "<<" and not key_event.style:
                merged = self._merge(value_tree, path, mark) | merged
                continue
            if key in found:
                first = self.document.keys[(*path, key)]
                self.document.report(mark, f"duplicate key `{key}`; it is already given in line {first.line}")
                self.document.unknown.add((*path, key))  # one of the two is right, and nobody knows which
                continue
            self.document.keys[(*path, key)] = mark
            found[key] = self._data(value_tree, (*path, key), alias)
        for key in merged.keys() - found.keys():
            self.document.keys.setdefault((*path, key), self.document.values[path])
        return {**merged, **found}

    def _merge(self, tree: Any, path: Path_, mark: Mark) -> dict[Any, Any]:
        data = self._data(tree, (*path, "<<"), mark)
        parts = data if isinstance(data, list) else [data]
        if not all(isinstance(part, dict) for part in parts):
            self.document.report(mark, "`<<` takes a map, or a list of maps")
            return {}
        merged: dict[Any, Any] = {}
        for part in parts:
            merged = {**part, **merged}
        for key in merged:
            self.document.values.setdefault((*path, key), mark)
        return merged

    def _scalar(self, event: yaml.ScalarEvent, path: Path_) -> Any:
        if event.tag and event.tag not in _TAGS and event.tag != "!":
            self.document.report(_mark(event), f"tag `{event.tag}` means nothing in an app file")
            self.document.unknown.add(path)
            return event.value
        if event.tag == "tag:yaml.org,2002:str" or event.style or event.tag == "!":
            return event.value
        return _plain(event.value)


_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}


def _tree(event: Any, events: Iterator[Any], builder: _Builder, depth: int) -> Any:
    """An event with the trees of its children. Depth is bounded here, so nothing after this can recurse too far."""
    if depth > MAX_DEPTH:
        builder._stop(event, TOO_DEEP)
    children: list[Any] = []
    if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
        for child in events:
            if isinstance(child, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                break
            children.append(_tree(child, events, builder, depth + 1))
    return event, children


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")


def _plain(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        whole = IntText(text)
        whole.source = text
        return whole
    if _FLOAT.fullmatch(text):
        number = FloatText(text)
        number.source = text
        return number
    return text


def text_of(value: Any) -> str:
    """A scalar as the text it was written as."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(getattr(value, "source", value))
