"""How `seatrial up` looks: a live picture in a terminal, a line for each change in a pipe, JSON lines on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TextIO

from seatrial.up.events import Event
from seatrial.up.progress import Row

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

#: state -> the mark before it and its style in a terminal.
MARKS = {
    "waiting": ("·", "dim"),
    "starting": ("◌", "cyan"),
    "ready": ("●", "green"),
    "done": ("✓", "green"),
    "failed": ("✗", "red bold"),
}


class View(Protocol):
    def show(self, event: Event) -> None: ...
    def close(self) -> None: ...


def view(output: str, stream: TextIO | None = None) -> View:
    """The view for `-o text|json` and the stream it goes to (standard output)."""
    stream = stream or sys.stdout
    if output == "json":
        return Json(stream)
    return Terminal() if stream.isatty() else Lines(stream)


class Json:
    """One JSON document a line, versioned."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, event: Event) -> None:
        self._stream.write(json.dumps(event.as_json()) + "\n")
        self._stream.flush()

    def close(self) -> None: ...


class Lines:
    """A line for each thing that changed, with the seconds since the beginning; nothing is ever taken back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._shown = stream, dict[tuple[str, str], Row]()

    def show(self, event: Event) -> None:
        if event.kind == "rows":
            for row in event.rows:
                if self._shown.get((row.kind, row.name)) != row:
                    self._shown[row.kind, row.name] = row
                    self._line(event, describe(row, max(len(each.name) for each in event.rows)))
        elif event.kind in ("ready", "failed"):
            self._stream.write("\n" + "\n".join(closing(event)) + "\n")
            self._stream.flush()
        elif event.kind != "step" and event.text:
            self._line(event, event.text)

    def _line(self, event: Event, text: str) -> None:
        self._stream.write(f"{event.seconds:6.1f}s  {text}\n")
        self._stream.flush()

    def close(self) -> None: ...


class Terminal:
    """Steps that are done stay as lines; what is coming up is a picture below them, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console: Console = Console(highlight=False)
        self._live: Live | None = None
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
        self._console.print("[green]✓[/]", escape(text), soft_wrap=True)

    def _settle(self, event: Event) -> None:
        """The picture becomes part of the scroll-back, and what it means is said below it."""
        rows, self._rows, self._step = self._rows, (), ""
        self._draw()
        self._console.print(_table(rows))
        for line in closing(event):
            self._console.print(line, markup=False, soft_wrap=True, style="" if event.kind == "ready" else "red")

    def _draw(self) -> None:
        """Bring the picture up to date; where there is nothing to show there is none."""
        from rich.console import Group
        from rich.live import Live
        from rich.spinner import Spinner

        if not self._rows and not self._step:
            self.close()
            return
        parts: list[RenderableType] = [_table(self._rows)] if self._rows else []
        if self._step:
            parts.append(Spinner("dots", text=f" {self._step}", style="cyan"))
        if self._live is None:
            self._live = Live(console=self._console, refresh_per_second=8, transient=True)
            self._live.start()
        self._live.update(Group(*parts))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


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
