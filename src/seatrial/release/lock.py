"""Who releases: a Lease in the namespace, with owner, host, start and heartbeat.

The lock is taken before anything is changed and renewed while the release goes on.  A second release is refused with the owner's
name, or waits; one whose heartbeat has stopped is taken over, with a warning.  Its annotations say in which phase it is, so that
a later run knows what an earlier one left.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.cluster.api import LEASES, Api, Refused
from seatrial.cluster.client import ClusterError
from seatrial.world.objects import Obj, annotations_of, dig

#: Seconds between two heartbeats, and without one after which the owner counts as dead.
BEAT, DEAD = 5.0, 20
OWNER, HOST, PHASE = "seatrial.dev/owner", "seatrial.dev/host", "seatrial.dev/phase"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. Times in RFC 3339."""

    identity: str
    owner: str
    host: str
    since: str
    beat: str
    phase: str

    def __str__(self) -> str:
        return f"{self.owner} on {self.host}, since {self.since}"


class Locked(ClusterError):  # noqa: N818 - an answer, not a fault of ours
    """Somebody else releases here; `holder` says who."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"another release is in progress: {holder} (phase {holder.phase or 'unknown'})")
        self.holder = holder


def name_of_lock(release: str) -> str:
    return f"seatrial-{release}"


def holder_of(lease: Obj | None) -> Holder | None:
    """Who holds a lease; None when nobody does."""
    identity = dig(lease, "spec.holderIdentity", "")
    if not lease or not identity:
        return None
    notes = annotations_of(lease)
    return Holder(
        identity,
        notes.get(OWNER, identity),
        notes.get(HOST, "?"),
        dig(lease, "spec.acquireTime", "?"),
        dig(lease, "spec.renewTime", ""),
        notes.get(PHASE, ""),
    )


def is_dead(lease: Obj, now: float) -> bool:
    """Whether a heartbeat is older than the lease promises; `now` in seconds since 1970."""
    beat = dig(lease, "spec.renewTime", "")
    try:
        last = datetime.fromisoformat(beat).timestamp()
    except ValueError:
        return True
    return now - last > float(dig(lease, "spec.leaseDurationSeconds", DEAD))


def whoami() -> tuple[str, str]:
    """The user and the host, as the lock shows them; a CI system's user where it names one."""
    user = os.environ.get("SEATRIAL_OWNER") or os.environ.get("GITHUB_ACTOR") or os.environ.get("GITLAB_USER_LOGIN")
    with contextlib.suppress(KeyError, OSError):
        user = user or getpass.getuser()
    return user or "unknown", socket.gethostname()


class Lock:
    """The lock of one release in one namespace; held between `take` and `give`."""

    def __init__(self, api: Api, namespace: str, release: str, now: Callable[[], float]) -> None:
        self._api, self._namespace, self._name, self._now = api, namespace, name_of_lock(release), now
        self.owner, self.host = whoami()
        self.identity = f"{self.owner}@{self.host}-{uuid.uuid4().hex[:8]}"
        self._phase = ""
        self._since = ""
        self._beating: asyncio.Future[None] | None = None

    @property
    def held(self) -> bool:
        return self._beating is not None

    async def take(self) -> Holder | None:
        """Take the lock; the dead holder it was taken from, or None. Raises Locked and ClusterError."""
        for _ in range(3):  # somebody may be quicker between reading and writing
            lease = await self._api.get(LEASES, self._namespace, self._name)
            holder = holder_of(lease)
            if lease and holder and not is_dead(lease, self._now()):
                raise Locked(holder)
            self._since = _stamp(self._now())
            try:
                if lease is None:
                    await self._api.create(LEASES, self._lease({}))
                else:
                    await self._api.replace(LEASES, self._lease(lease))
            except Refused as refused:
                if refused.code == 409:
                    continue
                raise
            self._beating = asyncio.ensure_future(self._beat())
            return holder
        lease = await self._api.get(LEASES, self._namespace, self._name)
        raise Locked(holder_of(lease) or Holder("?", "somebody", "?", "?", "", ""))

    async def phase(self, phase: str) -> None:
        """Write down how far the release is. A cluster that cannot be asked now hears of it with the next heartbeat."""
        self._phase = phase
        with contextlib.suppress(ClusterError):
            await self._renew()

    async def give(self) -> None:
        """Give the lock back; one that is no longer ours is left alone."""
        if self._beating is None:
            return
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        self._beating = None
        with contextlib.suppress(ClusterError):
            lease = await self._api.get(LEASES, self._namespace, self._name)
            if lease and dig(lease, "spec.holderIdentity") == self.identity:
                await self._api.delete(LEASES, self._namespace, self._name)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            with contextlib.suppress(ClusterError):
                await self._renew()

    async def _renew(self) -> None:
        lease = await self._api.get(LEASES, self._namespace, self._name)
        if lease and dig(lease, "spec.holderIdentity") == self.identity:
            await self._api.replace(LEASES, self._lease(lease))

    def _lease(self, lease: Obj) -> Obj:
        metadata: dict[str, Any] = dict(lease.get("metadata") or {"name": self._name, "namespace": self._namespace})
        notes = {OWNER: self.owner, HOST: self.host, PHASE: self._phase}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **notes}},
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": DEAD,
                "acquireTime": self._since,
                "renewTime": _stamp(self._now()),
            },
        }


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
