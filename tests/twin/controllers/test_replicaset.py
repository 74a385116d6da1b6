from __future__ import annotations

from dataclasses import replace

import pytest
from fake_cluster import Cluster

from seatrial.twin import errors
from seatrial.twin.clock import timestamp
from seatrial.twin.controllers.pods import create_in_batches
from seatrial.twin.controllers.replicaset import first_to_go
from seatrial.twin.registry.options import Options
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj

NOW = 1_767_225_600.0


def replica_set(replicas: int, **spec: object) -> str:
    extra = "".join(f"\n  {key}: {value}" for key, value in spec.items())
    return f"""
apiVersion: apps/v1
kind: ReplicaSet
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: c, image: v1}}]}}{extra}
"""


class Room:
    """Admission that lets so many pods in, as a quota would."""

    def __init__(self, room: int) -> None:
        self.room, self.refused = room, list[float]()

    def check(self, registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
        if resource == "pods" and old is None and registry.store.count("pods") >= self.room:
            self.refused.append(registry.clock.now())
            raise errors.forbidden("", "pods", obj["metadata"]["name"], "exceeded quota: team")


def limit(cluster: Cluster, room: int) -> Room:
    quota = Room(room)
    cluster.registry.admission = replace(cluster.registry.admission, checks=(quota.check,))
    return quota


def test_it_keeps_as_many_pods_as_its_spec_says(cluster: Cluster) -> None:
    cluster.apply(replica_set(3))
    cluster.until(lambda: cluster.status("replicasets.apps", "web").get("availableReplicas") == 3)
    assert cluster.status("replicasets.apps", "web") == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
        "observedGeneration": 1,
    }
    victim = cluster.list("pods")[0]["metadata"]["name"]
    cluster.registry.delete("pods", "default", victim)
    cluster.run(0.1)
    assert cluster.status("replicasets.apps", "web")["terminatingReplicas"] == 1
    assert len(cluster.list("pods")) == 4
    cluster.run(5)
    assert len(cluster.list("pods")) == 3


def test_a_refused_pod_becomes_a_condition_and_an_event_and_is_tried_again_ever_more_slowly(cluster: Cluster) -> None:
    quota = limit(cluster, 2)
    cluster.apply(replica_set(3))
    cluster.run(0.1)
    status = cluster.status("replicasets.apps", "web")
    (condition,) = status["conditions"]
    assert status["replicas"] == 2
    assert (condition["type"], condition["status"], condition["reason"]) == ("ReplicaFailure", "True", "FailedCreate")
    assert condition["message"].endswith("is forbidden: exceeded quota: team")
    assert any(message.startswith("Error creating: pods ") for message in cluster.events("FailedCreate"))
    cluster.run(10)
    tries = len(quota.refused)
    quota.room = 3
    cluster.run(10)
    assert len(cluster.list("pods")) == 2, "there is room, but the next try is far off"
    waited = cluster.until(lambda: len(cluster.list("pods")) == 3)
    assert 10 + 10 + waited > 0.005 * 2 ** (tries - 1)
    cluster.run(5)
    assert "conditions" not in cluster.status("replicasets.apps", "web")


def test_pods_are_created_in_batches_that_double_until_one_fails() -> None:
    asked = 0

    def create() -> None:
        nonlocal asked
        asked += 1
        if asked > 3:
            raise errors.forbidden("", "pods", "p", "exceeded quota")

    with pytest.raises(errors.ApiError):
        create_in_batches(20, create)
    assert asked == 1 + 2 + 4


def test_it_adopts_a_pod_that_its_selector_matches_and_releases_one_that_it_no_longer_matches(cluster: Cluster) -> None:
    text = "{apiVersion: v1, kind: Pod, metadata: {name: stray, labels: {app: web}}, spec: {containers: [{name: c, image: v0}]}}"
    cluster.apply(text)
    cluster.apply(replica_set(2))
    cluster.run(1)
    assert len(cluster.list("pods")) == 2
    assert cluster.get("pods", "stray")["metadata"]["ownerReferences"][0]["name"] == "web"
    cluster.change("pods", "stray", metadata__labels={"app": "debug"})
    cluster.run(1)
    assert "ownerReferences" not in cluster.get("pods", "stray")["metadata"]
    assert len(cluster.list("pods")) == 3


def pod(name: str, *, node: str = "a", ready: float | None = 1000.0, **more: object) -> Obj:
    """A pod that became ready so many seconds ago (None: it is not ready)."""
    conditions = []
    if ready is not None:
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": timestamp(NOW - ready)}]
    restarts = more.get("restarts", 0)
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": timestamp(NOW - float(str(more.get("age", 1000)))),
            "annotations": {"controller.kubernetes.io/pod-deletion-cost": str(more.get("cost", 0))},
        },
        "spec": {"nodeName": node},
        "status": {
            "phase": more.get("phase", "Running"),
            "conditions": conditions,
            "containerStatuses": [{"name": "c", "restartCount": restarts}],
        },
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(pod("z", node=""), pod("a", ready=None), id="unassigned before assigned"),
        pytest.param(pod("z", phase="Pending"), pod("a", ready=None), id="pending before running"),
        pytest.param(pod("z", ready=None), pod("a", cost=-5), id="not ready before ready"),
        pytest.param(pod("z", cost=-5), pod("a", ready=1), id="cheaper before dearer"),
        pytest.param(pod("z", ready=1), pod("a", ready=1000), id="ready for a shorter time before longer"),
        pytest.param(pod("z", restarts=3), pod("a", age=1), id="restarted before steady"),
        pytest.param(pod("z", age=1), pod("a"), id="younger before older"),
    ],
)
def test_the_pod_that_is_missed_least_goes_first(first: Obj, second: Obj) -> None:
    assert [each["metadata"]["name"] for each in first_to_go([second, first], [second, first], NOW, 1)] == ["z"]


def test_a_pod_doubled_up_on_its_node_goes_before_one_that_is_alone() -> None:
    pods = [pod("alone", node="b"), pod("one", node="a"), pod("other", node="a")]
    assert first_to_go(pods, pods, NOW, 1)[0]["spec"]["nodeName"] == "a"


def test_min_ready_seconds_make_a_ready_pod_available_later(cluster: Cluster) -> None:
    cluster.apply(replica_set(1, minReadySeconds=5))
    cluster.until(lambda: cluster.status("replicasets.apps", "web").get("readyReplicas") == 1)
    waited = cluster.until(lambda: cluster.status("replicasets.apps", "web").get("availableReplicas") == 1)
    assert 4 <= waited <= 5  # from the whole second in which the pod became ready
