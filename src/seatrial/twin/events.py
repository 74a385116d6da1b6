"""Events as Kubernetes' components record them: repeated ones are counted, similar ones combined, floods held back.

The rules are those of client-go's tools/record/events_cache.go (EventCorrelator), which every component of a real
cluster runs its events through; the hour after which an Event is forgotten is the API server's `--event-ttl`.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from seatrial.twin.clock import Clock, seconds_of, timestamp
from seatrial.twin.errors import ApiError
from seatrial.twin.registry.options import Options
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj, name_of, namespace_of

SIMILAR = 10  # distinct messages for one object and reason, after which they are combined
SIMILAR_FOR = 600.0  # seconds after which similar events no longer count as such
BURST, REFILL = 25, 300.0  # events one source may record about one object; one more every REFILL seconds
REMEMBERED = 4096  # keys kept, of each kind
TIME_TO_LIVE = 3600.0  # seconds
LONGEST_MESSAGE = 1024

_WRITER = Options(user="system:apiserver")
_Key = tuple[str, ...]


@dataclass(slots=True)
class _Similar:
    """The messages seen lately for one object and reason."""

    messages: set[str] = field(default_factory=set)
    last: float = 0.0


@dataclass(slots=True)
class _Tokens:
    left: float
    at: float


class _Remembered(OrderedDict[_Key, Any]):
    """A dictionary that forgets what was not touched for longest."""

    def touch(self, key: _Key, value: Any) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > REMEMBERED:
            self.popitem(last=False)


class EventRecorder:
    """Writes Events through the registry; an Event that cannot be written is dropped, as in Kubernetes."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry, self._clock = registry, clock
        self._names, self._similar, self._tokens = _Remembered(), _Remembered(), _Remembered()
        self._last_name = 0
        self._lives: list[tuple[float, str, str]] = []  # a heap: when to look whether an Event is due to go
        self._sweeping = False
        for event in registry.list("events"):
            self._live(_last_seen(event), namespace_of(event), name_of(event))

    def emit(
        self, obj: Obj, type_: str, reason: str, message: str, component: str, *, field_path: str = "", host: str = ""
    ) -> None:
        """Record an Event about an object.

        `type_` is Normal or Warning, `field_path` the part of the object it is about (`spec.containers{web}`), `host` the
        node of a component that runs on one.
        """
        involved = _involved(obj, field_path)
        about = (component, host, *(str(involved.get(part, "")) for part in ("kind", "namespace", "name", "uid", "apiVersion")))
        now = self._clock.now()
        if not self._allowed(about, now):
            return
        kind = (*about, type_, reason)
        key: _Key = (*kind, str(involved.get("fieldPath", "")), message)
        if self._too_many_alike(kind, message, now):
            key, message = kind, f"(combined from similar events): {message}"
        message = message[:LONGEST_MESSAGE]
        try:
            if not self._count(key, message, now):
                self._create(key, involved, type_, reason, message, component, host, now)
        except ApiError:
            return

    def _allowed(self, about: _Key, now: float) -> bool:
        tokens = self._tokens.get(about) or _Tokens(BURST, now)
        tokens.left = min(BURST, tokens.left + (now - tokens.at) / REFILL)
        tokens.at = now
        self._tokens.touch(about, tokens)
        if tokens.left < 1:
            return False
        tokens.left -= 1
        return True

    def _too_many_alike(self, kind: _Key, message: str, now: float) -> bool:
        similar = self._similar.get(kind)
        if similar is None or now - similar.last > SIMILAR_FOR:
            similar = _Similar()
        similar.messages.add(message)
        similar.last = now
        self._similar.touch(kind, similar)
        if len(similar.messages) < SIMILAR:
            return False
        similar.messages.pop()
        return True

    def _count(self, key: _Key, message: str, now: float) -> bool:
        """Count an Event that was recorded before; False when there is none (any more)."""
        known = self._names.get(key)
        event = self._registry.find("events", *known) if known else None
        if event is None:
            return False
        self._names.touch(key, known)
        metadata = dict(event["metadata"])
        counted = {**event, "metadata": metadata, "count": event.get("count", 1) + 1, "message": message}
        counted["lastTimestamp"] = timestamp(now)
        self._registry.update("events", counted, _WRITER)
        return True

    def _create(
        self, key: _Key, involved: Obj, type_: str, reason: str, message: str, component: str, host: str, now: float
    ) -> None:
        namespace = involved.get("namespace") or "default"
        name = f"{involved['name']}.{self._unique(now):x}"
        self._registry.create(
            "events",
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": involved,
                "reason": reason,
                "message": message,
                "source": {"component": component, "host": host} if host else {"component": component},
                "firstTimestamp": timestamp(now),
                "lastTimestamp": timestamp(now),
                "count": 1,
                "type": type_,
                "eventTime": None,
                "reportingComponent": component,
                "reportingInstance": host,
            },
            _WRITER,
        )
        self._names.touch(key, (namespace, name))
        self._live(now, namespace, name)

    def _unique(self, now: float) -> int:
        """The time in nanoseconds, moved on where two Events share a moment."""
        self._last_name = max(int(now * 1e9), self._last_name + 1)
        return self._last_name

    # the hour of an Event's life

    def _live(self, since: float, namespace: str, name: str) -> None:
        heapq.heappush(self._lives, (since + TIME_TO_LIVE, namespace, name))
        if not self._sweeping:
            self._sweeping = True
            self._clock.call_later(self._lives[0][0] - self._clock.now(), self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        now = self._clock.now()
        again: list[tuple[float, str, str]] = []
        while self._lives and self._lives[0][0] <= now:
            _, namespace, name = heapq.heappop(self._lives)
            event = self._registry.find("events", namespace, name)
            if event is None:
                continue
            if _last_seen(event) + TIME_TO_LIVE > now:
                again.append((_last_seen(event), namespace, name))
            else:
                self._registry.store.delete("events", namespace, name)
        for life in again:
            self._live(*life)
        if self._lives and not self._sweeping:
            self._sweeping = True
            self._clock.call_later(self._lives[0][0] - now, self._sweep)


def _last_seen(event: Obj) -> float:
    return seconds_of(event.get("lastTimestamp") or event["metadata"]["creationTimestamp"])


def _involved(obj: Obj, field_path: str) -> Obj:
    metadata = obj["metadata"]
    parts = {
        "kind": obj.get("kind", ""),
        "namespace": metadata.get("namespace", ""),
        "name": metadata.get("name", ""),
        "uid": metadata.get("uid", ""),
        "apiVersion": obj.get("apiVersion", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
        "fieldPath": field_path,
    }
    return {name: value for name, value in parts.items() if value}
