"""Objects as YAML that a person reads: keys in their order, block style, quotes only where a parser would misread the text.

What is written means the same in YAML 1.1 and 1.2, for kubectl, Helm and PyYAML alike.  The Helm packager puts nodes of its own
into the data (`Inline`, `Namespaced`, `Nested`, `Spread`, `When`), which become template actions; literal text that looks like
one is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
    """A text with a mark wherever the namespace of the release is to stand."""

    MARK: ClassVar[str] = "\ue000"
    text: str

    def written(self, lines: Iterator[str]) -> Iterator[str]:
        return (line.replace(self.MARK, "{{ .Release.Namespace }}") for line in lines)


@dataclass(frozen=True, slots=True)
class When:
    """A value that is there only under a condition; its key goes with it."""

    condition: str
    value: Any


@dataclass(frozen=True, slots=True)
class Spread:
    """Template lines in place of the entries of a map, or of an item of a list: a loop."""

    lines: tuple[str, ...]


#: Texts that some parser takes for something else than a text.
_WORDS = {"", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<", ".nan", ".inf"}
#: Plain texts: begin with a letter, slash or underscore; go on without anything YAML gives a meaning to.
_PLAIN = re.compile(r"-{0,2}[A-Za-z_/](?:[A-Za-z0-9_./@%+(){}$,;=*|&<>!?'\"^~-]|:(?=[^\s:])| (?=[^\s#:]))*")
#: Quantities and percentages: `128Mi`, `25%`. No unit here is one that a parser reads as part of a number.
_MEASURE = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:m|[KMGTP]i|%)")
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
    """A text, in quotes only if it must be."""
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain or _MEASURE.fullmatch(value) else f'"{_ESCAPE.sub(_escaped, value)}"'


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
        for key, child in value.items():
            yield from _entry(scalar(key, template), child, indent, template)
    else:
        for child in value:
            yield from _item(child, indent, template)


def _entry(key: str, value: Any, indent: str, template: bool) -> Iterator[str]:
    """`key: value`, at an indentation."""
    if isinstance(value, When):
        yield f"{indent}{{{{- if {value.condition} }}}}"
        yield from _entry(key, value.value, indent, template)
        yield f"{indent}{{{{- end }}}}"
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
    if isinstance(value, When):
        yield f"{indent}{{{{- if {value.condition} }}}}"
        yield from _item(value.value, indent, template)
        yield f"{indent}{{{{- end }}}}"
    elif isinstance(value, Inline):
        yield f"{indent}- {value.text}"
    elif isinstance(value, Namespaced):
        yield from value.written(_item(value.text, indent, template))
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
