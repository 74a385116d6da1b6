"""One release from its plan to its result: observe, decide, do one thing, write down how far it is.

    plan -> preflight -> lock -> apply and watch -> verify -> done
                                   |          |
                                   +----------+-> evidence -> roll back -> done, and why

Telling, locking and interrupts are `session`'s; how one gets back to what ran before is for `back`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from seatrial.cluster.client import Client, ClusterError
from seatrial.cluster.helm import Helm, HelmError
from seatrial.cluster.records import Record, good_of, records, unlock
from seatrial.release import back
from seatrial.release import plan as planning
from seatrial.release.events import Rollout, Verdict
from seatrial.release.lock import whoami
from seatrial.release.plan import Plan
from seatrial.release.session import OnFailure, Parts, Session, Stop, Wish, ended
from seatrial.release.sources import Source
from seatrial.release.timeout import Timeout, share_of, timeout
from seatrial.world.objects import Obj, name_of

__all__ = ["OnFailure", "Parts", "Release", "Stop", "Wish"]

#: Phases of one that has died in which nobody had seen yet whether its revision is up.
_UNSURE = frozenset({"apply", "watch", "verify"})


class Release(Session):
    """A release of a source to a cluster. `run` is called once; `interrupt` from a signal handler."""

    def __init__(self, source: Source, client: Client, helm: Helm, wish: Wish, parts: Parts) -> None:
        super().__init__(source.release, source.namespace, source.words, client, helm, wish, parts)
        self.source = source
        parts.redactor.add(source.secrets)

    async def phases(self) -> Stop:
        await self.wait_first()
        plan, limit = await self._planned()
        if self.wish.dry_run:
            return Stop("DryRun", "nothing was changed: this was a dry run")
        last = self.records[-1] if self.records else None
        if not plan.changes and last and last.status == "deployed" and not plan.hooks:
            return Stop("NothingToDo", "nothing to do: what is live is what was asked for")
        if not self.wish.yes and not await self.ask(f"Release {self.release} to {self.namespace}?"):
            return Stop("Declined", "declined; nothing was changed")
        await self.take_lock(self.source.namespace_object)
        if await self._overtaken(last):
            plan, limit = await self._planned()
        if (
            self.taken_from and self.taken_from.phase in _UNSURE
        ):  # its last revision may never have come up: better the one before
            self.previous = good_of(self.records[:-1]) or self.previous
        rollout = self._rollout(plan, limit)
        try:
            if self._left_applied(plan):
                await self._take_up(rollout, plan, limit)
            else:
                await self._apply(plan, rollout, limit)
            await self._verify(rollout)
        except Stop as stop:
            return await self._failed(stop, rollout, plan)
        took = self.parts.clock.monotonic() - self.begin
        return Stop("Released", f"{self.release} is released to {self.namespace} after {took:.1f} s")

    # plan and preflight

    async def _planned(self) -> tuple[Plan, Timeout]:
        """The plan, once the target can take it. Raises Stop."""
        await self.enter("plan")
        served, self.records = await asyncio.gather(self.api.served(), records(self.api, self.namespace, self.release))
        plan = await planning.of_source(self.api, served, self.helm, self.source, self.records, self.parts.redactor)
        self.previous = good_of(self.records)
        limit = self._time_for(plan)
        self.planned(plan, limit)
        await self.enter("preflight")
        await self.preflight(served, plan, force=self.wish.force_conflicts, namespace=self.source.namespace_object)
        return plan, limit

    def _time_for(self, plan: Plan) -> Timeout:
        """The time for a plan; a number that is none in an object is a mistake in the chart. Raises Stop."""
        try:
            return timeout(plan.objects, plan.hooks, plan.live, factor=self.wish.factor, given=self.wish.timeout)
        except (ValueError, TypeError, AttributeError) as error:
            culprit = next((obj for obj in (*plan.objects, *plan.hooks) if not _is_readable(obj)), None)
            what = f"{culprit['kind']} {name_of(culprit)}" if culprit else "an object"
            raise Stop("Usage", f"{what} of the chart has a value of the wrong type: {error}") from None

    async def _overtaken(self, last: Record | None) -> bool:
        """Whether somebody has released since the plan was made, while we waited for the lock or for an answer."""
        found = await records(self.api, self.namespace, self.release)
        now = found[-1].revision if found else 0
        if now == (last.revision if last else 0):
            return False
        self.tell("note", text=f"revision {now} was made since we looked: planning anew")
        return True

    # apply and watch

    def _rollout(self, plan: Plan, limit: Timeout) -> Rollout:
        seconds = {share.ref: share.seconds for share in limit.shares}
        return Rollout(self.release, self.namespace, (*plan.objects, *plan.hooks), plan.live, seconds)

    async def _apply(self, plan: Plan, rollout: Rollout, limit: Timeout) -> None:
        """Let Helm apply while the rollout is watched; whichever ends in failure first ends both."""
        await self.enter("apply")
        watcher = self.watcher(rollout)
        watch = asyncio.ensure_future(watcher.run(self.parts.clock.monotonic() + limit.seconds))
        upgrade = asyncio.ensure_future(self._upgrade(limit.seconds))
        try:
            await asyncio.wait({watch, upgrade}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and not upgrade.done():  # doomed while Helm waits for a hook
                await ended(upgrade)
                raise self._stopped(watch.result())
            try:
                upgrade.result()
            except HelmError as error:
                raise Stop("ApplyFailed", f"Helm: {self.parts.redactor.text(str(error))}") from None
            watcher.applied(await self.live(plan.objects))
            await self.enter("watch")
            verdict = await watch
            if verdict.state != "succeeded":
                raise self._stopped(verdict)
            self.judged(verdict)
        finally:
            await ended(upgrade)
            await ended(watch)

    def _left_applied(self, plan: Plan) -> bool:
        """Whether one that has died had applied just this, hooks and all, and was watching it."""
        last, before = self.records[-1] if self.records else None, self.taken_from
        if last is None or last.status != "deployed" or plan.changes or before is None or before.phase not in ("watch", "verify"):
            return False
        ran = sorted(str(hook.get("name")) for hook in last.hooks if set(hook.get("events") or ()) - {"test"})
        return ran == sorted(name_of(hook) for hook in plan.hooks)

    async def _take_up(self, rollout: Rollout, plan: Plan, limit: Timeout) -> None:
        """Watch what is applied already: its hooks have run, and a migration is not run twice."""
        await self.enter("watch")
        *self.records, applied = self.records  # what was there before this release began
        self.tell("note", text=f"revision {applied.revision} was applied by {self.taken_from}: taking it up from there")
        watcher = self.watcher(replace(rollout, objects=plan.objects, before={}))
        watcher.applied(await self.live(plan.objects))
        verdict = await watcher.run(self.parts.clock.monotonic() + limit.seconds)
        if verdict.state != "succeeded":
            raise self._stopped(verdict)
        self.judged(verdict)

    async def _upgrade(self, seconds: float) -> None:
        owner, host = whoami()
        await self.helm.upgrade(
            self.release,
            self.source.chart,
            self.namespace,
            values=self.source.values,
            timeout=max(1.0, seconds),
            description=f"{self.words[:180]}, by {owner} on {host} with seatrial",
            force_conflicts=self.wish.force_conflicts,
        )

    async def _verify(self, rollout: Rollout) -> None:
        await self.enter("verify")
        if self.parts.verify:
            settle, smoke = self.wish.settle, self.wish.smoke
            verdict = await self.parts.verify(
                self.client, rollout, tell=self.tell, clock=self.parts.clock, settle=settle, smoke=smoke
            )
            if verdict.state != "succeeded":
                self.judged(verdict)
                self.findings += verdict.findings
                raise Stop(verdict.reason or "VerificationFailed", verdict.text, verdict=verdict)

    def _stopped(self, verdict: Verdict) -> Stop:
        self.judged(verdict)
        self.findings += verdict.findings  # the watcher has told them
        return Stop(verdict.reason or "TimedOut", verdict.text, verdict=verdict)

    # when it goes wrong

    async def _failed(self, stop: Stop, rollout: Rollout, plan: Plan) -> Stop:
        verdict = stop.verdict or Verdict("doomed", stop.reason, stop.text)
        failed = self.phase
        self.leave("failed", stop.text)
        await self._write_down(stop)  # first: if we are killed in what follows, nobody takes it for a version that was up
        if self.parts.save:
            await self.enter("evidence")
            await self._save(verdict, rollout)
        choice = self.wish.on_failure
        if choice == "ask":
            goal = f"Roll back to revision {self.previous.revision}?" if self.previous else "Uninstall what was installed?"
            choice = "rollback" if await self.ask(f"{stop.text}\n{goal}") else "keep"
        timed_out = stop.reason == "TimedOut"
        if choice == "keep":
            return Stop(stop.reason, f"{stop.text}; left as it is (failed in {failed})", code=30 if timed_out else 21)
        code, said = await back.after_failure(self, plan)
        code = 30 if timed_out and code == 20 else code
        return Stop(stop.reason, f"{stop.text}; {said} (failed in {failed})", code=code)

    async def _write_down(self, stop: Stop) -> None:
        """Helm, which does not look at pods, takes a revision for deployed that never came up: nobody may return to that one."""
        owner, host = whoami()
        try:
            found = await records(self.api, self.namespace, self.release)
            last = self.records[-1].revision if self.records else 0
            if found and found[-1].revision > last and found[-1].status != "failed":
                why = self.parts.redactor.text(f"{stop.reason}: {stop.text}")[:180]
                await unlock(self.api, found[-1], f"{why}, by {owner} on {host} with seatrial")
        except ClusterError as error:
            self.tell("warning", text=f"the failure could not be written down for Helm: {error}")

    async def _save(self, verdict: Verdict, rollout: Rollout) -> None:
        assert self.parts.save
        try:
            into, redactor = self.wish.evidence, self.parts.redactor
            self.evidence = await self.parts.save(self.client, rollout, verdict, self.events, redactor=redactor, into=into)
        except (OSError, ClusterError) as error:  # a full disk is no reason to leave a broken release running
            self.tell("warning", text=f"the evidence could not be saved: {error}")
        else:
            self.tell("evidence", **self.evidence.as_json())


def _is_readable(obj: Obj) -> bool:
    try:
        share_of(obj, None, 1.0)
    except (ValueError, TypeError, AttributeError):
        return False
    return True
