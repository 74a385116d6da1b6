"""One watch a kind, for as long as a rollout takes: read, followed, and taken up again after whatever may happen to a connection.

An end, a reset, 429 and 5xx are tried again from the version that was seen last; 410 reads everything anew and reports what has
gone meanwhile.  A cluster that stays away for `AWAY` seconds is a ClusterError, whatever it was asked last.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from seatrial.cluster.api import Resource
from seatrial.cluster.client import Client, ClusterError
from seatrial.release.events import Clock
from seatrial.world.objects import Obj, Ref, ref_of

#: Seconds without any answer after which the cluster is given up; a watch's own length, and how long it may be silent before
#: it is taken up again (bookmarks come about once a minute, where they come); the pauses between two tries, and the longest one.
AWAY, LENGTH, SILENCE, PAUSES, LONGEST = 60.0, 240, 90.0, (0.1, 0.25, 0.5, 1.0, 2.0), 15.0
_TRANSIENT = frozenset({408, 410, 429, 500, 502, 503, 504})
#: Answers that no other try changes: the kind is not served, or not for us.
_NOT_OURS = frozenset({403, 404, 405})

_NO_LIST = "the answer is no list of objects: does something else than a cluster answer here?"

#: (ADDED | MODIFIED | DELETED, object)
See = Callable[[str, Obj], None]


class _EndedError(Exception):
    """A try that has ended; `wait` is what the server asked for, `anew` whether to read all again, `code` its status."""

    def __init__(self, why: str, *, wait: float = 0.0, anew: bool = False, code: int = 0) -> None:
        super().__init__(why)
        self.why, self.wait, self.anew, self.code = why, wait, anew, code


@dataclass
class Follower:
    """The objects of one kind in one namespace. `ready` is set when all that is there has been reported once."""

    client: Client
    resource: Resource
    namespace: str
    see: See
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    unread: str = ""  # why this kind cannot be followed
    _version: str = ""
    _well: bool = False  # whether this try was answered at all
    _heard: int = 0  # events so far
    _known: dict[Ref, Obj] = field(default_factory=dict)

    async def run(self) -> None:
        """For ever, or until the kind turns out not to be served (`unread`). Raises ClusterError when nobody answers."""
        since, tries = self.clock.monotonic(), 0
        while True:
            self._well, heard, wait = False, self._heard, 0.0
            try:
                if not self._version:
                    await self._read()
                    self.ready.set()
                await self._watch()
            except _EndedError as ended:
                if ended.code in _NOT_OURS:
                    self.unread = ended.why
                    self.ready.set()
                    return
                if ended.code and ended.code not in _TRANSIENT:
                    raise _told(f"{self._doing}: {ended.why}", ended.code) from None
                if ended.anew:
                    self._version = ""
                since = self.clock.monotonic() if self._well else since
                if self.clock.monotonic() - since > AWAY:
                    raise _told(f"{self._doing}: no answer for {AWAY:.0f} s: {ended.why}", 0) from None
                wait = ended.wait
            # one that said something may be taken up at once; one that ends as soon as it begins would be asked without end
            tries = 0 if self._heard > heard else tries + 1
            if tries or wait:
                await self.sleep(min(wait or PAUSES[min(tries, len(PAUSES)) - 1], LONGEST))

    @property
    def _doing(self) -> str:
        return f"watching {self.resource.plural} in {self.namespace}"

    async def _read(self) -> None:
        import httpx2
        import orjson

        found, params = dict[Ref, Obj](), {"limit": "500"}
        while True:
            try:
                answer = await self.client.http.get(self.resource.path(self.namespace), params=params)
            except httpx2.HTTPError as error:
                raise _EndedError(str(error) or type(error).__name__) from None
            if answer.status_code >= 400:
                raise _refused(answer.status_code, answer.content, answer.headers)
            try:
                page = orjson.loads(answer.content)
                metadata, items = page.get("metadata") or {}, page.get("items") or ()
            except (orjson.JSONDecodeError, AttributeError):
                raise _EndedError(_NO_LIST) from None
            self._well = True
            for item in items:
                obj = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, **item}
                found[ref_of(obj)] = obj
            params = {"limit": "500", "continue": metadata.get("continue") or ""}
            if not params["continue"]:
                break
        for ref in [ref for ref in self._known if ref not in found]:
            self._tell("DELETED", self._known[ref])
        for obj in found.values():
            self._tell("ADDED", obj)
        self._version = metadata.get("resourceVersion") or ""

    async def _watch(self) -> None:
        import httpx2

        params = {"watch": "true", "resourceVersion": self._version, "allowWatchBookmarks": "true", "timeoutSeconds": str(LENGTH)}
        patience = httpx2.Timeout(10.0, read=SILENCE)
        try:
            async with self.client.http.stream(
                "GET", self.resource.path(self.namespace), params=params, timeout=patience
            ) as answer:
                if answer.status_code >= 400:
                    raise _refused(answer.status_code, await answer.aread(), answer.headers)
                self._well = True
                async for line in lines(answer.aiter_bytes()):
                    if line:
                        self._take(_event(line))
        except httpx2.HTTPError as error:
            raise _EndedError(str(error) or type(error).__name__) from None

    def _take(self, event: Obj) -> None:
        obj = event["object"]
        if event["type"] == "ERROR":
            code = int(obj.get("code") or 500)
            raise _EndedError(str(obj.get("message", "")), anew=True, code=code if code in _NOT_OURS else 0)
        self._heard += 1
        self._version = obj["metadata"].get("resourceVersion") or self._version
        if event["type"] != "BOOKMARK":
            self._tell(event["type"], obj)

    def _tell(self, change: str, obj: Obj) -> None:
        metadata = obj.get("metadata") or {}
        metadata.pop("managedFields", None)  # half of an object's size, and nothing here reads it
        ref = ref_of(obj)
        if change == "DELETED":
            self._known.pop(ref, None)
        else:
            self._known[ref] = obj
        self.see(change, obj)


def _told(words: str, code: int) -> ClusterError:
    error = ClusterError(words)
    error.code = code
    return error


def _event(line: bytes) -> Obj:
    """One event of a watch, as far as it must be whole to be read."""
    import orjson

    try:
        event: Obj = orjson.loads(line)
        if event["type"] == "ERROR" or isinstance(event["object"]["metadata"], dict):
            return event
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    raise _EndedError("the answer ended in the middle of an object")


async def lines(pieces: AsyncIterator[bytes], longest: int | None = None) -> AsyncIterator[bytes]:
    """The lines of a stream, by line feeds alone: JSON may hold what else Unicode takes for the end of a line.

    One that is longer than `longest` bytes comes in parts.
    """
    rest = bytearray()
    async for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *whole, last = rest.split(b"\n")
            rest = last
            for line in whole:
                yield bytes(line)
        while longest and len(rest) > longest:
            yield bytes(rest[:longest])
            del rest[:longest]
    if rest:
        yield bytes(rest)


def _refused(code: int, body: bytes, headers: Any) -> _EndedError:
    import orjson

    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = {}
    wait = str(headers.get("Retry-After", ""))
    words = said.get("message") if isinstance(said, dict) else None
    return _EndedError(str(words or f"HTTP {code}"), wait=float(wait) if wait.isdigit() else 0.0, anew=code == 410, code=code)
