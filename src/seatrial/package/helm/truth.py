"""Whether a condition of a template holds for the values of an environment: the few words of Go templates that `lifts` uses.

A condition from the tables reads well, and is right only if it holds exactly where its object or field is; this tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_WORD = re.compile(r'\(|\)|"[^"]*"|[^\s()]+')

_WORDS: dict[str, Callable[..., Any]] = {
    "not": lambda value: not value,
    "and": lambda *found: next((value for value in found if not value), found[-1]),
    "or": lambda *found: next((value for value in found if value), found[-1]),
    "gt": lambda one, two: one > two,
    "eq": lambda one, two: one == two,
    "ne": lambda one, two: one != two,
    "int": lambda value: int(value or 0),
    "default": lambda fallback, value: value or fallback,
    "index": lambda part, *keys: _at(part, keys),
    "hasKey": lambda part, key: isinstance(part, Mapping) and key in part,
    "dig": lambda *found: _dig(found[-1], found[:-2], found[-2]),
}


def holds(condition: str, values: Mapping[str, Any]) -> bool:
    """Whether a condition such as `or .Values.a (gt (int .Values.b) 1)` is true."""
    return bool(_value(_tree(_WORD.findall(f"({condition})")), values))


def _tree(words: list[str]) -> Any:
    word = words.pop(0)
    if word != "(":
        return word
    items = []
    while words[0] != ")":
        items.append(_tree(words))
    words.pop(0)
    return items


def _value(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        if len(node) == 1:
            return _value(node[0], values)
        return _WORDS[node[0]](*(_value(item, values) for item in node[1:]))
    if node.startswith('"'):
        return node[1:-1]
    if node.startswith(".Values"):
        return _at(values, node.split(".")[2:])
    return int(node)


def _at(part: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        part = part.get(key) if isinstance(part, Mapping) else None
    return part


def _dig(part: Any, keys: Sequence[str], fallback: Any) -> Any:
    for key in keys:
        if not isinstance(part, Mapping) or key not in part:
            return fallback
        part = part[key]
    return part
