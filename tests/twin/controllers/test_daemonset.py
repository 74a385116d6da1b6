from __future__ import annotations

import pytest
from fake_cluster import Cluster

from seatrial.twin.controllers import all_controllers
from seatrial.world.objects import Obj, name_of

SETS = "daemonsets.apps"
NODES = ("node-a", "node-b", "node-c", "node-d")


def daemon_set(**spec: object) -> str:
    more = "".join(f"\n  {key}: {value}" for key, value in spec.items())
    return f"""
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent}}
spec:
  selector: {{matchLabels: {{app: agent}}}}
  template: {template("v1")}{more}
"""


def template(image: str, **spec: object) -> Obj:
    return {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def node(name: str, **labels: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    }


@pytest.fixture
def nodes() -> Cluster:
    cluster = Cluster(all_controllers, nodes=NODES)
    for name in NODES:
        cluster.registry.create("nodes", node(name, disk="ssd" if name < "node-c" else "hdd"))
    cluster.run(1)
    return cluster


def places(cluster: Cluster) -> list[str]:
    return sorted(pod["spec"]["nodeName"] for pod in cluster.list("pods") if not pod["metadata"].get("deletionTimestamp"))


def images(cluster: Cluster) -> list[str]:
    return sorted(pod["spec"]["containers"][0]["image"] for pod in cluster.list("pods"))


def test_every_node_gets_a_pod_tied_to_it_by_its_name(nodes: Cluster) -> None:
    nodes.apply(daemon_set())
    nodes.run(5)
    assert places(nodes) == list(NODES)
    status = nodes.status(SETS, "agent")
    assert {part: status[part] for part in status if part != "observedGeneration"} == {
        "currentNumberScheduled": 4,
        "desiredNumberScheduled": 4,
        "numberMisscheduled": 0,
        "numberReady": 4,
        "updatedNumberScheduled": 4,
        "numberAvailable": 4,
    }
    tolerations = {each.get("key") for each in nodes.list("pods")[0]["spec"]["tolerations"]}
    assert "node.kubernetes.io/unschedulable" in tolerations


def test_a_new_node_gets_its_pod_and_a_selector_leaves_nodes_out(nodes: Cluster) -> None:
    nodes.apply(daemon_set().replace("'image': 'v1'}]", "'image': 'v1'}], 'nodeSelector': {'disk': 'ssd'}"))
    nodes.run(3)
    assert places(nodes) == ["node-a", "node-b"]
    nodes.registry.create("nodes", node("node-e", disk="ssd"))
    nodes.run(3)
    assert places(nodes) == ["node-a", "node-b", "node-e"]


def test_a_tainted_node_gets_no_pod_and_one_that_must_not_stay_loses_it(nodes: Cluster) -> None:
    nodes.change("nodes", "node-a", "", spec__taints=[{"key": "team", "value": "gpu", "effect": "NoSchedule"}])
    nodes.apply(daemon_set())
    nodes.run(3)
    assert places(nodes) == ["node-b", "node-c", "node-d"]
    nodes.change("nodes", "node-b", "", spec__taints=[{"key": "team", "value": "gpu", "effect": "NoExecute"}])
    nodes.run(3)
    assert places(nodes) == ["node-c", "node-d"]


def test_an_update_takes_one_node_at_a_time(nodes: Cluster) -> None:
    nodes.apply(daemon_set())
    nodes.run(5)
    ready = nodes.trace(SETS, "agent", "numberAvailable")
    nodes.change(SETS, "agent", spec__template=template("v2"))
    nodes.until(lambda: images(nodes) == ["v2"] * 4 and nodes.status(SETS, "agent").get("numberAvailable") == 4)
    assert min(available for (available,) in ready) == 3


def test_with_surge_the_old_pod_goes_when_the_new_one_is_available(nodes: Cluster) -> None:
    nodes.apply(daemon_set(updateStrategy="{type: RollingUpdate, rollingUpdate: {maxSurge: 2, maxUnavailable: 0}}"))
    nodes.run(5)
    most: list[int] = []
    nodes.store.subscribe("pods", lambda change: most.append(len(nodes.list("pods"))))
    nodes.change(SETS, "agent", spec__template=template("v2"))
    nodes.until(lambda: images(nodes) == ["v2"] * 4)
    assert max(most) > 4


def test_on_delete_nothing_is_updated_by_itself(nodes: Cluster) -> None:
    nodes.apply(daemon_set(updateStrategy="{type: OnDelete}"))
    nodes.run(5)
    nodes.change(SETS, "agent", spec__template=template("v2"))
    nodes.run(5)
    assert images(nodes) == ["v1"] * 4
    assert "updatedNumberScheduled" not in nodes.status(SETS, "agent")


def test_a_failed_daemon_is_replaced_ever_more_slowly(nodes: Cluster) -> None:
    made: list[str] = []
    nodes.store.subscribe("pods", lambda change: made.append(name_of(change.object)) if change.type == "ADDED" else None)
    nodes.apply(daemon_set().replace("'image': 'v1'", "'image': 'fails'"))
    nodes.run(60)
    assert 4 * 4 <= len(made) <= 4 * 7
    assert any(message.startswith("Found failed daemon pod default/agent-") for message in nodes.events("FailedDaemonPod"))
