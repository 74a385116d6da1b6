"""A steady load on an HTTP address: so many requests a second, each on a connection of its own or on a few that are kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class Report:
    """What became of the requests: how many were answered below 500, and what went wrong with the others."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)


class Load:
    """`async with Load(...) as load:` sends requests at `rate` a second until the block ends, and waits for the last of them.

    `load.report` says what became of them.
    """

    def __init__(self, host: str, port: int, path: str, rate: float = 50.0, name: str = "localhost") -> None:
        self.report = Report()
        self._target = host, port, path, name
        self._interval = 1.0 / rate
        self._pending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._answer = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Requests that were sent, or are about to be, and have no answer yet."""
        return len(self._pending)

    async def more(self, count: int) -> None:
        """Wait until `count` further requests have been answered or have failed."""
        wanted = self.report.answered + len(self.report.failed) + count
        while self.report.answered + len(self.report.failed) < wanted:
            self._answer.clear()
            await self._answer.wait()

    async def __aenter__(self) -> Load:
        self._next(asyncio.get_running_loop().time())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._timer is not None
        self._timer.cancel()
        await asyncio.gather(*self._pending)

    def _next(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._request())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        self._timer = loop.call_at(due + self._interval, self._next, due + self._interval)

    async def _request(self) -> None:
        await self._judge()
        self._answer.set()

    async def _judge(self) -> None:
        try:
            status, body = await asyncio.wait_for(get(*self._target), 15)
        except Exception as error:
            self.report.failed.append(f"{type(error).__name__}: {error}")
            return
        if status < 500:
            self.report.answered += 1
        else:
            self.report.failed.append(f"{status} {body[:200]!r}")


async def get(host: str, port: int, path: str, name: str = "localhost") -> tuple[int, bytes]:
    """One GET on a connection of its own: the status and the body."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        answer = await reader.read(-1)
    finally:
        writer.close()
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        raise ConnectionError(f"no answer: {answer[:80]!r}")
    return int(head.split(b" ", 2)[1]), body
