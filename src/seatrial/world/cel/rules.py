"""The rules of custom resources, `x-kubernetes-validations`: compiled once for a schema, asked at every write.

Which rules are asked, about what, and the words of their refusals are those of
apiextensions-apiserver (pkg/apiserver/schema/cel).
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from seatrial.world import duration
from seatrial.world.admission.causes import Cause, Causes
from seatrial.world.cel.engine import CelError, CostError, Program, UncheckedError, compiled
from seatrial.world.objects import Obj

KEY = "x-kubernetes-validations"
#: Seconds that the rules of one object may take together.
SECONDS = 1.0
_NOTHING: Any = object()
_SCALARS = {"integer": "int", "number": "double", "boolean": "bool", "string": "string"}
#: Formats of strings that are something else to CEL, and how a text becomes it. Raises ValueError.
_FORMATS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "date": ("timestamp", lambda text: datetime.fromisoformat(f"{text}T00:00:00Z")),
    "date-time": ("timestamp", datetime.fromisoformat),
    "duration": ("duration", lambda text: timedelta(seconds=duration.parse(text))),
    "byte": ("bytes", base64.b64decode),
}


class Rules:
    """The rules of a schema, compiled when they are first asked."""

    def __init__(self, schema: Obj) -> None:
        self._schema = schema

    @cached_property
    def _root(self) -> _Node | None:
        return _node(self._schema, root=True)

    def problems(self, obj: Obj, old: Obj | None) -> list[Cause]:
        """Why an object, or the change of one, is refused."""
        if self._root is None:
            return []
        asked = _Asked(Causes(), time.monotonic() + SECONDS)
        asked.ask(self._root, obj, _NOTHING if old is None else old, "")
        return list(asked.causes)


@dataclass(frozen=True)
class Rule:
    program: Program
    uses_old: bool
    optional_old: bool
    words: Program | None  # the messageExpression
    said: Obj  # the rule as it stands in the schema

    @property
    def name(self) -> str:
        return str(self.said.get("message") or self.said["rule"]).strip()

    @property
    def message(self) -> str:
        return self.name if self.said.get("message") else f"failed rule: {self.name}"


@dataclass(frozen=True)
class _Node:
    """A schema with rules, or with others in it that have some."""

    schema: Obj
    rules: tuple[Rule, ...]
    properties: dict[str, _Node]
    items: _Node | None
    values: _Node | None


# compiling


def has_rules(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    inner = (*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties"))
    return bool(schema.get(KEY)) or any(has_rules(each) for each in inner)


def _node(schema: Any, root: bool = False) -> _Node | None:
    if not has_rules(schema):
        return None
    rules = []
    for said in schema.get(KEY) or ():
        try:
            rules.append(rule(said, schema, root))
        except (CelError, UncheckedError):
            continue  # told when the definition was made; one that came in otherwise is not asked
    properties = {name: made for name, inner in (schema.get("properties") or {}).items() if (made := _node(inner))}
    return _Node(schema, tuple(rules), properties, _node(schema.get("items")), _node(schema.get("additionalProperties")))


def rule(said: Obj, schema: Obj, root: bool = False) -> Rule:
    """A rule of a schema, compiled. Raises CelError, and UncheckedError for one that cannot be asked here."""
    kind, text, optional = _type(schema), said["rule"].strip(), bool(said.get("optionalOldSelf"))
    variables = {"self": kind}
    if _TIMES.search(text) and _has_times(schema):
        raise UncheckedError("it is about times inside an object or list")
    try:
        program, uses_old = compiled(text, variables), False
    except CelError as error:
        if "undeclared reference to 'oldSelf" not in str(error):
            raise
        program, uses_old = _with_old(text, kind, optional), True
        variables["oldSelf"] = kind
    if program.type.lower() not in ("bool", "dyn"):
        raise CelError("cel expression must evaluate to a bool")
    return Rule(program, uses_old, optional, message_expression(said, variables, optional), said)


def message_expression(said: Obj, variables: dict[str, str], optional: bool) -> Program | None:
    text = (said.get("messageExpression") or "").strip()
    if not text:
        return None
    if "oldSelf" in variables and optional:
        return _with_old(text, variables["self"], True)
    program = compiled(text, variables)
    if program.type.lower() not in ("string", "dyn"):
        raise MessageError("messageExpression must evaluate to a string")
    return program


_TIMES = re.compile(r"\b(timestamp|duration|get(FullYear|Month|Date|Day\w+|Hours|Minutes|Seconds|Milliseconds))\s*\(")


def _has_times(schema: Any) -> bool:
    """Whether there are times inside the values of a schema, which the library takes by themselves alone."""
    inner = (*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties"))
    return any(isinstance(each, dict) and (_type(each) in ("timestamp", "duration") or _has_times(each)) for each in inner)


class MessageError(CelError):
    """It is the messageExpression that is wrong."""


def _with_old(text: str, kind: str, optional: bool) -> Program:
    if not optional:
        return compiled(text, {"self": kind, "oldSelf": kind})
    bound = f"cel.bind(oldSelf, has_old_ ? optional.of(old_) : optional.none(),\n{text}\n)"
    try:
        return compiled(bound, {"self": kind, "old_": kind, "has_old_": "bool"})
    except CelError as error:
        lines = re.sub(r"<input>:(\d+):", lambda found: f"<input>:{int(found[1]) - 1}:", str(error))
        raise CelError(lines) from None


def _type(schema: Any) -> str:
    """What a value of a schema is to CEL: objects are looked into as they come."""
    if not isinstance(schema, dict) or schema.get("x-kubernetes-int-or-string") or schema.get("nullable"):
        return "dyn"
    kind, inner = schema.get("type"), schema.get("additionalProperties")
    if kind == "array":
        return f"list({_plain(_type(schema.get('items')))})"
    if kind == "object" and isinstance(inner, dict) and not schema.get("properties"):
        return f"map({_plain(_type(inner))})"
    if kind == "string" and schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]][0]
    return _SCALARS.get(kind or "", "dyn")


def _plain(name: str) -> str:
    return "string" if name in ("timestamp", "duration") else name


# asking


@dataclass
class _Asked:
    """The rules of one object, asked one after the other until `end`, a time of the system's clock."""

    causes: Causes
    end: float
    over: bool = False

    def ask(self, node: _Node, value: Any, old: Any, path: str) -> None:
        if value is None:
            return
        here = path or "<nil>"
        for each in node.rules:
            if self.over:
                return
            if each.uses_old and old is _NOTHING and not each.optional_old:
                continue
            if not each.uses_old and old is not _NOTHING and old == value:
                continue  # what was let in before and has not changed may stay (CRDValidationRatcheting)
            self._ask(each, node.schema, value, old, here)
        for inner, child, before, place in _children(node, value, old, path):
            if self.over:
                return
            self.ask(inner, child, before, place)

    def _ask(self, each: Rule, schema: Obj, value: Any, old: Any, path: str) -> None:
        kind = schema.get("type") or ""
        data = {"self": converted(value, schema)}
        before = converted(old, schema) if each.uses_old and old is not _NOTHING else None
        data |= {"has_old_": old is not _NOTHING, "old_": before} if each.optional_old else {"oldSelf": before}
        try:
            holds = each.program.evaluate(data)
        except CostError as error:
            self.over = True
            why = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {each.name}"
            self.causes.invalid(path, kind, why)
            return
        except CelError as error:
            if str(error).startswith("no such overload"):
                why = f"'{error}': call arguments did not match a supported operator, function or macro signature for rule"
                self.causes.invalid(path, kind, f"{why}: {each.name}")
            else:
                self.causes.invalid(path, kind, f"{error} evaluating rule: {each.name}")
            return
        if holds is not True:
            _refuse(self.causes, each, _message(each, data), path, kind)
        if time.monotonic() > self.end:
            self.over = True
            why = "validation failed due to running out of cost budget, no further validation rules will be run"
            self.causes.invalid(path, kind, why)


def _message(each: Rule, data: Obj) -> str:
    if each.words is None:
        return each.message
    try:
        said = each.words.evaluate(data)
    except CelError:
        return each.message
    usable = isinstance(said, str) and said.strip() and "\n" not in said
    return said.strip() if usable else each.message


def _refuse(causes: Causes, each: Rule, message: str, path: str, kind: str) -> None:
    field = each.said.get("fieldPath") or ""
    if field:
        path = field.removeprefix(".") if path == "<nil>" else path + field
    match each.said.get("reason"):
        case "FieldValueForbidden":
            causes.forbidden(path, message)
        case "FieldValueRequired":
            causes.required(path, message)
        case "FieldValueDuplicate":
            causes.duplicate(path, kind, message)
        case _:
            causes.invalid(path, kind, message)


def _children(node: _Node, value: Any, old: Any, path: str) -> Iterator[tuple[_Node, Any, Any, str]]:
    """The parts of a value that have rules, what each was before, and its path."""
    before: Obj = old if isinstance(old, dict) else {}
    if isinstance(value, dict):
        for name in sorted(value):
            inner = node.properties.get(name)
            if inner is not None:
                yield inner, value[name], before.get(name, _NOTHING), f"{path}.{name}" if path else name
            elif node.values is not None:
                yield node.values, value[name], before.get(name, _NOTHING), f"{path}[{name}]"
    elif isinstance(value, list) and node.items is not None:
        known = _by_key(node.schema, old)
        for number, item in enumerate(value):
            yield node.items, item, known.get(_key(node.schema, item), _NOTHING), f"{path}[{number}]"


def _by_key(schema: Obj, old: Any) -> dict[Any, Any]:
    """The items that were there, by their keys: only those of lists of type map can be found again."""
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(old, list):
        return {}
    return {_key(schema, item): item for item in old}


def _key(schema: Obj, item: Any) -> Any:
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return tuple(str(item.get(key)) for key in keys) if isinstance(item, dict) else None


# values

_RESERVED = frozenset(
    """true false null in as break const continue else for function if import let loop package namespace return var void
    while""".split()  # noqa: SIM905 - a list of words
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-/]*")
_ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))


def escaped(name: str) -> str:
    """The name of a property as rules write it (apiserver, pkg/cel/escaping.go)."""
    if name in _RESERVED:
        return f"__{name}__"
    if not _IDENTIFIER.fullmatch(name):
        return name
    for found, written in _ESCAPES:
        name = name.replace(found, written)
    return name


def converted(value: Any, schema: Any, inside: bool = False) -> Any:
    """A value as rules see it: numbers of their type, times as such, properties under names that are identifiers.

    `inside`: of a value that is part of another one, where times stay text.
    """
    if not isinstance(schema, dict) or value is None:
        return value
    if isinstance(value, dict):
        properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
        return {
            escaped(name) if name in properties else name: converted(item, properties.get(name, others), True)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [converted(item, schema.get("items"), True) for item in value]
    if schema.get("type") == "number" and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and _type(schema) in ("bytes", *(() if inside else ("timestamp", "duration"))):
        try:
            return _FORMATS[schema["format"]][1](value)
        except ValueError:
            return value
    return value
