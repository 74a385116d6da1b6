"""One YAML document as data, with everything that could be wrong with it told by line: for documents that `quick` does not take.

Scalars are read as kubectl reads them: YAML 1.1 words for true and false, but dates and `12:30` stay texts.  Nesting, aliases and
sizes are bounded before they cost anything: a document cannot grow without end, nor end the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

import yaml

from seatrial.world.load.problems import Problem

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml: slower, the same documents
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

#: How deep a document may nest, and how many values it may have once its aliases are followed.
DEEPEST, MOST = 500, 2_000_000
#: Below so many brackets, and without runs of dashes, nothing nests deeper than a parser's stack.
_BRACKETS = 4000
_RUNS = (b" " * 900, b"- " * 8, b"? " * 8, b"-\t", b"?\t", b"-  -", b"?  ?")


class _Own(yaml.constructor.SafeConstructor):
    """What is ours of a loader: duplicates are told, and keys are texts."""

    duplicates: list[tuple[Any, Any]]

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        if isinstance(node, yaml.MappingNode):
            seen: dict[tuple[str, str], Any] = {}
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    first = seen.setdefault((key.tag, key.value), key)
                    if first is not key:
                        self.duplicates.append((key, first))
        found = super().construct_mapping(node, deep)
        if all(type(key) is str for key in found):
            return found
        return {_key(key): value for key, value in found.items()}


class Loader(_Own, _Base):
    """PyYAML's safe loader, with duplicates told and scalars as Kubernetes has them."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.duplicates = []


class Redefining(_Own, yaml.SafeLoader):
    """The same for documents in which an anchor is set anew, as kubectl lets it be and libyaml does not: slower."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.duplicates = []

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = super().peek_event()  # type: ignore[no-untyped-call]
        if not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(event.anchor, None)
        return super().compose_node(parent, index)


def _key(key: Any) -> str:
    """A key as it is in JSON, where all are texts."""
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return str(key)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """YAML 1.1 without what go-yaml, and so kubectl, does not do: dates, sexagesimal numbers, `=`; and with its exponents."""
    number = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$")
    real = re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    )
    own = {"tag:yaml.org,2002:int": number, "tag:yaml.org,2002:float": real}
    dropped = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for first, pairs in _Base.yaml_implicit_resolvers.items():
        kept = [(tag, own.get(tag, pattern)) for tag, pattern in pairs if tag not in dropped]
        found[first] = sorted(kept, key=lambda pair: pair[0] == "tag:yaml.org,2002:float")
    return found


#: What no double is as large as.
_HUGE = 1 << 1023


def _integer(loader: Any, node: Any) -> Any:
    text = str(loader.construct_scalar(node)).replace("_", "")
    sign, digits = (text[0], text[1:]) if text[:1] in "+-" else ("", text)
    base = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2], 8 if len(digits) > 1 and digits[0] == "0" else 10)
    digits = digits[2:] if digits[:2] in ("0x", "0b", "0o") else digits
    if len(digits) > 400:
        raise yaml.constructor.ConstructorError(None, None, "a number of more than 400 digits", node.start_mark)
    if not digits:
        return str(loader.construct_scalar(node))
    whole = int(sign + digits, base)
    if -(1 << 63) <= whole < 1 << 64:
        return whole
    return float(whole) if abs(whole) < _HUGE else str(loader.construct_scalar(node))


def _float(loader: Any, node: Any) -> float | str:
    """A number that JSON has; the others (.inf, .nan, 1e400) stay texts, which no field for numbers takes."""
    text = str(loader.construct_scalar(node))
    number = float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return number if isfinite(number) else text


Loader.yaml_implicit_resolvers = _resolvers()  # of its own, not those of its base
Loader.add_constructor("tag:yaml.org,2002:int", _integer)
Loader.add_constructor("tag:yaml.org,2002:float", _float)


def _verbatim(loader: Any, node: Any) -> str:
    return str(loader.construct_scalar(node))


def _unknown(loader: Any, node: Any) -> Any:
    return loader.construct_undefined(node)


Loader.add_constructor("tag:yaml.org,2002:timestamp", _verbatim)
Loader.add_constructor("tag:yaml.org,2002:binary", _verbatim)
for _tag in ("set", "omap", "pairs"):  # nothing that JSON has: a tag like any other that is not known
    Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _unknown)


Redefining.yaml_implicit_resolvers, Redefining.yaml_constructors = Loader.yaml_implicit_resolvers, Loader.yaml_constructors


def load(text: bytes, file: str, line: int, loads: type[Loader | Redefining] = Loader) -> tuple[list[Any], list[Problem]]:
    """The documents of a text whose first line is `line` in its file, and what is wrong with it."""
    mark = too_deep(text)
    if mark is not None:
        return [], [Problem(file, line + mark.line, mark.column + 1, f"nested more than {DEEPEST} levels deep")]
    found: list[Any] = []
    problems: list[Problem] = []
    loader = loads(text)
    try:
        while loader.check_node():
            node: Any = loader.get_node()
            wrong = _unbounded(node) if b"&" in text else ""  # without an anchor there is no alias
            if wrong:
                mark = node.start_mark
                problems.append(Problem(file, line + mark.line, mark.column + 1, wrong))
                continue
            found.append(loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        if "duplicate anchor" in (error.context or "") and loads is Loader:
            return load(text, file, line, Redefining)
        problems.append(_told(error, text, file, line))
    except yaml.YAMLError as error:
        problems.append(Problem(file, line, 1, f"this is not YAML: {getattr(error, 'reason', error)}"))
    except Exception as error:  # a value under a tag that it does not fit makes PyYAML's constructors raise whatever they like
        problems.append(Problem(file, line, 1, f"this cannot be read: a value does not fit its tag: {error}"))
    finally:
        loader.dispose()
    problems += (_twice(key, first, file, line) for key, first in loader.duplicates)
    return found, problems


def _twice(key: Any, first: Any, file: str, line: int) -> Problem:
    mark, before = key.start_mark, first.start_mark.line + line
    text = f"the key `{key.value[:80]}` is here twice, first in line {before}: the first one is lost"
    return Problem(file, mark.line + line, mark.column + 1, text, "remove one of the two", "warning")


def too_deep(text: bytes) -> Any:
    """The mark at which a document gets too deep, None if it does not. Parsing needs no stack, composing would."""
    if text.count(b"[") + text.count(b"{") < _BRACKETS and not any(run in text for run in _RUNS):
        return None
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Base):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEEPEST:
                    return event.start_mark
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError:
        return None  # told when it is composed, which ends where this did
    return None


def _unbounded(root: Any) -> str:
    """Why a tree of nodes has no end or too many values; aliases are the same node several times. "" when it is fine."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if isinstance(node, yaml.ScalarNode):
            continue
        key = id(node)
        if done:
            open_.discard(key)
            sizes[key] = 1 + sum(1 if isinstance(one, yaml.ScalarNode) else sizes[id(one)] for one in _children(node))
            if sizes[key] > MOST:
                return f"more than {MOST:,} values once its aliases are followed"
        elif key in open_:
            return "an anchor contains an alias to itself"
        elif key not in sizes:
            open_.add(key)
            stack.append((node, True))
            stack += ((one, False) for one in _children(node))
    return ""


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    else:
        yield from node.value


#: A line that steers a template.
_CONTROL = re.compile(rb"^[ \t-]*(?:\{\{-? *(?:if|else|end|range|with|define|include|/\*)|\{%)", re.MULTILINE)
_HINTS = {
    "mapping values are not allowed": "a value that contains `: ` needs quotes; or this line is indented too far",
    "did not find expected key": "look at the indentation of this line and the one before it",
    "did not find expected '-' indicator": "look at the indentation of this line and the one before it",
    "unexpected end of stream": "a quote or bracket that is opened must be closed",
    "did not find expected ',' or": "a bracket that is opened must be closed, and its items separated by commas",
    "cannot start any token": "a value that begins with this character needs quotes",
    "undefined alias": "an anchor is known in its own document only",
    "could not determine a constructor": "tags mean nothing in a manifest",
}


def _told(error: yaml.MarkedYAMLError, text: bytes, file: str, line: int) -> Problem:
    mark = error.problem_mark or error.context_mark
    row, column = (mark.line, mark.column) if mark else (0, 0)
    if row >= text.count(b"\n"):  # at the end: the last thing that was written was left open
        lines = text.rstrip().split(b"\n")
        row, column = len(lines) - 1, max(len(lines[-1]) - 1, 0)
    lines = text.split(b"\n", row + 1)
    shown = lines[row] if row < len(lines) else b""
    indent = shown[: len(shown) - len(shown.lstrip())]
    if b"\t" in indent or shown[column : column + 1] == b"\t":
        at = shown.index(b"\t")
        return Problem(file, line + row, at + 1, "a tab; YAML is indented with spaces", "replace the tab with spaces")
    words = error.problem or "this cannot be read"
    context = f" ({error.context})" if error.context else ""
    merge = b"\n" + text
    if (left := merge.find(b"\n<<<<<<< ")) >= 0:
        row = merge.count(b"\n", 0, left)
        return Problem(file, line + row, 1, f"this is not YAML: {words}", "a merge was left half done")
    if any(mark in shown for mark in (b"{{", b"{%", b"<%")) or _CONTROL.search(text):
        return Problem(
            file, line + row, column + 1, f"this is a template, not YAML: {words}", "give its chart instead of its file"
        )
    hint = next((hint for part, hint in _HINTS.items() if part in words), "")
    return Problem(file, line + row, column + 1, f"this is not YAML: {words}{context}", hint)
