"""Discovery, OpenAPI's routes, the metrics API."""

from __future__ import annotations

from typing import Any

import pytest
from in_process import PODS, Client, pod

from seatrial.twin.kubelet.runtime import Usage

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
BETA = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"


def resources(document: Any, group: str, version: str) -> dict[str, Any]:
    [found] = [item for item in document["items"] if item["metadata"].get("name", "") == group]
    [versions] = [entry for entry in found["versions"] if entry["version"] == version]
    return {resource["resource"]: resource for resource in versions["resources"]}


def test_aggregated_discovery_tells_everything_in_two_documents() -> None:
    client = Client()
    core = client.get("/api", accept=AGGREGATED)
    assert core.headers["content-type"] == ["application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"]
    pods = resources(core.json, "", "v1")["pods"]
    assert (pods["scope"], pods["singularResource"], pods["shortNames"], pods["categories"]) == (
        "Namespaced",
        "pod",
        ["po"],
        ["all"],
    )
    subresources = {entry["subresource"]: entry["responseKind"]["kind"] for entry in pods["subresources"]}
    assert subresources["eviction"] == "Eviction"
    assert {"log", "exec", "portforward", "binding", "status"} <= set(subresources)
    groups = client.get("/apis", accept=AGGREGATED).json
    assert resources(groups, "apps", "v1")["deployments"]["shortNames"] == ["deploy"]
    versions = next(item for item in groups["items"] if item["metadata"]["name"] == "autoscaling")["versions"]
    assert [entry["version"] for entry in versions] == ["v2", "v1"]


def test_a_client_that_wants_only_the_old_aggregation_gets_none() -> None:
    assert Client().get("/apis", accept=BETA).status == 406


def test_plain_discovery_tells_the_same_piece_by_piece() -> None:
    client = Client()
    assert client.get("/api").json["versions"] == ["v1"]
    groups = {group["name"]: group for group in client.get("/apis").json["groups"]}
    assert groups["autoscaling"]["preferredVersion"]["version"] == "v2"
    assert client.get("/apis/apps").json["versions"] == [{"groupVersion": "apps/v1", "version": "v1"}]
    listed = {resource["name"]: resource for resource in client.get("/apis/apps/v1").json["resources"]}
    assert listed["deployments/scale"]["kind"] == "Scale"
    assert (listed["deployments/scale"]["group"], listed["deployments/scale"]["version"]) == ("autoscaling", "v1")
    assert listed["deployments"]["verbs"] == ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def test_every_group_of_the_reference_is_there() -> None:
    served = {resource.api_version for resource in Client().registry.resources}
    assert {"v1", "apps/v1", "batch/v1", "autoscaling/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1"} <= served
    assert {"rbac.authorization.k8s.io/v1", "discovery.k8s.io/v1", "events.k8s.io/v1", "storage.k8s.io/v1"} <= served
    assert {"scheduling.k8s.io/v1", "coordination.k8s.io/v1", "authentication.k8s.io/v1", "authorization.k8s.io/v1"} <= served
    assert {"apiextensions.k8s.io/v1", "admissionregistration.k8s.io/v1", "certificates.k8s.io/v1", "node.k8s.io/v1"} <= served


@pytest.mark.parametrize("path", ["/openapi/v3", "/openapi/v3/api/v1", "/openapi/v3/apis/apps/v1", "/openapi/v2"])
def test_openapi_is_served(path: str) -> None:
    reply = Client().get(path)
    assert (reply.status, reply.headers["content-type"]) == (200, ["application/json"])


def test_an_openapi_document_is_sent_once() -> None:
    client = Client()
    url = client.get("/openapi/v3").json["paths"]["apis/apps/v1"]["serverRelativeURL"]
    reply = client.get(url)
    assert reply.headers["cache-control"] == ["public, immutable"]
    [tag] = reply.headers["etag"]
    assert client.get(url, if_none_match=tag).status == 304
    assert client.get("/openapi/v3/apis/nothing/v1").status == 404


def used(pod: Any) -> dict[str, Usage] | None:
    return {"c": Usage(0.25, 64 * 1024 * 1024)} if pod["metadata"]["name"] == "web" else None


def test_metrics_are_served_where_somebody_measures() -> None:
    client = Client(usage=used)
    for name in ("web", "idle"):
        client.create(PODS, pod(name))
        client.registry.bind("shop", name, "node-a")
    client.create("/api/v1/nodes", {"metadata": {"name": "node-a"}})
    listed = client.get("/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods").json
    assert [item["metadata"]["name"] for item in listed["items"]] == ["web"]
    one = client.get("/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/web").json
    assert one["containers"] == [{"name": "c", "usage": {"cpu": "250000000n", "memory": "65536Ki"}}]
    assert client.get("/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/idle").json["message"] == (
        'pods.metrics.k8s.io "shop/idle" not found'
    )
    assert client.get("/apis/metrics.k8s.io/v1beta1/nodes/node-a").json["usage"] == {"cpu": "250000000n", "memory": "65536Ki"}
    assert "metrics.k8s.io" in [group["name"] for group in client.get("/apis").json["groups"]]


def test_without_a_meter_there_is_no_metrics_api() -> None:
    client = Client()
    assert client.get("/apis/metrics.k8s.io/v1beta1/nodes").status == 404
    assert "metrics.k8s.io" not in [group["name"] for group in client.get("/apis").json["groups"]]
