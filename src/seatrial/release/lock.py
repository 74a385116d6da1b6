"""Who releases: a Lease in the namespace, with owner, host, start and heartbeat.

The lock is taken before anything is changed and renewed while the release goes on.  A second release is refused with the owner's
name, or waits; one whose heartbeat has stopped is taken over, with a warning.  Clocks of two hosts may differ, so a heartbeat
that looks old is watched for a moment before it is believed dead, unless the owner was a process of this machine and is gone.
The lease's annotations say in which phase it is, so that a later run knows what an earlier one left.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial.cluster.api import LEASES, Api, Refused
from seatrial.cluster.client import ClusterError
from seatrial.world.objects import Obj, annotations_of, dig

#: Seconds between two heartbeats, and without one after which the owner counts as dead.
BEAT, DEAD = 5.0, 20
#: Seconds between two looks at a lock that is waited for; for which a heartbeat that looks old is watched; beyond which no
#: difference between two clocks explains its age.
LOOK, DOUBT, SURE = 1.0, BEAT + 1.0, 3600.0
OWNER, HOST, PHASE, PROCESS = "seatrial.dev/owner", "seatrial.dev/host", "seatrial.dev/phase", "seatrial.dev/process"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. Times in RFC 3339."""

    identity: str
    owner: str
    host: str
    since: str
    beat: str
    phase: str
    process: str = ""

    def __str__(self) -> str:
        return f"{self.owner} on {self.host}, since {self.since.partition('.')[0].replace('T', ' ').removesuffix('Z')} UTC"


class Locked(ClusterError):  # noqa: N818 - an answer, not a fault of ours
    """Somebody else releases here; `holder` says who."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"another release is in progress: {holder} (phase {holder.phase or 'unknown'})")
        self.holder = holder


def name_of_lock(release: str) -> str:
    return f"seatrial-{release}"


async def holder_now(api: Api, namespace: str, release: str, now: float) -> tuple[Holder | None, bool]:
    """Who holds the lock of a release, and whether they are alive by their heartbeat. `now` in seconds since 1970."""
    lease = await api.get(LEASES, namespace, name_of_lock(release))
    holder = holder_of(lease)
    return holder, bool(lease and holder and not is_dead(lease, now) and not is_gone(holder.process))


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
        notes.get(PROCESS, ""),
    )


def age_of(lease: Obj, now: float) -> float:
    """Seconds since the last heartbeat, by two clocks that may differ; infinite where none can be read."""
    try:
        return now - datetime.fromisoformat(dig(lease, "spec.renewTime", "")).timestamp()
    except ValueError:
        return float("inf")


def is_dead(lease: Obj, now: float) -> bool:
    """Whether a heartbeat is older than the lease promises; `now` in seconds since 1970."""
    return age_of(lease, now) > float(dig(lease, "spec.leaseDurationSeconds", DEAD))


def whoami() -> tuple[str, str]:
    """The user and the host, as the lock shows them; a CI system's user where it names one."""
    user = os.environ.get("SEATRIAL_OWNER") or os.environ.get("GITHUB_ACTOR") or os.environ.get("GITLAB_USER_LOGIN")
    with contextlib.suppress(KeyError, OSError):
        user = user or getpass.getuser()
    return user or "unknown", socket.gethostname()


def this_process(pid: int | str = "self") -> str:
    """A process as no other ever was: boot, PID namespace, PID and start; "" where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = Path("/proc/self/ns/pid").readlink()
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # after the name, which may hold anything; proc(5): 22 is starttime
    return f"{boot}/{space}/{stat.partition(' ')[0]}/{fields[19]}"


def is_gone(process: str) -> bool:
    """Whether a process of this machine, as `this_process` names it, has ended; one of another machine is not known to have."""
    here = this_process()
    if not here or not process or here.split("/")[:2] != process.split("/")[:2]:
        return False
    return this_process(process.split("/")[2]) != process


class Lock:
    """The lock of one release in one namespace; held between `take` and `give`.

    `lost` is called once, with whoever has it now, when it turns out to be somebody else's while we hold it.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        release: str,
        now: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lost: Callable[[Holder | None], None] = lambda holder: None,
    ) -> None:
        self._api, self._namespace, self._name, self._now = api, namespace, name_of_lock(release), now
        self._sleep, self._lost = sleep, lost
        self.owner, self.host = whoami()
        self.identity = f"{self.owner}@{self.host}-{uuid.uuid4().hex[:8]}"
        self._phase = ""
        self._since = ""
        self._beating: asyncio.Future[None] | None = None

    @property
    def held(self) -> bool:
        return self._beating is not None

    async def take(self, patience: float = 0.0, waits: Callable[[Holder], None] = lambda holder: None) -> Holder | None:
        """Take the lock; the dead holder it was taken from, or None.

        Waits for up to `patience` seconds; `waits` hears for whom at each look. Raises Locked and ClusterError.
        """
        waited, same, known = 0.0, 0.0, ""
        while True:
            lease = await self._api.get(LEASES, self._namespace, self._name)
            holder = holder_of(lease)
            if holder is not None and holder.identity == self.identity:  # we made it, and the answer to that was lost
                self._beating = asyncio.ensure_future(self._beat())
                return None
            if lease is None or holder is None or self._believed_dead(lease, holder, same):
                if await self._taken(lease):
                    return holder
                continue  # somebody was quicker
            doubt = 2 * DOUBT if is_dead(lease, self._now()) else 0.0
            if waited >= patience + doubt:
                raise Locked(holder)
            waits(holder)
            await self._sleep(LOOK)
            waited += LOOK
            beat = f"{holder.identity} {holder.beat}"
            same, known = (same + LOOK if beat == known else 0.0), beat

    def _believed_dead(self, lease: Obj, holder: Holder, same: float) -> bool:
        """Whether nobody renews a lock any more; `same` is for how long we have seen the same heartbeat."""
        if is_gone(holder.process) or same >= float(dig(lease, "spec.leaseDurationSeconds", DEAD)):
            return True
        return is_dead(lease, self._now()) and (same >= DOUBT or age_of(lease, self._now()) > SURE)

    async def _taken(self, lease: Obj | None) -> bool:
        self._since = _stamp(self._now())
        try:
            if lease is None:
                await self._api.create(LEASES, self._lease({}), again=True)
            else:
                await self._api.replace(LEASES, self._lease(lease), again=True)
        except Refused as refused:
            if refused.code == 409:
                return False
            raise
        self._beating = asyncio.ensure_future(self._beat())
        return True

    async def phase(self, phase: str) -> None:
        """Write down how far the release is. A cluster that cannot be asked now hears of it with the next heartbeat."""
        self._phase = phase
        with contextlib.suppress(ClusterError, TimeoutError):
            await asyncio.wait_for(self._renew(), BEAT)

    async def give(self, *, reachable: bool = True) -> None:
        """Give the lock back; one that is not ours any more is left alone, and one out of reach ends with its heartbeat."""
        if self._beating is None:
            return
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        self._beating = None
        if not reachable:
            return
        with contextlib.suppress(ClusterError):
            lease = await self._api.get(LEASES, self._namespace, self._name)
            if lease and dig(lease, "spec.holderIdentity") == self.identity:
                await self._api.delete(LEASES, self._namespace, self._name)

    async def _beat(self) -> None:
        while True:
            await self._sleep(BEAT)
            with contextlib.suppress(ClusterError):
                if not await self._renew():
                    return

    async def _renew(self) -> bool:
        """Renew what is ours; one that was deleted is made again. Whether it is ours still."""
        lease = await self._api.get(LEASES, self._namespace, self._name)
        if lease is None:
            await self._api.create(LEASES, self._lease({}))
        elif dig(lease, "spec.holderIdentity") == self.identity:
            await self._api.replace(LEASES, self._lease(lease))
        else:
            self._lost(holder_of(lease))
            return False
        return True

    def _lease(self, lease: Obj) -> Obj:
        metadata: dict[str, Any] = dict(lease.get("metadata") or {"name": self._name, "namespace": self._namespace})
        notes = {OWNER: self.owner, HOST: self.host, PHASE: self._phase, PROCESS: this_process()}
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
