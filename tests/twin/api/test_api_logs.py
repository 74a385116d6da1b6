"""`kubectl logs`: which container, which run of it, which lines, and the words when there is nothing to show."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from in_process import PODS, Client, LogFiles, Stream, pod, settle

from seatrial.world.objects import Obj, clone

LOG = f"{PODS}/web/log"
STATUS = {"name": "c", "restartCount": 0, "containerID": "process://1", "state": {"running": {}}}


@pytest.fixture
def files(tmp_path: Path) -> LogFiles:
    return LogFiles(tmp_path)


def cluster(files: LogFiles, containers: tuple[str, ...] = ("c",), *statuses: Obj) -> Client:
    """A pod on a node, whose containers have these statuses."""
    client = Client(logs=files)
    client.create(PODS, pod(containers=containers))
    client.registry.bind("shop", "web", "node-a")
    if statuses:
        set_statuses(client, *statuses)
    return client


def set_statuses(client: Client, *statuses: Obj) -> None:
    running = clone(client.registry.get("pods", "shop", "web"))
    running["status"] |= {"phase": "Running", "containerStatuses": list(statuses)}
    client.registry.update_status("pods", running)


def lines(count: int) -> list[str]:
    return [f"2026-01-01T00:00:{number:02}.123456789Z stdout F line {number}" for number in range(count)]


def test_lines_come_without_what_the_runtime_wrote_beside_them(files: LogFiles) -> None:
    files.write("c", 0, *lines(2), "2026-01-01T00:00:02.0Z stderr F oh")
    reply = cluster(files, ("c",), STATUS).get(LOG)
    assert (reply.status, reply.headers["content-type"], reply.text) == (200, ["text/plain"], "line 0\nline 1\noh\n")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tailLines=2", "line 3\nline 4\n"),
        ("tailLines=0", ""),
        ("tailLines=99", "line 0\nline 1\nline 2\nline 3\nline 4\n"),
        ("timestamps=true&tailLines=1", "2026-01-01T00:00:04.123456789Z line 4\n"),
        ("limitBytes=9", "line 0\nli"),
        ("sinceTime=2026-01-01T00:00:03Z", "line 3\nline 4\n"),
        ("sinceSeconds=7", "line 3\nline 4\n"),
    ],
)
def test_a_client_chooses_lines(files: LogFiles, query: str, expected: str) -> None:
    files.write("c", 0, *lines(5))
    client = cluster(files, ("c",), STATUS)
    client.clock.run_for(10)
    assert client.get(f"{LOG}?{query}").text == expected


def test_a_line_in_parts_is_one_line(files: LogFiles) -> None:
    stamp = "2026-01-01T00:00:00.0Z"
    files.write("c", 0, f"{stamp} stdout F first", f"{stamp} stdout P one ", f"{stamp} stdout P two ", f"{stamp} stdout F three")
    client = cluster(files, ("c",), STATUS)
    assert client.get(LOG).text == "first\none two three\n"
    assert client.get(f"{LOG}?tailLines=1").text == "one two three\n"


def test_the_end_of_a_long_log_is_found_from_behind(files: LogFiles) -> None:
    files.write("c", 0, *[f"2026-01-01T00:00:00.0Z stdout F {'x' * 90} {number}" for number in range(3000)])
    text = cluster(files, ("c",), STATUS).get(f"{LOG}?tailLines=3").text
    assert [line.split()[1] for line in text.splitlines()] == ["2997", "2998", "2999"]


def test_previous_is_the_run_before(files: LogFiles) -> None:
    files.write("c", 0, *lines(1))
    files.write("c", 1, "2026-01-01T00:00:00.0Z stdout F again")
    last = {"terminated": {"containerID": "process://0", "exitCode": 1}}
    client = cluster(files, ("c",), {**STATUS, "restartCount": 1, "lastState": last})
    assert client.get(LOG).text == "again\n"
    assert client.get(f"{LOG}?previous=true").text == "line 0\n"
    waiting = {**STATUS, "restartCount": 1, "lastState": last, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    set_statuses(client, waiting)
    assert client.get(LOG).text == "again\n"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"waiting": {"reason": "ContainerCreating"}}, 'container "c" in pod "web" is waiting to start: ContainerCreating'),
        ({"waiting": {"reason": "ErrImagePull"}}, 'container "c" in pod "web" is waiting to start: image can\'t be pulled'),
        (
            {"waiting": {"reason": "ImagePullBackOff"}},
            'container "c" in pod "web" is waiting to start: trying and failing to pull image',
        ),
    ],
)
def test_a_container_that_has_not_started_says_why(files: LogFiles, state: Obj, message: str) -> None:
    reply = cluster(files, ("c",), {**STATUS, "state": state}).get(LOG)
    assert (reply.status, reply.json["reason"], reply.json["message"]) == (400, "BadRequest", message)


def test_a_container_is_named_where_there_are_several(files: LogFiles) -> None:
    files.write("b", 0, *lines(1))
    client = cluster(files, ("a", "b"), {**STATUS, "name": "b"})
    assert client.get(LOG).json["message"] == "a container name must be specified for pod web, choose one of: [a b]"
    assert client.get(f"{LOG}?container=x").json["message"] == "container x is not valid for pod web"
    assert client.get(f"{LOG}?container=b").text == "line 0\n"
    previous = client.get(f"{LOG}?container=b&previous=true").json
    assert previous["message"] == 'previous terminated container "b" in pod "web" not found'


def test_a_pod_without_a_node_has_said_nothing(files: LogFiles) -> None:
    client = Client(logs=files)
    client.create(PODS, pod())
    assert (client.get(LOG).status, client.get(LOG).text) == (200, "")


def test_a_log_that_is_gone(files: LogFiles) -> None:
    assert cluster(files, ("c",), STATUS).get(LOG).text == "unable to retrieve container logs for process://1"


def test_following_a_log_ends_with_its_container(files: LogFiles) -> None:
    async def story() -> None:
        files.write("c", 0, *lines(2))
        stream = Stream(client, "GET", f"{LOG}?follow=true&tailLines=1")
        await turn(client)
        assert bytes(stream.body) == b"line 1\n"
        files.write("c", 0, "2026-01-01T00:00:09.0Z stdout F more")
        await turn(client)
        assert bytes(stream.body) == b"line 1\nmore\n"
        assert not stream.task.done()
        files.write("c", 0, "2026-01-01T00:00:10.0Z stdout F last")
        set_statuses(client, {**STATUS, "state": {"terminated": {"exitCode": 0}}})
        await turn(client)
        await turn(client)
        assert stream.task.done()
        assert bytes(stream.body) == b"line 1\nmore\nlast\n"

    client = cluster(files, ("c",), STATUS)
    asyncio.run(story())


def test_a_follower_that_goes_is_let_go(files: LogFiles) -> None:
    async def story() -> Any:
        files.write("c", 0, *lines(1))
        stream = Stream(client, "GET", f"{LOG}?follow=true")
        await turn(client)
        stream.leave()
        await settle()
        await turn(client)
        assert stream.task.done()

    client = cluster(files, ("c",), STATUS)
    asyncio.run(story())


async def turn(client: Client) -> None:
    await settle()
    client.clock.run_for(0.2)
    await settle()
