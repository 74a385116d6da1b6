"""What is released: Helm's last revision, who is at it now, and how far each workload is; and following a release that another
process has started, or has left behind, to its verdict.

Nothing here changes anything, and no lock is taken.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.cluster.api import Api, Served
from seatrial.cluster.client import Client
from seatrial.cluster.helm import Helm
from seatrial.cluster.records import Record, good_of, records
from seatrial.release import plan as planning
from seatrial.release.events import VERSION, Rollout, Verdict
from seatrial.release.lock import Holder, holder_now
from seatrial.release.session import Parts, Session, Stop, Wish, ended
from seatrial.release.sources import SourceError
from seatrial.release.timeout import timeout
from seatrial.release.tree import Row, row_of
from seatrial.release.verify import workloads_of, world_of
from seatrial.world.objects import Obj, dig, ref_of

#: Seconds between two looks at the lock and the record of a release that somebody else is at.
LOOK = 1.0
_WHO = re.compile(r",? by (?P<who>.+) with seatrial$")


@dataclass(frozen=True)
class Status:
    """`rows` are those of the tree of a release, as JSON; `alive` says whether the holder's heart still beats."""

    record: Record
    holder: Holder | None = None
    alive: bool = False
    rows: tuple[dict[str, Any], ...] = ()
    back: int | None = None  # the revision that `seatrial rollback` would return to

    @property
    def settled(self) -> bool:
        """Whether all of it runs as that revision wants it, and nobody is at it."""
        calm = all(row["state"] in ("ready", "done", "paused") for row in self.rows)
        return calm and self.record.status == "deployed" and not self.alive

    def as_json(self) -> dict[str, Any]:
        lock = self.holder and {"owner": self.holder.owner, "host": self.holder.host, "since": self.holder.since,
                                "phase": self.holder.phase, "alive": self.alive}  # fmt: skip
        return {
            "version": VERSION, "kind": "status", "release": self.record.name, "namespace": self.record.namespace,
            "settled": self.settled, "rollbackTo": self.back,
            **revision_json(self.record), "lock": lock or None, "workloads": list(self.rows),
        }  # fmt: skip


def revision_json(record: Record) -> dict[str, Any]:
    """A revision as `-o json` shows it; times are RFC 3339."""
    words, who = described(record)
    return {
        "revision": record.revision, "status": record.status, "deployed": record.deployed, "chart": record.chart,
        "appVersion": record.app_version, "by": who, "description": words,
    }  # fmt: skip


def described(record: Record) -> tuple[str, str]:
    """What was released, and by whom where it was released by us: `shop (production)`, `ada on bridge`."""
    found = _WHO.search(record.description)
    return (record.description[: found.start()], found["who"]) if found else (record.description, "")


async def observe(api: Api, namespace: str, release: str, now: float) -> Status:
    """What there is now; `now` in seconds since 1970. Raises ClusterError, and SourceError where there is no such release."""
    found, (holder, alive) = await asyncio.gather(records(api, namespace, release), holder_now(api, namespace, release, now))
    record = last_of(found, release, namespace)
    rollout, _ = rollout_of(await api.served(), record)
    world = await world_of(api, rollout)
    rows = []
    for obj in workloads_of(rollout):
        live = world.get(ref_of(obj))
        row = (
            row_of(world, live)
            if live is not None
            else Row(obj, "waiting", 0, int(dig(obj, "spec.replicas", 1)), why="is not there")
        )
        if live is not None or obj["kind"] != "Job":  # a Job that is done may have been cleaned away
            rows.append(row.as_json(world))
    back = good_of(found[:-1])
    return Status(record, holder, alive, tuple(rows), back.revision if back else None)


def last_of(found: Sequence[Record], release: str, namespace: str) -> Record:
    if not found:
        raise SourceError(f"there is no release {release} in {namespace}; helm list -n {namespace} shows what is there")
    return found[-1]


def rollout_of(served: Served, record: Record) -> tuple[Rollout, list[Obj]]:
    """What is to be watched of a revision, and its hooks."""
    manifests = "\n---\n".join(str(hook.get("manifest") or "") for hook in record.hooks)
    objects, _ = planning.objects_of(record.manifest, record.namespace, served)
    _, hooks = planning.objects_of(manifests, record.namespace, served)
    return Rollout(record.name, record.namespace, tuple(objects)), hooks


class Following(Session):
    """`seatrial status --watch`: the events of a release as its own process tells them, for as long as it takes."""

    def __init__(self, release: str, namespace: str, client: Client, helm: Helm, wish: Wish, parts: Parts) -> None:
        super().__init__(release, namespace, "watching", client, helm, wish, parts)

    async def phases(self) -> Stop:
        await self.enter("watch")
        while True:
            found = await records(self.api, self.namespace, self.release)
            record = last_of(found, self.release, self.namespace)
            holder, alive = await holder_now(self.api, self.namespace, self.release, self.parts.clock.time())
            if holder is not None:
                self.tell(
                    "lock", state="followed" if alive else "left", holder=holder.owner, host=holder.host, since=holder.since
                )
            if record.pending and not alive:
                who = f" by {holder}, in {holder.phase}" if holder else ""
                again = "the same release with --recover goes on"
                raise Stop("PendingRelease", f"revision {record.revision} was left {record.status}{who}: {again}", code=40)
            self.tell("note", text=f"watching revision {record.revision} ({record.status}), {record.description}")
            verdict = await self._watched(record)
            self.judged(verdict)
            self.findings += [one for one in verdict.findings if one not in self.findings]
            last = await self._alone(record)
            if last.revision == record.revision:
                return _stop(last, verdict)

    async def _watched(self, record: Record) -> Verdict:
        """Until there is a verdict on a revision, whether Helm is still at it or not."""
        rollout, hooks = rollout_of(await self.api.served(), record)
        self.parts.redactor.add(planning.secret_texts([*rollout.objects, *hooks]))
        limit = timeout(rollout.objects, hooks, factor=self.wish.factor, given=self.wish.timeout)
        whole = Rollout(
            self.release,
            self.namespace,
            (*rollout.objects, *(hooks if record.pending else ())),
            seconds={share.ref: share.seconds for share in limit.shares},
        )
        watcher = self.watcher(whole)
        watch = asyncio.ensure_future(watcher.run(self.parts.clock.monotonic() + limit.seconds))
        apply = asyncio.ensure_future(self._applied(record))
        try:
            await asyncio.wait({watch, apply}, return_when=asyncio.FIRST_COMPLETED)
            if not watch.done():
                apply.result()
                watcher.applied(await self.live(rollout.objects))
            return await watch
        finally:
            await ended(apply)
            await ended(watch)

    async def _applied(self, record: Record) -> None:
        """Until Helm has written a revision down as anything but pending."""
        while record.pending:
            await asyncio.sleep(LOOK)
            found = await records(self.api, self.namespace, self.release)
            record = next((one for one in found if one.revision == record.revision), last_of(found, self.release, self.namespace))

    async def _alone(self, record: Record) -> Record:
        """The last record once nobody is at the release any more, or there is a newer one."""
        told = False
        while True:
            found = await records(self.api, self.namespace, self.release)
            last = last_of(found, self.release, self.namespace)
            holder, alive = await holder_now(self.api, self.namespace, self.release, self.parts.clock.time())
            if last.revision != record.revision or not alive:
                return last
            if not told and holder is not None:
                told = True
                self.tell("note", text=f"{holder.owner} on {holder.host} is still at it ({holder.phase})")
            await asyncio.sleep(LOOK)

    async def cancelled(self) -> Stop:
        return Stop("Interrupted", "stopped watching; the release itself was not touched")

    def following(self, stop: Stop) -> tuple[str, ...]:
        back = (f"seatrial rollback{self.place}",) if good_of(self.records[:-1]) else ()
        return (*back, f"seatrial history{self.place}") if stop.code else ()


def _stop(record: Record, verdict: Verdict) -> Stop:
    what = f"revision {record.revision}"
    if verdict.state == "succeeded":
        if record.status == "failed":
            return Stop("ApplyFailed", f"{what} runs, but failed on its way: {record.description}", code=21, verdict=verdict)
        return Stop("Released", f"{what} is up: everything runs in its version", verdict=verdict)
    code = 30 if verdict.state == "timed out" else 21
    return Stop(verdict.reason or "TimedOut", f"{what}: {verdict.text}; left as it is", code=code, verdict=verdict)
