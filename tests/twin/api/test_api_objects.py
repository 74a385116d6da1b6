"""Create, read, update, patch and delete over HTTP."""

from __future__ import annotations

import pytest
from in_process import CONFIG_MAPS, DEPLOYMENTS, PODS, Client, config_map, deployment, pod

STRATEGIC, MERGE, JSON = "application/strategic-merge-patch+json", "application/merge-patch+json", "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
HPA = "/apis/autoscaling/{}/namespaces/shop/horizontalpodautoscalers"


def test_a_created_object_can_be_read_back() -> None:
    client = Client()
    created = client.create(CONFIG_MAPS, config_map(a="1"))
    assert client.get(f"{CONFIG_MAPS}/conf").json == created
    assert created["metadata"]["managedFields"][0]["manager"] == "test"


def test_the_three_patches() -> None:
    client = Client()
    client.create(DEPLOYMENTS, deployment())
    env = {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]}}}}
    container = client("PATCH", f"{DEPLOYMENTS}/web", env, type_=STRATEGIC).json["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == ("busybox", [{"name": "A", "value": "1"}])
    labelled = client("PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"labels": {"a": "b"}}}, type_=MERGE).json
    assert labelled["metadata"]["labels"] == {"a": "b"}
    replaced = client("PATCH", f"{DEPLOYMENTS}/web", [{"op": "replace", "path": "/spec/replicas", "value": 7}], type_=JSON).json
    assert replaced["spec"]["replicas"] == 7


def test_a_json_patch_whose_test_fails_is_invalid() -> None:
    client = Client()
    client.create(DEPLOYMENTS, deployment())
    reply = client("PATCH", f"{DEPLOYMENTS}/web", [{"op": "test", "path": "/spec/replicas", "value": 9}], type_=JSON)
    assert (reply.status, reply.json["reason"]) == (422, "Invalid")


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b'"text"', b"[]{}"])
@pytest.mark.parametrize("type_", [STRATEGIC, MERGE, JSON])
def test_a_broken_patch_is_a_bad_request(type_: str, body: bytes) -> None:
    client = Client()
    client.create(CONFIG_MAPS, config_map())
    assert client("PATCH", f"{CONFIG_MAPS}/conf", body, type_=type_).status == 400


def test_a_patch_may_not_make_an_object_something_else() -> None:
    client = Client()
    client.create(CONFIG_MAPS, config_map())
    assert client("PATCH", f"{CONFIG_MAPS}/conf", {"kind": "Secret"}, type_=MERGE).status == 400
    assert client("PATCH", f"{CONFIG_MAPS}/conf", {"data": {"a": 1}}, type_=MERGE).status == 422
    assert client("PATCH", f"{CONFIG_MAPS}/conf", {"metadata": {"name": "b"}}, type_=MERGE).status == 400


def test_server_side_apply_creates_with_201_and_updates_with_200() -> None:
    client = Client()
    path = f"{CONFIG_MAPS}/conf?fieldManager=alice"
    assert client("PATCH", path, b"{apiVersion: v1, kind: ConfigMap, data: {a: '1'}}", type_=APPLY).status == 201
    again = client("PATCH", path, b"{apiVersion: v1, kind: ConfigMap, data: {a: '2'}}", type_=APPLY)
    assert (again.status, again.json["data"]) == (200, {"a": "2"})
    conflict = client("PATCH", f"{CONFIG_MAPS}/conf?fieldManager=bob", config_map(a="3"), type_=APPLY)
    assert (conflict.status, conflict.json["reason"]) == (409, "Conflict")
    assert client("PATCH", f"{CONFIG_MAPS}/conf?fieldManager=bob&force=true", config_map(a="3"), type_=APPLY).status == 200


def test_server_side_apply_needs_a_manager() -> None:
    reply = Client()("PATCH", f"{CONFIG_MAPS}/conf", config_map(), type_=APPLY)
    assert (
        reply.json["message"]
        == 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


def test_deleting_answers_with_a_status_and_pods_with_themselves() -> None:
    client = Client()
    uid = client.create(CONFIG_MAPS, config_map())["metadata"]["uid"]
    told = client("DELETE", f"{CONFIG_MAPS}/conf").json
    assert (told["status"], told["details"]) == ("Success", {"name": "conf", "kind": "configmaps", "uid": uid})
    client.create(PODS, pod())
    assert client("DELETE", f"{PODS}/web").json["kind"] == "Pod"
    assert client("DELETE", f"{PODS}/web").status == 404


def test_delete_options_come_in_the_body_or_the_query() -> None:
    client = Client()
    client.create(DEPLOYMENTS, deployment())
    marked = client("DELETE", f"{DEPLOYMENTS}/web", {"propagationPolicy": "Foreground"}).json
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    client.create(DEPLOYMENTS, deployment("two"))
    marked = client("DELETE", f"{DEPLOYMENTS}/two?propagationPolicy=Orphan").json
    assert marked["metadata"]["finalizers"] == ["orphan"]
    reply = client("DELETE", f"{DEPLOYMENTS}/two", {"propagationPolicy": "Sideways"})
    assert (reply.status, reply.json["reason"]) == (422, "Invalid")
    assert client("DELETE", f"{DEPLOYMENTS}/two", {"preconditions": {"uid": "x"}}).status == 409


def test_a_collection_is_deleted_by_its_labels() -> None:
    client = Client()
    for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
        client.create(CONFIG_MAPS, config_map(name, {"app": app}))
    assert client("DELETE", f"{CONFIG_MAPS}?labelSelector=app=x").json["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in client.get(CONFIG_MAPS).json["items"]] == ["c"]


def test_namespaces_that_every_cluster_needs_stay() -> None:
    client = Client()
    client.create("/api/v1/namespaces", {"metadata": {"name": "kube-system"}})
    reply = client("DELETE", "/api/v1/namespaces/kube-system")
    assert reply.json["message"] == 'namespaces "kube-system" is forbidden: this namespace may not be deleted'


def test_an_autoscaler_speaks_both_its_versions() -> None:
    client = Client()
    spec = {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}
    created = client.create(
        HPA.format("v1"), {"metadata": {"name": "web"}, "spec": {**spec, "targetCPUUtilizationPercentage": 70}}
    )
    assert created["apiVersion"] == "autoscaling/v1"
    target = {"type": "Utilization", "averageUtilization": 70}
    read = client.get(HPA.format("v2") + "/web").json
    assert (read["apiVersion"], read["spec"]["metrics"]) == (
        "autoscaling/v2",
        [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    )
    listed = client.get(HPA.format("v1")).json
    assert [item["spec"]["targetCPUUtilizationPercentage"] for item in listed["items"]] == [70]
    patched = client("PATCH", HPA.format("v1") + "/web", {"spec": {"targetCPUUtilizationPercentage": 50}}, type_=MERGE)
    assert patched.json["spec"]["targetCPUUtilizationPercentage"] == 50


def test_status_has_a_door_of_its_own() -> None:
    client = Client()
    client.create(DEPLOYMENTS, deployment())
    patch = {"spec": {"replicas": 9}, "status": {"replicas": 2, "readyReplicas": 1}}
    reply = client("PATCH", f"{DEPLOYMENTS}/web/status", patch, type_=MERGE).json
    assert (reply["spec"]["replicas"], reply["status"]) == (2, {"replicas": 2, "readyReplicas": 1})
    assert client.get(f"{DEPLOYMENTS}/web/status").json == reply


def test_scale_over_http() -> None:
    client = Client()
    client.create(DEPLOYMENTS, deployment())
    scale = client.get(f"{DEPLOYMENTS}/web/scale").json
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 2})
    scale["spec"]["replicas"] = 3
    assert client("PUT", f"{DEPLOYMENTS}/web/scale", scale).json["spec"] == {"replicas": 3}
    assert client("PUT", f"{DEPLOYMENTS}/web/scale", scale).status == 409
    assert client("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 4}}, type_=MERGE).json["spec"] == {"replicas": 4}
    scale["metadata"].pop("resourceVersion")
    scale["spec"]["replicas"] = -1
    assert client("PUT", f"{DEPLOYMENTS}/web/scale", scale).status == 422


def test_bindings_and_evictions_answer_with_a_status() -> None:
    client = Client()
    client.create(PODS, pod())
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n"}}
    assert client("POST", f"{PODS}/web/binding", binding).json["status"] == "Success"
    assert client("POST", "/api/v1/namespaces/shop/bindings", binding).status == 409
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    reply = client("POST", f"{PODS}/web/eviction", eviction)
    assert (reply.status, reply.json["code"]) == (201, 201)
    assert client.get(f"{PODS}/web").json["metadata"]["deletionGracePeriodSeconds"] == 30


def test_a_dry_run_answers_and_writes_nothing() -> None:
    client = Client()
    reply = client("POST", f"{CONFIG_MAPS}?dryRun=All", config_map())
    assert reply.status == 201
    assert "resourceVersion" not in reply.json["metadata"]
    assert client.get(f"{CONFIG_MAPS}/conf").status == 404
    assert client("POST", f"{CONFIG_MAPS}?dryRun=Some", config_map()).status == 422
