"""How `seatrial status` and `seatrial history` look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from seatrial.views.stream import MARKS


def status_lines(document: Mapping[str, Any], now: float, option: str) -> Iterator[tuple[str, str]]:
    """Lines and their colour. `now` in seconds since 1970; `option` names the release on a command line."""
    by = f" by {document['by']}" if document["by"] else ""
    when = f", {ago(document['deployed'], now)}" if document["deployed"] else ""
    colour = {"deployed": "green", "failed": "red"}.get(document["status"], "yellow")
    head = f"{document['release']} in {document['namespace']}: revision {document['revision']} {document['status']}{when}{by}"
    yield head, colour
    version = f", app version {document['appVersion']}" if document["appVersion"] else ""
    yield f"  chart {document['chart']}{version}", ""
    yield f"  {document['description']}", ""
    yield from _lock(document.get("lock"))
    rows = document["workloads"]
    width = max((len(row["ref"]["name"]) for row in rows), default=0)
    for row in rows:
        mark, _ = MARKS[row["state"]]
        old = f" +{row['old']} old" if row["old"] else ""
        line = (
            f"  {mark} {row['ref']['name']:<{width}}  {row['ref']['kind']:<11}  {row['ready']}/{row['total']}{old}  {row['why']}"
        )
        yield line.rstrip(), {"failed": "red", "rolling": "cyan", "waiting": "yellow"}.get(row["state"], "")
        for pod in row["pods"] if row["state"] == "rolling" else ():
            if not pod["ready"]:
                yield f"      {pod['name']}  {'new' if pod['new'] else 'old'}  {pod['why']}", ""
    if not document["settled"]:
        yield from _advice(document, option)


def _lock(lock: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if lock and lock["alive"]:
        yield f"  {lock['owner']} on {lock['host']} is at it, in {lock['phase'] or 'its beginning'}", "cyan"
    elif lock:
        yield (
            f"  {lock['owner']} on {lock['host']} has left it in {lock['phase'] or 'its beginning'}: no heartbeat any more",
            "yellow",
        )


def _advice(document: Mapping[str, Any], option: str) -> Iterator[tuple[str, str]]:
    yield "Try", ""
    pending = str(document["status"]).startswith("pending")
    if pending and not (document.get("lock") or {}).get("alive"):
        yield "  the same release again, with --recover", ""
    else:
        yield f"  seatrial status{option} --watch", ""
    if document.get("rollbackTo"):
        yield f"  seatrial rollback{option}", ""


def history_lines(document: Mapping[str, Any]) -> list[str]:
    """One line a revision, oldest first."""
    head = ("REVISION", "WHEN", "STATUS", "CHART", "APP VERSION", "BY", "DESCRIPTION")
    rows = [
        (str(one["revision"]), when(one["deployed"]), one["status"], one["chart"], one["appVersion"], one["by"] or "-",
         one["description"])
        for one in document["revisions"]
    ]  # fmt: skip
    return table([head, *rows])


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, as wide as their longest cell."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def when(stamp: str) -> str:
    """A time as people read it, in the zone of this machine: `2026-03-01 12:00:05`."""
    try:
        return datetime.fromisoformat(stamp).astimezone(tz=None).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return stamp or "?"


def ago(stamp: str, now: float) -> str:
    """`12 s ago`, `5 min ago`, `3 h ago`, `2 days ago`."""
    try:
        seconds = max(0.0, now - datetime.fromisoformat(stamp).timestamp())
    except ValueError:
        return f"at {stamp}"
    for most, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < most:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds / 86400:.0f} days ago"
