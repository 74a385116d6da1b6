"""The way back: to an earlier revision, when a release has failed or somebody asks for it; or to nothing, after a first install.

Whether that revision can run again is for `needs`; here it is brought back by Helm, and watched to its verdict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from seatrial.cluster.api import Served
from seatrial.cluster.client import Client, ClusterError
from seatrial.cluster.helm import Helm, HelmError, version
from seatrial.cluster.records import GOOD, Record, records
from seatrial.release import needs
from seatrial.release import plan as planning
from seatrial.release.events import Rollout, Verdict
from seatrial.release.lock import whoami
from seatrial.release.plan import Plan
from seatrial.release.session import Parts, Session, Stop, Wish
from seatrial.release.timeout import timeout
from seatrial.rules.finding import Finding


async def after_failure(session: Session, plan: Plan) -> tuple[int, str]:
    """Undo what a failed release has changed: the exit code, and in words what has become of it."""
    try:
        target = session.previous
        if target is None:
            return await _uninstalled(session, plan)
        served = await session.api.served()
        found = await records(session.api, session.namespace, session.release)
        findings = await _doubts(session, served, found, target)
        for finding in findings:
            session.found(finding)
        errors = [finding for finding in findings if finding.severity == "error"]
        if errors:
            return 21, f"not rolled back, because {errors[0].title}; left as it is"
        verdict = await to(session, target)
    except (HelmError, ClusterError) as error:
        session.tell("warning", text=f"rolling back: {error}")
        return 22, f"rolling back failed: {error}"
    if verdict.state == "succeeded":
        return 20, f"rolled back to revision {target.revision}"
    return 22, f"rolling back to revision {target.revision} failed: {verdict.text}"


async def _uninstalled(session: Session, plan: Plan) -> tuple[int, str]:
    """After a first install there is nothing to return to: what it brought goes, unless some of it was there before."""
    before = [ref for ref in plan.live if ref.kind != "Namespace"]
    if before or session.records:
        what = f", and {before[0].kind} {before[0].name} was there before it" if before else ""
        return 21, f"left as it is: no earlier revision came up{what}"
    await session.enter("rollback", "there is no earlier revision: uninstalling")
    await session.settle_pending()
    await session.helm.uninstall(session.release, session.namespace)
    return 20, "uninstalled again, because there was no earlier revision"


async def to(session: Session, record: Record) -> Verdict:
    """Bring a revision back and watch it to its verdict. Raises HelmError and ClusterError."""
    await session.enter("rollback", f"to revision {record.revision}")
    served = await session.api.served()
    objects, hooks = planning.objects_of(record.manifest, session.namespace, served)
    limit = timeout(objects, hooks, factor=session.wish.factor, given=session.wish.timeout)
    seconds = {share.ref: share.seconds for share in limit.shares}
    deadline = session.parts.clock.monotonic() + limit.seconds
    await session.settle_pending()
    owner, host = whoami()
    said = f"Rollback to {record.revision}, by {owner} on {host} with seatrial"
    await session.helm.rollback(session.release, session.namespace, record.revision, timeout=limit.seconds, description=said)
    watcher = session.watcher(Rollout(session.release, session.namespace, tuple(objects), {}, seconds))
    watcher.applied(await session.live(objects))  # watched from here on: what fails sooner is what is being taken away
    verdict = await watcher.run(deadline)
    session.judged(verdict)
    return verdict


async def _doubts(session: Session, served: Served, found: Sequence[Record], target: Record) -> list[Finding]:
    """The findings that speak against a return; migrations that are accepted are warnings."""
    need = await needs.observe(session.api, served, target, found[-1])
    moved = list(needs.since(found, target))
    if session.wish.despite_migrations:
        moved = [replace(one, severity="warning" if one.severity == "error" else one.severity) for one in moved]
    return [*needs.check(need), *moved]


class Rollback(Session):
    """`seatrial rollback`: back to a revision, by default to the last one that came up before the present one."""

    def __init__(
        self, release: str, namespace: str, revision: int | None, client: Client, helm: Helm, wish: Wish, parts: Parts
    ) -> None:
        words = f"revision {revision}" if revision else "the revision before"
        super().__init__(release, namespace, words, client, helm, wish, parts)
        self.revision = revision

    async def phases(self) -> Stop:
        await self.wait_first()
        await self.enter("plan")
        served, self.records = await asyncio.gather(self.api.served(), records(self.api, self.namespace, self.release))
        target = chosen(self.records, self.revision, f"{self.release} in {self.namespace}")
        self.previous, current = target, self.records[-1]
        objects, hooks = planning.objects_of(target.manifest, self.namespace, served)
        self.parts.redactor.add(planning.secret_texts([*objects, *hooks]))
        preview = self.parts.redactor.preview
        place = self.release, self.namespace
        plan = await planning.observe(
            self.api, served, *place, target.manifest, current, preview, server_side=version() >= (4, 0)
        )
        self.tell(
            "note", text=f"from revision {current.revision} ({current.chart}) to revision {target.revision} ({target.chart})"
        )
        self.planned(plan, timeout(objects, hooks, plan.live, factor=self.wish.factor, given=self.wish.timeout))
        await self.enter("preflight")
        await self.preflight(served, plan, await _doubts(self, served, self.records, target), force=True)
        if self.wish.dry_run:
            return Stop("DryRun", "nothing was changed: this was a dry run")
        if not plan.changes and current.status == "deployed":
            return Stop("NothingToDo", f"nothing to do: what is live is what revision {target.revision} has")
        if not self.wish.yes and not await self.ask(
            f"Roll {self.release} in {self.namespace} back to revision {target.revision}?"
        ):
            return Stop("Declined", "declined; nothing was changed")
        await self.take_lock()
        return await self._back(target)

    async def _back(self, target: Record) -> Stop:
        try:
            verdict = await to(self, target)
        except HelmError as error:
            return Stop("RollbackFailed", f"Helm: {self.parts.redactor.text(str(error))}")
        if verdict.state != "succeeded":
            self.findings += verdict.findings
            code = 30 if verdict.state == "timed out" else None
            return Stop("RollbackFailed", f"revision {target.revision} did not come up: {verdict.text}", code=code)
        took = self.parts.clock.monotonic() - self.begin
        return Stop("RolledBack", f"{self.release} runs as in revision {target.revision} again after {took:.1f} s")


def chosen(found: Sequence[Record], revision: int | None, of: str) -> Record:
    """The record to return to. Raises Stop where there is none, naming those that are there."""
    if not found:
        raise Stop("Usage", f"there is no release {of}")
    there = ", ".join(str(one.revision) for one in found)
    if revision is not None:
        record = next((one for one in found if one.revision == revision), None)
        if record is None:
            raise Stop("Usage", f"there is no revision {revision} of {of}: there are {there}")
        return record
    good = [one for one in found[:-1] if one.status in GOOD]
    if not good:
        raise Stop("Usage", f"no revision of {of} came up before revision {found[-1].revision}: there are {there}")
    return good[-1]
