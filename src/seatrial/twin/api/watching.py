"""Watches: changes of a resource as a stream of JSON lines, from a version in the history or from the present.

A watcher never holds up a write: changes are noted when they happen and sent when the client takes them. One that does
not keep up is dropped, as the API server does; its client then lists and watches anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from seatrial.twin.api import tables
from seatrial.twin.api.http import Accepted, Receive, Request, Send, whole
from seatrial.twin.api.listing import Scope, check_initial_events, check_versions, current
from seatrial.twin.api.printers import columns_of
from seatrial.twin.clock import Timer
from seatrial.twin.errors import ApiError, gone
from seatrial.twin.registry.conversion import convert
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import Resource
from seatrial.twin.store import Change, Expired
from seatrial.world.objects import Obj

#: Seconds between bookmarks, and of a watch that names no timeout (apiserver: 1 minute, half an hour at least).
BOOKMARK_EVERY, LONGEST = 60.0, 3600.0
_A_YEAR = 365 * 86400  # clocks count no further
#: A watcher this far behind is dropped: bytes not yet sent.
MOST_BEHIND = 16 * 1024 * 1024
#: Bytes handed to the connection in one piece.
_PIECE = 256 * 1024
#: With this many watchers or more, changes are sent in batches at least this many seconds apart.
_CROWD, _PACE = 16, 0.01
_LINES_KEPT = 1024
_INITIAL_END = "k8s.io/initial-events-end"


class Watches:
    """All watchers of one server, and the lines they share."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._open: set[Watcher] = set()
        self._lines: dict[tuple[int, str, str], bytes] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, request: Request, scope: Scope, accepted: Accepted) -> Watcher:
        """A watcher to be sent. Raises ApiError for what the query must not ask."""
        check_versions(request.query, self.registry.store)
        check_initial_events(request.query)
        return Watcher(self, request, scope, accepted)

    def add(self, watcher: Watcher) -> None:
        self._open.add(watcher)

    def remove(self, watcher: Watcher) -> None:
        self._open.discard(watcher)

    def close(self) -> None:
        """End every watch, as a server does that shuts down."""
        for watcher in list(self._open):
            watcher.finish()

    def line(self, kind: Resource, type_: str, obj: Obj, version: int) -> bytes:
        """One event. Watchers of the same resource share it."""
        key = (version, type_, kind.api_version)
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= _LINES_KEPT:
                self._lines.clear()
            line = self._lines[key] = self._encode(kind, type_, obj)
        return line

    def _encode(self, kind: Resource, type_: str, obj: Obj) -> bytes:
        same = obj.get("apiVersion") == kind.api_version
        if same and type_ != "DELETED":  # what is gone must not stay among the store's encodings
            body = self.registry.store.encoded(kind.id, obj)
        else:
            body = orjson.dumps(convert(obj, kind))
        return b'{"type":"%s","object":%s}\n' % (type_.encode(), body)


class Watcher:
    def __init__(self, watches: Watches, request: Request, scope: Scope, accepted: Accepted) -> None:
        self._watches, self._request, self._scope, self._accepted = watches, request, scope, accepted
        self._clock, self._store = watches.registry.clock, watches.registry.store
        self._queue: deque[bytes] = deque()
        self._behind, self._done = 0, False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None
        self._headers, self._timers = True, list[Timer]()
        self._seconds = min(whole(request.query.get("timeoutSeconds") or "0"), _A_YEAR)
        self._bookmarks = request.flag("allowWatchBookmarks")

    # sending

    async def send(self, send: Send) -> None:
        self._task = asyncio.current_task()
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-cache, private")]
        self._watches.add(self)
        unsubscribe = self._start()
        gone_task = asyncio.ensure_future(self._wait_gone(self._request.receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._pump(send)
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            if not self._done:
                raise
        finally:
            unsubscribe()
            self._watches.remove(self)
            for timer in self._timers:
                timer.cancel()
            gone_task.cancel()

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        while True:
            while self._queue:
                await send({"type": "http.response.body", "body": self._piece(), "more_body": True})
            if self._done:
                return
            self._wake.clear()
            await self._wake.wait()
            if len(self._watches) >= _CROWD and not self._done:
                await asyncio.sleep(_PACE)

    def _piece(self) -> bytes:
        lines, size = [], 0
        while self._queue and size < _PIECE:
            line = self._queue.popleft()
            lines.append(line)
            size += len(line)
        self._behind -= size
        return b"".join(lines) if len(lines) > 1 else lines[0]

    async def _wait_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._drop()

    def _drop(self) -> None:
        """Stop at once, whatever the connection is waiting for."""
        self._done = True
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    def finish(self) -> None:
        """Send what there is and end the response."""
        self._done = True
        self._wake.set()

    def _put(self, line: bytes) -> None:
        if self._done:
            return
        self._queue.append(line)
        self._behind += len(line)
        if self._behind > MOST_BEHIND:
            self._drop()
        self._wake.set()

    # what is sent

    def _start(self) -> Callable[[], None]:
        """Queue the initial events and subscribe, with nothing in between."""
        query = self._request.query
        version = query.get("resourceVersion", "")
        initial = query.get("sendInitialEvents")
        if initial == "true" or (initial is None and version in ("", "0")):
            for obj in current(self._store, self._scope):
                self._event("ADDED", obj, int(obj["metadata"]["resourceVersion"]))
            if initial == "true" and self._bookmarks:
                self._put(self._bookmark({_INITIAL_END: "true"}))
        elif version not in ("", "0"):
            try:
                self._catch_up(int(version))
            except Expired as expired:
                return self._end_with(gone(str(expired)))
        self._timers.append(self._clock.call_later(self._timeout(), self._time_out))
        if self._bookmarks:
            self._timers.append(self._clock.call_later(BOOKMARK_EVERY, self._mark))
        return self._store.subscribe(self._scope.kind.id, self._changed)

    def _catch_up(self, version: int) -> None:
        for change in self._store.since(self._scope.kind.id, version):
            self._changed(change)

    def _end_with(self, error: ApiError) -> Callable[[], None]:
        self._put(orjson.dumps({"type": "ERROR", "object": error.status()}) + b"\n")
        self.finish()
        return lambda: None

    def _timeout(self) -> float:
        return self._seconds if self._seconds > 0 else LONGEST

    def _time_out(self) -> None:
        if self._bookmarks:
            self._put(self._bookmark())
        self.finish()

    def _mark(self) -> None:
        self._put(self._bookmark())
        self._timers.append(self._clock.call_later(BOOKMARK_EVERY, self._mark))

    def _changed(self, change: Change) -> None:
        """An object that comes into or leaves the selection is told as added or deleted (apiserver, cacher)."""
        scope, obj, old = self._scope, change.object, change.old
        if scope.namespace is not None and obj["metadata"].get("namespace", "") != scope.namespace:
            return
        if scope.wanted is None:
            self._event(change.type, obj, change.version)
            return
        now = change.type != "DELETED" and scope.wanted(obj)
        before = old is not None and scope.wanted(old)
        if now:
            self._event("MODIFIED" if before else "ADDED", obj, change.version)
        elif before and old is not None:
            last = {**old, "metadata": {**old["metadata"], "resourceVersion": str(change.version)}}
            self._event("DELETED", last, change.version)

    def _event(self, type_: str, obj: Obj, version: int) -> None:
        if self._accepted.form:
            self._put(orjson.dumps({"type": type_, "object": self._formed(obj)}) + b"\n")
        else:
            self._put(self._watches.line(self._scope.kind, type_, obj, version))

    def _formed(self, obj: Obj) -> Obj:
        if self._accepted.form != "Table":
            return tables.metadata_only(obj)
        kind = self._scope.kind
        include = self._request.query.get("includeObject", "Metadata")
        table = tables.table(kind, [obj], self._clock.now(), include, self._headers)
        table["metadata"] = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        self._headers = False
        return table

    def _bookmark(self, annotations: dict[str, str] | None = None) -> bytes:
        metadata: Obj = {"resourceVersion": str(self._store.version), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        kind = self._scope.kind
        obj: Obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        if self._accepted.form == "Table":
            definitions = [column.definition() for column in columns_of(kind)] if self._headers else None
            obj = {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "columnDefinitions": definitions,
                "rows": [],
            }
        elif self._accepted.form:
            obj = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return orjson.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"
