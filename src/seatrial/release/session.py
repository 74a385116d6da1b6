"""What everything that changes a release has in common: it tells events, is in a phase, holds the lock, can be interrupted, and
ends with one result.

`run.Release` and `back.Rollback` say what is done in between.  What is remembered is in the cluster: Helm's own records, and the
lock's phase.  The parts that watch, verify, save and mask are passed in; so are the clock, and whoever is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from seatrial.cluster.api import NAMESPACES, Api, Refused, Served
from seatrial.cluster.client import Client, ClusterError
from seatrial.cluster.helm import Helm
from seatrial.cluster.records import Record, good_of, records, unlock
from seatrial.release.events import (
    REASONS,
    Clock,
    Event,
    Evidence,
    Kind,
    MakeWatcher,
    Phase,
    Redactor,
    Result,
    Rollout,
    SaveEvidence,
    Verdict,
    Verify,
    Watcher,
)
from seatrial.release.lock import Holder, Lock, Locked, holder_now, whoami
from seatrial.release.plan import Plan
from seatrial.release.preflight import check
from seatrial.release.preflight.asking import observe
from seatrial.release.sources import SourceError
from seatrial.release.timeout import Timeout
from seatrial.rules.finding import Finding
from seatrial.world.objects import Obj, Ref, name_of, namespace_of

OnFailure = Literal["rollback", "keep", "ask"]
#: Phases in which nothing has been changed yet.
BEFORE: frozenset[Phase | None] = frozenset({None, "plan", "preflight"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. `timeout` and `wait_for_lock` in seconds, no `timeout` for the computed one; `smoke` as
    `api:3000/health`; `despite_migrations` returns past migrations that may not be undone."""

    dry_run: bool = False
    yes: bool = False
    recover: bool = False
    on_failure: OnFailure = "rollback"
    timeout: float | None = None
    factor: float = 2.0
    settle: float | None = None  # None: a moment for pods that nobody asks whether they are ready
    smoke: str = ""
    force_conflicts: bool = False
    evidence: Path = Path("seatrial-evidence")
    wait_for_lock: float = 0.0
    despite_migrations: bool = False


@dataclass(frozen=True)
class Parts:
    """Who does what: the watcher, the one that masks, and where they are there, verification and evidence.

    `ask` answers a question with yes or no, now or later; `flags` are those of the command line that lead to the same cluster.
    """

    watcher: MakeWatcher
    redactor: Redactor
    verify: Verify | None = None
    save: SaveEvidence | None = None
    clock: Clock = field(default_factory=lambda: time)
    listen: Callable[[Event], None] = lambda event: None
    ask: Callable[[str], bool | Awaitable[bool]] = lambda question: False
    flags: str = ""


class Stop(Exception):  # noqa: N818 - the way out of the phases
    """The session is over; the result says how."""

    def __init__(self, reason: str, text: str, *, code: int | None = None, verdict: Verdict | None = None) -> None:
        super().__init__(text)
        self.reason, self.text, self.verdict = reason, text, verdict
        self.code = REASONS[reason][0] if code is None else code


class Session:
    """One verb that changes a release. `run` is called once; `interrupt` from a signal handler."""

    def __init__(self, release: str, namespace: str, words: str, client: Client, helm: Helm, wish: Wish, parts: Parts) -> None:
        self.release, self.namespace, self.words = release, namespace, words
        self.client, self.api, self.helm = client, Api(client), helm
        self.wish, self.parts = wish, parts
        self.events: list[Event] = []
        self.records: list[Record] = []
        self.findings: list[Finding] = []
        self.evidence: Evidence | None = None
        self.summary: Mapping[str, int] = {}
        self.previous: Record | None = None
        self.failed: Phase | None = None
        self.taken_from: Holder | None = None  # the dead one whose lock we took, with the phase it was in
        self.begin = parts.clock.monotonic()
        self.phase: Phase | None = None
        self._seconds: dict[str, float] = {}
        self._entered = self.begin
        self._task: asyncio.Task[Any] | None = None
        self._interrupted = ""
        self._lost: Holder | None = None
        self.lock = Lock(self.api, namespace, release, parts.clock.time, lost=self._lock_lost)

    async def phases(self) -> Stop:
        """What is done; how it ended. May raise Stop instead."""
        raise NotImplementedError

    # telling

    def tell(self, kind: Kind, ref: Ref | None = None, /, **payload: Any) -> None:
        event = Event(self.parts.clock.monotonic() - self.begin, kind, ref, self.parts.redactor.data(payload))
        self.events.append(event)
        self.parts.listen(event)

    async def enter(self, phase: Phase, text: str = "") -> None:
        self.leave("done")
        self.phase, self._entered = phase, self.parts.clock.monotonic()
        self.tell("phase", phase=phase, state="started", text=text)
        if self.lock.held:
            await self.lock.phase(phase)

    def leave(self, state: str, text: str = "") -> None:
        if state == "failed" and self.failed is None:
            self.failed = self.phase
        if self.phase is not None and self.phase not in self._seconds:
            took = self.parts.clock.monotonic() - self._entered
            self._seconds[self.phase] = took
            self.tell("phase", phase=self.phase, state=state, seconds=round(took, 3), text=text)

    def found(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.tell("finding", finding.refs[0] if finding.refs else None, phase=self.phase, **finding.as_json())

    def refuse(self, findings: list[Finding]) -> None:
        """Tell findings made before anything was changed. Raises Stop when there is an error among them."""
        for finding in findings:
            self.found(finding)
        errors = [finding for finding in findings if finding.severity == "error"]
        if errors:
            reason = "PendingRelease" if errors[0].rule == "release-pending" else "PreflightFailed"
            more = f" (and {len(errors) - 1} more)" if errors[1:] else ""
            raise Stop(reason, f"{errors[0].title}{more}; nothing was changed")

    async def ask(self, question: str) -> bool:
        answer = self.parts.ask(self.parts.redactor.text(question))
        return await answer if inspect.isawaitable(answer) else bool(answer)

    # the whole

    def interrupt(self, signal: str = "SIGINT") -> bool:
        """The first stops Helm and leaves a named state: True. At the second Helm's child is gone, and there is nothing to wait
        for: False."""
        if self._interrupted:
            self.helm.kill()
            return False
        self._interrupted = signal
        if self._task:
            self._task.cancel()
        return True

    def _lock_lost(self, holder: Holder | None) -> None:
        """Somebody has taken the lock over: whatever is being applied ends."""
        if self._lost is None:
            self._lost = holder or Holder("?", "somebody", "?", "?", "", "")
            self.tell("lock", state="lost", holder=self._lost.owner, host=self._lost.host, since=self._lost.since)
            if self._task and not self._interrupted:
                self._task.cancel()

    async def run(self) -> Result:
        self._task = asyncio.current_task()
        owner, host = whoami()
        started = datetime.fromtimestamp(self.parts.clock.time(), UTC).isoformat(timespec="seconds")
        where = {"release": self.release, "namespace": self.namespace, "source": self.words}
        self.tell("begin", **where, engine=self.helm.engine, owner=f"{owner} on {host}", started=started)
        try:
            stop = await self.phases()
        except Stop as end:
            stop = end
        except SourceError as error:
            stop = self._source_said(error)
        except ClusterError as error:
            stop = self._cluster_said(error)
        except asyncio.CancelledError:
            stop = await self.cancelled()
        self.leave("failed" if stop.code else "done")
        with contextlib.suppress(asyncio.CancelledError):
            await self.lock.give(reachable=stop.reason != "Unreachable")
        return await self._result(stop)

    def _source_said(self, error: SourceError) -> Stop:
        """What is wrong with what was given: a mistake, or what a preflight looks for."""
        if not error.findings:
            return Stop("Usage", str(error))
        try:
            self.refuse(list(error.findings))
        except Stop as stop:
            return stop
        return Stop("Usage", str(error))

    def _cluster_said(self, error: ClusterError) -> Stop:
        """What an error of the cluster means for the release: who may not is told so, not that nobody answered."""
        if isinstance(error, Locked):
            return Stop("Locked", str(error))
        state = "nothing was changed" if self.phase in BEFORE else f"it failed in {self.phase}, and is left as it is"
        if error.code in (401, 403):
            return Stop("Forbidden", f"{error}; {state}", code=10 if self.phase in BEFORE else 21)
        if isinstance(error, Refused) and error.code < 500 and error.code != 429:
            reason, code = ("PreflightFailed", 10) if self.phase in BEFORE else ("ApplyFailed", 21)
            return Stop(reason, f"{error}; {state}", code=code)
        return Stop("Unreachable", f"the cluster does not answer: {error}; {state}")

    async def cancelled(self) -> Stop:
        """Helm has been stopped; name the state that is left, and leave none that blocks the next run."""
        if self._lost is not None and not self._interrupted:
            text = f"lost the lock in {self.phase} to {self._lost}; stopped at once, and left the release to them"
            self.tell("interrupted", signal="", text=text, recover=f"seatrial status{self.place} --watch follows what they do")
            return Stop("LockLost", text)
        signal = self._interrupted or "cancellation"
        if self.phase in BEFORE:
            return Stop("Interrupted", f"interrupted by {signal} in {self.phase or 'the beginning'}; nothing was changed")
        left = "the release is left as it is"
        try:
            await self.settle_pending()
            found = await records(self.api, self.namespace, self.release)
            if found:
                left = f"revision {found[-1].revision} is left {found[-1].status}"
        except ClusterError as error:
            left = f"in which state is unknown ({error})"
        recover = f"seatrial status{self.place} --watch follows it; the same release again goes on"
        text = f"interrupted by {signal} in {self.phase}; {left}"
        self.tell("interrupted", signal=signal, text=text, recover=recover)
        return Stop("Interrupted", text)

    async def settle_pending(self) -> None:
        """A record that our own Helm left pending when it was stopped is failed: nobody works on it any more."""
        found = await records(self.api, self.namespace, self.release)
        if found and found[-1].pending:
            await unlock(self.api, found[-1], f"Interrupted by seatrial in {found[-1].status}")

    # what several do

    def planned(self, plan: Plan, limit: Timeout) -> None:
        """Tell a plan and the time for it."""
        self.summary = plan.summary
        self.tell("plan", changes=[change.as_json() for change in plan.changes], summary=plan.summary)
        shares = [{"ref": str(share.ref), "seconds": share.seconds, "lines": list(share.lines)} for share in limit.shares]
        self.tell("timeout", seconds=limit.seconds, text=f"{limit.seconds:.0f} s", lines=list(limit.lines), workloads=shares)
        for warning in limit.warnings:
            self.tell("warning", text=warning)

    async def preflight(
        self, served: Served, plan: Plan, more: Sequence[Finding] = (), *, force: bool = False, namespace: Obj | None = None
    ) -> None:
        """Ask the target; a pending record is mended where that is wished. Raises Stop for any error, and Locked."""
        last = self.records[-1] if self.records else None
        if last is not None and last.pending and not self.lock.held:
            holder, alive = await holder_now(self.api, self.namespace, self.release, self.parts.clock.time())
            if holder is not None and alive:  # what somebody is at is not stuck
                raise Locked(holder)
        target = await observe(self.api, served, plan, last, force, namespace=namespace, now=self.parts.clock.time())
        tables, findings = check(target)
        for table in tables:
            self.tell("table", title=table.title, columns=list(table.columns), rows=[list(row) for row in table.rows])
        if self.lock.held:  # by us, who have waited for it
            findings = [one for one in findings if one.rule != "release-in-progress"]
        if last is not None and last.pending and not self.wish.dry_run:
            findings = await self._recovered(last, findings, namespace)
        self.refuse([*findings, *more])

    async def _recovered(self, last: Record, findings: list[Finding], namespace: Obj | None) -> list[Finding]:
        """The findings without that of a pending record, where it may be mended and is."""
        question = f"Helm's revision {last.revision} is stuck in {last.status}. Take it for failed, and go on?"
        if not (self.wish.recover or (not self.wish.yes and await self.ask(question))):
            return findings
        await self.take_lock(namespace)  # whoever is alive and made it pending holds it: we wait, or are refused
        found = await records(self.api, self.namespace, self.release)
        if found and found[-1].pending:
            await unlock(self.api, found[-1], f"Taken for failed by seatrial: it was stuck in {found[-1].status}")
            self.tell("note", text=f"revision {last.revision} was stuck in {last.status}, and is failed now")
        self.records = await records(self.api, self.namespace, self.release)
        return [finding for finding in findings if finding.rule != "release-pending"]

    async def live(self, objects: Sequence[Obj]) -> list[Obj]:
        """The objects as the cluster has them; those that are not there are left out."""
        served = await self.api.served()
        places = [(served.of(obj), namespace_of(obj), name_of(obj)) for obj in objects]
        found = await self.api.live((resource, where, name) for resource, where, name in places if resource is not None)
        return list(found.values())

    async def take_lock(self, namespace: Obj | None = None) -> None:
        """Take the lock, in a namespace that is made where it is not there. Raises Locked and ClusterError."""
        await self._make_namespace(namespace)
        if self.lock.held:
            return
        told = set[str]()

        def waits(holder: Holder) -> None:
            if holder.identity not in told:
                told.add(holder.identity)
                self.tell("lock", state="waiting", holder=holder.owner, host=holder.host, since=holder.since)

        before = await self.lock.take(self.wish.wait_for_lock, waits)
        if before is not None:
            self.taken_from = before
            self.tell("warning", text=f"took over the lock of {before}: its heartbeat has stopped")
        self.tell("lock", state="held", holder=self.lock.owner, host=self.lock.host)

    async def wait_first(self) -> None:
        """Where somebody is at the release and that is to be waited for: wait before anything is looked at, and keep the lock."""
        if self.wish.wait_for_lock and not self.wish.dry_run:
            _, alive = await holder_now(self.api, self.namespace, self.release, self.parts.clock.time())
            if alive:
                await self.take_lock()

    async def _make_namespace(self, wanted: Obj | None) -> None:
        try:
            there = await self.api.get(NAMESPACES, "", self.namespace) is not None
        except Refused as refused:
            if refused.code != 403:
                raise
            there = wanted is None  # who may not look at namespaces releases into one that is there
        if not there or wanted:
            meta = wanted or {"metadata": {"name": self.namespace}}
            await self.client.apply_namespace({"apiVersion": "v1", "kind": "Namespace", **meta})

    def watcher(self, rollout: Rollout) -> Watcher:
        return self.parts.watcher(self.client, rollout, tell=self.tell, redactor=self.parts.redactor, clock=self.parts.clock)

    def judged(self, verdict: Verdict) -> None:
        self.tell("verdict", state=verdict.state, reason=verdict.reason, text=verdict.text)

    # the end

    @property
    def place(self) -> str:
        """The options that name this release on a command line, with a space before them."""
        return f" -n {self.namespace} --release-name {self.release}{self.parts.flags}"

    def following(self, stop: Stop) -> tuple[str, ...]:
        """Commands that a person may want now."""
        if stop.code in (21, 22, 30, 40) and self.phase not in BEFORE:
            back = (f"seatrial rollback{self.place}",) if good_of(self.records[:-1]) else ()
            return (f"seatrial status{self.place} --watch", *back)
        return (f"seatrial status{self.place}",) if stop.reason in ("Released", "RolledBack") else ()

    async def _result(self, stop: Stop) -> Result:
        with contextlib.suppress(ClusterError):
            if stop.reason != "Unreachable":
                self.records = await records(self.api, self.namespace, self.release)
        result = Result(
            stop.code,
            stop.reason,
            self.parts.redactor.text(stop.text),
            self.release,
            self.namespace,
            self.records[-1].revision if self.records else None,
            self.previous.revision if self.previous else None,
            self.failed if stop.code else None,
            dict(self._seconds),
            tuple(self.findings),
            self.evidence,
            self.summary,
            self.following(stop),
        )
        self.tell("result", **result.as_json())
        return result


async def ended(task: asyncio.Future[Any]) -> None:
    """Stop a task that still runs, and wait for its end."""
    if not task.done():
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
