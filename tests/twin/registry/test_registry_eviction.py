"""Evictions and the budgets they are taken from (pkg/registry/core/pod/storage/eviction.go)."""

from __future__ import annotations

import pytest
from samples import pod, registry

from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj, clone

BUDGETS = "poddisruptionbudgets.policy"


def cluster(allowed: int, ready: str = "True", **budget: object) -> Registry:
    """A running pod under one budget that allows so many disruptions."""
    made = registry()
    made.create("pods", pod(labels={"app": "web"}))
    made.bind("shop", "web", "node-a")
    running = clone(made.get("pods", "shop", "web"))
    running["status"] |= {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
    made.update_status("pods", running)
    add_budget(made, "guard", allowed, **budget)
    return made


def add_budget(made: Registry, name: str, allowed: int, **spec: object) -> None:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": 1, **spec}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }
    stored = clone(made.create(BUDGETS, budget))
    stored["status"] |= {
        "disruptionsAllowed": allowed,
        "desiredHealthy": 1,
        "currentHealthy": 1 + allowed,
        "observedGeneration": 1,
    }
    stored["status"]["conditions"] = [{"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods"}]
    made.update_status(BUDGETS, stored)


def status(made: Registry) -> Obj:
    return dict(made.get(BUDGETS, "shop", "guard")["status"])


def test_a_budget_with_room_is_charged() -> None:
    made = cluster(allowed=1)
    assert made.evict("shop", "web")["metadata"]["deletionTimestamp"]
    charged = status(made)
    assert charged["disruptionsAllowed"] == 0
    assert charged["disruptedPods"] == {"web": "2026-01-01T00:00:00Z"}
    assert (charged["conditions"][0]["status"], charged["conditions"][0]["reason"]) == ("False", "InsufficientPods")


def test_a_budget_without_room_refuses_as_kubernetes_words_it() -> None:
    made = cluster(allowed=0)
    with pytest.raises(ApiError) as refused:
        made.evict("shop", "web")
    told = refused.value.status()
    assert (told["code"], told["reason"]) == (429, "TooManyRequests")
    assert told["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert told["details"]["causes"] == [
        {"reason": "DisruptionBudget", "message": "The disruption budget guard needs 1 healthy pods and has 1 currently"}
    ]
    assert "deletionTimestamp" not in made.get("pods", "shop", "web")["metadata"]


def test_a_budget_that_has_not_been_looked_at_asks_to_come_again() -> None:
    made = cluster(allowed=5)
    changed = clone(made.get(BUDGETS, "shop", "guard"))
    changed["spec"]["minAvailable"] = 2
    made.update(BUDGETS, changed)
    with pytest.raises(ApiError) as refused:
        made.evict("shop", "web")
    assert refused.value.details == {
        "causes": [
            {"reason": "DisruptionBudget", "message": "The disruption budget guard is still being processed by the server."}
        ],
        "retryAfterSeconds": 10,
    }


def test_two_budgets_for_one_pod_are_a_mistake() -> None:
    made = cluster(allowed=1)
    add_budget(made, "second", 1)
    with pytest.raises(ApiError, match="more than one PodDisruptionBudget") as refused:
        made.evict("shop", "web")
    assert refused.value.code == 500


def test_a_pod_that_is_not_ready_goes_when_the_rest_is_healthy() -> None:
    made = cluster(allowed=0, ready="False")
    made.evict("shop", "web")
    assert status(made)["disruptionsAllowed"] == 0
    assert "deletionTimestamp" in made.get("pods", "shop", "web")["metadata"]


def test_a_finished_pod_needs_no_budget() -> None:
    made = cluster(allowed=0)
    done = clone(made.get("pods", "shop", "web"))
    done["status"]["phase"] = "Succeeded"
    made.update_status("pods", done)
    made.evict("shop", "web")
    assert made.find("pods", "shop", "web") is None
