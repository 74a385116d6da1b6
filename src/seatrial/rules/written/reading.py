"""How rules read objects that anybody may have written: a field of the wrong type reads as one that is not there.

What has the wrong type is reported by the rules of shapes; the others need not stumble over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seatrial.rules.patching import Path
from seatrial.world import duration, quantity
from seatrial.world.objects import Obj

EMPTY: Obj = {}


# Rules ask these a million times, so each goes its way by itself instead of by another.


def mapping(obj: Any, *steps: str) -> Obj:
    """The mapping at some keys; an empty one where there is none."""
    for step in steps:
        if not isinstance(obj, dict):
            return EMPTY
        obj = obj.get(step)
    return obj if isinstance(obj, dict) else EMPTY


def items(obj: Any, *steps: str) -> list[Obj]:
    """The mappings in the list at some keys; what is no mapping reads as an empty one, so that places stay right."""
    for step in steps:
        if not isinstance(obj, dict):
            return []
        obj = obj.get(step)
    return [each if isinstance(each, dict) else EMPTY for each in obj] if isinstance(obj, list) else []


def strings(obj: Any, *steps: str) -> list[str]:
    """The texts in the list at some keys."""
    found = value(obj, *steps)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def value(obj: Any, *steps: str) -> Any:
    for step in steps:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(step)
    return obj


def text(obj: Any, *steps: str) -> str:
    """The text at some keys; "" where there is none."""
    for step in steps:
        if not isinstance(obj, dict):
            return ""
        obj = obj.get(step)
    return obj if isinstance(obj, str) else ""


def number(obj: Any, *steps: str, default: float = 0) -> float:
    """The number at some keys; a truth value is none."""
    found = value(obj, *steps)
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else default


def has(obj: Any, *steps: str) -> bool:
    return value(obj, *steps) is not None


def seconds(written: Any) -> float | None:
    """A duration in seconds; None where it is none."""
    try:
        return duration.parse(written) if isinstance(written, (str, int, float)) else None
    except ValueError:
        return None


def amount(written: Any) -> float | None:
    """A quantity as a number (cores, bytes); None where it is none."""
    if not isinstance(written, (str, int, float)) or isinstance(written, bool):
        return None
    try:
        return float(quantity.parse(written))
    except (ValueError, OverflowError):
        return None


def percent(written: Any) -> float | None:
    """The number of a percentage (`25%` is 25); None where it is none."""
    if isinstance(written, str) and written.endswith("%") and written[:-1].isdigit():
        return float(written[:-1])
    return None


def walk(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of a document with its path, without recursion."""
    waiting: list[tuple[Path, Any]] = [(path, tree)]
    while waiting:
        here, node = waiting.pop()
        if isinstance(node, dict):
            waiting.extend(((*here, str(key)), inner) for key, inner in node.items())
        elif isinstance(node, list):
            waiting.extend(((*here, place), inner) for place, inner in enumerate(node))
        else:
            yield here, node
