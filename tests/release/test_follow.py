"""One watch a kind, whatever happens to its connection: a cluster that answers by a script, and a clock that is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from seatrial.cluster.api import PODS
from seatrial.cluster.client import ClusterError
from seatrial.release.follow import AWAY, LONGEST, Follower


class Time:
    """Seconds that pass only while somebody waits."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class EnoughError(Exception):
    """The script is over."""


def pod(name: str, version: int, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}, **more}


def listed(*pods: dict[str, Any], version: int, following: str = "") -> httpx2.Response:
    return httpx2.Response(200, json={"metadata": {"resourceVersion": str(version), "continue": following}, "items": [*pods]})


def event(kind: str, obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": {"apiVersion": "v1", "kind": "Pod", **obj}}, ensure_ascii=False).encode() + b"\n"


def watched(*events: bytes, breaks: bool = False) -> httpx2.Response:
    async def body() -> Any:
        for one in events:
            yield one
        if breaks:
            raise httpx2.ReadError("connection reset")

    return httpx2.Response(200, content=body())


def refused(code: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(code, json={"kind": "Status", "message": f"said {code}"}, headers=headers)


Answer = httpx2.Response | Exception | Callable[[Time], httpx2.Response]


def follow(*script: Answer, time: Time | None = None) -> tuple[list[str], list[str], Follower, Time]:
    """What was seen (`ADDED a@1`), what was asked (`list`, `watch 5`), until the script is over."""
    time = time or Time()
    seen, asked, answers = list[str](), list[str](), iter(script)

    def answer(request: httpx2.Request) -> httpx2.Response:
        params = request.url.params
        asked.append(f"watch {params['resourceVersion']}" if "watch" in params else f"list {params.get('continue', '')}".strip())
        given = next(answers, EnoughError())
        if callable(given):
            given = given(time)
        if isinstance(given, Exception):
            raise given
        return given

    def see(change: str, obj: dict[str, Any]) -> None:
        seen.append(f"{change} {obj['metadata']['name']}@{obj['metadata']['resourceVersion']}")

    async def run() -> Follower:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), base_url="https://cluster") as http:
            follower = Follower(SimpleNamespace(http=http), PODS, "n", see, time, time.sleep)  # type: ignore[arg-type]
            try:
                await follower.run()
            except EnoughError:
                pass
            return follower

    return seen, asked, asyncio.run(run()), time


def test_what_is_there_is_seen_then_each_change():
    seen, asked, follower, _ = follow(
        listed(pod("a", 1), version=5), watched(event("MODIFIED", pod("a", 6)), event("DELETED", pod("a", 7)))
    )
    assert seen == ["ADDED a@1", "MODIFIED a@6", "DELETED a@7"]
    assert asked == ["list", "watch 5", "watch 7"]
    assert follower.ready.is_set()


def test_a_long_list_is_read_page_by_page_and_seen_once_it_is_whole():
    seen, asked, *_ = follow(listed(pod("a", 1), version=5, following="more"), listed(pod("b", 2), version=5), watched())
    assert (seen, asked[:2]) == (["ADDED a@1", "ADDED b@2"], ["list", "list more"])


def test_a_watch_that_ends_breaks_or_is_cut_goes_on_from_what_was_seen_last():
    half = event("MODIFIED", pod("a", 8))[:40]
    _, asked, *_ = follow(
        listed(pod("a", 1), version=5),
        watched(event("MODIFIED", pod("a", 6))),
        watched(event("MODIFIED", pod("a", 7)), breaks=True),
        watched(half),
        httpx2.ConnectError("refused"),
        watched(event("MODIFIED", pod("a", 8))),
    )
    assert asked == ["list", "watch 5", "watch 6", "watch 7", "watch 7", "watch 7", "watch 8"]


@pytest.mark.parametrize("gone", [watched(json.dumps({"type": "ERROR", "object": {"code": 410}}).encode() + b"\n"), refused(410)])
def test_a_version_that_is_too_old_reads_all_anew_and_tells_what_went_meanwhile(gone):
    seen, asked, *_ = follow(listed(pod("a", 1), pod("b", 2), version=5), gone, listed(pod("b", 9), version=10), watched())
    assert asked[:4] == ["list", "watch 5", "list", "watch 10"]
    assert seen == ["ADDED a@1", "ADDED b@2", "DELETED a@1", "ADDED b@9"]


def test_a_bookmark_moves_the_version_and_is_no_object():
    seen, asked, *_ = follow(listed(version=5), watched(event("BOOKMARK", {"metadata": {"resourceVersion": "50"}})), watched())
    assert (seen, asked[1:3]) == ([], ["watch 5", "watch 50"])


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_cluster_that_cannot_answer_now_is_asked_again_when_it_says(code):
    seen, _, _, time = follow(refused(code, **{"Retry-After": "7"}), listed(pod("a", 1), version=5), refused(code), watched())
    assert seen == ["ADDED a@1"]
    assert time.waits[0] == 7.0


def test_nobody_waits_for_an_hour_because_a_server_says_so():
    *_, time = follow(refused(429, **{"Retry-After": "3600"}), listed(version=5))
    assert time.waits[0] == LONGEST


def test_a_watch_that_ends_as_soon_as_it_begins_is_not_asked_without_end():
    *_, time = follow(listed(version=5), *[watched() for _ in range(8)])
    assert time.waits == sorted(time.waits) and time.waits[-1] >= 2.0


def test_a_version_that_is_always_too_old_is_not_asked_without_end():
    *_, time = follow(*[answer for _ in range(4) for answer in (listed(version=5), refused(410))])
    assert len(time.waits) == 4


def test_a_cluster_that_is_gone_for_twenty_seconds_is_waited_for():
    refusals = [httpx2.ConnectError("refused")] * 12
    seen, _, _, time = follow(listed(version=5), watched(), *refusals, watched(event("ADDED", pod("a", 6))))
    assert seen == ["ADDED a@6"]
    assert 15 < time.now < AWAY


def test_a_cluster_that_stays_away_is_given_up_after_a_minute():
    time = Time()
    with pytest.raises(ClusterError, match="watching pods in n: no answer for 60 s: refused"):
        follow(listed(version=5), watched(), *[httpx2.ConnectError("refused")] * 200, time=time)
    assert AWAY < time.now < AWAY + 5


def test_a_watch_that_was_quiet_for_long_before_it_broke_is_no_cluster_that_stayed_away():
    def quiet(time: Time) -> httpx2.Response:
        time.now += 10 * AWAY
        return watched(breaks=True)

    seen, *_ = follow(listed(version=5), quiet, refused(503), watched(event("ADDED", pod("a", 6))))
    assert seen == ["ADDED a@6"]


def test_a_kind_that_is_not_ours_to_see_is_left_with_the_words_of_the_cluster():
    seen, asked, follower, _ = follow(refused(403))
    assert (seen, asked, follower.unread) == ([], ["list"], "said 403")
    assert follower.ready.is_set()


@pytest.mark.parametrize("answer", [httpx2.Response(200, text="<html>Please log in</html>"), httpx2.Response(200, json=["?"])])
def test_something_else_that_answers_is_told_as_that(answer):
    with pytest.raises(ClusterError, match="does something else than a cluster answer here"):
        follow(*[lambda time: httpx2.Response(200, content=answer.content)] * 200)


def test_only_a_line_feed_ends_an_event():
    odd = pod("a", 6, status={"message": "one\u2028two\u0085three\x0bfour"})
    seen, asked, *_ = follow(listed(version=5), watched(*[bytes([byte]) for byte in event("MODIFIED", odd)]))
    assert (seen, asked) == (["MODIFIED a@6"], ["list", "watch 5", "watch 6"])
