"""What happens while an application comes up, as one stream that terminal and JSON each show in their own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from seatrial.up.progress import Row

#: The version of the JSON form; it changes when a key changes its meaning or goes.
VERSION = "seatrial.dev/up/v1"

Kind = Literal["step", "done", "rows", "ready", "log", "failed", "stopping", "stopped"]


@dataclass(frozen=True, slots=True)
class Event:
    """`seconds` since the beginning. `step` is begun, `done` says how it ended; `rows` is the whole picture each time."""

    seconds: float
    kind: Kind
    text: str = ""
    rows: tuple[Row, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"version": VERSION, "seconds": round(self.seconds, 3), "kind": self.kind}
        if self.text:
            document["text"] = self.text
        if self.rows:
            document["rows"] = [
                {"kind": r.kind, "name": r.name, "ready": r.ready, "total": r.total, "state": r.state, "why": r.why}
                for r in self.rows
            ]
        return {**document, **self.facts}


Listener = Callable[[Event], None]
