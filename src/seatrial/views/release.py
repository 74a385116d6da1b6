"""How a release looks: a live tree in a terminal, a line for each change elsewhere, JSON lines on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from seatrial.release.events import Event
from seatrial.views import stream as streams
from seatrial.views.plan import changes, summary
from seatrial.views.stream import MARKS, Appended, Picture, View

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Rows a tree in a terminal has room for; those that are settled give way first.
ROOM = 24

#: state of the lock -> what is said of it.
LOCK = {
    "waiting": "waiting for {who}, who releases here",
    "followed": "{who} is releasing: following",
    "left": "{who} has left it: no heartbeat any more",
    "lost": "the lock is lost to {who}: stopping",
}

Row = Mapping[str, Any]


def view(output: str, stream: TextIO | None = None) -> View[Event]:
    """The view for `-o text|json` and the stream it goes to (standard output)."""
    return streams.view(output, stream, Lines, Terminal)


class Lines(Appended):
    """A line for each thing that changed."""

    def show(self, event: Event) -> None:
        if event.kind == "tree":
            for row in event.payload.get("rows", ()):
                line = describe(row)
                if self.is_new(_key(row), line):
                    self.line(event.time, line)
            return
        for line in words(event):
            self.line(event.time, line)


class Terminal(Picture):
    """What is settled scrolls up as lines; the tree below them is redrawn in place."""

    def __init__(self) -> None:
        super().__init__()
        self._step, self._rows = "", list[Row]()
        self._time = 0.0

    def show(self, event: Event) -> None:
        self._time = event.time
        if event.kind == "tree":
            self._rows = list(event.payload.get("rows", ()))
        elif event.kind == "step":
            self._step = str(event.payload.get("text", ""))
        else:
            if event.kind in ("verdict", "interrupted", "result"):
                self._settle()
            for line in words(event):
                self.print(line, _style(event))
        self.draw(_table(self._rows, self._time) if self._rows else None, self._step)

    def _settle(self) -> None:
        """The tree becomes part of the scroll-back."""
        rows, self._rows, self._step = self._rows, [], ""
        self.draw(None)
        if rows:
            self.console.print(_table(rows, self._time))


def _key(row: Row) -> tuple[str, str]:
    return row["ref"]["kind"], f"{row['ref']['namespace']}/{row['ref']['name']}"


def _table(rows: Sequence[Row], time: float) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    settled = [row for row in rows if row["state"] in ("ready", "done")]
    hidden = len(rows) - ROOM
    for row in rows:
        if hidden > 0 and row in settled:
            hidden -= 1
            continue
        mark, style = MARKS[row["state"]]
        name = Text(f"  {mark} {row['ref']['name']}", style=style)
        table.add_row(
            name, row["ref"]["kind"], _count(row), Text(str(row["why"]), style="dim"), Text(_left(row, time), style="dim")
        )
        for pod in row.get("pods", ()):
            if row["state"] == "rolling" and not pod["ready"]:
                age = "new" if pod["new"] else "old"
                table.add_row(Text(f"      {pod['name']}", style="dim"), age, _restarts(pod), Text(pod["why"], style="dim"), "")
    return table


def _count(row: Row) -> str:
    old = f" +{row['old']} old" if row["old"] else ""
    return f"{row['ready']}/{row['total']}{old}"


def _restarts(pod: Row) -> str:
    return f"{pod['restarts']} restarts" if pod["restarts"] else ""


def _left(row: Row, time: float) -> str:
    """Seconds left of what the workload was given, while it is under way."""
    seconds = row.get("seconds")
    return f"{max(0.0, seconds - time):.0f} s left" if seconds and row["state"] == "rolling" else ""


def describe(row: Row) -> str:
    """A row in one line."""
    why = f"  {row['why']}" if row["why"] else ""
    return f"{row['ref']['name']:<20}  {row['ref']['kind']:<12} {_count(row):<12} {row['state']}{why}"


def _style(event: Event) -> str:
    if event.kind == "result":
        return "green" if not event.payload.get("exitCode") else "red"
    return {"warning": "yellow", "finding": "red", "log": "dim", "interrupted": "yellow"}.get(event.kind, "")


def words(event: Event) -> list[str]:
    """An event as lines for people; none for what is shown otherwise or says nothing new."""
    said = event.payload
    match event.kind:
        case "note" | "verdict" | "warning" | "interrupted":
            before = "Warning: " if event.kind == "warning" else ""
            return [f"{before}{said.get('text', '')}"] + ([f"  {said['recover']}"] if said.get("recover") else [])
        case "phase" if said.get("state") in ("done", "failed") and said.get("text"):
            return [str(said["text"])]
        case "timeout":
            return [str(said.get("text", "")), *(f"  {line}" for line in said.get("lines", ()))]
        case "plan":
            return [summary(said.get("summary", {})), *changes(said.get("changes", ()))]
        case "table":
            return [str(said.get("title", "")), *_columns(said.get("columns", ()), said.get("rows", ()))]
        case "finding":
            return finding_lines(said)
        case "lock" if said.get("state") in LOCK:
            return [LOCK[said["state"]].format(who=f"{said.get('holder', '')} on {said.get('host', '')}")]
        case "hook":
            name = event.ref.name if event.ref else ""
            return [f"hook {name} ({said.get('hook', '')}) {said.get('state', '')}"]
        case "log":
            return [f"  {said.get('pod', '')} | {said.get('line', '')}"]
        case "evidence":
            return [f"evidence: {said.get('page') or said.get('folder')}"]
        case "result":
            return closing(said)
    return []


def _columns(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    table = [[str(cell) for cell in row] for row in ([columns, *rows] if columns else rows)]
    widths = [max(len(row[index]) for row in table if index < len(row)) for index in range(max(map(len, table), default=0))]
    return ["  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)).rstrip() for row in table]


def finding_lines(said: Mapping[str, Any]) -> list[str]:
    """A finding with its evidence and its fix."""
    lines = [f"{said.get('severity', 'error')}: {said.get('title', '')}"]
    lines += [
        f"    {fact['text']}  ({fact['source']})" if fact.get("source") else f"    {fact['text']}"
        for fact in said.get("evidence", ())
    ]
    return [*lines, f"  fix: {said['fix']}"] if said.get("fix") else lines


def closing(said: Mapping[str, Any]) -> list[str]:
    """The final report: what came of it, how long it took, where to look, what to do."""
    took = "  ".join(f"{phase} {seconds:.1f} s" for phase, seconds in (said.get("seconds") or {}).items())
    lines = [
        "",
        f"{said.get('release', '')} in {said.get('namespace', '')}: {said.get('text', '')}",
        f"  {said.get('reason', '')}, exit code {said.get('exitCode')}",
    ]
    lines += [f"  {took}"] if took else []
    if said.get("evidence"):
        lines.append(f"  evidence: {said['evidence']['page']}")
    if said.get("next"):
        lines += ["Try", *(f"  {command}" for command in said["next"])]
    return lines
