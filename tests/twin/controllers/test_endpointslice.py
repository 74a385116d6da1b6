from __future__ import annotations

import pytest
from fake_cluster import Cluster

from seatrial.twin.controllers import all_controllers
from seatrial.world.objects import Obj, name_of

SLICES = "endpointslices.discovery.k8s.io"


def service(name: str = "api", **spec: object) -> str:
    more = "".join(f", {key}: {value}" for key, value in spec.items())
    return (
        f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, "
        f"spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: http}}]{more}}}}}"
    )


def pods(replicas: int, image: str = "v1") -> str:
    return f"""
apiVersion: apps/v1
kind: ReplicaSet
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{set: one}}}}
  template:
    metadata: {{labels: {{app: web, set: one}}}}
    spec: {{containers: [{{name: c, image: {image}, ports: [{{name: http, containerPort: 8080}}]}}]}}
"""


def slices(cluster: Cluster, name: str = "api") -> list[Obj]:
    return [each for each in cluster.list(SLICES) if each["metadata"]["labels"]["kubernetes.io/service-name"] == name]


def states(cluster: Cluster) -> list[tuple[bool, bool, bool]]:
    (only,) = slices(cluster)
    parts = ("ready", "serving", "terminating")
    return sorted(tuple(each["conditions"][part] for part in parts) for each in only["endpoints"] or ())  # type: ignore[misc]


def test_a_service_without_pods_keeps_one_slice_of_nothing(cluster: Cluster) -> None:
    cluster.apply(service())
    cluster.run(1)
    (only,) = slices(cluster)
    assert (only["endpoints"], only["ports"], only["addressType"]) == (None, None, "IPv4")
    assert only["metadata"]["labels"] == {
        "kubernetes.io/service-name": "api",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert only["metadata"]["ownerReferences"][0]["kind"] == "Service"


def test_pods_become_endpoints_with_the_number_of_their_named_port(cluster: Cluster) -> None:
    cluster.apply(service())
    cluster.apply(pods(2))
    cluster.run(3)
    (only,) = slices(cluster)
    assert only["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert states(cluster) == [(True, True, False)] * 2
    endpoint = only["endpoints"][0]
    pod = cluster.get("pods", endpoint["targetRef"]["name"])
    assert endpoint["addresses"] == [pod["status"]["podIP"]]
    assert endpoint["nodeName"] == "node-a"
    assert endpoint["targetRef"]["uid"] == pod["metadata"]["uid"]
    subsets = cluster.get("endpoints", "api")["subsets"]
    assert [each["ip"] for each in subsets[0]["addresses"]] == [each["addresses"][0] for each in only["endpoints"]]


def test_a_pod_on_its_way_out_still_serves_but_is_not_ready(cluster: Cluster) -> None:
    cluster.apply(service())
    cluster.apply(pods(2))
    cluster.run(3)
    cluster.registry.delete("pods", "default", name_of(cluster.list("pods")[0]))
    cluster.run(0.2)
    assert (False, True, True) in states(cluster)
    assert len(cluster.get("endpoints", "api")["subsets"][0]["addresses"]) == 1, "Endpoints leave it out"


def test_unready_pods_are_published_where_the_service_asks_for_it(cluster: Cluster) -> None:
    cluster.apply(service())
    cluster.apply(service("all", publishNotReadyAddresses="true"))
    cluster.apply(pods(1, "never-ready"))
    cluster.run(3)
    assert states(cluster) == [(False, False, False)]
    (published,) = slices(cluster, "all")
    assert published["endpoints"][0]["conditions"] == {"ready": True, "serving": False, "terminating": False}


def test_a_headless_service_publishes_host_names_and_says_what_it_is(cluster: Cluster) -> None:
    cluster.apply(service("db", clusterIP="None"))
    cluster.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: db-0, labels: {app: web}}, spec: {hostname: db-0, subdomain: db, "
        "containers: [{name: c, image: v1, ports: [{name: http, containerPort: 5432}]}]}}"
    )
    cluster.run(3)
    (only,) = slices(cluster, "db")
    assert only["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert only["endpoints"][0]["hostname"] == "db-0"


def test_a_slice_holds_a_hundred_endpoints_and_changes_as_little_as_possible() -> None:
    cluster = Cluster(all_controllers, events=False)
    cluster.apply(service())
    cluster.apply(pods(230))
    cluster.run(5)
    assert sorted(len(each["endpoints"]) for each in slices(cluster)) == [30, 100, 100]
    before = {name_of(each): each["metadata"]["generation"] for each in slices(cluster)}
    cluster.kubelet.set_ready(cluster.list("pods")[0], False)
    cluster.run(1)
    after = {name_of(each): each["metadata"]["generation"] for each in slices(cluster)}
    assert sorted(after[name] - before[name] for name in before) == [0, 0, 1]


def test_pods_that_serve_other_ports_are_in_other_slices(cluster: Cluster) -> None:
    cluster.apply(service())
    cluster.apply(pods(1))
    cluster.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: old, labels: {app: web}}, spec: "
        "{containers: [{name: c, image: v1, ports: [{name: http, containerPort: 9090}]}]}}"
    )
    cluster.run(3)
    assert sorted(each["ports"][0]["port"] for each in slices(cluster)) == [8080, 9090]


@pytest.mark.parametrize("spec", [{"type": "ExternalName", "externalName": "db.example.com"}])
def test_a_service_that_is_only_a_name_has_no_slices(cluster: Cluster, spec: dict[str, object]) -> None:
    cluster.apply(service(**spec))
    cluster.run(1)
    assert slices(cluster) == []


def test_endpoints_go_with_their_service(cluster: Cluster) -> None:
    cluster.apply(service())
    cluster.run(1)
    cluster.registry.delete("services", "default", "api")
    cluster.run(1)
    assert cluster.find("endpoints", "api") is None
    assert slices(cluster) == []


def test_endpoints_that_somebody_wrote_for_a_service_without_a_selector_become_slices(cluster: Cluster) -> None:
    cluster.apply("{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {ports: [{port: 5432}]}}")
    cluster.apply(
        "{apiVersion: v1, kind: Endpoints, metadata: {name: db}, subsets: [{addresses: [{ip: 10.9.8.7}], ports: [{port: 5432}]}]}"
    )
    cluster.run(1)
    (only,) = slices(cluster, "db")
    assert only["endpoints"] == [{"addresses": ["10.9.8.7"], "conditions": {"ready": True}}]
    assert only["ports"] == [{"name": "", "port": 5432, "protocol": "TCP"}]
    cluster.change("endpoints", "db", subsets=[{"addresses": [{"ip": "10.9.8.6"}], "ports": [{"port": 5432, "protocol": "TCP"}]}])
    cluster.run(1)
    assert [each["endpoints"][0]["addresses"] for each in slices(cluster, "db")] == [["10.9.8.6"]]
    cluster.registry.delete("endpoints", "default", "db")
    cluster.run(1)
    assert slices(cluster, "db") == []
