"""How objects go: at once, gracefully, when their finalizers are gone (apiserver: rest/delete.go, registry/store.go)."""

from __future__ import annotations

import pytest
from samples import config_map, deployment, pod, registry

from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import clone


def running_pod(grace: int = 30) -> Registry:
    made = registry()
    made.create("pods", pod(terminationGracePeriodSeconds=grace))
    made.bind("shop", "web", "node-a")
    return made


def test_a_config_map_goes_at_once() -> None:
    made = registry()
    obj = made.create("configmaps", config_map())
    assert made.is_gone("configmaps", made.delete("configmaps", "shop", "conf"))
    assert made.find("configmaps", "shop", "conf") is None
    assert obj["metadata"]["name"] == "conf"


def test_a_pod_on_a_node_gets_its_grace_period() -> None:
    made = running_pod(grace=30)
    metadata = made.delete("pods", "shop", "web")["metadata"]
    assert metadata["deletionTimestamp"] == "2026-01-01T00:00:30Z"
    assert (metadata["deletionGracePeriodSeconds"], metadata["generation"]) == (30, 2)
    assert made.find("pods", "shop", "web") is not None


def test_grace_can_only_be_shortened() -> None:
    made = running_pod(grace=30)
    made.delete("pods", "shop", "web")
    assert made.delete("pods", "shop", "web", grace=60)["metadata"]["deletionGracePeriodSeconds"] == 30
    metadata = made.delete("pods", "shop", "web", grace=5)["metadata"]
    assert (metadata["deletionGracePeriodSeconds"], metadata["deletionTimestamp"]) == (5, "2026-01-01T00:00:05Z")
    made.delete("pods", "shop", "web", grace=0)
    assert made.find("pods", "shop", "web") is None


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_goes_at_once(phase: str) -> None:
    made = running_pod()
    finished = clone(made.get("pods", "shop", "web"))
    finished["status"]["phase"] = phase
    made.update_status("pods", finished)
    made.delete("pods", "shop", "web")
    assert made.find("pods", "shop", "web") is None


def test_a_pod_without_a_node_goes_at_once() -> None:
    made = registry()
    made.create("pods", pod())
    made.delete("pods", "shop", "web", grace=30)
    assert made.find("pods", "shop", "web") is None


def test_finalizers_hold_an_object_until_the_last_is_gone() -> None:
    made = registry()
    held = config_map()
    held["metadata"]["finalizers"] = ["a.example/x", "b.example/y"]
    made.create("configmaps", held)
    marked = made.delete("configmaps", "shop", "conf")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert not made.is_gone("configmaps", marked)
    one_left = clone(marked)
    one_left["metadata"]["finalizers"] = ["b.example/y"]
    one_left = made.update("configmaps", one_left)
    assert made.find("configmaps", "shop", "conf") is one_left
    none_left = clone(one_left)
    none_left["metadata"].pop("finalizers")
    made.update("configmaps", none_left)
    assert made.find("configmaps", "shop", "conf") is None


@pytest.mark.parametrize(("policy", "finalizer"), [("Orphan", "orphan"), ("Foreground", "foregroundDeletion")])
def test_propagation_leaves_a_finalizer_for_the_garbage_collector(policy: str, finalizer: str) -> None:
    made = registry()
    made.create("deployments.apps", deployment())
    metadata = made.delete("deployments.apps", "shop", "web", propagation=policy)["metadata"]
    assert metadata["finalizers"] == [finalizer]
    assert metadata["generation"] == 2


def test_background_deletion_takes_back_what_foreground_asked_for() -> None:
    made = registry()
    made.create("deployments.apps", deployment())
    made.delete("deployments.apps", "shop", "web", propagation="Foreground")
    made.delete("deployments.apps", "shop", "web", propagation="Background")
    assert made.find("deployments.apps", "shop", "web") is None


def test_preconditions_name_what_they_found() -> None:
    made = registry()
    uid = made.create("configmaps", config_map())["metadata"]["uid"]
    with pytest.raises(ApiError) as refused:
        made.delete("configmaps", "shop", "conf", uid="other")
    assert refused.value.message == (
        f'Operation cannot be fulfilled on configmaps "conf": the UID in the precondition (other) does not match'
        f" the UID in record ({uid}). The object might have been deleted and then recreated"
    )
    with pytest.raises(ApiError, match="the ResourceVersion in the precondition"):
        made.delete("configmaps", "shop", "conf", version="1")


def test_a_namespace_waits_for_its_controller_and_takes_nothing_new() -> None:
    made = registry()
    terminating = made.delete("namespaces", "", "shop")
    assert terminating["status"]["phase"] == "Terminating"
    assert "deletionGracePeriodSeconds" not in terminating["metadata"]
    with pytest.raises(ApiError) as refused:
        made.create("configmaps", config_map())
    assert refused.value.message == (
        'configmaps "conf" is forbidden: unable to create new content in namespace shop because it is being terminated'
    )
    emptied = clone(terminating)
    emptied["spec"]["finalizers"] = []
    made.finalize(emptied)
    assert made.find("namespaces", "", "shop") is None


def test_an_update_cannot_take_a_namespaces_finalizer() -> None:
    made = registry()
    changed = clone(made.get("namespaces", "", "shop"))
    changed["spec"] = {}
    assert made.update("namespaces", changed)["spec"] == {"finalizers": ["kubernetes"]}


def test_a_collection_goes_as_its_members_would() -> None:
    made = registry()
    for name in "abc":
        made.create("configmaps", config_map(name))
    gone = made.delete_collection("configmaps", "shop", lambda obj: bool(obj["metadata"]["name"] < "c"))
    assert [obj["metadata"]["name"] for obj in gone] == ["a", "b"]
    assert [obj["metadata"]["name"] for obj in made.list("configmaps", "shop")] == ["c"]
