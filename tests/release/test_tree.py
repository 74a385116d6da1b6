# ruff: noqa: E501 - rows of a table
"""How far a workload is, kind by kind: what it says of itself, what it waits for, and that an old status is no answer."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.release.tree import row_of
from seatrial.world.objects import Obj
from seatrial.world.world import World


def obj(kind: str, spec: dict[str, Any], status: dict[str, Any], generation: int = 2) -> Obj:
    group = {"Job": "batch/v1", "Rollout": "argoproj.io/v1alpha1", "Certificate": "cert-manager.io/v1"}.get(kind, "apps/v1")
    metadata = {"name": "web", "namespace": "n", "uid": "1", "generation": generation}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


def counts(**more: int) -> dict[str, int]:
    return {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, **more}


def condition(kind: str, status: str, message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "message": message}]}


CANARY = {"replicas": 3, "strategy": {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}]}}}
STATES = {
    "all are new and available": ("ready", obj("Deployment", {"replicas": 3}, counts())),
    "the status is of the version before": ("rolling", obj("Deployment", {"replicas": 3}, counts(observedGeneration=1))),
    "an old pod still runs": ("rolling", obj("Deployment", {"replicas": 3}, counts(replicas=4))),
    "one is not available": ("rolling", obj("Deployment", {"replicas": 3}, counts(availableReplicas=2))),
    "it was just made": ("waiting", obj("Deployment", {"replicas": 3}, {}, generation=1)),
    "nobody goes on with it": ("paused", obj("Deployment", {"replicas": 3, "paused": True}, counts(updatedReplicas=0))),
    "none are wanted": ("ready", obj("Deployment", {"replicas": 0}, {"observedGeneration": 2})),
    "a set is rolled": ("ready", obj("StatefulSet", {"replicas": 3}, counts())),
    "a set is rolled to its partition": (
        "ready",
        obj("StatefulSet", {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}, counts(updatedReplicas=1)),
    ),
    "a set's partition has one to go": (
        "rolling",
        obj("StatefulSet", {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}}, counts(updatedReplicas=1)),
    ),
    "a set whose pods somebody else deletes": (
        "ready",
        obj("StatefulSet", {"replicas": 3, "updateStrategy": {"type": "OnDelete"}}, counts(updatedReplicas=0)),
    ),
    "a daemon on every node": (
        "ready",
        obj("DaemonSet", {}, {"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2, "currentNumberScheduled": 2}),
    ),
    "a daemon on one of two nodes": (
        "rolling",
        obj("DaemonSet", {}, {"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 1, "numberAvailable": 2, "currentNumberScheduled": 2}),
    ),
    "a job that is through": ("done", obj("Job", {"completions": 2}, {"succeeded": 2, **condition("Complete", "True")})),
    "a job that failed": ("failed", obj("Job", {}, condition("Failed", "True", "BackoffLimitExceeded"))),
    "a job that is suspended": ("paused", obj("Job", {"suspend": True}, {})),
    "a job at work": ("rolling", obj("Job", {}, {"active": 1})),
    "a canary that waits for a person": (
        "paused", obj("Rollout", CANARY, {"observedGeneration": "2", "phase": "Paused", "currentStepIndex": 1}),
    ),
    "a canary that waits for a while": (
        "rolling",
        obj("Rollout", {"strategy": {"canary": {"steps": [{"pause": {"duration": "1m"}}]}}}, {"observedGeneration": "2", "phase": "Paused", "currentStepIndex": 0}),
    ),
    "a canary that was given up": ("failed", obj("Rollout", CANARY, {"observedGeneration": "2", "phase": "Degraded"})),
    "a canary whose status is old": ("rolling", obj("Rollout", CANARY, {"observedGeneration": "1", "phase": "Healthy"})),
    "a resource that says it is ready": ("ready", obj("Certificate", {}, condition("Ready", "True"))),
    "a resource that says it is not": ("rolling", obj("Certificate", {}, condition("Ready", "False", "no issuer"))),
    "a resource that says nothing": ("ready", obj("Certificate", {}, {})),
    "a resource nobody has taken up": ("waiting", obj("Certificate", {}, {"observedGeneration": 1, **condition("Ready", "True")})),
}  # fmt: skip


@pytest.mark.parametrize("case", STATES)
def test_a_workload_is_as_far_as_it_says(case: str) -> None:
    state, found = STATES[case]
    assert row_of(World([found]), found).state == state


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (obj("Deployment", {"replicas": 3}, counts(observedGeneration=1)), "waits to be taken up by its controller"),
        (obj("Deployment", {"replicas": 3}, counts(replicas=4)), "the old pods still run"),
        (obj("Job", {}, condition("Failed", "True", "BackoffLimitExceeded")), "BackoffLimitExceeded"),
        (STATES["a canary that waits for a person"][1], "waits at step 2 of 2 for a person to promote it"),
        (obj("Certificate", {}, condition("Ready", "False", "no issuer")), "no issuer"),
    ],
)
def test_it_says_what_it_waits_for(found: Obj, words: str) -> None:
    assert row_of(World([found]), found).why == words


def test_what_an_autoscaler_wants_is_said_until_it_is_so():
    web = obj("Deployment", {"replicas": 3}, counts(availableReplicas=2))
    hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": "n"}}
    hpa |= {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}, "status": {"desiredReplicas": 5}}
    assert row_of(World([web, hpa]), web).why == "its autoscaler wants 5"
    assert row_of(World([web, {**hpa, "status": {"desiredReplicas": 3}}]), web).why == ""
