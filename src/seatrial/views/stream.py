"""What all views of a running verb have in common: JSON lines, lines that are never taken back, and a picture redrawn in place.

Which events there are and what they say belongs to the view of each verb (`up`, `release`); here is how it gets to a stream.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

#: state of a row -> the mark before it and its style in a terminal.
MARKS = {
    "waiting": ("·", "dim"), "starting": ("◌", "cyan"), "rolling": ("◌", "cyan"), "ready": ("●", "green"), "done": ("✓", "green"),
    "paused": ("‖", "yellow"), "failed": ("✗", "red bold"),
}  # fmt: skip

Event = TypeVar("Event", contravariant=True)


class View(Protocol[Event]):
    """Where events go. `close` leaves a terminal as it was found; more may be shown after it."""

    def show(self, event: Event) -> None: ...
    def close(self) -> None: ...


class HasJson(Protocol):
    def as_json(self) -> dict[str, Any]: ...


def view(
    output: str, stream: TextIO | None, lines: Callable[[TextIO], View[Event]], terminal: Callable[[], View[Event]]
) -> View[Event] | Json:
    """The view for `-o text|json` and the stream it goes to (standard output): a picture only where there is a terminal."""
    stream = stream or sys.stdout
    if output == "json":
        return Json(stream)
    return terminal() if stream.isatty() else lines(stream)


class Json:
    """One JSON document a line, versioned."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, event: HasJson) -> None:
        self._stream.write(json.dumps(event.as_json()) + "\n")
        self._stream.flush()

    def close(self) -> None: ...


class Appended:
    """Lines with the seconds since the beginning; of what is told as a whole each time, only what has changed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._shown = stream, dict[Hashable, object]()

    def line(self, seconds: float, text: str) -> None:
        self.plain(f"{seconds:6.1f}s  {text}" if text else "")

    def plain(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def is_new(self, key: Hashable, value: object) -> bool:
        """Whether something is not what was shown of it last; it counts as shown from now on."""
        if self._shown.get(key) == value:
            return False
        self._shown[key] = value
        return True

    def close(self) -> None: ...


class Picture:
    """What is settled scrolls up as lines; below it a picture, and the step that is being done, are redrawn in place."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self.console: Console = console or Console(highlight=False)
        self._live: Live | None = None

    def print(self, line: str, style: str = "") -> None:
        self.console.print(line, markup=False, soft_wrap=True, style=style)

    def draw(self, picture: RenderableType | None, step: str = "") -> None:
        """Bring the picture up to date; where there is nothing to show there is none."""
        from rich.console import Group
        from rich.live import Live
        from rich.spinner import Spinner

        parts: Sequence[RenderableType] = [part for part in (picture,) if part is not None]
        if step:
            parts = [*parts, Spinner("dots", text=f" {step}", style="cyan")]
        if not parts:
            self.close()
            return
        if self._live is None:
            self._live = Live(console=self.console, refresh_per_second=8, transient=True)
            self._live.start()
        self._live.update(Group(*parts))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
