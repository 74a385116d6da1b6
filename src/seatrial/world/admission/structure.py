"""The structural schema of a custom resource, applied: its defaults, and what is wrong with a value.

Words and order are those of the API server's validation of custom resources (kube-openapi's validate, and
apiextensions-apiserver's pkg/apiserver/validation).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from seatrial.world.admission.causes import Cause, Causes
from seatrial.world.admission.validation import meta, names
from seatrial.world.cel.rules import Rules
from seatrial.world.objects import Obj, clone

# defaults


def default(value: Any, schema: Obj) -> None:
    """Fill in place what the schema has defaults for; a null where null is not allowed counts as absent, and is taken out where
    there is no default (apiextensions-apiserver's PruneNonNullableNullsWithoutDefaults).
    """
    if isinstance(value, dict):
        _default_object(value, schema)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            default(item, schema["items"])


def _default_object(value: Obj, schema: Obj) -> None:
    properties: Obj = schema.get("properties") or {}
    for name, inner in properties.items():
        if "default" in inner and (name not in value or (value[name] is None and not inner.get("nullable"))):
            value[name] = clone({"value": inner["default"]})["value"]
        if name in value:
            default(value[name], inner)
    others = schema.get("additionalProperties")
    for name in [name for name, item in value.items() if item is None]:
        known = properties.get(name, others)
        if isinstance(known, dict) and not known.get("nullable") and "default" not in known:
            del value[name]
    if isinstance(others, dict):
        for name, item in value.items():
            if name not in properties:
                default(item, others)


# validation


def problems(obj: Obj, old: Obj | None, schema: Obj | None, namespaced: bool) -> list[Cause]:
    """Why a custom resource, or the change of one, is refused."""
    causes = Causes()
    if old is None:
        meta.check(obj, names.dns_subdomain, causes, namespaced, any_finalizer=True)
    else:
        meta.check_update(obj, old, causes, any_finalizer=True)
    return [*causes, *(validate(obj, schema) if schema else ())]


#: What makes an object so wrong that its rules are not asked (apiextensions-apiserver, hasBlockingErr).
_BLOCKING = ("FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid")
_UNASKED = (
    "Invalid value: null: some validation rules were not checked because the object was invalid;"
    " correct the existing errors to complete validation"
)


def with_rules(causes: list[Cause], rules: Rules, obj: Obj, old: Obj | None) -> list[Cause]:
    """What is wrong with an object by its schema, and by the rules in it."""
    if any(cause.reason in _BLOCKING or " must be of type " in cause.message for cause in causes):
        return [*causes, Cause("FieldValueInvalid", _UNASKED, "<nil>")]
    return [*causes, *rules.problems(obj, old)]


def validate(value: Any, schema: Obj, path: str = "") -> Causes:
    """Everything wrong with a value, by path. Metadata is left to those who know it."""
    causes = Causes()
    _check(value, schema, path, causes, top=not path)
    return causes


def _check(value: Any, schema: Obj, path: str, causes: Causes, top: bool = False) -> None:
    if value is None and schema.get("nullable"):
        return
    if not _has_type(value, schema):
        wanted = schema.get("type") or "integer or string"
        name = _type_of(value)
        causes.invalid(path or "<nil>", name, f'{path} in body must be of type {wanted}: "{name}"')
        return
    if schema.get("enum") is not None and value not in schema["enum"]:
        causes.unsupported(path, value, [_shown(choice) for choice in schema["enum"]])
    for kind, check in _CHECKS:
        if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
            check(value, schema, path, causes)
    if isinstance(value, dict):
        _object(value, schema, path, causes, top)
    elif isinstance(value, list):
        _list(value, schema, path, causes)
    _combined(value, schema, path, causes)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}


def _has_type(value: Any, schema: Obj) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return _TYPES["integer"](value) or isinstance(value, str)
    wanted = schema.get("type")
    return wanted is None or wanted not in _TYPES or _TYPES[wanted](value)


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return {dict: "object", list: "array", str: "string", float: "number"}[type(value)]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


# scalars


def _number(value: float, schema: Obj, path: str, causes: Causes) -> None:
    most, least, step = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if most is not None and (value >= most if schema.get("exclusiveMaximum") else value > most):
        words = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        causes.invalid(path, value, f"{path} in body should be {words} {most}")
    if least is not None and (value <= least if schema.get("exclusiveMinimum") else value < least):
        words = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        causes.invalid(path, value, f"{path} in body should be {words} {least}")
    if step and value % step:
        causes.invalid(path, value, f"{path} in body should be a multiple of {step}")


def _string(value: str, schema: Obj, path: str, causes: Causes) -> None:
    least, most, pattern = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
    if most is not None and len(value) > most:
        causes.too_long(path, most)
    if least is not None and len(value) < least:
        causes.invalid(path, value, f"{path} in body should be at least {least} chars long")
    if pattern and not _pattern(pattern).search(value):
        causes.invalid(path, value, f"{path} in body should match '{pattern}'")
    known = _FORMATS.get(schema.get("format", ""))
    if known is not None and not known(value):
        causes.invalid(path, value, f'{path} in body must be of type {schema["format"]}: "{value}"')


@lru_cache(256)
def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:  # Go's syntax knows a little that Python's does not: what cannot be asked is not refused
        return re.compile("")


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value.replace("Z", "+00:00"))
        return "T" in value.upper()
    except ValueError:
        return False


_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _is_time,
    "date": lambda value: bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value)),
    "uuid": lambda value: bool(re.fullmatch(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", value)),
    "ipv4": lambda value: bool(re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", value)),
    "email": lambda value: "@" in value,
}

_CHECKS: tuple[tuple[type | tuple[type, ...], Callable[[Any, Obj, str, Causes], None]], ...] = (
    ((int, float), _number),
    (str, _string),
)


# structures


def _object(value: Obj, schema: Obj, path: str, causes: Causes, top: bool) -> None:
    for name in schema.get("required") or ():
        if name not in value:
            causes.required(_join(path, name))
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        causes.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        causes.invalid(path, len(value), f"{path} in body should have at least {least} properties")
    properties: Obj = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    for name in sorted(value):
        if top and name in ("apiVersion", "kind", "metadata"):
            continue
        inner = properties.get(name, others if isinstance(others, dict) else None)
        if inner is not None:
            _check(value[name], inner, _join(path, name), causes)


def _list(value: list[Any], schema: Obj, path: str, causes: Causes) -> None:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        causes.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        causes.invalid(path, len(value), f"{path} in body should have at least {least} items")
    _unique(value, schema, path, causes)
    items = schema.get("items")
    if isinstance(items, dict):
        for number, item in enumerate(value):
            _check(item, items, f"{path}[{number}]", causes)


def _unique(value: list[Any], schema: Obj, path: str, causes: Causes) -> None:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("set", "map"):
        return
    keys, seen = schema.get("x-kubernetes-list-map-keys") or (), set[bytes]()
    for number, item in enumerate(value):
        told = {key: item[key] for key in keys if key in item} if kind == "map" and isinstance(item, dict) else item
        identity = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
        if identity in seen:
            causes.duplicate(f"{path}[{number}]", told)
        seen.add(identity)


def _combined(value: Any, schema: Obj, path: str, causes: Causes) -> None:
    for inner in schema.get("allOf") or ():
        _check(value, inner, path, causes)
    for key, found, words in (
        ("anyOf", _some, "at least one schema (anyOf)"),
        ("oneOf", _one, "one and only one schema (oneOf)"),
    ):
        choices = schema.get(key)
        if choices and not found(value, choices):
            causes.invalid(path, value, f"{path} in body must validate {words}")
    if schema.get("not") is not None and not validate(value, schema["not"], path):
        causes.invalid(path, value, f"{path} in body must not validate the schema (not)")


def _some(value: Any, choices: Iterable[Obj]) -> bool:
    return any(not validate(value, choice, "x") for choice in choices)


def _one(value: Any, choices: Iterable[Obj]) -> bool:
    return sum(not validate(value, choice, "x") for choice in choices) == 1


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
