"""Objects in several versions, the tokens of service accounts, and the resource table."""

from __future__ import annotations

import pytest
from samples import registry

from seatrial.twin.errors import ApiError
from seatrial.twin.registry import tokens
from seatrial.twin.registry.bootstrap import bootstrap
from seatrial.twin.registry.conversion import convert
from seatrial.twin.registry.resources import Resource, ResourceTable, builtin_resources
from seatrial.world.objects import Obj

TABLE = ResourceTable(builtin_resources())


def kind(api_version: str, name: str) -> Resource:
    found = TABLE.of_kind(api_version, name)
    assert found is not None
    return found


def test_autoscalers_go_from_v2_to_v1_and_back_unharmed() -> None:
    metrics = [
        {"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "10"}}},
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
    ]
    hpa: Obj = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"maxReplicas": 4, "metrics": metrics, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}},
        "status": {"desiredReplicas": 2, "currentReplicas": 2, "currentMetrics": None, "conditions": [{"type": "AbleToScale"}]},
    }
    old = convert(hpa, kind("autoscaling/v1", "HorizontalPodAutoscaler"))
    assert old["spec"] == {"maxReplicas": 4, "targetCPUUtilizationPercentage": 70}
    assert set(old["metadata"]["annotations"]) == {
        "autoscaling.alpha.kubernetes.io/metrics",
        "autoscaling.alpha.kubernetes.io/behavior",
        "autoscaling.alpha.kubernetes.io/conditions",
    }
    assert convert(old, kind("autoscaling/v2", "HorizontalPodAutoscaler")) == hpa


def test_both_events_are_one() -> None:
    event: Obj = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod"},
        "message": "hello",
        "source": {"component": "kubelet"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 3,
        "reportingComponent": "kubelet",
    }
    new = convert(event, kind("events.k8s.io/v1", "Event"))
    assert (new["note"], new["regarding"], new["deprecatedCount"]) == ("hello", {"kind": "Pod"}, 3)
    assert convert(new, kind("v1", "Event")) == event
    assert kind("events.k8s.io/v1", "Event").id == kind("v1", "Event").id == "events"


def test_a_token_speaks_for_its_account_until_it_expires() -> None:
    made = registry()
    answer = made.token("shop", "default", {"spec": {"expirationSeconds": 600}})
    token = answer["status"]["token"]
    assert answer["status"]["expirationTimestamp"] == "2026-01-01T00:10:00Z"
    now = made.clock.now()
    claims = made.signer.verify(token, now)
    assert claims is not None
    assert claims["sub"] == "system:serviceaccount:shop:default"
    assert tokens.account_of(claims)[:2] == ("shop", "default")
    assert made.signer.verify(token, now + 601) is None
    assert made.signer.verify(token[:-2] + "xx", now) is None
    assert tokens.Signer().verify(token, now) is None


def test_a_token_lives_ten_minutes_at_least() -> None:
    with pytest.raises(ApiError, match="may not specify a duration less than 10 minutes"):
        registry().token("shop", "default", {"spec": {"expirationSeconds": 60}})


def test_a_cluster_starts_with_its_namespaces_and_the_way_to_its_api() -> None:
    made = registry()
    bootstrap(made, port=7443)
    assert made.get("services", "default", "kubernetes")["spec"]["clusterIP"] == "127.96.0.1"
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= {
        n["metadata"]["name"] for n in made.list("namespaces")
    }
    version = made.store.version
    bootstrap(made, port=7443)
    assert made.store.version == version
    bootstrap(made, port=7444)
    slice_ = made.get("endpointslices.discovery.k8s.io", "default", "kubernetes")
    assert slice_["ports"][0]["port"] == 7444
