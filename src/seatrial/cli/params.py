"""Kinds of values on the command line that click does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from seatrial.world import duration


class DurationType(click.ParamType[float]):
    """`90s`, `5m`, `1h30m`, as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return duration.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class SecondsType(DurationType):
    """The same, and a bare number of seconds: `1800`."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        return float(text) if text.isdecimal() else super().convert(value, param, ctx)


DURATION = DurationType()
SECONDS = SecondsType()


class StateFile(click.Path):
    """The file of a twin's state: it may be made, its folder has to be there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not path.absolute().parent.is_dir():
            self.fail(f"there is no folder {str(path.parent)!r} to keep {path.name!r} in", param, ctx)
        return path


STATE = StateFile(dir_okay=False, writable=True, path_type=Path)
