"""How a session of `seatrial up` ends: whoever interrupts it and whenever, what it started is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from seatrial.twin.home import Running
from seatrial.twin.kubelet.process.capability import Capability
from seatrial.twin.spawn import Spawned
from seatrial.up import session as module
from seatrial.up.session import Session, Wish


class Twin:
    """Stands for the twin and its folder: a child process, a stop that lasts until it is let, and what was asked of it."""

    def __init__(self, command: list[str]) -> None:
        self.name, self.images, self.log = "default", Path("images"), Path("twin.log")
        self.asked: list[str] = []
        self.child = subprocess.Popen(command)
        self.stoppable = threading.Event()
        self.started = False
        self.capability = Capability(full=True)

    def running(self) -> Running | None:
        if not self.started:
            return None
        words, limited = self.capability.words, self.capability.limited
        return Running("default", self.child.pid, 0, "https://127.0.0.1:1", "kubeconfig", "", words, "", "", limited=limited)

    def spawn(self, *_: object, **__: object) -> Spawned:
        self.started = True
        running = self.running()
        assert running
        return Spawned(running)

    def stop(self) -> bool:
        self.asked.append("stop")
        self.stoppable.wait(10)
        return True

    def kill(self) -> None:
        self.asked.append("kill")
        self.stoppable.set()


@pytest.fixture
def new(monkeypatch):
    """A session on a stand-in twin, with what it told; `bring` says what happens when the application is installed."""
    twins = []

    def make(bring, command=("sleep", "60"), **wish):
        twin = Twin(list(command))
        twins.append(twin)
        told = []

        async def built(*_):
            return {}

        plan = SimpleNamespace(remarks=(), sources=(), app="shop", namespace="shop-dev", release="shop")
        monkeypatch.setattr(module, "Home", lambda _: twin)
        monkeypatch.setattr(module, "read", lambda *_: plan)
        monkeypatch.setattr(module, "build", built)
        monkeypatch.setattr(module, "spawn", twin.spawn)
        monkeypatch.setattr(module, "Client", lambda _: SimpleNamespace(close=lambda: asyncio.sleep(0)))
        session = Session(Wish(Path(), **wish), lambda event: told.append(event.kind))
        monkeypatch.setattr(session, "_apply", lambda *_: bring(session))
        return session, twin, told

    yield make
    for twin in twins:
        twin.child.kill()
        twin.child.wait()


async def up(session):
    asyncio.get_running_loop().call_soon(session.interrupt)
    return 0


async def never(session):
    asyncio.get_running_loop().call_soon(session.interrupt)
    await asyncio.Event().wait()


async def failed(session):
    asyncio.get_running_loop().call_soon(session.interrupt)
    return 20


@pytest.mark.parametrize(("bring", "code"), [(up, 0), (failed, 20), (never, 40)])
def test_the_exit_code_after_ctrl_c_says_how_far_it_had_come(new, bring, code):
    session, twin, told = new(bring)
    twin.stoppable.set()
    assert asyncio.run(session.run()) == code
    assert twin.asked == ["stop"]
    assert told[-2:] == ["stopping", "stopped"]


def stopping_is_interrupted_again(new, monkeypatch, after: float):
    session, twin, _ = new(up)
    now = time.monotonic()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))

    def stop():
        twin.asked.append("stop")
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now + after))
        loop.call_soon_threadsafe(session.interrupt)
        loop.call_soon_threadsafe(twin.stoppable.set)
        twin.stoppable.wait(10)

    async def run():
        nonlocal loop
        loop = asyncio.get_running_loop()
        return await session.run()

    loop: asyncio.AbstractEventLoop
    monkeypatch.setattr(twin, "stop", stop)
    assert asyncio.run(run()) == 0
    return twin.asked


def test_the_same_ctrl_c_twice_is_one(new, monkeypatch):
    assert stopping_is_interrupted_again(new, monkeypatch, after=0.01) == ["stop"]


def test_another_ctrl_c_while_stopping_kills_the_twin(new, monkeypatch):
    assert stopping_is_interrupted_again(new, monkeypatch, after=2.0) == ["stop", "kill"]


def test_a_twin_that_comes_up_after_the_interrupt_is_stopped_too(new, monkeypatch):
    session, twin, _ = new(up, detach=True)
    twin.stoppable.set()

    def spawn(*arguments, **options):
        loop.call_soon_threadsafe(session.interrupt)
        loop.call_soon_threadsafe(interrupted.set)
        assert interrupted.wait(10)
        return twin.spawn()

    def stop():
        twin.asked.append(f"stop {twin.started}")

    async def run():
        nonlocal loop
        loop = asyncio.get_running_loop()
        return await session.run()

    loop: asyncio.AbstractEventLoop
    interrupted = threading.Event()
    monkeypatch.setattr(module, "spawn", spawn)
    monkeypatch.setattr(twin, "stop", stop)
    assert asyncio.run(run()) == 40
    assert twin.asked == ["stop True"]


async def stay(session):
    return 0


def test_a_twin_that_somebody_stopped_ends_the_session_in_order(new):
    session, twin, told = new(stay, command=["true"])
    twin.stoppable.set()
    assert asyncio.run(session.run()) == 0
    assert "failed" not in told


def test_a_twin_that_was_killed_ends_the_session_with_word_of_it(new):
    session, twin, told = new(stay)
    twin.stoppable.set()
    os.kill(twin.child.pid, signal.SIGKILL)
    assert asyncio.run(session.run()) == 50
    assert "failed" in told


def test_what_to_try_next_quotes_what_a_shell_would_split(new):
    session, _, _ = new(stay, detach=True)
    session.wish = Wish(Path("my shop"), detach=True, twin="other")
    assert session._end == "seatrial down 'my shop' --name other"


@pytest.mark.parametrize(
    ("capability", "told"),
    [
        (Capability(full=True), False),
        (Capability(full=False, reason="user namespaces are switched off"), True),
        (Capability(full=True, addresses=False), True),
    ],
)
def test_what_this_machine_denies_containers_is_told(new, capability, told):
    session, twin, kinds = new(stay, detach=True)
    twin.capability = capability
    asyncio.run(session.run())
    assert ("log" in kinds) is told
