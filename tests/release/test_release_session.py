"""How a session ends: interrupted, without its lock, refused, unreachable; and what it says of the state it leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from seatrial.cluster.api import Refused
from seatrial.cluster.client import ClusterError
from seatrial.release import session as sessions
from seatrial.release.events import Event
from seatrial.release.lock import Holder, Locked
from seatrial.release.redact import Redactor
from seatrial.release.session import Parts, Session, Stop, Wish
from seatrial.release.sources import SourceError

GRACE = Holder("grace@bridge-1", "grace", "bridge", "2027-01-15T08:00:00Z", "", "apply")


class Helm:
    engine = "helm"
    killed = False

    def kill(self) -> None:
        self.killed = True


class Acting(Session):
    """A session that enters a phase and then does what a test says."""

    def __init__(self, act: Any, phase: str = "plan", **wish: Any) -> None:
        self.told: list[Event] = []
        parts = Parts(watcher=None, redactor=Redactor(), listen=self.told.append)  # type: ignore[arg-type]
        super().__init__("web", "shop", "web (production)", None, Helm(), Wish(**wish), parts)  # type: ignore[arg-type]
        self._act, self._first = act, phase

    async def phases(self) -> Stop:
        await self.enter(self._first)  # type: ignore[arg-type]
        return await self._act(self)


@pytest.fixture(autouse=True)
def no_records(monkeypatch):
    async def none(*args: Any) -> list[Any]:
        return []

    monkeypatch.setattr(sessions, "records", none)


def end(act: Any, phase: str = "plan") -> tuple[int, str, str]:
    result = asyncio.run(Acting(act, phase).run())
    return result.code, result.reason, result.text


def raising(error: Exception) -> Any:
    async def act(session: Session) -> Stop:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "phase", "code", "reason"),
    [
        (Refused("listing secrets in shop", 403, {"message": "secrets is forbidden"}), "plan", 10, "Forbidden"),
        (Refused("listing secrets in shop", 401, {"message": "Unauthorized"}), "plan", 10, "Forbidden"),
        (Refused("reading the lock", 403, {"message": "leases is forbidden"}), "watch", 21, "Forbidden"),
        (Refused("creating Lease", 422, {"message": "invalid"}), "preflight", 10, "PreflightFailed"),
        (Refused("listing pods", 503, {"message": "unavailable"}), "watch", 50, "Unreachable"),
        (ClusterError("no route to host"), "plan", 50, "Unreachable"),
        (Locked(GRACE), "preflight", 10, "Locked"),
        (SourceError("values.yaml:3:1: this is no YAML"), "plan", 2, "Usage"),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error, phase, code, reason):
    found = end(raising(error), phase)
    assert found[:2] == (code, reason)
    assert str(error) in found[2]
    if isinstance(error, Refused):
        assert ("nothing was changed" in found[2]) == (phase in ("plan", "preflight"))


async def for_ever(session: Session) -> Stop:
    await asyncio.Event().wait()
    raise AssertionError


def test_the_first_signal_stops_in_order_and_the_second_ends_helm_at_once():
    async def act(session: Session) -> Stop:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: answers.append(session.interrupt("SIGTERM")))
        loop.call_soon(lambda: answers.append(session.interrupt("SIGINT")))
        session.helm = helm  # type: ignore[assignment]
        return await for_ever(session)

    answers, helm = list[bool](), Helm()
    assert end(act)[:2] == (40, "Interrupted")
    assert answers == [True, False]
    assert helm.killed


def test_an_interrupt_before_anything_was_changed_says_so():
    async def act(session: Session) -> Stop:
        asyncio.get_running_loop().call_soon(session.interrupt)
        return await for_ever(session)

    assert end(act, "preflight")[2] == "interrupted by SIGINT in preflight; nothing was changed"


def test_the_loss_of_the_lock_stops_what_is_applied_and_names_who_has_it():
    async def act(session: Session) -> Stop:
        asyncio.get_running_loop().call_soon(session._lock_lost, GRACE)
        return await for_ever(session)

    session = Acting(act, "apply")
    result = asyncio.run(session.run())
    assert (result.code, result.reason) == (40, "LockLost")
    assert "lost the lock in apply to grace on bridge" in result.text
    assert [event.payload["state"] for event in session.told if event.kind == "lock"] == ["lost"]


def test_the_result_names_the_phase_that_failed_and_the_seconds_of_each():
    async def act(session: Session) -> Stop:
        await session.enter("watch")
        session.leave("failed", "it crashed")
        await session.enter("evidence")
        raise Stop("CrashLoop", "it crashed; rolled back")

    session = Acting(act)
    result = asyncio.run(session.run())
    assert (result.failed, list(result.phases)) == ("watch", ["plan", "watch", "evidence"])
    assert session.told[-1].kind == "result"
    assert session.told[-1].as_json()["exitCode"] == 20
