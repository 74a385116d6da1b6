from __future__ import annotations

from fake_cluster import Cluster

from seatrial.world.objects import Obj


def pod(name: str = "web-1") -> Obj:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "7"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def test_an_event_names_its_object_source_and_time(cluster: Cluster) -> None:
    cluster.context.events.emit(pod(), "Warning", "BackOff", "again", "kubelet", field_path="spec.containers{c}", host="node-a")
    (event,) = cluster.list("events")
    name, _, moment = event["metadata"]["name"].rpartition(".")
    assert name == "web-1"
    assert int(moment, 16) == int(cluster.clock.now() * 1e9)
    del event["metadata"]
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "type": "Warning",
        "reason": "BackOff",
        "message": "again",
        "count": 1,
        "firstTimestamp": "2026-01-01T00:00:01Z",
        "lastTimestamp": "2026-01-01T00:00:01Z",
        "eventTime": None,
        "source": {"component": "kubelet", "host": "node-a"},
        "reportingComponent": "kubelet",
        "reportingInstance": "node-a",
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": "default",
            "name": "web-1",
            "uid": "uid-web-1",
            "resourceVersion": "7",
            "fieldPath": "spec.containers{c}",
        },
    }


def test_the_same_event_again_is_counted(cluster: Cluster) -> None:
    for _ in range(3):
        cluster.context.events.emit(pod(), "Warning", "BackOff", "again", "kubelet")
        cluster.run(10)
    (event,) = cluster.list("events")
    assert (event["count"], event["firstTimestamp"], event["lastTimestamp"]) == (
        3,
        "2026-01-01T00:00:01Z",
        "2026-01-01T00:00:21Z",
    )


def test_other_messages_objects_and_reasons_are_other_events(cluster: Cluster) -> None:
    for who, reason, message in ((pod(), "A", "x"), (pod(), "A", "y"), (pod(), "B", "x"), (pod("web-2"), "A", "x")):
        cluster.context.events.emit(who, "Normal", reason, message, "kubelet")
    assert [event["count"] for event in cluster.list("events")] == [1, 1, 1, 1]


def test_ten_similar_messages_are_combined(cluster: Cluster) -> None:
    for number in range(14):
        cluster.context.events.emit(pod(), "Warning", "FailedCreate", f"pod {number} refused", "replicaset-controller")
    events = cluster.list("events")
    assert len(events) == 10
    (combined,) = [event for event in events if event["message"].startswith("(combined from similar events): ")]
    assert combined["count"] == 5
    assert combined["message"] == "(combined from similar events): pod 13 refused"


def test_a_flood_about_one_object_is_held_back_and_one_more_passes_every_five_minutes(cluster: Cluster) -> None:
    for _ in range(40):
        cluster.context.events.emit(pod(), "Warning", "BackOff", "again", "kubelet")
    (event,) = cluster.list("events")
    assert event["count"] == 25
    cluster.run(301)
    for _ in range(2):
        cluster.context.events.emit(pod(), "Warning", "BackOff", "again", "kubelet")
    assert cluster.list("events")[0]["count"] == 26


def test_an_event_is_forgotten_an_hour_after_it_last_happened(cluster: Cluster) -> None:
    cluster.context.events.emit(pod(), "Normal", "Started", "started", "kubelet")
    cluster.run(3000)
    cluster.context.events.emit(pod(), "Normal", "Started", "started", "kubelet")
    cluster.run(1000)
    assert len(cluster.list("events")) == 1
    cluster.run(3000)
    assert cluster.list("events") == []


def test_an_event_about_a_node_is_in_the_default_namespace(cluster: Cluster) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a", "uid": "n"}}
    cluster.context.events.emit(node, "Normal", "NodeReady", "ready", "kubelet")
    assert len(cluster.list("events", "default")) == 1
