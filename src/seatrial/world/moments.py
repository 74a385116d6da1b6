"""When a world was seen, as far as its objects tell: for one that was saved, and has no other clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from seatrial.world.objects import Obj, dig
from seatrial.world.world import World, event_time


def latest(world: World) -> float | None:
    """The last moment that an event or a status names, in seconds since 1970; None where none does."""
    return max((moment for obj in world for stamp in _stamps(obj) if (moment := _moment(stamp)) is not None), default=None)


def _stamps(obj: Obj) -> Iterator[Any]:
    if obj.get("kind") == "Event":
        yield event_time(obj)
        return
    status: Any = obj.get("status")
    if not isinstance(status, dict):
        return
    for condition in _maps(status.get("conditions")):
        yield condition.get("lastTransitionTime")
        yield condition.get("lastUpdateTime")
    for container in (*_maps(status.get("initContainerStatuses")), *_maps(status.get("containerStatuses"))):
        for state in ("state", "lastState"):
            yield dig(container, f"{state}.running.startedAt")
            yield dig(container, f"{state}.terminated.finishedAt")


def _maps(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _moment(stamp: Any) -> float | None:
    if not isinstance(stamp, str):
        return None
    try:
        found = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
