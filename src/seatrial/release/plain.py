"""The simplest parts that keep the contract of `events`: a watcher that knows only whether workloads are complete, a masker of
values as they stand.  For what needs no more, and for whoever puts better ones in their place.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seatrial.cluster.client import DEPLOYMENTS, JOBS, STATEFULSETS, Client, Kind
from seatrial.release.events import Clock, Redactor, Rollout, Tell, Verdict
from seatrial.world.objects import Obj, Ref, dig, ref_of

FOLLOWED = (DEPLOYMENTS, STATEFULSETS, JOBS)
#: A shorter text is no secret that could be told from chance.
SHORTEST = 4


class Values:
    """Masks secrets where they stand as they are."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: list[str] = []
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        known = {*self._values, *(value for value in values if len(value) >= SHORTEST)}
        self._values = sorted(known, key=len, reverse=True)

    def text(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, self.preview(value))
        return text

    def data(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.data(one) for key, one in value.items()}
        return [self.data(one) for one in value] if isinstance(value, (list, tuple)) else value

    def preview(self, value: str) -> str:
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:8]}"


class Waiter:
    """Waits until every workload is complete, and takes Kubernetes' word for one that is not going to be."""

    def __init__(self, client: Client, rollout: Rollout, *, tell: Tell, redactor: Redactor, clock: Clock) -> None:
        self._client, self._rollout, self._tell, self._clock = client, rollout, tell, clock
        self._kinds = [kind for kind in FOLLOWED if any(obj["kind"] == kind.kind for obj in rollout.objects)]
        self._wanted = {ref_of(obj) for obj in rollout.objects if obj["kind"] in {kind.kind for kind in self._kinds}}
        self._wanted -= {ref_of(obj) for obj in rollout.objects if "helm.sh/hook" in (obj["metadata"].get("annotations") or {})}
        self._seen: dict[Ref, Obj] = {}
        self._least: dict[Ref, int] | None = None
        self._changed = asyncio.Event()

    def applied(self, live: Sequence[Obj]) -> None:
        self._least = {ref_of(obj): int(dig(obj, "metadata.generation", 0)) for obj in live}
        for obj in live:
            self._seen.setdefault(ref_of(obj), obj)
        self._changed.set()

    async def run(self, deadline: float) -> Verdict:
        followers = [asyncio.ensure_future(self._follow(kind)) for kind in self._kinds]
        try:
            while True:
                self._changed.clear()
                if verdict := self._verdict():
                    return verdict
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    late = ", ".join(f"{ref.kind} {ref.name}" for ref in sorted(self._wanted) if not self._complete(ref))
                    return Verdict("timed out", "TimedOut", f"not complete in time: {late}")
                changed = asyncio.ensure_future(self._changed.wait())
                done, _ = await asyncio.wait({changed, *followers}, timeout=min(left, 3600), return_when="FIRST_COMPLETED")
                changed.cancel()
                for ended in done - {changed}:
                    ended.result()
        finally:
            for task in followers:
                task.cancel()
            await asyncio.gather(*followers, return_exceptions=True)

    async def _follow(self, kind: Kind) -> None:
        async for change, obj in self._client.follow(kind, self._rollout.namespace):
            if change != "DELETED":
                self._seen[ref_of(obj)] = obj
                self._changed.set()

    def _verdict(self) -> Verdict | None:
        if self._least is None:
            return None
        for ref in sorted(self._wanted):
            if text := _failure(self._seen.get(ref, {})):
                reason = "JobFailed" if ref.kind == "Job" else "DeadlineExceeded"
                return Verdict("doomed", reason, f"{ref.kind} {ref.name}: {text}", refs=(ref,))
        return Verdict("succeeded", "Released", "") if all(map(self._complete, self._wanted)) else None

    def _complete(self, ref: Ref) -> bool:
        obj = self._seen.get(ref)
        if obj is None or self._least is None:
            return False
        status, generation = obj.get("status") or {}, int(dig(obj, "metadata.generation", 0))
        if ref.kind == "Job":
            return any(one["type"] == "Complete" and one["status"] == "True" for one in status.get("conditions") or ())
        if generation < self._least.get(ref, 0) or status.get("observedGeneration", 0) < generation:
            return False
        wanted = dig(obj, "spec.replicas", 1)
        ready = status.get("availableReplicas", status.get("readyReplicas", 0)) or 0
        return bool((status.get("updatedReplicas") or 0) >= wanted <= ready and (status.get("replicas") or 0) == wanted)


def _failure(obj: Obj) -> str:
    for one in dig(obj, "status.conditions", []):
        if (one["type"], one["status"]) in (("Progressing", "False"), ("Failed", "True")):
            return str(one.get("message") or one.get("reason"))
    return ""
