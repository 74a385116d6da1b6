"""How misfits and refusals are told: a field that there is not with where it belongs, a value with what it must be, and what an
API server would say in its own words.  What is looked at is for `shapes`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from seatrial.rules.finding import Finding, Severity
from seatrial.rules.patching import Operation, Path, move, put
from seatrial.rules.written.belonging import meant
from seatrial.rules.written.telling import brief, tell
from seatrial.rules.written.versions import NEWEST, target
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj
from seatrial.world.paths import join
from seatrial.world.patterns import pattern
from seatrial.world.schema import Misfit, Shape
from seatrial.world.schema.table import DURATION, INT_OR_STRING, MICRO_TIME, QUANTITY, TIME
from seatrial.world.world import World

# fields and types


def of_shape(world: World, obj: Obj, shape: Shape, odd: Iterable[Misfit]) -> Iterator[Finding]:
    """Every place of an object that its type does not have, or has otherwise."""
    for misfit in odd:
        if misfit.value is None and misfit.path[-1] == "creationTimestamp":
            continue  # what Go's encoder has written, wherever there is metadata
        if misfit.unknown:
            yield _unknown(world, obj, shape, misfit)
        else:
            yield _mistyped(world, obj, misfit)


def _unknown(world: World, obj: Obj, root: Shape, misfit: Misfit) -> Finding:
    *parent, key = misfit.path
    place = meant(obj, root, misfit)
    whose = f"`{join(parent)}`" if parent else f"a {obj['kind']}"
    words = f"`{key}` is no field of {whose}" + (f"; {place.words}" if place.words else "")
    ops = [move(misfit.path, place.path)] if place.path else []
    severity: Severity | None = "warning" if target(world) > NEWEST else None  # it may have come since
    says = f"{key}: {_shown(obj, misfit.path, misfit.value)}"
    fix = ""
    if place.path:
        to = f"`{place.path[-1]}`" if list(place.path[:-1]) == parent else f"`{join(place.path)}`"
        fix = f"{'Call it' if list(place.path[:-1]) == parent else 'Move it to'} {to}."
    details = {"perhaps": [join(path) for path in place.perhaps]} if place.perhaps else {}
    return tell(world, "unknown-field", obj, misfit.path, says, title=words, ops=ops, severity=severity, fix=fix, details=details)


_CALLED = {
    "struct": "a map", "map": "a map", "list": "a list", "string": "a text", "bool": "true or false",
    "bytes": "a text in base64", "int32": "a whole number", "int64": "a whole number", "double": "a number",
    QUANTITY: "a quantity (500m, 1Gi)", INT_OR_STRING: "a whole number or a text", DURATION: "a duration (1m30s)",
    TIME: "a time (2006-01-02T15:04:05Z)", MICRO_TIME: "a time (2006-01-02T15:04:05.000000Z)",
}  # fmt: skip


def _mistyped(world: World, obj: Obj, misfit: Misfit) -> Finding:
    path, value, shape = misfit.path, misfit.value, misfit.shape
    wanted = _CALLED.get(shape.type if shape.kind == "scalar" else shape.kind, "something else")
    got = _got(value)
    if shape.kind == "scalar" and (_is_near(got, wanted) or (isinstance(value, str) and shape.type in _WRITTEN)):
        got = _shown(obj, path, value)
    words = f"`{join(path)}` must be {wanted}" + (f", not {got}" if got != "(a text)" else "")
    hint = _hint(path, value, shape)
    ops = _typed(obj, misfit)
    says = f"{path[-1]}: {_shown(obj, path, value)}"
    fix = f"Write {orjson.dumps(ops[0]['value']).decode()}." if ops and not _is_secret(obj, path) else ""
    return tell(world, "wrong-type", obj, path, says, title=words + (f"; {hint}" if hint else ""), ops=ops, fix=fix)


#: Types whose values are texts of a form: it is the form that is wrong.
_WRITTEN = frozenset({QUANTITY, TIME, MICRO_TIME, DURATION})


def _is_near(got: str, wanted: str) -> bool:
    return got == wanted.partition(" in ")[0] or (wanted.startswith("a whole number") and got.endswith("number"))


def _got(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a whole number" if isinstance(value, int) else "a number"
    return "a map" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a text"


def _hint(path: Path, value: Any, shape: Shape) -> str:
    if path[-1] in ("matchLabels", "matchExpressions") and isinstance(value, (dict, list)):
        return "the labels stand here by themselves"
    if shape.kind == "struct" and isinstance(value, str) and "type" in shape.fields:
        return f"did you mean `{{type: {brief(value)}}}`?"
    if shape.kind == "list" and isinstance(value, dict) and shape.element is not None:
        if shape.element.kind != "struct":
            return ""
        names = list(shape.element.fields)[:2]
        return f"each begins with a dash and has {' and '.join(f'`{name}`' for name in names)}"
    return ""


def _typed(obj: Obj, misfit: Misfit) -> list[Operation]:
    """The value as its type, where that is plain."""
    path, value, shape = misfit.path, misfit.value, misfit.shape
    written: Any = None
    if shape.kind == "scalar":
        if shape.type == "string" and isinstance(value, int):
            written = str(value).lower() if isinstance(value, bool) else str(value)
        elif shape.type in ("int32", "int64") and isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d{0,9})", value):
            written = int(value)
        elif shape.type == "bool" and isinstance(value, str) and value.lower() in ("true", "false"):
            written = value.lower() == "true"
    elif shape.kind == "list" and shape.element is not None and shape.element.type == "string":
        written = [value] if isinstance(value, str) and not re.search(r"[\s,]", value) else None
    return [] if written is None else [put(obj, path, written)]


#: A variable that something puts a value in place of: envsubst's and Flux's.
_VARIABLE = pattern(r"\$\{[A-Za-z_]\w*\}|\$[A-Z][A-Z0-9_]*")


def _is_secret(obj: Obj, path: Path) -> bool:
    return obj.get("kind") == "Secret" and path[0] in ("data", "stringData")


def _shown(obj: Obj, path: Path, value: Any) -> str:
    """A value as evidence shows it; nothing of what a Secret holds, unless it is yet to be filled in."""
    if _is_secret(obj, path) and not (isinstance(value, str) and _VARIABLE.fullmatch(value)):
        return f"({_got(value)})"
    if isinstance(value, str):
        return f'"{brief(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    return f"({_got(value)})" if isinstance(value, (dict, list)) else brief(value)


# values

_BY_REASON = {"FieldValueRequired": "missing-field", "FieldValueNotSupported": "value-not-allowed"}
#: The value that a message of Kubernetes begins with; structs and lists are shown as Go has them, which helps nobody.
_VALUE = pattern(r'(?:Invalid value|Duplicate value|Not found): (?:"(?:[^"\\]|\\.)*"|[^:{\["]*|[{\[].*[}\]])(?:: |$)')


_QUOTED = pattern(r'Invalid value: "([^"\\]*)"')
#: The hint at the end of what a name must be: it is longer than all else.
_REGEX = pattern(r" \(e\.g\. .*regex used for validation is '.*'\)$")
#: The validation of schemas says the path again.
_OF_SCHEMA = pattern(r"^\S+ in body ")


def of_causes(world: World, obj: Obj, causes: Sequence[Cause]) -> Iterator[Finding]:
    """What a server would refuse, once for each field and rule, in Kubernetes' words."""
    said: dict[tuple[str, Path], list[str]] = {}
    absent: dict[Path, None] = {}
    for cause in causes:
        if cause.field.startswith("status.") and "status" not in obj:
            continue  # it follows from something in the spec
        if ".x-kubernetes-validations[" in cause.field:
            continue  # a rule in CEL: a server may know more functions
        path = path_of(cause.field, obj)
        path = _in_map(obj, path, cause)
        value, depth = _deepest(obj, path)
        if depth < len(path) - 1 and cause.reason == "FieldValueRequired":
            absent[path[: depth + 1]] = None  # it is not this field alone that is not there
        elif isinstance(value, dict) and cause.reason == "FieldValueNotSupported" and "type" in value:
            path = (*path, "type")  # a struct is shown by its type
        words = said.setdefault((_BY_REASON.get(cause.reason, "value-refused"), path), [])
        if _words(cause) not in words:
            words.append(_words(cause))
    if absent and obj.get("kind") == "CustomResourceDefinition":
        said = {}  # a part of a definition: that its names do not agree follows from those that are not there
    for path in absent:
        yield tell(world, "missing-field", obj, path, f"{path[-1]}: not set", title=f"`{join(path)}` is required")
    for (rule, path), words in said.items():
        if not any(path[: len(missing)] == missing for missing in absent):
            value, depth = _deepest(obj, path)
            says = f"{path[-1]}: {_shown(obj, path, value) if depth == len(path) else 'not set'}" if path else obj["kind"]
            ops = _allowed(obj, path, value, words) if rule == "value-not-allowed" else []
            fix = f"Write {ops[0]['value']}." if ops else ""
            yield tell(world, rule, obj, path, says, title=f"`{join(path)}` {'; '.join(words)}", ops=ops, fix=fix)


def _in_map(obj: Obj, path: Path, cause: Cause) -> Path:
    """The path with the key that is meant, where Kubernetes names the map alone (labels, selectors)."""
    value, depth = _deepest(obj, path)
    shown = _QUOTED.match(cause.message)
    if depth == len(path) and isinstance(value, dict) and shown:
        named = [key for key, item in value.items() if shown[1] in (key, item)]
        return (*path, named[0]) if named else path
    return path


def _deepest(obj: Obj, path: Path) -> tuple[Any, int]:
    """What stands at a path, and how many of its steps are there."""
    value: Any = obj
    for depth, step in enumerate(path):
        try:
            inner = value[step]
        except (KeyError, IndexError, TypeError):
            return None, depth
        if inner is None:
            return None, depth
        value = inner
    return value, len(path)


def _allowed(obj: Obj, path: Path, value: Any, words: Sequence[str]) -> list[Operation]:
    """The one allowed value that is written alike, if there is one."""
    choices = re.findall(r'"([^"]+)"', words[0])
    near = [choice for choice in choices if isinstance(value, str) and choice.lower() == value.lower()]
    near = near or difflib.get_close_matches(value if isinstance(value, str) else "", choices, n=2, cutoff=0.75)
    return [put(obj, path, near[0])] if len(near) == 1 else []


def _words(cause: Cause) -> str:
    """What a cause says, behind the field that it is about."""
    message = cause.message
    if cause.reason == "FieldValueRequired":
        return "is required" + message.removeprefix("Required value")
    if cause.reason == "FieldValueNotSupported":
        supported = message.rpartition("supported values: ")[2]
        return f"must be one of {supported}"
    if cause.reason == "FieldValueNotFound":
        return "names nothing that is there"
    if cause.reason == "FieldValueDuplicate":
        return "is there twice"
    if cause.reason == "FieldValueForbidden":
        return "is refused" + message.removeprefix("Forbidden")
    words = _VALUE.sub("", message, count=1) or message
    return f"is refused: {_REGEX.sub('', _OF_SCHEMA.sub('', words))}"


#: Kubernetes leaves out a step here.
_OF_TEMPLATE = pattern(r"(\btemplate\.)(labels|annotations)\b")
_TOKEN = pattern(r"\[([^\]]*)\]|([^.\[\]]+)")


def path_of(field: str, obj: Obj) -> Path:
    """The path of a field as Kubernetes writes it (`spec.containers[0].resources.limits[cpu]`), in this object."""
    steps: list[str | int] = []
    value: Any = obj
    field = _OF_TEMPLATE.sub(r"\1metadata.\2", field) if field != "<nil>" else ""
    for key, name in _TOKEN.findall(field):
        step: str | int = int(key) if key.isdigit() and not isinstance(value, dict) else key or name
        steps.append(step)
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return tuple(steps)
