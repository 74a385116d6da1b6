"""Values that a file means to give and that could not be read: to look at one ends the check that looked, and nothing else.

So a misspelt key and a combination that cannot work are told at once, and a mistake is never told a second time by what follows
from it.  A field that is taken out of a `Part` is unknown; a check is a generator, and `known` lets it speak
until it looks at one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel

from seatrial.app.document import Path_

T = TypeVar("T")


class UnknownError(Exception):
    """A value was looked at that the file does not tell."""


def known(found: Iterable[T]) -> Iterator[T]:
    """What is found until an unknown value is looked at."""
    try:
        yield from found
    except UnknownError:
        return


def is_unknown(part: BaseModel) -> bool:
    """Whether nothing at all is known of a part."""
    return not part.__dict__


class UnknownMap(dict[str, Any]):
    """A map of which nobody knows what is in it."""

    def _unknown(self, *_: Any) -> NoReturn:
        raise UnknownError

    __getitem__ = __contains__ = __iter__ = __len__ = get = items = keys = values = _unknown


#: What `without` gives in place of a value that is no map.
UNKNOWN: Any = object()


def without(value: Any, path: Path_) -> Any:
    """A value with the one at `path` in it unknown; `UNKNOWN` where that is all of it. What is given stays as it is."""
    if isinstance(value, BaseModel):
        return _part(value, path)
    if isinstance(value, dict) and path:
        inner = without(value[path[0]], path[1:]) if path[0] in value else UNKNOWN
        return value if inner is UNKNOWN else {**value, path[0]: inner}  # a single value in a free map: its key is known
    if isinstance(value, tuple) and path and isinstance(path[0], int) and path[0] < len(value):
        inner = without(value[path[0]], path[1:])
        return UNKNOWN if inner is UNKNOWN else (*value[: path[0]], inner, *value[path[0] + 1 :])
    return UNKNOWN


def _part(part: BaseModel, path: Path_) -> BaseModel:
    found = part.model_copy()
    if not path:
        found.__dict__.clear()
    elif path[0] in found.__dict__:
        key = str(path[0])
        inner = without(found.__dict__.pop(key), path[1:])
        if inner is not UNKNOWN:
            found.__dict__[key] = inner
    return found
