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

#: Lines of arithmetic that are shown of a timeout.
ARITHMETIC = 8
#: phase -> what is being done in it, beside the spinner.
STEPS = {
    "plan": "rendering, and asking the cluster what would come of it",
    "preflight": "asking whether the target can take it",
    "apply": "Helm is at work",
    "watch": "watching it come up",
    "verify": "seeing whether it holds",
    "evidence": "saving the evidence",
    "rollback": "rolling back",
}
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
            rows = event.payload.get("rows", ())
            width = max((len(row["ref"]["name"]) for row in rows), default=0)
            for row in rows:
                line = describe(row, width)
                if self.is_new(_key(row), line):
                    self.line(event.time, line)
            return
        for line in words(event):
            if event.kind == "result":
                self.plain(line)
            else:
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
        elif event.kind == "phase" and event.payload.get("state") == "started":
            self._step = STEPS.get(event.payload.get("phase", ""), "")
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


def describe(row: Row, width: int = 20) -> str:
    """A row in one line; `width` is that of the longest name."""
    why = f"  {row['why']}" if row["why"] else ""
    return f"{row['ref']['name']:<{width}}  {row['ref']['kind']:<12} {_count(row):<12} {row['state']}{why}"


def _style(event: Event) -> str:
    if event.kind == "result":
        return "green" if not event.payload.get("exitCode") else "red"
    if event.kind == "finding":
        return {"error": "red", "warning": "yellow"}.get(event.payload.get("severity", "error"), "")
    return {"warning": "yellow", "log": "dim", "interrupted": "yellow"}.get(event.kind, "")


def words(event: Event) -> list[str]:
    """An event as lines for people; none for what is shown otherwise or says nothing new."""
    said = event.payload
    match event.kind:
        case "begin":
            return [f"{said.get('release')} in {said.get('namespace')}: {said.get('source')}"]
        case "note" | "verdict" | "warning" | "interrupted":
            before = "Warning: " if event.kind == "warning" else ""
            return [f"{before}{said.get('text', '')}"] + ([f"  {said['recover']}"] if said.get("recover") else [])
        case "phase" if said.get("state") == "started" and said.get("phase") == "rollback":
            return [f"rolling back: {said.get('text', '')}"]
        case "timeout":
            return arithmetic(said)
        case "plan":
            return [summary(said.get("summary", {})), *changes(said.get("changes", ()))]
        case "table":
            return table_lines(said)
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


def arithmetic(said: Mapping[str, Any]) -> list[str]:
    """The timeout and how it was computed; of many workloads the first ones, the sum always."""
    lines = [str(line) for line in said.get("lines", ())]
    hidden = len(lines) - ARITHMETIC
    if hidden > 1:
        lines = [*lines[: ARITHMETIC - 2], f"… and {hidden + 1} workloads more", lines[-1]]
    return [f"timeout {span(said.get('seconds', 0.0))}", *(f"  {line}" for line in lines)]


def span(seconds: float) -> str:
    """`45 s`, `14 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 120:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def table_lines(said: Mapping[str, Any]) -> list[str]:
    """A table; of results only those that are not well."""
    columns, rows = said.get("columns", ()), said.get("rows", ())
    if list(columns)[:2] == ["check", "result"]:
        bad = [row for row in rows if row[1] != "ok"]
        well = f"preflight: {len(rows)} checks, {'all' if not bad else len(rows) - len(bad)} well"
        return [well, *_columns((), bad)]
    return [str(said.get("title", "")), *_columns(columns, rows)]


def _columns(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    table = [[str(cell) for cell in row] for row in ([columns, *rows] if columns else rows)]
    widths = [max(len(row[index]) for row in table if index < len(row)) for index in range(max(map(len, table), default=0))]
    return ["  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)).rstrip() for row in table]


def finding_lines(said: Mapping[str, Any]) -> list[str]:
    """A finding with the rule that has its page in docs/rules, its evidence and its fix."""
    rule = f"  [{said['rule']}]" if said.get("rule") else ""
    lines = [f"{said.get('severity', 'error')}: {said.get('title', '')}{rule}"]
    lines += [
        f"    {fact['text']}  ({fact['source']})" if fact.get("source") else f"    {fact['text']}"
        for fact in said.get("evidence", ())
    ]
    return [*lines, f"  fix: {said['fix']}"] if said.get("fix") else lines


def closing(said: Mapping[str, Any]) -> list[str]:
    """The final report, read in ten seconds: what came of it, why, where to look, what to do."""
    good = not said.get("exitCode")
    seconds = said.get("seconds") or {}
    took = ", ".join(f"{phase} {spent:.1f}" for phase, spent in seconds.items() if spent >= 0.05)
    lines = ["", f"{'✓' if good else '✗'} {said.get('text', '')}"]
    if not good:
        lines += _why(said)
    about = [f"{said.get('reason', '')}" + (f" in {said['failedPhase']}" if said.get("failedPhase") else "")]
    about += [f"exit code {said.get('exitCode')}"]
    about += [f"revision {said['revision']}"] if said.get("revision") else []
    about += [f"{sum(seconds.values()):.1f} s ({took})"] if took else []
    lines.append(f"  {', '.join(about)}")
    if said.get("evidence"):
        lines.append(f"  evidence: {said['evidence']['page'] or said['evidence']['folder']}")
    if said.get("next"):
        lines += ["Try", *(f"  {command}" for command in said["next"])]
    return lines


def _why(said: Mapping[str, Any]) -> list[str]:
    """The first finding that explains a failure: what it rests on, and what mends it."""
    found = min(said.get("findings") or (), key=lambda one: one.get("severity") != "error", default=None)
    if found is None:
        return []
    facts = [f"  because {fact['text']}" for fact in found.get("evidence", ())[:2]]
    return [*facts, f"  fix: {found['fix']}"] if found.get("fix") else facts
