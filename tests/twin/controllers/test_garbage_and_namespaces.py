from __future__ import annotations

from fake_cluster import Cluster

from seatrial.world.objects import Obj

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: v1}]}
"""


def counts(cluster: Cluster) -> list[int]:
    return [len(cluster.list(resource)) for resource in ("deployments.apps", "replicasets.apps", "pods")]


def config(cluster: Cluster, name: str, *owners: Obj, **more: object) -> Obj:
    references = [
        {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], **more}
        | {"uid": owner["metadata"]["uid"]}
        for owner in owners
    ]
    metadata: Obj = {"name": name, "namespace": "default", "ownerReferences": references}
    return cluster.registry.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


def test_in_the_background_the_owner_goes_first_and_the_rest_follows(cluster: Cluster) -> None:
    cluster.apply(DEPLOYMENT)
    cluster.run(3)
    cluster.registry.delete("deployments.apps", "default", "web", propagation="Background")
    assert counts(cluster)[0] == 0
    cluster.run(0.5)
    assert counts(cluster) == [0, 0, 2], "pods stop gracefully"
    cluster.run(5)
    assert counts(cluster) == [0, 0, 0]


def test_in_the_foreground_the_owner_waits_for_what_it_owns(cluster: Cluster) -> None:
    cluster.apply(DEPLOYMENT)
    cluster.run(3)
    cluster.registry.delete("deployments.apps", "default", "web", propagation="Foreground")
    cluster.run(0.5)
    assert counts(cluster) == [1, 1, 2]
    cluster.run(5)
    assert counts(cluster) == [0, 0, 0]


def test_orphans_stay_without_their_owner(cluster: Cluster) -> None:
    cluster.apply(DEPLOYMENT)
    cluster.run(3)
    cluster.registry.delete("deployments.apps", "default", "web", propagation="Orphan")
    cluster.run(5)
    assert counts(cluster) == [0, 1, 2]
    assert "ownerReferences" not in cluster.list("replicasets.apps")[0]["metadata"]


def test_an_object_goes_with_the_last_of_its_owners(cluster: Cluster) -> None:
    one, other = config(cluster, "one"), config(cluster, "other")
    config(cluster, "shared", one, other)
    cluster.registry.delete("configmaps", "default", "one")
    cluster.run(1)
    assert [each["name"] for each in cluster.get("configmaps", "shared")["metadata"]["ownerReferences"]] == ["other"]
    cluster.registry.delete("configmaps", "default", "other")
    cluster.run(1)
    assert cluster.find("configmaps", "shared") is None


def test_an_owner_of_the_same_name_is_not_the_same_owner(cluster: Cluster) -> None:
    owner = config(cluster, "owner")
    stranger = {**owner, "metadata": {**owner["metadata"], "uid": "another-uid"}}
    config(cluster, "child", stranger)
    cluster.run(1)
    assert cluster.find("configmaps", "child") is None


def test_what_is_owned_by_a_kind_that_is_not_served_is_left_alone(cluster: Cluster) -> None:
    strange = {"apiVersion": "shop.example.com/v1", "kind": "Widget", "metadata": {"name": "w", "uid": "w"}}
    config(cluster, "child", strange)
    cluster.run(1)
    assert cluster.find("configmaps", "child") is not None


def test_a_namespace_has_its_service_account_and_root_certificate_and_gets_them_back(cluster: Cluster) -> None:
    cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
    cluster.run(0.1)
    assert cluster.find("serviceaccounts", "default", "shop")
    assert cluster.find("configmaps", "kube-root-ca.crt", "shop")
    cluster.registry.delete("serviceaccounts", "shop", "default")
    cluster.registry.delete("configmaps", "shop", "kube-root-ca.crt")
    cluster.run(0.1)
    assert cluster.find("serviceaccounts", "default", "shop")
    assert cluster.find("configmaps", "kube-root-ca.crt", "shop")


def test_a_deleted_namespace_waits_for_its_pods_and_says_so_and_then_goes_with_everything(cluster: Cluster) -> None:
    cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
    cluster.apply(DEPLOYMENT.replace("{name: web}", "{name: web, namespace: shop}"))
    cluster.run(3)
    cluster.registry.delete("namespaces", "", "shop")
    cluster.run(0.5)
    assert cluster.status("namespaces", "shop", "")["phase"] == "Terminating"
    conditions = {each["type"]: each for each in cluster.status("namespaces", "shop", "")["conditions"]}
    remaining = conditions["NamespaceContentRemaining"]
    assert (remaining["status"], remaining["reason"]) == ("True", "SomeResourcesRemain")
    assert remaining["message"] == "Some resources are remaining: pods. has 2 resource instances"
    assert conditions["NamespaceDeletionContentFailure"]["status"] == "False"
    cluster.run(5)
    assert cluster.find("namespaces", "shop", "") is None
    assert all(not cluster.list(resource, "shop") for resource in list(cluster.store.resources()))


def test_a_finalizer_holds_a_namespace_and_is_named(cluster: Cluster) -> None:
    cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
    cluster.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: held, namespace: shop, finalizers: [example.com/wait]}}")
    cluster.run(1)
    cluster.registry.delete("namespaces", "", "shop")
    cluster.run(1)
    conditions = {each["type"]: each["message"] for each in cluster.status("namespaces", "shop", "")["conditions"]}
    said = "Some content in the namespace has finalizers remaining: example.com/wait in 1 resource instances"
    assert conditions["NamespaceFinalizersRemaining"] == said
    cluster.change("configmaps", "held", "shop", metadata__finalizers=[])
    cluster.run(1)
    assert cluster.find("namespaces", "shop", "") is None
