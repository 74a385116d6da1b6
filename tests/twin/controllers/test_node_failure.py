"""A node that fails, with the twin's own kubelets and scheduler."""

from __future__ import annotations

from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.world.objects import Obj


def start(*nodes: str) -> tuple[Cluster, VirtualClock]:
    clock = VirtualClock()
    cluster = Cluster(clock, SimulatedRuntime(clock), [NodeSpec(name) for name in nodes], seed=1, track_fields=False)
    cluster.start()
    clock.run_for(1)
    return cluster, clock


def deploy(cluster: Cluster, replicas: int) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    metadata = {"name": "web", "namespace": "default"}
    cluster.registry.create(
        "deployments.apps", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    )


def nodes_of(pods: list[Obj]) -> list[str]:
    return sorted(pod["spec"].get("nodeName", "") for pod in pods if "deletionTimestamp" not in pod["metadata"])


def test_pods_of_a_silent_node_are_replaced_on_another_after_five_minutes() -> None:
    cluster, clock = start("node-a", "node-b")
    deploy(cluster, 4)
    clock.run_for(10)
    assert nodes_of(cluster.registry.list("pods", "default")) == ["node-a", "node-a", "node-b", "node-b"]
    cluster.remove_node("node-b", forget=False)
    clock.run_for(60)
    assert cluster.registry.get("deployments.apps", "default", "web")["status"]["availableReplicas"] == 2
    clock.run_for(300)
    status = cluster.registry.get("deployments.apps", "default", "web")["status"]
    assert nodes_of(cluster.registry.list("pods", "default")) == ["node-a"] * 4
    assert status["availableReplicas"] == 4
    cluster.stop()


def test_a_node_that_was_given_up_and_renews_its_lease_is_ready_again() -> None:
    cluster, clock = start("node-a")
    node = cluster.registry.get("nodes", "", "node-a")
    conditions = [{**each, "status": "Unknown"} if each["type"] == "Ready" else each for each in node["status"]["conditions"]]
    status = {**node["status"], "conditions": conditions}
    cluster.registry.update_status("nodes", {**node, "metadata": dict(node["metadata"]), "status": status})
    clock.run_for(0.1)
    assert {taint["key"] for taint in cluster.registry.get("nodes", "", "node-a")["spec"]["taints"]} == {
        "node.kubernetes.io/unreachable"
    }
    clock.run_for(15)
    assert "taints" not in cluster.registry.get("nodes", "", "node-a")["spec"]
    cluster.stop()
