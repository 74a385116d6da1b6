"""One release from its plan to its result: observe, decide, do one thing, write down how far it is.

    plan -> preflight -> lock -> apply and watch -> verify -> done
                                   |          |
                                   +----------+-> evidence -> roll back -> done, and why

What is remembered is in the cluster: Helm's own records, and the lock's phase.  The parts that watch, verify, save and mask are
passed in; so are the clock, and whoever is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from seatrial.cluster.api import NAMESPACES, Api, Served
from seatrial.cluster.client import Client, ClusterError
from seatrial.cluster.helm import Helm, HelmError, version
from seatrial.cluster.records import Record, records, unlock
from seatrial.release import plan as planning
from seatrial.release.diff import decoded
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
from seatrial.release.lock import Lock, Locked, whoami
from seatrial.release.plan import Plan
from seatrial.release.preflight import Target, check
from seatrial.release.sources import Source, SourceError, texts
from seatrial.release.timeout import Timeout, timeout
from seatrial.rules.finding import Finding
from seatrial.world.objects import Obj, Ref

OnFailure = Literal["rollback", "keep", "ask"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. `timeout` in seconds, None for the computed one; `smoke` as `api:3000/health`."""

    dry_run: bool = False
    yes: bool = False
    recover: bool = False
    on_failure: OnFailure = "rollback"
    timeout: float | None = None
    factor: float = 2.0
    settle: float = 0.0
    smoke: str = ""
    force_conflicts: bool = False
    evidence: Path = Path("seatrial-evidence")


@dataclass(frozen=True)
class Parts:
    """Who does what: the watcher, the one that masks, and where they are there, verification and evidence."""

    watcher: MakeWatcher
    redactor: Redactor
    verify: Verify | None = None
    save: SaveEvidence | None = None
    clock: Clock = field(default_factory=lambda: time)
    listen: Callable[[Event], None] = lambda event: None
    ask: Callable[[str], bool] = lambda question: False


class Stop(Exception):  # noqa: N818 - the way out of the phases
    """The release is over; the result says how."""

    def __init__(self, reason: str, text: str, *, code: int | None = None, verdict: Verdict | None = None) -> None:
        super().__init__(text)
        self.reason, self.text, self.verdict = reason, text, verdict
        self.code = REASONS[reason][0] if code is None else code


class Release:
    """A release of a source to a cluster. `run` is called once; `interrupt` from a signal handler."""

    def __init__(self, source: Source, client: Client, helm: Helm, wish: Wish, parts: Parts) -> None:
        self.source, self.wish, self.parts = source, wish, parts
        self._client, self._api, self._helm = client, Api(client), helm
        self.events: list[Event] = []
        self._begin = parts.clock.monotonic()
        self._seconds: dict[str, float] = {}
        self._phase: Phase = "plan"
        self._entered = self._begin
        self._task: asyncio.Task[Any] | None = None
        self._interrupted = ""
        self._findings: list[Finding] = []
        self._evidence: Evidence | None = None
        self._plan: Plan | None = None
        self._records: list[Record] = []
        self._lock = Lock(self._api, source.namespace, source.release, parts.clock.time)
        parts.redactor.add(source.secrets)

    # telling

    def tell(self, kind: Kind, ref: Ref | None = None, /, **payload: Any) -> None:
        event = Event(self.parts.clock.monotonic() - self._begin, kind, ref, self.parts.redactor.data(payload))
        self.events.append(event)
        self.parts.listen(event)

    async def _enter(self, phase: Phase, text: str = "") -> None:
        now = self.parts.clock.monotonic()
        self._leave("done", now)
        self._phase, self._entered = phase, now
        self.tell("phase", phase=phase, state="started", text=text)
        await self._lock.phase(phase) if self._lock.held else None

    def _leave(self, state: str, now: float, text: str = "") -> None:
        if self._entered is not None and self._phase not in self._seconds and self.events[1:]:
            self._seconds[self._phase] = now - self._entered
            self.tell("phase", phase=self._phase, state=state, seconds=round(now - self._entered, 3), text=text)

    # the whole

    def interrupt(self, signal: str = "SIGINT") -> None:
        """The first stops Helm and leaves a named state; the second ends Helm at once."""
        if self._interrupted:
            self._helm.kill()
            raise SystemExit(40)
        self._interrupted = signal
        if self._task:
            self._task.cancel()

    async def run(self) -> Result:
        self._task = asyncio.current_task()
        owner, host = whoami()
        started = datetime.fromtimestamp(self.parts.clock.time(), UTC).isoformat(timespec="seconds")
        self.tell(
            "begin",
            release=self.source.release,
            namespace=self.source.namespace,
            source=self.source.words,
            engine=self._helm.engine,
            owner=f"{owner} on {host}",
            started=started,
        )
        try:
            stop = await self._phases()
        except Stop as end:
            stop = end
        except SourceError as error:
            stop = Stop("Usage", str(error))
        except Locked as error:
            stop = Stop("Locked", str(error))
        except ClusterError as error:
            stop = Stop("Unreachable", str(error))
        except asyncio.CancelledError:
            stop = await self._interrupted_state()
        failed = self._phase if stop.code else None
        self._leave("failed" if stop.code else "done", self.parts.clock.monotonic())
        with contextlib.suppress(asyncio.CancelledError):
            await self._lock.give()
        return await self._result(stop, failed)

    async def _phases(self) -> Stop:
        await self._enter("plan")
        served, plan, limit = await self._make_plan()
        await self._enter("preflight")
        await self._check(served, plan)
        if self.wish.dry_run:
            return Stop("DryRun", "nothing was changed: this was a dry run")
        last = self._records[-1] if self._records else None
        if not plan.changes and last and last.status == "deployed" and not plan.hooks:
            return Stop("NothingToDo", "nothing to do: what is live is what was asked for")
        if not self.wish.yes and not self.parts.ask(f"Release {self.source.release} to {self.source.namespace}?"):
            return Stop("Declined", "declined; nothing was changed")
        await self._take_lock(served)
        rollout = self._rollout(plan, limit)
        try:
            await self._apply(plan, rollout, limit)
            await self._enter("verify")
            if self.parts.verify:
                settle, smoke = self.wish.settle, self.wish.smoke
                verdict = await self.parts.verify(
                    self._client, rollout, tell=self.tell, clock=self.parts.clock, settle=settle, smoke=smoke
                )
                if verdict.state != "succeeded":
                    raise Stop(verdict.reason or "VerificationFailed", verdict.text, verdict=verdict)
        except Stop as stop:
            return await self._failed(stop, rollout)
        took = self.parts.clock.monotonic() - self._begin
        return Stop("Released", f"{self.source.release} is released to {self.source.namespace} after {took:.1f} s")

    # plan

    async def _make_plan(self) -> tuple[Served, Plan, Timeout]:
        source = self.source
        served, found = await asyncio.gather(self._api.served(), records(self._api, source.namespace, source.release))
        self._records = found
        previous = next((one for one in reversed(found) if one.status == "deployed"), None)
        upgrade = bool(found)
        try:
            rendered = await self._helm.render(
                source.release,
                source.chart,
                source.namespace,
                values=source.values,
                upgrade=upgrade,
                version=served.version,
                api_versions=sorted(served.group_versions),
            )
        except HelmError as error:
            raise Stop("Usage", f"the chart cannot be rendered: {self.parts.redactor.text(str(error))}") from None
        objects, hooks = planning.objects_of(rendered, source.namespace, served)
        self.parts.redactor.add(secret_texts([*objects, *hooks]))
        plan = await planning.observe(
            self._api,
            served,
            source.release,
            source.namespace,
            rendered,
            previous,
            self.parts.redactor.preview,
            server_side=version() >= (4, 0),
        )
        self._plan = plan
        self.tell("plan", changes=[change.as_json() for change in plan.changes], summary=plan.summary)
        limit = timeout(plan.objects, plan.hooks, plan.live, factor=self.wish.factor, given=self.wish.timeout)
        shares = [{"ref": str(share.ref), "seconds": share.seconds, "lines": list(share.lines)} for share in limit.shares]
        self.tell("timeout", seconds=limit.seconds, text=f"{limit.seconds:.0f} s", lines=list(limit.lines), workloads=shares)
        for warning in limit.warnings:
            self.tell("warning", text=warning)
        return served, plan, limit

    async def _check(self, served: Served, plan: Plan) -> None:
        last = self._records[-1] if self._records else None
        target = await Target.observe(self._api, served, plan, last, self.wish.force_conflicts)
        tables, findings = check(target)
        for table in tables:
            self.tell("table", title=table.title, columns=list(table.columns), rows=[list(row) for row in table.rows])
        if last is not None and last.pending and not self.wish.dry_run:
            findings = await self._recovered(last, findings)
        for finding in findings:
            self._found(finding)
        errors = [finding for finding in findings if finding.severity == "error"]
        if errors:
            reason = "PendingRelease" if errors[0].rule == "release-pending" else "PreflightFailed"
            more = f" (and {len(errors) - 1} more)" if errors[1:] else ""
            raise Stop(reason, f"{errors[0].title}{more}; nothing was changed")

    async def _recovered(self, last: Record, findings: list[Finding]) -> list[Finding]:
        """The findings without that of a pending record, where it may be mended and is."""
        question = f"Helm's revision {last.revision} is stuck in {last.status}. Take it for failed, and go on?"
        if not (self.wish.recover or (not self.wish.yes and self.parts.ask(question))):
            return findings
        await self._lock.take()  # whoever is alive and made it pending holds the lock, and we are refused
        await unlock(self._api, last, f"Taken for failed by seatrial: it was stuck in {last.status}")
        self.tell("note", text=f"revision {last.revision} was stuck in {last.status}, and is failed now")
        self._records = await records(self._api, self.source.namespace, self.source.release)
        return [finding for finding in findings if finding.rule != "release-pending"]

    def _found(self, finding: Finding) -> None:
        self._findings.append(finding)
        ref = finding.refs[0] if finding.refs else None
        self.tell("finding", ref, phase=self._phase, **finding.as_json())

    async def _take_lock(self, served: Served) -> None:
        if await self._api.get(NAMESPACES, "", self.source.namespace) is None or self.source.namespace_object:
            wanted = self.source.namespace_object or {"metadata": {"name": self.source.namespace}}
            await self._client.apply_namespace({"apiVersion": "v1", "kind": "Namespace", **wanted})
        if self._lock.held:
            return
        before = await self._lock.take()
        if before is not None:
            self.tell("warning", text=f"took over the lock of {before}: its heartbeat has stopped")
        self.tell("lock", state="held", holder=self._lock.owner, host=self._lock.host)

    # apply and watch

    def _rollout(self, plan: Plan, limit: Timeout) -> Rollout:
        seconds = {share.ref: share.seconds for share in limit.shares}
        return Rollout(self.source.release, self.source.namespace, (*plan.objects, *plan.hooks), plan.live, seconds)

    async def _apply(self, plan: Plan, rollout: Rollout, limit: Timeout) -> None:
        """Let Helm apply while the rollout is watched; whichever ends in failure first ends both."""
        await self._enter("apply")
        source, wish = self.source, self.wish
        watcher = self._watcher(rollout)
        deadline = self.parts.clock.monotonic() + limit.seconds
        watch = asyncio.ensure_future(watcher.run(deadline))
        upgrade = asyncio.ensure_future(
            self._helm.upgrade(
                source.release,
                source.chart,
                source.namespace,
                values=source.values,
                timeout=max(1.0, limit.seconds),
                description=f"seatrial: {source.words}"[:250],
                force_conflicts=wish.force_conflicts,
            )
        )
        try:
            await asyncio.wait({watch, upgrade}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and not upgrade.done():  # doomed while Helm waits for a hook
                await _ended(upgrade)
                raise self._stopped(watch.result())
            try:
                upgrade.result()
            except HelmError as error:
                raise Stop("ApplyFailed", f"Helm: {self.parts.redactor.text(str(error))}", code=20) from None
            live = await self._live(plan)
            watcher.applied(live)
            await self._enter("watch")
            verdict = await watch
            if verdict.state != "succeeded":
                raise self._stopped(verdict)
            self.tell("verdict", state=verdict.state, reason=verdict.reason, text=verdict.text)
        finally:
            await _ended(upgrade)
            await _ended(watch)

    def _watcher(self, rollout: Rollout) -> Watcher:
        return self.parts.watcher(self._client, rollout, tell=self.tell, redactor=self.parts.redactor, clock=self.parts.clock)

    async def _live(self, plan: Plan) -> list[Obj]:
        served = await self._api.served()
        places = [(served.of(obj), obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in plan.objects]
        found = await self._api.live((resource, *rest) for resource, *rest in places if resource is not None)
        return list(found.values())

    def _stopped(self, verdict: Verdict) -> Stop:
        self.tell("verdict", state=verdict.state, reason=verdict.reason, text=verdict.text)
        self._findings += verdict.findings  # the watcher has told them
        return Stop(verdict.reason or "TimedOut", verdict.text, verdict=verdict)

    # when it goes wrong

    async def _failed(self, stop: Stop, rollout: Rollout) -> Stop:
        verdict = stop.verdict or Verdict("doomed", stop.reason, stop.text)
        failed = self._phase
        self._leave("failed", self.parts.clock.monotonic(), stop.text)
        if self.parts.save:
            await self._enter("evidence")
            await self._save(verdict, rollout)
        previous = self._plan.previous if self._plan else None
        choice = self.wish.on_failure
        if choice == "ask":
            choice = "rollback" if self.parts.ask(f"{stop.text}\nRoll back?") else "keep"
        timed_out = stop.reason == "TimedOut"
        if choice == "keep" or previous is None:
            left = "left as it is" if previous else "left as it is: there is no earlier revision to return to"
            return Stop(stop.reason, f"{stop.text}; {left}", code=30 if timed_out else 21)
        if not await self._back(previous):
            return Stop(stop.reason, f"{stop.text}; rolling back to revision {previous.revision} failed", code=22)
        said = f"{stop.text}; rolled back to revision {previous.revision} (failed in {failed})"
        return Stop(stop.reason, said, code=30 if timed_out else 20)

    async def _save(self, verdict: Verdict, rollout: Rollout) -> None:
        assert self.parts.save
        try:
            self._evidence = await self.parts.save(
                self._client, rollout, verdict, self.events, redactor=self.parts.redactor, into=self.wish.evidence
            )
        except (OSError, ClusterError) as error:  # a full disk is no reason to leave a broken release running
            self.tell("warning", text=f"the evidence could not be saved: {error}")
        else:
            self.tell("evidence", folder=str(self._evidence.folder), page=str(self._evidence.page))

    async def _back(self, record: Record) -> bool:
        """Roll back to a revision and watch that; whether it came up."""
        await self._enter("rollback", f"to revision {record.revision}")
        served = await self._api.served()
        objects, hooks = planning.objects_of(record.manifest, self.source.namespace, served)
        limit = timeout(objects, hooks, factor=self.wish.factor, given=self.wish.timeout)
        rollout = Rollout(self.source.release, self.source.namespace, tuple(objects), {}, {})
        deadline = self.parts.clock.monotonic() + limit.seconds
        try:
            await self._settle_pending()
            await self._helm.rollback(self.source.release, self.source.namespace, record.revision, timeout=limit.seconds)
            places = [(served.of(obj), obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in objects]
            live = await self._api.live((r, where, name) for r, where, name in places if r is not None)
            watcher = self._watcher(rollout)  # not sooner: what fails now is what is being taken away
            watcher.applied(list(live.values()))
            verdict = await watcher.run(deadline)
            self.tell("verdict", state=verdict.state, reason=verdict.reason, text=verdict.text)
            return verdict.state == "succeeded"
        except (HelmError, ClusterError) as error:
            self.tell("warning", text=f"rolling back: {error}")
            return False

    async def _settle_pending(self) -> None:
        """A record that our own Helm left pending when it was stopped is failed: nobody works on it any more."""
        found = await records(self._api, self.source.namespace, self.source.release)
        if found and found[-1].pending:
            await unlock(self._api, found[-1], f"Interrupted by seatrial in {found[-1].status}")

    async def _interrupted_state(self) -> Stop:
        """Helm has been stopped; name the state that is left, and leave none that blocks the next run."""
        signal, phase = self._interrupted or "cancelled", self._phase
        if phase in ("plan", "preflight"):
            return Stop("Interrupted", f"interrupted by {signal} in {phase}; nothing was changed")
        left = "the release is left as it is"
        try:
            await self._settle_pending()
            found = await records(self._api, self.source.namespace, self.source.release)
            if found:
                left = f"revision {found[-1].revision} is left {found[-1].status}"
        except ClusterError as error:
            left = f"in which state is unknown ({error})"
        recover = f"seatrial release … again goes on; helm rollback {self.source.release} -n {self.source.namespace} returns"
        text = f"interrupted by {signal} in {phase}; {left}"
        self.tell("interrupted", signal=signal, text=text, recover=recover)
        return Stop("Interrupted", text)

    async def _result(self, stop: Stop, failed: Phase | None) -> Result:
        revision: int | None = None
        with contextlib.suppress(ClusterError):
            if stop.reason != "Unreachable":
                self._records = await records(self._api, self.source.namespace, self.source.release)
        if self._records:
            revision = self._records[-1].revision
        plan = self._plan
        result = Result(
            stop.code,
            stop.reason,
            self.parts.redactor.text(stop.text),
            self.source.release,
            self.source.namespace,
            revision,
            plan.previous.revision if plan and plan.previous else None,
            failed,
            dict(self._seconds),
            tuple(self._findings),
            self._evidence,
            plan.summary if plan else {},
            self._next(stop),
        )
        self.tell("result", **result.as_json())
        return result

    def _next(self, stop: Stop) -> tuple[str, ...]:
        name, where = self.source.release, self.source.namespace
        if stop.code in (21, 22, 30, 40) and self._phase not in ("plan", "preflight"):
            return (f"helm history {name} -n {where}", f"helm rollback {name} -n {where}")
        return (f"helm history {name} -n {where}",) if stop.reason == "Released" else ()


async def _ended(task: asyncio.Future[Any]) -> None:
    """Stop a task that still runs, and wait for its end."""
    if not task.done():
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def secret_texts(objects: list[Obj]) -> list[str]:
    """What the Secrets among objects hold, as it is meant."""
    return [text for obj in objects if obj["kind"] == "Secret" for text in texts(decoded(obj).get("data"))]
