"""Nodes: what a kubelet says of its own, the lease by which it lives, and the pods it does not take."""

import pytest
from quay import EXACT, NODE, Quay, container, running

from seatrial.twin.clock import VirtualClock, seconds_of
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec, allocatable_of, machine_cpus, machine_memory
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.world import quantity

LEASES = "leases.coordination.k8s.io"


@pytest.fixture
def quay():
    return Quay()


def node_of(quay, name=NODE):
    return quay.registry.get("nodes", "", name)


def test_a_node_of_any_size_place_and_taint_can_be_had():
    taint = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    resources = {"nvidia.com/gpu": "4"}
    spec = NodeSpec(
        "node-a",
        cpu="64",
        memory="256Gi",
        pods=250,
        zone="b",
        region="eu",
        labels={"disk": "ssd"},
        taints=[taint],
        resources=resources,
    )
    node = node_of(Quay(spec=spec))
    assert {key: node["status"]["capacity"][key] for key in ("cpu", "memory", "pods", "nvidia.com/gpu")} == {
        "cpu": "64",
        "memory": "256Gi",
        "pods": "250",
        "nvidia.com/gpu": "4",
    }
    labels = node["metadata"]["labels"]
    assert labels["topology.kubernetes.io/zone"] == "b"
    assert labels["topology.kubernetes.io/region"] == "eu"
    assert labels["kubernetes.io/hostname"] == "node-a"
    assert labels["disk"] == "ssd"
    assert node["spec"]["taints"] == [taint]


def test_what_a_node_reserves_for_itself_is_not_for_pods():
    amounts = allocatable_of(NodeSpec("n", cpu="4", memory="8Gi", reserved={"cpu": "500m", "memory": "1Gi"}))
    assert (amounts["cpu"], amounts["memory"]) == ("3500m", "7Gi")


def test_a_node_without_a_size_has_the_machines():
    amounts = allocatable_of(NodeSpec("n"))
    assert quantity.parse(amounts["cpu"]) == machine_cpus()
    assert abs(quantity.whole(amounts["memory"]) - machine_memory()) < 1024


def test_a_healthy_node_says_so(quay):
    conditions = {c["type"]: (c["status"], c["reason"]) for c in node_of(quay)["status"]["conditions"]}
    assert conditions == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"),
        "Ready": ("True", "KubeletReady"),
    }
    assert not node_of(quay)["spec"].get("taints")


def test_simulated_nodes_have_addresses_of_their_own():
    clock = VirtualClock()
    cluster = Cluster(clock, SimulatedRuntime(clock), [NodeSpec("a"), NodeSpec("b")], seed=1)
    cluster.start()
    addresses = {n["status"]["addresses"][0]["address"] for n in cluster.registry.list("nodes")}
    assert addresses == {"10.0.0.1", "10.0.0.2"}


def test_the_lease_is_renewed_every_ten_seconds(quay):
    quay.run(35)
    spec = quay.registry.get(LEASES, "kube-node-lease", NODE)["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == (NODE, 40)
    assert seconds_of(spec["renewTime"]) - quay.began == 30


def test_a_node_whose_kubelet_dies_is_given_up_after_fifty_seconds(quay):
    quay.pod()
    quay.run(12)
    quay.kubelet.stop()
    quay.run(55)
    assert {c["type"]: c["status"] for c in node_of(quay)["status"]["conditions"]}["Ready"] == "True"
    quay.run(65)
    assert {c["type"]: c["status"] for c in node_of(quay)["status"]["conditions"]}["Ready"] == "Unknown"
    assert quay.conditions()["Ready"] == "False"


def test_without_leases_nodes_cost_nothing_and_never_fail():
    clock = VirtualClock()
    cluster = Cluster(clock, SimulatedRuntime(clock), [NodeSpec("a")], seed=1, leases=False)
    cluster.start()
    clock.run_for(100)
    version = cluster.store.version
    clock.run_for(1000)
    assert cluster.store.version == version


def test_a_kubelet_that_starts_again_finds_its_node(quay):
    uid = node_of(quay)["metadata"]["uid"]
    quay.cluster.remove_node(NODE, forget=False)
    quay.run(100)
    quay.cluster.add_node(NodeSpec(NODE, cpu="4", memory="8Gi"))
    quay.run(101)
    assert node_of(quay)["metadata"]["uid"] == uid
    assert {c["type"]: c["status"] for c in node_of(quay)["status"]["conditions"]}["Ready"] == "True"


# what a node does not take


def test_a_pod_for_which_there_is_no_room_is_refused_by_the_node(quay):
    quay.pod("big", container(resources={"requests": {"cpu": "3"}}))
    quay.pod("p", container(resources={"requests": {"cpu": "1500m"}}))
    quay.run(1)
    status = quay.status()
    said = "Node didn't have enough resource: cpu, requested: 1500, used: 3000, capacity: 4000"
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "OutOfcpu", f"Pod was rejected: {said}")
    assert "containerStatuses" not in status
    assert quay.events() == [f"OutOfcpu: {said}"]


def test_the_room_of_a_finished_pod_is_free_again(quay):
    quay.pod("big", container("c", "sleep", "5", resources={"requests": {"cpu": "3"}}), restartPolicy="Never")
    quay.run(10)
    quay.pod("p", container(resources={"requests": {"cpu": "3"}}))
    quay.run(11)
    assert "running" in quay.state()


def test_a_pod_put_on_a_node_that_does_not_match_is_refused(quay):
    quay.pod(nodeSelector={"disk": "ssd"})
    quay.run(1)
    assert (quay.status()["phase"], quay.status()["reason"]) == ("Failed", "NodeAffinity")


# many nodes


def test_each_kubelet_looks_after_its_own_pods_only():
    clock = VirtualClock()
    nodes = [NodeSpec(f"node-{letter}", cpu="4", memory="8Gi") for letter in "abc"]
    cluster = Cluster(clock, SimulatedRuntime(clock), nodes, seed=1, timing=EXACT)
    cluster.start()
    for letter in "abc":
        spec = {"nodeName": f"node-{letter}", "automountServiceAccountToken": False, "containers": [container()]}
        cluster.registry.create(
            "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": letter, "namespace": "default"}, "spec": spec}
        )
    clock.run_for(1)
    assert {node: [w.pod["metadata"]["name"] for w in k.workers()] for node, k in cluster.kubelets.items()} == {
        "node-a": ["a"],
        "node-b": ["b"],
        "node-c": ["c"],
    }
    assert all(running()(pod["status"]) for pod in cluster.registry.list("pods"))
