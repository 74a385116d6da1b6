from __future__ import annotations

import pytest
from fake_cluster import Cluster

from seatrial.twin.clock import micro_timestamp, timestamp
from seatrial.world.objects import Obj

CLAIM = (
    "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: "
    "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}"
)
POD = (
    "{apiVersion: v1, kind: Pod, metadata: {name: db}, spec: {containers: [{name: c, image: v1}], "
    "volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]}}"
)


def storage_class(cluster: Cluster, mode: str) -> None:
    cluster.apply(
        "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: standard, annotations: "
        "{storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: seatrial.dev/folder, "
        f"volumeBindingMode: {mode}, allowVolumeExpansion: true}}"
    )


def phases(cluster: Cluster) -> tuple[str, list[str]]:
    volumes = [each["status"]["phase"] for each in cluster.list("persistentvolumes", None)]
    return cluster.status("persistentvolumeclaims", "data")["phase"], volumes


def test_a_claim_of_the_default_class_gets_a_volume_and_is_bound_to_it(cluster: Cluster) -> None:
    storage_class(cluster, "Immediate")
    cluster.apply(CLAIM)
    cluster.run(1)
    assert phases(cluster) == ("Bound", ["Bound"])
    claim = cluster.get("persistentvolumeclaims", "data")
    (volume,) = cluster.list("persistentvolumes", None)
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"] == f"pvc-{claim['metadata']['uid']}"
    assert claim["status"]["capacity"] == {"storage": "1Gi"}
    assert volume["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]


def test_a_class_may_wait_for_the_first_pod(cluster: Cluster) -> None:
    storage_class(cluster, "WaitForFirstConsumer")
    cluster.apply(CLAIM)
    cluster.run(1)
    assert phases(cluster) == ("Pending", [])
    assert cluster.events("WaitForFirstConsumer") == ["waiting for first consumer to be created before binding"]
    cluster.apply(POD)
    cluster.run(1)
    assert phases(cluster) == ("Bound", ["Bound"])


def test_a_claim_in_use_stays_until_its_pod_is_gone_and_its_volume_goes_with_it(cluster: Cluster) -> None:
    storage_class(cluster, "Immediate")
    cluster.apply(CLAIM)
    cluster.apply(POD)
    cluster.run(2)
    cluster.registry.delete("persistentvolumeclaims", "default", "data")
    cluster.run(2)
    assert cluster.find("persistentvolumeclaims", "data") is not None
    cluster.registry.delete("pods", "default", "db")
    cluster.run(5)
    assert cluster.find("persistentvolumeclaims", "data") is None
    assert cluster.list("persistentvolumes", None) == []


def test_a_volume_that_is_there_is_used_the_smallest_that_fits(cluster: Cluster) -> None:
    for name, size in (("large", "10Gi"), ("small", "500Mi"), ("right", "2Gi")):
        cluster.apply(
            f"{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: {name}}}, spec: {{capacity: {{storage: {size}}}, "
            "accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, hostPath: {path: /d}}}"
        )
    cluster.apply(CLAIM)
    cluster.run(1)
    assert cluster.get("persistentvolumeclaims", "data")["spec"]["volumeName"] == "right"
    cluster.registry.delete("persistentvolumeclaims", "default", "data")
    cluster.run(1)
    assert cluster.status("persistentvolumes", "right", "")["phase"] == "Released"
    assert cluster.status("persistentvolumes", "large", "")["phase"] == "Available"


def test_a_claim_grows(cluster: Cluster) -> None:
    storage_class(cluster, "Immediate")
    cluster.apply(CLAIM)
    cluster.run(1)
    cluster.change("persistentvolumeclaims", "data", spec__resources={"requests": {"storage": "3Gi"}})
    cluster.run(1)
    assert cluster.status("persistentvolumeclaims", "data")["capacity"] == {"storage": "3Gi"}


# quota


def test_a_quota_counts_what_is_there_and_what_goes(cluster: Cluster) -> None:
    cluster.apply(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: team}, spec: {hard: {pods: '3', count/configmaps: '5', "
        "requests.cpu: '1'}}}"
    )
    cluster.run(1)
    assert cluster.status("resourcequotas", "team")["used"] == {"pods": "0", "count/configmaps": "1", "requests.cpu": "0"}
    for number in range(2):
        cluster.apply(
            f"{{apiVersion: v1, kind: Pod, metadata: {{name: p{number}}}, spec: {{containers: "
            "[{name: c, image: v1, resources: {requests: {cpu: 300m}}}]}}"
        )
    cluster.run(1)
    assert cluster.status("resourcequotas", "team")["used"] == {"pods": "2", "count/configmaps": "1", "requests.cpu": "600m"}
    cluster.registry.delete("pods", "default", "p0", grace=0)
    cluster.run(1)
    assert cluster.status("resourcequotas", "team")["used"]["requests.cpu"] == "300m"


# nodes


def node(cluster: Cluster, ready: str = "True") -> None:
    moment = timestamp(cluster.clock.now())
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": moment, "lastHeartbeatTime": moment}
    made: Obj = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"}}
    cluster.registry.create("nodes", {**made, "status": {"conditions": [condition]}})


def renew(cluster: Cluster) -> None:
    spec = {"holderIdentity": "node-a", "leaseDurationSeconds": 40, "renewTime": micro_timestamp(cluster.clock.now())}
    if cluster.find("namespaces", "kube-node-lease", "") is None:
        cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: kube-node-lease}}")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "node-a", "namespace": "kube-node-lease"},
    }
    cluster.registry.create("leases.coordination.k8s.io", {**lease, "spec": spec})


def taints(cluster: Cluster) -> list[str]:
    found = cluster.get("nodes", "node-a", "")["spec"].get("taints", ())
    return sorted(f"{taint['key'].removeprefix('node.kubernetes.io/')}:{taint['effect']}" for taint in found)


def test_taints_follow_conditions_and_the_cordon(cluster: Cluster) -> None:
    node(cluster)
    cluster.run(1)
    assert taints(cluster) == []
    cluster.change("nodes", "node-a", "", spec__unschedulable=True)
    cluster.run(1)
    assert taints(cluster) == ["unschedulable:NoSchedule"]
    cluster.change("nodes", "node-a", "", spec__unschedulable=None)
    cluster.run(1)
    assert taints(cluster) == []
    found = cluster.get("nodes", "node-a", "")
    pressure = {"type": "MemoryPressure", "status": "True"}
    conditions = [*found["status"]["conditions"], pressure]
    cluster.registry.update_status("nodes", {**found, "metadata": dict(found["metadata"]), "status": {"conditions": conditions}})
    cluster.run(1)
    assert taints(cluster) == ["memory-pressure:NoSchedule"]


def test_a_node_that_falls_silent_is_given_up_after_its_grace_and_its_pods_leave_when_they_no_longer_tolerate_it(
    cluster: Cluster,
) -> None:
    node(cluster)
    renew(cluster)
    cluster.apply("{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: v1}]}}")
    cluster.run(3)
    waited = cluster.until(lambda: cluster.condition("nodes", "node-a", "Ready", "").startswith("Unknown"))
    assert waited + 3 == pytest.approx(50, abs=1)
    cluster.run(1)
    assert taints(cluster) == ["unreachable:NoExecute", "unreachable:NoSchedule"]
    ready = {each["type"]: each["status"] for each in cluster.status("pods", "web")["conditions"]}
    assert ready["Ready"] == "False"
    pods: list[Obj] = []
    cluster.store.subscribe("pods", lambda change: pods.append(change.object))
    waited = cluster.until(lambda: any("deletionTimestamp" in pod["metadata"] for pod in pods))
    assert waited == pytest.approx(299, abs=1.5)


def test_pods_of_a_node_that_was_removed_go(cluster: Cluster) -> None:
    node(cluster)
    cluster.apply("{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: v1}]}}")
    cluster.run(3)
    cluster.registry.delete("nodes", "", "node-a")
    cluster.run(60)
    assert cluster.find("pods", "web") is None


def test_a_machine_that_slept_does_not_cost_its_nodes_their_pods(cluster: Cluster) -> None:
    node(cluster)
    renew(cluster)
    cluster.run(10)
    cluster.clock._now += 8 * 3600  # everything stood still
    cluster.run(1)
    lease = cluster.get("leases.coordination.k8s.io", "node-a", "kube-node-lease")
    spec = {**lease["spec"], "renewTime": micro_timestamp(cluster.clock.now())}
    cluster.registry.update("leases.coordination.k8s.io", {**lease, "metadata": dict(lease["metadata"]), "spec": spec})
    cluster.run(10)
    assert cluster.condition("nodes", "node-a", "Ready", "").startswith("True")
