"""Updates are recorded in managedFields as the reference server records them."""

from __future__ import annotations

from typing import Any

from any_objects import recorded_answers
from seatrial.twin.merge import track_update
from seatrial.world import schema
from seatrial.world.objects import Obj, clone

NOW = 1_767_225_600.0


def config(**data: str) -> Obj:
    return schema.normalise({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})


def stored(obj: Obj) -> Obj:
    return {**obj, "metadata": {**obj["metadata"], "uid": "1"}}


def entries(obj: Obj) -> list[tuple[str, str, Any]]:
    return [(entry["manager"], entry["operation"], entry["fieldsV1"]) for entry in obj["metadata"].get("managedFields", ())]


def test_a_creation_owns_what_it_sends_with_its_defaults_but_not_the_name() -> None:
    pod = next(answer for answer in recorded_answers() if answer["kind"] == "Pod")
    created = track_update(None, clone(pod), manager="kubectl-run", now=NOW)
    (entry,) = created["metadata"]["managedFields"]
    assert list(entry) == ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1"]
    assert (entry["manager"], entry["operation"], entry["time"]) == ("kubectl-run", "Update", "2026-01-01T00:00:00Z")
    assert "f:metadata" not in entry["fieldsV1"]
    container = entry["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"c"}']
    assert container["."] == {}
    assert "f:imagePullPolicy" in container
    assert "." not in entry["fieldsV1"]["f:spec"]["f:containers"]


def test_maps_that_a_creation_brings_are_owned_themselves() -> None:
    created = track_update(None, config(a="1"), manager="m", now=NOW)
    assert entries(created) == [("m", "Update", {"f:data": {".": {}, "f:a": {}}})]


def test_an_update_takes_what_it_changes_and_leaves_the_rest() -> None:
    live = stored(track_update(None, config(a="1", b="1"), manager="first", now=NOW))
    after = track_update(live, stored(config(a="2", b="1", c="1")), manager="second", now=NOW + 1)
    assert entries(after) == [
        ("first", "Update", {"f:data": {".": {}, "f:b": {}}}),
        ("second", "Update", {"f:data": {"f:a": {}, "f:c": {}}}),
    ]


def test_removed_fields_lose_their_owner() -> None:
    live = stored(track_update(None, config(a="1", b="1"), manager="first", now=NOW))
    after = track_update(live, stored(config(b="1")), manager="second", now=NOW + 1)
    assert entries(after) == [("first", "Update", {"f:data": {".": {}, "f:b": {}}})]


def test_an_update_that_changes_nothing_leaves_the_times_alone() -> None:
    live = stored(track_update(None, config(a="1"), manager="m", now=NOW))
    assert track_update(live, clone(live), manager="m", now=NOW + 60) == live
    assert track_update(live, clone(live), manager="other", now=NOW + 60) == live


def test_the_status_is_tracked_apart() -> None:
    deployment: Obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 1}}
    live = stored(track_update(None, schema.normalise(deployment), manager="kubectl", now=NOW))
    new = clone(live)
    new["status"]["replicas"] = 1
    after = track_update(live, new, manager="kube-controller-manager", now=NOW + 1, subresource="status")
    last = after["metadata"]["managedFields"][-1]
    assert (last["manager"], last["subresource"]) == ("kube-controller-manager", "status")
    assert last["fieldsV1"] == {"f:status": {"f:replicas": {}}}


def test_managed_fields_of_the_client_replace_the_stored_and_an_empty_entry_throws_them_away() -> None:
    live = stored(track_update(None, config(a="1"), manager="kubectl-client-side-apply", now=NOW))
    renamed = clone(live)
    renamed["metadata"]["managedFields"][0].update(manager="kubectl", operation="Apply")
    assert entries(track_update(live, clone(renamed), manager="k", now=NOW))[0][:2] == ("kubectl", "Apply")
    reset = clone(live)
    reset["metadata"]["managedFields"] = [{}]
    assert entries(track_update(live, reset, manager="k", now=NOW)) == []


def test_an_object_that_nobody_tracked_stays_untracked_by_updates() -> None:
    live = stored(config(a="1"))
    assert entries(track_update(live, stored(config(a="2")), manager="m", now=NOW)) == []


def test_entries_are_sorted_by_operation_then_time() -> None:
    live = stored(track_update(None, config(a="1"), manager="z", now=NOW))
    live = track_update(live, stored(config(a="1", b="1")), manager="a", now=NOW + 5, operation="Apply")
    live = track_update(live, stored({**config(a="1", b="1", c="1"), "metadata": live["metadata"]}), manager="b", now=NOW + 2)
    assert [name for name, *_ in entries(live)] == ["a", "z", "b"]


def test_the_oldest_of_more_than_ten_updates_are_gathered() -> None:
    data: dict[str, str] = {}
    live: Obj | None = None
    for number in range(13):
        data[f"k{number:02}"] = "1"
        live = stored(track_update(live, stored(config(**data)), manager=f"m{number:02}", now=NOW + number))
    assert live is not None
    found = entries(live)
    assert len(found) == 10
    assert found[0][0] == "ancient-changes"
    assert {f"f:k{number:02}" for number in range(4)} <= set(found[0][2]["f:data"])
