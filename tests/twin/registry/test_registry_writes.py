"""What the API server makes of creates and updates (pkg/registry/*/strategy.go, apiserver's pkg/registry/rest)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from samples import config_map, deployment, pod, registry

from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Options
from seatrial.world.objects import Obj, clone

DEFAULTS = Path(__file__).parents[2] / "fidelity/recordings/api/defaults.json"


def test_a_new_object_gets_its_identity_and_nothing_a_client_claims() -> None:
    made = registry()
    claimed = config_map()
    claimed["metadata"] |= {"uid": "mine", "creationTimestamp": "1999-01-01T00:00:00Z", "generation": 9}
    stored = made.create("configmaps", claimed)
    assert stored["metadata"]["uid"] != "mine"
    assert stored["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert "generation" not in stored["metadata"]
    assert stored["metadata"]["resourceVersion"] == str(made.store.version)


def test_a_generated_name_ends_in_five_random_letters_after_at_most_58_of_its_base() -> None:
    made = registry()
    obj = config_map()
    del obj["metadata"]["name"]
    obj["metadata"]["generateName"] = "a" * 70
    name = made.create("configmaps", obj)["metadata"]["name"]
    assert len(name) == 63
    assert name.startswith("a" * 58)
    assert set(name[58:]) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_a_name_is_taken_once() -> None:
    made = registry()
    made.create("configmaps", config_map())
    with pytest.raises(ApiError, match=r'^configmaps "conf" already exists$') as refused:
        made.create("configmaps", config_map())
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")


def test_an_old_version_is_refused_with_the_words_of_optimistic_locking() -> None:
    made = registry()
    stale = clone(made.create("configmaps", config_map(a="1")))
    made.update("configmaps", {**clone(stale), "data": {"a": "2"}})
    with pytest.raises(ApiError) as refused:
        made.update("configmaps", {**stale, "data": {"a": "3"}})
    assert refused.value.message == (
        'Operation cannot be fulfilled on configmaps "conf": the object has been modified;'
        " please apply your changes to the latest version and try again"
    )
    assert made.get("configmaps", "shop", "conf")["data"] == {"a": "2"}


def test_an_update_without_a_version_always_goes_through() -> None:
    made = registry()
    made.create("configmaps", config_map(a="1"))
    made.update("configmaps", config_map(a="1"))
    assert made.update("configmaps", config_map(a="2"))["data"] == {"a": "2"}


def test_an_update_with_another_uid_is_a_conflict() -> None:
    made = registry()
    stored = made.create("configmaps", config_map())
    other = config_map(a="1")
    other["metadata"]["uid"] = "0"
    with pytest.raises(
        ApiError, match=f"Precondition failed: UID in precondition: 0, UID in object meta: {stored['metadata']['uid']}"
    ):
        made.update("configmaps", other)


def test_an_update_that_changes_nothing_writes_nothing() -> None:
    made = registry()
    stored = made.create("configmaps", config_map(a="1"), Options(manager="me"))
    version = made.store.version
    assert made.update("configmaps", clone(stored), Options(manager="me")) is stored
    made.clock.run_for(5)  # type: ignore[attr-defined]
    assert made.update("configmaps", config_map(a="1"), Options(manager="me")) is stored
    assert made.store.version == version


def test_only_a_change_of_spec_or_annotations_counts_in_a_deployments_generation() -> None:
    made = registry()
    stored = made.create("deployments.apps", deployment())
    labelled = clone(stored)
    labelled["metadata"]["labels"] = {"a": "b"}
    assert made.update("deployments.apps", labelled)["metadata"]["generation"] == 1
    scaled = clone(made.get("deployments.apps", "shop", "web"))
    scaled["spec"]["replicas"] = 5
    assert made.update("deployments.apps", scaled)["metadata"]["generation"] == 2
    annotated = clone(made.get("deployments.apps", "shop", "web"))
    annotated["metadata"]["annotations"] = {"a": "b"}
    assert made.update("deployments.apps", annotated)["metadata"]["generation"] == 3


def test_spec_and_status_are_written_through_doors_of_their_own() -> None:
    made = registry()
    both = clone(made.create("deployments.apps", deployment(replicas=2)))
    both["spec"]["replicas"], both["status"] = 7, {"replicas": 7}
    assert made.update("deployments.apps", clone(both))["status"] == {}
    both["metadata"].pop("resourceVersion")
    both["spec"]["replicas"] = 9
    written = made.update_status("deployments.apps", both)
    assert (written["spec"]["replicas"], written["status"]) == (7, {"replicas": 7})
    assert written["metadata"]["generation"] == 2


def test_a_status_write_keeps_a_deployments_labels_and_takes_its_annotations() -> None:
    made = registry()
    stored = clone(made.create("deployments.apps", deployment()))
    stored["metadata"] |= {"labels": {"stray": "x"}, "annotations": {"deployment.kubernetes.io/revision": "1"}}
    metadata = made.update_status("deployments.apps", stored)["metadata"]
    assert "labels" not in metadata
    assert metadata["annotations"] == {"deployment.kubernetes.io/revision": "1"}
    assert metadata["generation"] == 1


def test_a_new_pod_is_pending_whatever_it_says_of_itself() -> None:
    made = registry()
    obj = pod()
    obj["status"] = {"phase": "Running", "podIP": "1.2.3.4"}
    assert made.create("pods", obj)["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1024Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
    ],
)
def test_the_class_of_a_pods_resources(resources: Obj, expected: str) -> None:
    made = registry()
    obj = pod()
    obj["spec"]["containers"][0]["resources"] = resources
    assert made.create("pods", obj)["status"]["qosClass"] == expected


def test_a_dry_run_leaves_nothing_behind() -> None:
    made = registry()
    version = made.store.version
    shown = made.create("configmaps", config_map(), Options(dry_run=True))
    assert shown["metadata"]["uid"]
    assert made.find("configmaps", "shop", "conf") is None
    made.create("configmaps", config_map(a="1"))
    changed = made.update("configmaps", config_map(a="2"), Options(dry_run=True))
    assert changed["data"] == {"a": "2"}
    assert made.get("configmaps", "shop", "conf")["data"] == {"a": "1"}
    made.delete("configmaps", "shop", "conf", options=Options(dry_run=True))
    assert made.store.version == version + 1


def test_secrets_take_text_and_keep_data() -> None:
    made = registry()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}, "stringData": {"a": "b"}}
    stored = made.create("secrets", secret)
    assert stored["data"] == {"a": "Yg=="}
    assert "stringData" not in stored


def test_a_job_selects_its_own_pods_by_its_uid() -> None:
    made = registry()
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "shop"},
        "spec": {"template": template},
    }
    stored = made.create("jobs.batch", job)
    uid = stored["metadata"]["uid"]
    assert stored["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert stored["spec"]["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "j",
        "controller-uid": uid,
        "job-name": "j",
    }


def test_a_pod_is_bound_once() -> None:
    made = registry()
    made.create("pods", pod())
    made.bind("shop", "web", "node-a")
    stored = made.get("pods", "shop", "web")
    assert stored["spec"]["nodeName"] == "node-a"
    assert [(c["type"], c["status"]) for c in stored["status"]["conditions"]] == [("PodScheduled", "True")]
    with pytest.raises(ApiError, match='pod web is already assigned to node "node-a"'):
        made.bind("shop", "web", "node-b")


def test_scale_reads_and_writes_the_replicas_of_a_workload() -> None:
    made = registry()
    made.create("deployments.apps", deployment(replicas=2))
    scale = made.scale("deployments.apps", "shop", "web")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "app=web"})
    assert made.set_scale("deployments.apps", "shop", "web", 5)["spec"] == {"replicas": 5}
    assert made.get("deployments.apps", "shop", "web")["metadata"]["generation"] == 2
    with pytest.raises(ApiError, match="the object has been modified"):
        made.set_scale("deployments.apps", "shop", "web", 6, version=scale["metadata"]["resourceVersion"])


def test_who_writes_owns_the_fields() -> None:
    made = registry()
    made.create("configmaps", config_map(a="1"), Options(manager="alice"))
    made.update("configmaps", config_map(a="1", b="2"), Options(manager="bob"))
    entries = made.get("configmaps", "shop", "conf")["metadata"]["managedFields"]
    assert {entry["manager"]: entry["fieldsV1"] for entry in entries} == {
        "alice": {"f:data": {".": {}, "f:a": {}}},
        "bob": {"f:data": {"f:b": {}}},
    }


def test_apply_creates_then_merges_then_meets_other_owners() -> None:
    made = registry()
    alice, bob = Options(manager="alice"), Options(manager="bob")
    assert made.apply("configmaps", config_map(a="1"), alice)[1] is True
    assert made.apply("configmaps", config_map(b="2"), bob)[1] is False
    assert made.get("configmaps", "shop", "conf")["data"] == {"a": "1", "b": "2"}
    with pytest.raises(ApiError, match=r'conflict with "alice": \.data\.a') as refused:
        made.apply("configmaps", config_map(a="9", b="2"), bob)
    assert refused.value.code == 409
    forced = made.apply("configmaps", config_map(a="9", b="2"), Options(manager="bob", force=True))[0]
    assert forced["data"] == {"a": "9", "b": "2"}


def test_new_objects_come_out_as_the_reference_completed_them() -> None:
    """Generation and initial status of every recorded kind; the rest is defaulting's part."""
    made = registry()
    made.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
    made.create("serviceaccounts", account)
    different = []
    for recorded in json.loads(DEFAULTS.read_text()):
        request, expected = recorded["request"], recorded["response"]
        kind = made.resources.of_kind(request["apiVersion"], request["kind"])
        assert kind is not None, request["kind"]
        if made.resources.stored(kind.id) is not kind:
            continue
        request["metadata"].pop("namespace", None)
        if kind.namespaced:
            request["metadata"]["namespace"] = "default"
        stored = made.create(kind.id, request, Options(dry_run=True))
        for part in ("generation", "finalizers"):
            if stored["metadata"].get(part) != expected["metadata"].get(part):
                different.append((request["kind"], part, stored["metadata"].get(part), expected["metadata"].get(part)))
        if kind.kind != "Node" and stored.get("status") != expected.get("status"):
            different.append((request["kind"], "status", stored.get("status"), expected.get("status")))
    assert different == []
