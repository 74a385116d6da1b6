"""Lists: selectors, pages, versions, tables."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from in_process import CONFIG_MAPS, PODS, Client, Stream, config_map, pod, settle

from seatrial.twin.api.listing import LARGE, PIECE
from seatrial.world.objects import Obj

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def names(reply: object) -> list[str]:
    return [item["metadata"]["name"] for item in reply.json["items"]]  # type: ignore[attr-defined]


def filled(count: int = 5, history: int = 20_000) -> Client:
    client = Client(history)
    for number in range(count):
        client.create(CONFIG_MAPS, config_map(f"c{number}", {"parity": "odd" if number % 2 else "even"}))
    return client


def test_a_list_has_the_version_at_which_it_was_true() -> None:
    client = filled(2)
    reply = client.get(CONFIG_MAPS)
    assert (reply.json["kind"], reply.json["apiVersion"]) == ("ConfigMapList", "v1")
    assert reply.json["metadata"] == {"resourceVersion": str(client.registry.store.version)}
    assert names(client.get("/api/v1/configmaps")) == names(reply) == ["c0", "c1"]


def in_shop(obj: Obj) -> Obj:
    return {**obj, "metadata": {**obj["metadata"], "namespace": "shop"}}


def large() -> tuple[Client, list[str]]:
    """More objects than are encoded before the answer begins."""
    client = Client()
    expected = [f"c{number:04}" for number in range(LARGE + PIECE // 2)]
    for name in expected:
        client.registry.create("configmaps", in_shop(config_map(name)))
    return client, expected


def test_a_large_list_comes_in_pieces_and_is_one_document() -> None:
    client, expected = large()
    reply = client.get(CONFIG_MAPS)
    assert "content-length" not in reply.headers
    assert reply.json["metadata"] == {"resourceVersion": str(client.registry.store.version)}
    assert names(reply) == expected
    assert reply.json["items"][0] == client.get(f"{CONFIG_MAPS}/c0000").json
    assert names(client.get(f"{CONFIG_MAPS}?limit=3")) == expected[:3]


def test_a_large_list_is_of_one_version_whatever_changes_while_it_is_sent() -> None:
    client, expected = large()
    version = client.registry.store.version

    async def change_while_it_is_sent() -> Stream:
        stream = Stream(client, "GET", CONFIG_MAPS)
        stream.hold = asyncio.Event()
        await settle()
        client.registry.delete("configmaps", "shop", expected[-1])
        client.registry.update("configmaps", in_shop(config_map(expected[-2], colour="red")))
        stream.hold.set()
        await stream.task
        return stream

    stream = asyncio.run(change_while_it_is_sent())
    listed = orjson.loads(bytes(stream.body))
    assert [item["metadata"]["name"] for item in listed["items"]] == expected
    assert listed["metadata"]["resourceVersion"] == str(version)
    assert "colour" not in listed["items"][-2]["data"]
    assert client.get(f"{CONFIG_MAPS}/{expected[-2]}").json["data"]["colour"] == "red"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("labelSelector=parity%3Dodd", ["c1", "c3"]),
        ("labelSelector=parity+in+(odd,even),!gone", ["c0", "c1", "c2", "c3", "c4"]),
        ("fieldSelector=metadata.name%3Dc2", ["c2"]),
        ("fieldSelector=metadata.name!%3Dc2,metadata.namespace%3Dshop", ["c0", "c1", "c3", "c4"]),
        ("labelSelector=parity%3Dodd&fieldSelector=metadata.name%3Dc1", ["c1"]),
    ],
)
def test_selectors_choose(selector: str, expected: list[str]) -> None:
    assert names(filled().get(f"{CONFIG_MAPS}?{selector}")) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"{PODS}?fieldSelector=spec.nonsense%3D1", "field label not supported: spec.nonsense"),
        (
            f"{CONFIG_MAPS}?fieldSelector=data.a%3D1",
            '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        (f"{PODS}?fieldSelector=what", "invalid selector: 'what'; can't understand 'what'"),
    ],
)
def test_fields_that_cannot_be_asked_for(path: str, message: str) -> None:
    reply = Client().get(path)
    assert (reply.status, reply.json["message"]) == (400, message)


def test_pods_are_found_by_node_and_phase() -> None:
    client = Client()
    client.create(PODS, pod("a"))
    client.create(PODS, pod("b"))
    client.registry.bind("shop", "a", "node-1")
    assert names(client.get(f"{PODS}?fieldSelector=spec.nodeName%3Dnode-1")) == ["a"]
    assert names(client.get(f"{PODS}?fieldSelector=spec.nodeName%3D")) == ["b"]
    assert names(client.get(f"{PODS}?fieldSelector=status.phase!%3DRunning")) == ["a", "b"]


def test_pages_show_one_moment_whatever_happens_between_them() -> None:
    client = filled(5)
    first = client.get(f"{CONFIG_MAPS}?limit=2")
    assert names(first) == ["c0", "c1"]
    assert first.json["metadata"]["remainingItemCount"] == 3
    client("DELETE", f"{CONFIG_MAPS}/c3")
    client.create(CONFIG_MAPS, config_map("c2a"))
    token = first.json["metadata"]["continue"]
    second = client.get(f"{CONFIG_MAPS}?limit=2&continue={token}")
    assert names(second) == ["c2", "c3"]
    assert second.json["metadata"]["resourceVersion"] == first.json["metadata"]["resourceVersion"]
    last = client.get(f"{CONFIG_MAPS}?limit=2&continue={second.json['metadata']['continue']}")
    assert names(last) == ["c4"]
    assert "continue" not in last.json["metadata"]


def test_a_page_of_the_distant_past_has_expired() -> None:
    client = filled(3, history=5)
    token = client.get(f"{CONFIG_MAPS}?limit=1").json["metadata"]["continue"]
    for number in range(6):
        client.create(CONFIG_MAPS, config_map(f"d{number}"))
    reply = client.get(f"{CONFIG_MAPS}?limit=1&continue={token}")
    assert (reply.status, reply.json["reason"]) == (410, "Expired")
    assert client.get(f"{CONFIG_MAPS}?continue=nonsense").status == 400


def test_a_list_of_an_exact_version() -> None:
    client = filled(1)
    version = client.registry.store.version
    client.create(CONFIG_MAPS, config_map("later"))
    assert names(client.get(f"{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=Exact")) == ["c0"]
    assert names(client.get(f"{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=NotOlderThan")) == ["c0", "later"]


def test_a_version_that_does_not_exist_yet() -> None:
    reply = filled(1).get(f"{CONFIG_MAPS}?resourceVersion=999&resourceVersionMatch=NotOlderThan")
    assert (reply.status, reply.json["message"]) == (504, "Timeout: Too large resource version: 999, current: 3")
    assert reply.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize(
    "query", ["resourceVersion=x", "resourceVersionMatch=Exact", "resourceVersion=1&resourceVersionMatch=Almost"]
)
def test_versions_that_make_no_sense(query: str) -> None:
    assert Client().get(f"{CONFIG_MAPS}?{query}").status == 422


def test_a_table_has_columns_rows_and_the_metadata_of_its_objects() -> None:
    client = filled(1)
    client.clock.run_for(90)
    table = client.get(CONFIG_MAPS, accept=TABLE).json
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"] == ["c0", "0", "90s"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    whole = client.get(f"{CONFIG_MAPS}?includeObject=Object", accept=TABLE).json
    assert whole["rows"][0]["object"]["kind"] == "ConfigMap"
    bare = client.get(f"{CONFIG_MAPS}?includeObject=None", accept=TABLE).json
    assert "object" not in bare["rows"][0]
    one = client.get(f"{CONFIG_MAPS}/c0", accept=TABLE).json
    assert one["rows"] == table["rows"]


def test_metadata_alone() -> None:
    client = filled(1)
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    reply = client.get(CONFIG_MAPS, accept=accept).json
    assert reply["kind"] == "PartialObjectMetadataList"
    assert set(reply["items"][0]) == {"kind", "apiVersion", "metadata"}
