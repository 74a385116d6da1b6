"""How a table of defaults is laid over a dictionary: for Go's zero values and for pointers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.world import quantity
from seatrial.world.objects import Obj


def struct(obj: Obj, key: str) -> Obj:
    """The object at `key`, made empty where it is missing or null: a Go struct that is not a pointer."""
    value: Obj | None = obj.get(key)
    if value is None:
        value = obj[key] = {}
    return value


def items(obj: Mapping[str, Any], key: str) -> Iterable[Obj]:
    return obj.get(key) or ()


def unset(obj: Obj, table: Iterable[tuple[str, Any]]) -> None:
    """Set what is missing or null: fields that are pointers in Go."""
    for key, value in table:
        if obj.get(key) is None:
            obj[key] = value


def zero(obj: Obj, table: Iterable[tuple[str, Any]]) -> None:
    """Set what is missing, null, zero or empty: fields that are plain values in Go."""
    for key, value in table:
        if not obj.get(key):
            obj[key] = value


def merge_missing(target: Obj, source: Mapping[str, Any]) -> None:
    for key, value in source.items():
        if key not in target:
            target[key] = value


def quantities(resources: Obj | None) -> None:
    """Bring every quantity of a resource list into its canonical form; what is no quantity stays for validation."""
    for key, value in (resources or {}).items():
        if type(value) is str and value.isdecimal() and value[0] != "0" and value[-1] != "0":
            continue
        resources[key] = _canonical(value)  # type: ignore[index]


def _canonical(value: Any) -> Any:
    cached = _CANONICAL.get(value)
    if cached is None:
        try:
            cached = quantity.canonical(value)
        except ValueError:
            return value
        if len(_CANONICAL) > 4096:
            _CANONICAL.clear()
        _CANONICAL[value] = cached
    return cached


_CANONICAL: dict[Any, str] = {}
