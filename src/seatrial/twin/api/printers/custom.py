"""The columns of custom resources, as their definitions name them, and the JSONPath that finds what they show."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from seatrial.twin.api.printers.columns import WIDE, Column, name, since
from seatrial.twin.registry.custom_version import CustomVersion
from seatrial.world.objects import Obj

Step = Callable[[list[Any]], list[Any]]


@lru_cache(256)
def columns(version: CustomVersion) -> tuple[Column, ...]:
    """The name, and what the definition adds."""
    return (name(), *(_column(definition) for definition in version.columns))


def _column(definition: Obj) -> Column:
    type_, find = definition.get("type", "string"), path(definition["jsonPath"])

    def cell(obj: Obj, now: float) -> Any:
        found = find(obj)
        return _cell(found, type_, now) if found else None

    return Column(
        definition["name"],
        cell,
        type_,
        WIDE if definition.get("priority") else 0,
        definition.get("format", ""),
        definition.get("description", ""),
    )


def _cell(found: list[Any], type_: str, now: float) -> Any:
    value = found[0]
    match type_:
        case "integer":
            return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        case "number":
            return value if isinstance(value, (int, float)) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return _ago(value, now)
    return " ".join(_text(one) for one in found)


def _ago(value: Any, now: float) -> str:
    try:
        return since(value, now)
    except (ValueError, AttributeError):
        return "<invalid>"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if value is not None else ""


# JSONPath, as far as definitions use it (client-go/util/jsonpath)

_TOKEN = re.compile(
    r"\.?(?:"
    r"(?P<field>(?:[\w\-/$]|\\.)+)"
    r"|\[\s*\?\(\s*@(?P<left>[^=!<>)]*?)\s*(?P<operator>==|!=)\s*(?P<right>\"[^\"]*\"|'[^']*'|[\w.+-]+)\s*\)\s*\]"
    r"|\[\s*(?P<index>-?\d+)\s*\]"
    r"|\[\s*(?P<quote>['\"])(?P<key>.*?)(?P=quote)\s*\]"
    r"|(?P<all>\[\s*\*\s*\]|\*)"
    r")"
)


@lru_cache(512)
def path(text: str) -> Callable[[Any], list[Any]]:
    """What finds the values at a path; nothing for a path that cannot be read."""
    steps, position = list[Step](), 0
    text = text.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or token.end() == position:
            return lambda value: []
        steps.append(_step(token))
        position = token.end()

    def find(value: Any) -> list[Any]:
        found = [value]
        for step in steps:
            found = step(found)
        return [one for one in found if one is not None]

    return find


def _step(token: re.Match[str]) -> Step:
    if token["index"] is not None:
        return _nth(int(token["index"]))
    if token["all"] is not None:
        return lambda found: [item for value in found for item in (value.values() if isinstance(value, dict) else value or ())]
    if token["operator"] is not None:
        return _filter(token["left"], token["operator"], token["right"])
    key = token["key"] if token["key"] is not None else re.sub(r"\\(.)", r"\1", token["field"])
    return lambda found: [value[key] for value in found if isinstance(value, dict) and key in value]


def _nth(index: int) -> Step:
    return lambda found: [value[index] for value in found if isinstance(value, list) and -len(value) <= index < len(value)]


def _filter(left: str, operator: str, right: str) -> Step:
    wanted: Any = right[1:-1] if right[:1] in "'\"" else orjson.loads(right) if right[:1] in "-0123456789tf" else right
    find = path(left)

    def keep(item: Any) -> bool:
        values = find(item)
        return bool(values and values[0] == wanted) if operator == "==" else bool(values and values[0] != wanted)

    return lambda found: [item for value in found if isinstance(value, list) for item in value if keep(item)]
