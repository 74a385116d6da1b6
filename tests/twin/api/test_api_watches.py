"""Watches: what a client sees of changes, and what becomes of clients that do not look."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from in_process import CONFIG_MAPS, Client, Stream, config_map, settle

from seatrial.twin.api import watching

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def watch(client: Client, query: str = "", **headers: str) -> Stream:
    stream = Stream(client, "GET", f"{CONFIG_MAPS}?watch=true{query}", **headers)
    await settle()
    return stream


async def end(*streams: Stream) -> None:
    for stream in streams:
        stream.leave()
    await asyncio.gather(*(stream.task for stream in streams))


def test_a_watch_tells_what_is_there_and_then_what_happens() -> None:
    async def story() -> None:
        client = Client()
        await client.call("POST", CONFIG_MAPS, config_map("old"))
        stream = await watch(client)
        await client.call("POST", CONFIG_MAPS, config_map("new"))
        await client.call("PUT", f"{CONFIG_MAPS}/new", config_map("new", a="1"))
        await client.call("DELETE", f"{CONFIG_MAPS}/new")
        await settle()
        assert stream.names == [("ADDED", "old"), ("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "new")]
        versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in stream.events]
        assert versions == sorted(set(versions))
        await end(stream)

    play(story())


def test_a_watch_from_a_version_tells_what_came_after_it() -> None:
    async def story() -> None:
        client = Client()
        await client.call("POST", CONFIG_MAPS, config_map("a"))
        version = client.registry.store.version
        await client.call("POST", CONFIG_MAPS, config_map("b"))
        stream = await watch(client, f"&resourceVersion={version}")
        assert stream.names == [("ADDED", "b")]
        await end(stream)

    play(story())


def test_a_version_out_of_history_has_expired() -> None:
    async def story() -> None:
        client = Client(history=3)
        for number in range(6):
            await client.call("POST", CONFIG_MAPS, config_map(f"c{number}"))
        stream = await watch(client, "&resourceVersion=1")
        [(type_, status)] = stream.events
        assert (stream.status, type_) == (200, "ERROR")
        assert (status["code"], status["reason"], status["message"]) == (410, "Expired", "too old resource version: 1 (5)")
        assert stream.task.done()

    play(story())


def test_an_object_comes_into_a_selection_and_leaves_it() -> None:
    async def story() -> None:
        client = Client()
        stream = await watch(client, "&labelSelector=app%3Dweb")
        await client.call("POST", CONFIG_MAPS, config_map("c", {"app": "other"}))
        await client.call("PUT", f"{CONFIG_MAPS}/c", config_map("c", {"app": "web"}))
        await client.call("PUT", f"{CONFIG_MAPS}/c", config_map("c", {"app": "web"}, a="1"))
        await client.call("PUT", f"{CONFIG_MAPS}/c", config_map("c", {"app": "other"}, a="1"))
        await client.call("DELETE", f"{CONFIG_MAPS}/c")
        await settle()
        assert [type_ for type_, _ in stream.events] == ["ADDED", "MODIFIED", "DELETED"]
        gone = stream.events[-1][1]["metadata"]
        assert gone["labels"] == {"app": "web"}
        assert int(gone["resourceVersion"]) == client.registry.store.version - 1
        await end(stream)

    play(story())


def test_a_watch_of_one_name_hears_of_no_other() -> None:
    async def story() -> None:
        client = Client()
        stream = await watch(client, "&fieldSelector=metadata.name%3Da")
        for name in "ab":
            await client.call("POST", CONFIG_MAPS, config_map(name))
        await settle()
        assert stream.names == [("ADDED", "a")]
        await end(stream)

    play(story())


def test_a_watch_list_says_where_the_list_ends() -> None:
    async def story() -> None:
        client = Client()
        await client.call("POST", CONFIG_MAPS, config_map("a"))
        query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        stream = await watch(client, query)
        assert stream.names == [("ADDED", "a"), ("BOOKMARK", "")]
        bookmark = stream.events[1][1]
        assert (bookmark["kind"], bookmark["apiVersion"]) == ("ConfigMap", "v1")
        assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert bookmark["metadata"]["resourceVersion"] == str(client.registry.store.version)
        await end(stream)

    play(story())


@pytest.mark.parametrize("query", ["&sendInitialEvents=true", "&resourceVersion=1&resourceVersionMatch=NotOlderThan"])
def test_a_watch_list_that_is_asked_for_by_halves_is_refused(query: str) -> None:
    reply = Client().get(f"{CONFIG_MAPS}?watch=true{query}")
    assert (reply.status, reply.json["reason"]) == (422, "Invalid")


def test_bookmarks_come_every_minute_for_those_who_asked() -> None:
    async def story() -> None:
        client = Client()
        stream, plain = await watch(client, "&allowWatchBookmarks=true"), await watch(client)
        client.clock.run_for(125)
        await settle()
        assert [type_ for type_, _ in stream.events] == ["BOOKMARK", "BOOKMARK"]
        assert plain.events == []
        await end(stream, plain)

    play(story())


def test_a_watch_ends_when_its_time_is_up() -> None:
    async def story() -> None:
        client = Client()
        stream = await watch(client, "&timeoutSeconds=30")
        client.clock.run_for(29)
        await settle()
        assert not stream.task.done()
        client.clock.run_for(2)
        await asyncio.wait_for(stream.task, 1)
        assert len(client.api.watches) == 0

    play(story())


def test_tables_are_watched_too() -> None:
    async def story() -> None:
        client = Client()
        stream = await watch(client, accept=TABLE)
        for name in "ab":
            await client.call("POST", CONFIG_MAPS, config_map(name))
        await settle()
        first, second = (table for _, table in stream.events)
        assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert second["columnDefinitions"] is None
        assert [table["rows"][0]["cells"][0] for table in (first, second)] == ["a", "b"]
        await end(stream)

    play(story())


def test_a_watcher_that_goes_is_forgotten() -> None:
    async def story() -> None:
        client = Client()
        stream = await watch(client)
        assert len(client.api.watches) == 1
        await end(stream)
        assert len(client.api.watches) == 0
        await client.call("POST", CONFIG_MAPS, config_map("a"))
        assert stream.events == []

    play(story())


def test_a_watcher_that_takes_nothing_is_dropped_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_BEHIND", 5_000)

    async def story() -> None:
        client = Client()
        slow, quick = await watch(client), await watch(client)
        slow.hold = asyncio.Event()
        for number in range(20):
            await client.call("POST", CONFIG_MAPS, config_map(f"c{number:02}", a="x" * 500))
            await settle()
        assert len(quick.events) == 20
        await asyncio.wait_for(slow.task, 1)
        assert len(client.api.watches) == 1
        await end(quick)

    play(story())


def test_closing_the_server_completes_its_watches() -> None:
    async def story() -> None:
        client = Client()
        stream = await watch(client)
        client.api.close()
        await asyncio.wait_for(stream.task, 1)
        assert stream.status == 200

    play(story())
