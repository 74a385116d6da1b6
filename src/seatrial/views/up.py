"""How `seatrial up` looks: a live picture in a terminal, a line for each change in a pipe, JSON lines on request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from seatrial.up.events import Event
from seatrial.up.progress import Row
from seatrial.views import stream as streams
from seatrial.views.stream import MARKS, Appended, Picture, View

if TYPE_CHECKING:
    from rich.console import RenderableType


def view(output: str, stream: TextIO | None = None) -> View[Event]:
    """The view for `-o text|json` and the stream it goes to (standard output)."""
    return streams.view(output, stream, Lines, Terminal)


class Lines(Appended):
    """A line for each thing that changed."""

    def show(self, event: Event) -> None:
        if event.kind == "rows":
            width = max((len(row.name) for row in event.rows), default=0)
            for row in event.rows:
                if self.is_new((row.kind, row.name), row):
                    self.line(event.seconds, describe(row, width))
        elif event.kind in ("ready", "failed"):
            self.plain("\n" + "\n".join(closing(event)))
        elif event.kind != "step" and event.text:
            self.line(event.seconds, event.text)


class Terminal(Picture):
    """Steps that are done stay as lines; what is coming up is a picture below them."""

    def __init__(self) -> None:
        super().__init__()
        self._step, self._rows = "", tuple[Row, ...]()

    def show(self, event: Event) -> None:
        if event.kind == "rows":
            self._rows = event.rows
        elif event.kind in ("step", "stopping"):
            self._step = event.text
        elif event.kind in ("ready", "failed"):
            self._settle(event)
        elif event.text:
            self._done(event.text)
        self._draw()

    def _done(self, text: str) -> None:
        from rich.markup import escape

        self._step = ""
        self._draw()
        self.console.print("[green]✓[/]", escape(text), soft_wrap=True)

    def _settle(self, event: Event) -> None:
        """The picture becomes part of the scroll-back, and what it means is said below it."""
        rows, self._rows, self._step = self._rows, (), ""
        self._draw()
        self.console.print(_table(rows))
        for line in closing(event):
            self.print(line, "" if event.kind == "ready" else "red")

    def _draw(self) -> None:
        self.draw(_table(self._rows) if self._rows else None, self._step)


def _table(rows: Iterable[Row]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for row in rows:
        mark, style = MARKS[row.state]
        count = f"{row.ready}/{row.total}"
        table.add_row(
            Text(f"  {mark} {row.name}", style=style), row.kind, count, Text(row.state, style=style), Text(row.why, style="dim")
        )
    return table


def describe(row: Row, width: int = 0) -> str:
    """A row in one line; `width` is that of the longest name."""
    why = f"  {row.why}" if row.why else ""
    return f"{row.name:<{width}}  {row.kind:<12} {row.ready}/{row.total}  {row.state}{why}"


def closing(event: Event) -> list[str]:
    """What is said when everything is up, or when it will not come up."""
    lines = ["", event.text]
    lines += [f"  {name:<12} {url}" for name, url in event.facts.get("urls", {}).items()]
    for log in event.facts.get("logs", ()):
        lines += ["", f"  The end of {log['of']}:", *(f"    {line}" for line in log["lines"])]
    if event.facts.get("next"):
        lines += ["", "Try", *(f"  {line}" for line in event.facts["next"])]
    return lines
