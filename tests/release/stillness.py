"""Time that passes when a test says so, and a cluster that holds objects by name only: for what waits and what locks."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Any

from seatrial.cluster.api import Refused
from seatrial.world.objects import Obj, name_of


class Stillness:
    """A clock: `sleep` returns when `run` has let so much time pass, and not before."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    def time(self) -> float:
        return self.now

    monotonic = time

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._number), future))
        await future

    async def run(self, seconds: float) -> None:
        """Let time pass; whoever wakes up does what there is to do before the next one does."""
        end = self.now + seconds
        await _calm()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
            await _calm()
        self.now = end


async def _calm() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


class Shelf:
    """An API with objects of one kind; a write of what somebody changed since it was read is refused with 409."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self._version = itertools.count(1)

    async def get(self, resource: Any, namespace: str, name: str) -> Obj | None:
        return self.objects.get(name)

    async def create(self, resource: Any, obj: Obj, **options: Any) -> Obj:
        if name_of(obj) in self.objects:
            raise Refused("creating", 409, {"reason": "AlreadyExists"})
        return self._keep(obj)

    async def replace(self, resource: Any, obj: Obj, **options: Any) -> Obj:
        there = self.objects.get(name_of(obj))
        if there is None or there["metadata"]["resourceVersion"] != obj["metadata"].get("resourceVersion"):
            raise Refused("updating", 409, {"reason": "Conflict"})
        return self._keep(obj)

    async def delete(self, resource: Any, namespace: str, name: str) -> None:
        self.objects.pop(name, None)

    def _keep(self, obj: Obj) -> Obj:
        self.objects[name_of(obj)] = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(next(self._version))}}
        return self.objects[name_of(obj)]
