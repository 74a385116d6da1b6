"""Kinds of values on the command line that click does not know."""

from __future__ import annotations

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


DURATION = DurationType()
