"""`kubectl logs`: which file a request means, and its lines, now and as they come.

The kubelet keeps the files, in the form of the CRI (`<time> stdout F <text>`, P for a line that goes on).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from seatrial.twin.api import containers
from seatrial.twin.api.http import Answer, Receive, Request, Response, Send, text_response, whole
from seatrial.twin.clock import Clock, seconds_of
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj, dig

#: Seconds between looks at a file that is followed.
LOOK_EVERY = 0.1
_BLOCK = 64 * 1024


class Logs(Protocol):
    def log_path(self, pod_uid: str, container: str, attempt: int) -> str | None:
        """The file of a container's log; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a log request; `since` in seconds since the epoch."""

    container: str
    follow: bool
    previous: bool
    timestamps: bool
    tail: int | None
    limit: int | None
    since: float | None


def query_of(request: Request, now: float) -> Query:
    query = request.query
    ago, since_time = _number(request, "sinceSeconds"), query.get("sinceTime")
    since = now - ago if ago is not None else seconds_of(since_time) if since_time else None
    return Query(
        container=query.get("container", ""),
        follow=request.flag("follow"),
        previous=request.flag("previous"),
        timestamps=request.flag("timestamps"),
        tail=_number(request, "tailLines"),
        limit=_number(request, "limitBytes"),
        since=since,
    )


def _number(request: Request, name: str) -> int | None:
    text = request.query.get(name, "")
    return whole(text) if text else None


def answer(registry: Registry, logs: Logs | None, request: Request, pod: Obj) -> Answer:
    """The response to a log request. Raises ApiError for a container that has no log to show."""
    query = query_of(request, registry.clock.now())
    container = query.container or containers.only(pod)
    containers.check(pod, container)
    if not dig(pod, "spec.nodeName"):
        return text_response(200, "")
    attempt, container_id = containers.attempt_of(pod, container, query.previous)
    path = logs.log_path(pod["metadata"]["uid"], container, attempt) if logs else None
    if path is None or not Path(path).exists():
        return text_response(200, f"unable to retrieve container logs for {container_id}")
    if not query.follow:
        return Response(200, b"".join(_lines(Path(path), query)), b"text/plain")
    return Follow(registry, request.receive, pod, container, attempt, Path(path), query)


# what it says


def _lines(path: Path, query: Query) -> Iterator[bytes]:
    """The lines a request that does not follow is answered with."""
    budget = query.limit
    for line in _selected(path, query):
        if budget is not None:
            line = line[:budget]
            budget -= len(line)
        yield line
        if budget == 0:
            return


def _selected(path: Path, query: Query) -> Iterator[bytes]:
    with path.open("rb") as file:
        raw = file.read() if query.tail is None else _last_lines(file, query.tail)
    for line in raw.splitlines(keepends=True):
        if line.endswith(b"\n"):
            text = text_of(line, query)
            if text is not None:
                yield text


def _last_lines(file: BinaryIO, count: int) -> bytes:
    """The end of a file, from its `count`th line from the last on, read from behind; the file then stands at its end."""
    position = end = file.seek(0, 2)
    tail = b""
    while position > 0 and count:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        tail = file.read(size) + tail
        if tail.count(b" F ") > count and tail.count(b"\n") > count:
            break
    file.seek(end)
    lines = tail.splitlines(keepends=True)
    start, found = len(lines), 0
    while start > 0:
        # A line that was written in parts counts once: parts before a full one belong to it.
        if b" F " in lines[start - 1][:60]:
            found += 1
            if found > count:
                break
        start -= 1
    return b"".join(lines[start:])


def text_of(line: bytes, query: Query) -> bytes | None:
    """One line of the CRI as the client sees it; None for one before `since` or that is broken."""
    stamp, _, rest = line.partition(b" ")
    _, _, rest = rest.partition(b" ")
    tag, found, text = rest.partition(b" ")
    if not found:
        return None
    if query.since is not None and seconds_of(_to_micro(stamp.decode("latin-1"))) < query.since:
        return None
    if tag == b"P":
        text = text[:-1]
    return stamp + b" " + text if query.timestamps else text


def _to_micro(stamp: str) -> str:
    """RFC 3339 with nanoseconds, cut to what Python reads."""
    head, point, rest = stamp.partition(".")
    if not point:
        return stamp
    digits = rest.rstrip("Zz") if rest[-1:] in "Zz" else rest.split("+")[0].split("-")[0]
    return f"{head}.{digits[:6]}{rest[len(digits) :]}"


class Follow:
    """A log that is sent as it is written, until the container has ended or the client goes."""

    def __init__(
        self, registry: Registry, receive: Receive, pod: Obj, container: str, attempt: int, path: Path, query: Query
    ) -> None:
        self._registry, self._receive, self._pod = registry, receive, pod
        self._container, self._attempt, self._path, self._query = container, attempt, path, query
        self._gone, self._sent = False, 0

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        watching = asyncio.ensure_future(self._wait_gone())
        try:
            await self._follow(send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            watching.cancel()

    async def _follow(self, send: Send) -> None:
        with self._path.open("rb") as file:
            if self._query.tail is not None:
                await self._pass(send, _last_lines(file, self._query.tail))
            rest = b""
            while not self._gone:
                ended = containers.is_over(self._registry, self._pod, self._container, self._attempt)
                block = file.read(_BLOCK)
                if block:
                    whole, _, rest = (rest + block).rpartition(b"\n")
                    await self._pass(send, whole + b"\n" if whole else b"")
                elif ended or self._full():
                    return
                else:
                    await pause(self._registry.clock, LOOK_EVERY)

    async def _pass(self, send: Send, raw: bytes) -> None:
        texts = (text_of(line, self._query) for line in raw.splitlines(keepends=True))
        body = b"".join(text for text in texts if text is not None)
        if self._query.limit is not None:
            body = body[: self._query.limit - self._sent]
        self._sent += len(body)
        await send({"type": "http.response.body", "body": body, "more_body": True})

    def _full(self) -> bool:
        return self._query.limit is not None and self._sent >= self._query.limit

    async def _wait_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True


async def pause(clock: Clock, seconds: float) -> None:
    """Wait, by the twin's clock."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    clock.call_later(seconds, lambda: None if future.done() else future.set_result(None))
    await future
