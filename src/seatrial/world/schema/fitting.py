"""Whether a document fits the shape of its type, asked quickly; and where it does not, asked with care.

`fits` is for ten thousand objects that are well: a function is made of each type once, and stops at the first thing that is odd.
`misfits` goes through an odd one and names every place: fields that the type does not have, and values of another type.  What is
right and wrong is what `decoding` says, whose words are a server's; here whoever wrote a file is the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from seatrial.world.paths import Steps
from seatrial.world.schema.decoding import UndecodableError, special_error
from seatrial.world.schema.table import INT_OR_STRING, Shape

Fit = Callable[[Any], bool]


class Misfit(NamedTuple):
    """A place that does not fit. `shape` is what should be there; of an unknown field, that of the object it stands in."""

    path: Steps
    value: Any
    shape: Shape
    unknown: bool = False


def misfits(value: Any, shape: Shape, path: Steps = ()) -> Iterator[Misfit]:
    """Every place in a value that does not fit its shape; a null fits everywhere, for it says nothing."""
    kind = shape.kind
    if value is None or kind == "any":
        return
    if kind == "scalar":
        if not _holds(value, shape):
            yield Misfit(path, value, shape)
    elif kind == "list":
        if not isinstance(value, list):
            yield Misfit(path, value, shape)
        elif shape.element is not None:
            for place, item in enumerate(value):
                yield from misfits(item, shape.element, (*path, place))
    elif not isinstance(value, dict):
        yield Misfit(path, value, shape)
    elif kind == "map":
        if shape.element is not None:
            for key, item in value.items():
                yield from misfits(item, shape.element, (*path, key))
    else:
        for key, item in value.items():
            field = shape.fields.get(key)
            if field is not None:
                yield from misfits(item, field.shape, (*path, key))
            elif not shape.open:
                yield Misfit((*path, key), item, shape, True)


def why_not(value: Any, shape: Shape) -> str:
    """What the decoder says of a scalar that it does not take; "" of one that it takes."""
    try:
        return special_error(value, shape) or ""
    except UndecodableError as error:
        return str(error)


def _holds(value: Any, shape: Shape) -> bool:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 63:
        value = int(value)  # `1.0` in YAML is 1 in the JSON that is sent
    if shape.custom and shape.type == INT_OR_STRING:
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    return not why_not(value, shape)


# quickly


def fits(shape: Shape) -> Fit:
    """A function that tells whether a value fits a shape. It may say no of what fits (a null, an odd number)."""
    made = _MADE.get(shape)
    if made is None:
        made = _MADE[shape] = _MAKERS[shape.kind](shape)
    return made


_MADE: dict[Shape, Fit] = {}
#: The fields of struct types, by the type's name: many shapes share one.
_TABLES: dict[str, dict[str, Any]] = {}


def _struct(shape: Shape) -> Fit:
    entries: dict[str, Any] = {}  # the field's function, or the class that its values have; made when first asked

    def fit(value: Any) -> bool:
        nonlocal entries
        if type(value) is not dict:
            return False
        if not entries:
            entries = _table(shape)
        for key, item in value.items():
            wanted = entries.get(key)
            if wanted is str:
                if type(item) is not str:
                    return False
            elif wanted is None or not wanted(item):
                return False
        return True

    return fit


def _table(shape: Shape) -> dict[str, Any]:
    if shape.type in _TABLES:
        return _TABLES[shape.type]
    table: dict[str, Any] = {name: _entry(field.shape) for name, field in shape.fields.items()}
    if shape.type and not shape.custom:
        _TABLES[shape.type] = table
    return table


def _entry(shape: Shape) -> Any:
    return str if shape.kind == "scalar" and shape.type == "string" else fits(shape)


def _list(shape: Shape) -> Fit:
    if shape.element is None:
        return _is_list
    if _entry(shape.element) is str:
        return lambda value: type(value) is list and _TEXTS.issuperset(map(type, value))
    inner = fits(shape.element)
    return lambda value: type(value) is list and all(map(inner, value))


def _map(shape: Shape) -> Fit:
    if shape.element is None:
        return _is_dict
    if _entry(shape.element) is str:
        return lambda value: type(value) is dict and _TEXTS.issuperset(map(type, value.values()))
    inner = fits(shape.element)
    return lambda value: type(value) is dict and all(map(inner, value.values()))


_TEXTS = frozenset({str})


def _is_list(value: Any) -> bool:
    return type(value) is list


def _is_dict(value: Any) -> bool:
    return type(value) is dict


def _scalar(shape: Shape) -> Fit:
    plain = _PLAIN.get(shape.type)
    if plain is not None:
        return plain if not shape.custom else lambda value: type(value) is str or type(value) is int
    good: set[Any] = set()  # what was found good before; texts and whole numbers, of which a world has few

    def fit(value: Any) -> bool:
        if type(value) is not str and type(value) is not int:
            return False
        if value in good:
            return True
        if why_not(value, shape):
            return False
        if len(good) < _REMEMBERED:
            good.add(value)
        return True

    return fit


_REMEMBERED = 4096
_PLAIN: dict[str, Fit] = {
    "string": lambda value: type(value) is str,
    "bool": lambda value: value is True or value is False,
    "int32": lambda value: type(value) is int and -0x80000000 <= value <= 0x7FFFFFFF,
    "int64": lambda value: type(value) is int,  # more than 64 bits come from nowhere: the loader has made a float of them
    INT_OR_STRING: lambda value: type(value) is str or (type(value) is int and -0x80000000 <= value <= 0x7FFFFFFF),
}


def _any(shape: Shape) -> Fit:
    return lambda value: True


_MAKERS: dict[str, Callable[[Shape], Fit]] = {"struct": _struct, "list": _list, "map": _map, "scalar": _scalar, "any": _any}
