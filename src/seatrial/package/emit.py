"""Objects as YAML that a person reads: keys in their order, block style, quotes only where a parser would misread the text.

What is written means the same in YAML 1.1 and 1.2, for kubectl, Helm and PyYAML alike.  The Helm packager puts nodes of its own
into the data (`Inline`, `Namespaced`, `Nested`, `Spread`, `When`, `Cases`), which become template actions; literal text that
looks like one is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Inline:
    """A template action in place of a scalar: `replicas: {{ .Values.replicas }}`."""

    text: str


@dataclass(frozen=True, slots=True)
class Nested:
    """A template expression that yields YAML lines, put below its key with the right indentation."""

    expression: str


@dataclass(frozen=True, slots=True)
class Namespaced:
    """A text with marks wherever the namespace of the release, or the name of its environment, is to stand."""

    MARK: ClassVar[str] = "\ue000"
    ENVIRONMENT: ClassVar[str] = "\ue001"
    text: str

    def written(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            yield line.replace(self.MARK, "{{ .Release.Namespace }}").replace(self.ENVIRONMENT, "{{ .Values.environment }}")


@dataclass(frozen=True, slots=True)
class When:
    """A value that is there only under a condition; its key goes with it."""

    condition: str
    value: Any


@dataclass(frozen=True, slots=True)
class Cases:
    """Values of which the first whose condition holds is there; the condition of the last may be "", for all the rest."""

    cases: tuple[tuple[str, Any], ...]

    def written(self, indent: str, lines: Callable[[Any], Iterator[str]]) -> Iterator[str]:
        for number, (condition, value) in enumerate(self.cases):
            word = ("else if" if number else "if") if condition else "else"
            yield f"{indent}{{{{- {word} {condition}".rstrip() + " }}"
            yield from lines(value)
        yield f"{indent}{{{{- end }}}}"


@dataclass(frozen=True, slots=True)
class Spread:
    """Template lines in place of the entries of a map, or of an item of a list: a loop."""

    lines: tuple[str, ...]


#: Texts that some parser takes for something else than a text.
_WORDS = {"", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<", ".nan", ".inf"}
#: Plain texts: begin with a letter, slash or underscore; go on without anything YAML gives a meaning to.
_PLAIN = re.compile(
    r"(?:-{0,2}[A-Za-z_/]|(?:\.\.?/)+|\$\()(?:[A-Za-z0-9_./@%+(){}\[\]$,;=*|&<>!?'\"^~-]|:(?=[^\s:])| (?=[^\s#:]))*"
)
#: Quantities, percentages, durations and addresses: `128Mi`, `25%`, `30s`, `10.0.0.0/8`. No unit here is one that a parser reads
#: as part of a number.
_MEASURE = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[KMGTP]i|%|ms|[smhdw])|[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?")
#: What must be written as an escape in a quoted text: controls, and characters that YAML or an editor would change.
_ESCAPE = re.compile(r'["\\\x00-\x1f\x7f-\x9f\xad\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def scalar(value: Any, template: bool = False) -> str:
    """One value on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return repr(value)
    if isinstance(value, float):  # YAML 1.1 takes a number for one only with a point in it
        return re.sub(r"^(-?[0-9]+)e", r"\1.0e", repr(value))
    return _braces(text(value)) if template else text(value)


@lru_cache(maxsize=4096)
def text(value: str) -> str:
    """A text, in quotes only if it must be: in double ones, or in single ones where those spare it escapes."""
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    if plain or _MEASURE.fullmatch(value):
        return value
    if '"' in value and not _ESCAPE.search(value.replace('"', "").replace("\\", "")):
        return "'" + value.replace("'", "''") + "'"
    return f'"{_ESCAPE.sub(_escaped, value)}"'


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def _braces(line: str) -> str:
    """A literal line of a template: `{{` would begin an action."""
    return line.replace("{{", '{{ "{{" }}')


def document(obj: Mapping[str, Any], template: bool = False) -> str:
    """An object as YAML, with a newline at its end."""
    return "\n".join(_lines(obj, "", template)) + "\n"


def _lines(value: Any, indent: str, template: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        named = [(scalar(key, template), child) for key, child in value.items()]
        yield from _together(named, indent, lambda one: _entry(one[0], one[1], indent, template))
    else:
        yield from _together([("", child) for child in value], indent, lambda one: _item(one[1], indent, template))


def _together(parts: Sequence[tuple[str, Any]], indent: str, lines: Callable[[tuple[str, Any]], Iterator[str]]) -> Iterator[str]:
    """The lines of entries or items; neighbours under one condition stand under it together."""
    for condition, found in groupby(parts, lambda part: part[1].condition if isinstance(part[1], When) else ""):
        if condition:
            yield f"{indent}{{{{- if {condition} }}}}"
            for key, value in found:
                yield from lines((key, value.value))
            yield f"{indent}{{{{- end }}}}"
        else:
            for part in found:
                yield from lines(part)


def _entry(key: str, value: Any, indent: str, template: bool) -> Iterator[str]:
    """`key: value`, at an indentation."""
    if isinstance(value, Cases):
        yield from value.written(indent, lambda one: _entry(key, one, indent, template))
    elif isinstance(value, Inline):
        yield f"{indent}{key}: {value.text}"
    elif isinstance(value, Namespaced):
        yield from value.written(_entry(key, value.text, indent, template))
    elif isinstance(value, Nested):
        yield f"{indent}{key}:"
        yield f"{indent}  {{{{- {value.expression} | nindent {len(indent) + 2} }}}}"
    elif isinstance(value, Spread):
        yield f"{indent}{key}:"
        yield from (f"{indent}  {line}" for line in value.lines)
    elif isinstance(value, Mapping):
        yield f"{indent}{key}:" if value else f"{indent}{key}: {{}}"
        yield from _lines(value, indent + "  ", template)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield f"{indent}{key}:" if value else f"{indent}{key}: []"
        yield from _lines(value, indent + "  ", template)
    elif isinstance(value, str) and _is_block(value):
        yield f"{indent}{key}: |{'' if value.endswith(chr(10)) else '-'}"
        for line in value.removesuffix("\n").split("\n"):
            yield (f"{indent}  {_braces(line) if template else line}") if line else ""
    else:
        yield f"{indent}{key}: {scalar(value, template)}"


def _item(value: Any, indent: str, template: bool) -> Iterator[str]:
    """`- value`; a map begins on the line of the dash."""
    if isinstance(value, Cases):
        yield from value.written(indent, lambda one: _item(one, indent, template))
    elif isinstance(value, Inline):
        yield f"{indent}- {value.text}"
    elif isinstance(value, Namespaced):
        yield from value.written(_item(value.text, indent, template))
    elif isinstance(value, Nested):
        yield f"{indent}-"
        yield f"{indent}  {{{{- {value.expression} | nindent {len(indent) + 2} }}}}"
    elif isinstance(value, Spread):
        yield from (f"{indent}{line}" for line in value.lines)
    elif isinstance(value, (Mapping, list, tuple)) and value:
        inner = indent + "  "
        lines = list(_lines(value, inner, template))
        if lines[0].lstrip().startswith("{{-"):  # a condition: the dash stands alone
            yield f"{indent}-"
            yield from lines
        else:
            yield f"{indent}- {lines[0][len(inner) :]}"
            yield from lines[1:]
    else:
        empty = "{}" if isinstance(value, Mapping) else "[]"
        yield f"{indent}- {empty if isinstance(value, (Mapping, list, tuple)) else scalar(value, template)}"


def _is_block(value: str) -> bool:
    """Whether a text of several lines can be written as a block: nothing in it that needs an escape or would be changed."""
    if "\n" not in value.removesuffix("\n") or value.endswith("\n\n"):
        return False
    lines = value.removesuffix("\n").split("\n")
    return not any(_ESCAPE.search(line.replace('"', "").replace("\\", "")) for line in lines) and not (
        lines[0][:1] in (" ", "") or any(line != line.rstrip() for line in lines)
    )
