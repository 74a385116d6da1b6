"""Which class of the model stands at a path of an app file, and which keys the map there may have."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal

from seatrial.app.document import Path_
from seatrial.app.model import App, Part


def keys_at(path: Path_) -> list[str]:
    """The keys that the map at `path` may have."""
    model = part_at(path)
    return list(model.model_fields) if model else []


def part_at(path: Path_) -> type[Part] | None:
    """The class of the map at `path`, or None where names are free."""
    kind: Any = App
    for step in path:
        if isinstance(kind, type) and issubclass(kind, Part):
            field = kind.model_fields.get(str(step))
            kind = _plain(field.annotation) if field else None
        else:
            arguments = typing.get_args(kind)
            kind = _plain(arguments[1] if typing.get_origin(kind) is dict else arguments[0]) if arguments else None
    return kind if isinstance(kind, type) and issubclass(kind, Part) else None


def _plain(kind: Any) -> Any:
    """A type without `Annotated` and without `| None`."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _plain(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return _plain(next(part for part in typing.get_args(kind) if part is not type(None)))
    return None if origin is Literal else kind
