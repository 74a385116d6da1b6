"""The lock of a release: who holds it, who waits, who is dead, and what the owner hears when it is somebody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from stillness import Shelf, Stillness

from seatrial.release.lock import BEAT, DEAD, LOOK, SURE, Holder, Lock, Locked, is_gone, this_process
from seatrial.world.objects import Obj

Scene = Callable[[Stillness, Shelf], Awaitable[None]]


def play(scene: Scene) -> None:
    asyncio.run(asyncio.wait_for(scene(Stillness(), Shelf()), 60))  # only a defect needs real seconds


def lock(clock: Stillness, shelf: Shelf, who: str = "", **more: Any) -> Lock:
    found = Lock(shelf, "shop", "web", clock.time, sleep=clock.sleep, **more)  # type: ignore[arg-type]
    if who:
        found.owner, found.host = who, "bridge"
    return found


def by_another_machine(shelf: Shelf) -> Obj:
    """Forget that the lease was made by this very process: it is as good as one of another machine."""
    lease = shelf.objects["seatrial-web"]
    lease["metadata"]["annotations"].pop("seatrial.dev/process")
    return lease


def test_a_second_release_is_refused_with_the_owner_s_name_host_and_start():
    async def scene(clock: Stillness, shelf: Shelf) -> None:
        first = lock(clock, shelf, "ada")
        assert await first.take() is None
        await first.phase("watch")
        with pytest.raises(Locked, match=r"ada on bridge, since 2027-01-15 08:00:00 UTC \(phase watch\)"):
            await lock(clock, shelf).take()
        await first.give()
        assert not shelf.objects
        assert await lock(clock, shelf).take() is None

    play(scene)


def test_who_waits_is_told_for_whom_and_gets_the_lock_when_it_is_given_back():
    async def scene(clock: Stillness, shelf: Shelf) -> None:
        first, second = lock(clock, shelf, "ada"), lock(clock, shelf, "grace")
        await first.take()
        for_whom: list[Holder] = []
        waiting = asyncio.ensure_future(second.take(patience=300, waits=for_whom.append))
        await clock.run(120)  # longer than a dead owner would be left in peace: a heartbeat keeps the lock
        assert not waiting.done()
        assert {one.owner for one in for_whom} == {"ada"}
        await first.give()
        await clock.run(LOOK)
        assert await waiting is None
        assert shelf.objects["seatrial-web"]["spec"]["holderIdentity"] == second.identity

    play(scene)


def test_who_has_waited_long_enough_is_refused():
    async def scene(clock: Stillness, shelf: Shelf) -> None:
        await lock(clock, shelf, "ada").take()
        waiting = asyncio.ensure_future(lock(clock, shelf).take(patience=30))
        await clock.run(31)
        with pytest.raises(Locked):
            await waiting

    play(scene)


def test_the_lock_of_a_dead_owner_is_taken_over_after_a_moment_of_doubt():
    async def scene(clock: Stillness, shelf: Shelf) -> None:
        first = lock(clock, shelf, "ada")
        await first.take()
        first._beating.cancel()  # killed
        by_another_machine(shelf)
        await clock.run(DEAD + 1)
        taking = asyncio.ensure_future(lock(clock, shelf).take())
        await clock.run(LOOK)
        assert not taking.done()
        await clock.run(2 * BEAT)
        holder = await taking
        assert holder is not None and holder.owner == "ada"

    play(scene)


def test_an_owner_whose_clock_is_behind_is_not_dead():
    async def scene(clock: Stillness, shelf: Shelf) -> None:
        first = Lock(shelf, "shop", "web", lambda: clock.now - 300, sleep=clock.sleep)  # type: ignore[arg-type]
        await first.take()
        by_another_machine(shelf)
        taking = asyncio.ensure_future(lock(clock, shelf).take(patience=60))
        await clock.run(120)
        with pytest.raises(Locked):
            await taking

    play(scene)


def test_an_owner_whose_clock_is_ahead_is_dead_when_nothing_has_moved_for_as_long_as_the_lease_promises():
    async def scene(clock: Stillness, shelf: Shelf) -> None:
        first = Lock(shelf, "shop", "web", lambda: clock.now + 10 * SURE, sleep=clock.sleep)  # type: ignore[arg-type]
        await first.take()
        first._beating.cancel()
        by_another_machine(shelf)
        taking = asyncio.ensure_future(lock(clock, shelf).take(patience=60))
        await clock.run(DEAD + 3)
        assert (await taking) is not None

    play(scene)


def test_a_process_of_this_machine_that_has_ended_is_dead_at_once():
    async def scene(clock: Stillness, shelf: Shelf) -> None:
        first = lock(clock, shelf, "ada")
        await first.take()
        notes = shelf.objects["seatrial-web"]["metadata"]["annotations"]
        boot, space, pid, start = this_process().split("/")
        notes["seatrial.dev/process"] = f"{boot}/{space}/{pid}/{int(start) + 1}"  # its PID has gone to another
        assert (await lock(clock, shelf).take()) is not None

    if not this_process():
        pytest.skip("this system does not say which process is which")
    play(scene)


@pytest.mark.parametrize("process", ["", "another-boot/pid:[1]/1/1"])
def test_of_a_process_elsewhere_nothing_is_known(process):
    assert not is_gone(process)
    assert not is_gone(this_process())


def test_the_owner_hears_once_that_somebody_else_has_the_lock_and_leaves_it_alone():
    async def scene(clock: Stillness, shelf: Shelf) -> None:
        heard: list[Holder | None] = []
        first = lock(clock, shelf, "ada", lost=heard.append)
        await first.take()
        lease = shelf.objects["seatrial-web"]
        notes = {**lease["metadata"]["annotations"], "seatrial.dev/owner": "grace"}
        lease = {**lease, "metadata": {**lease["metadata"], "annotations": notes}}
        await shelf.replace(None, {**lease, "spec": {**lease["spec"], "holderIdentity": "grace@bridge"}})
        await clock.run(4 * BEAT)
        assert [one and one.owner for one in heard] == ["grace"]
        await first.give()
        assert shelf.objects["seatrial-web"]["spec"]["holderIdentity"] == "grace@bridge"

    play(scene)


def test_a_lease_that_somebody_has_deleted_is_made_again():
    async def scene(clock: Stillness, shelf: Shelf) -> None:
        first = lock(clock, shelf, "ada")
        await first.take()
        shelf.objects.clear()
        await clock.run(BEAT)
        assert shelf.objects["seatrial-web"]["spec"]["holderIdentity"] == first.identity

    play(scene)
