# ruff: noqa: E501 - rows of tables
"""The time a rollout gets: each kind by its own strategy, with arithmetic that a person can follow, and enough of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stage import deployment as simulated
from stage import release

from seatrial.release.timeout import LEAST, share_of, timeout
from seatrial.world.objects import Obj, clone, ref_of

READY = {"readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 5}}  # 5 + 1 s
STARTS = {"startupProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 10, "failureThreshold": 6}}  # 60 s


def workload(
    kind: str = "Deployment", *, image: str = "web:1", container: Obj | None = None, pod: Obj | None = None, **spec: Any
) -> Obj:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image, **(container or {})}], **(pod or {})},
    }
    group = "argoproj.io/v1alpha1" if kind == "Rollout" else "apps/v1"
    return {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": template, **spec},
    }


def seconds(obj: Obj, live: Obj | None, *others: Obj) -> float:
    share = share_of(obj, live, 1.0, (obj, *others))
    assert share is not None
    return share.seconds


def rolled(kind: str, status: Obj | None = None, **spec: Any) -> float:
    """The seconds of a new image for a workload that runs; a pod takes 60 s to pull and 5 to start."""
    live = workload(kind, image="web:0", **spec) | ({"status": status} if status else {})
    return seconds(workload(kind, **spec), live)


def strategy(**rolling: Any) -> dict[str, Any]:
    return {"strategy": {"rollingUpdate": rolling}}


def canary(*steps: Obj, **more: Any) -> dict[str, Any]:
    return {"strategy": {"canary": {"steps": list(steps), **more}}}


#: what rolls -> its seconds before the factor.
ROLLS: dict[str, tuple[float, float]] = {
    "one wave of a quarter each": (rolled("Deployment", replicas=8), 2 * 65),
    "surge of one, none missing": (rolled("Deployment", replicas=3, **strategy(maxSurge=1, maxUnavailable=0)), 3 * 65),
    "recreated, after the old ones' grace": (rolled("Deployment", replicas=3, strategy={"type": "Recreate"}), 65 + 30),
    "in order, each after its predecessor's grace": (rolled("StatefulSet", replicas=3), 3 * (65 + 30)),
    "above a partition": (rolled("StatefulSet", replicas=3, updateStrategy={"rollingUpdate": {"partition": 2}}), 65 + 30),
    "kept by a partition": (rolled("StatefulSet", replicas=3, updateStrategy={"rollingUpdate": {"partition": 3}}), 0),
    "on delete": (rolled("StatefulSet", replicas=3, updateStrategy={"type": "OnDelete"}), 0),
    "node by node": (rolled("DaemonSet", {"desiredNumberScheduled": 4}), 4 * (65 + 30)),
    "half of the nodes at a time": (rolled("DaemonSet", {"desiredNumberScheduled": 4}, updateStrategy={"rollingUpdate": {"maxUnavailable": "50%"}}), 2 * (65 + 30)),
    "nodes with a surge": (rolled("DaemonSet", {"desiredNumberScheduled": 4}, updateStrategy={"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}), 2 * 65),
    "canary with pauses": (rolled("Rollout", replicas=4, **canary({"setWeight": 25}, {"pause": {"duration": "2m"}}, {"setWeight": 50}, {"pause": {"duration": 30}})), 3 * 65 + 150),
    "canary without steps": (rolled("Rollout", replicas=4, **canary(maxSurge=1, maxUnavailable=0)), 4 * 65),
    "blue-green": (rolled("Rollout", replicas=4, strategy={"blueGreen": {"autoPromotionSeconds": 20}}), 65 + 20),
}  # fmt: skip


@pytest.mark.parametrize("how", ROLLS)
def test_each_kind_has_its_waves(how: str) -> None:
    computed, expected = ROLLS[how]
    assert computed == expected


def test_a_first_version_comes_all_at_once_but_in_order_where_order_counts() -> None:
    assert seconds(workload(replicas=8), None) == 65
    assert seconds(workload("StatefulSet", replicas=3), None) == 3 * 65
    assert seconds(workload("StatefulSet", replicas=3, podManagementPolicy="Parallel"), None) == 65
    assert seconds(workload("Rollout", replicas=3, **canary({"setWeight": 5}, {"pause": {"duration": "1h"}})), None) == 65


#: what a pod brings -> the seconds until it counts, pull and start among them.
PODS: dict[str, tuple[Obj, float]] = {
    "bare": (workload(), 65),
    "readiness": (workload(container=READY), 65 + 6),
    "startup, then readiness": (workload(container=READY | STARTS), 65 + 60 + 6),
    "init containers": (workload(pod={"initContainers": [{"name": "i", "image": "web:1"}]}), 65 + 30),
    "a sidecar that starts slowly": (workload(pod={"initContainers": [{"name": "i", "image": "proxy:1", "restartPolicy": "Always", **STARTS}]}), 65 + 60 + 60),
    "time to hold": (workload(minReadySeconds=20), 65 + 20),
}  # fmt: skip


@pytest.mark.parametrize("what", PODS)
def test_a_pod_takes_what_its_parts_may_take(what: str) -> None:
    obj, expected = PODS[what]
    assert seconds(obj, None) == expected


def test_an_image_that_runs_already_is_pulled_at_most_once_more() -> None:
    old = workload(replicas=4, **strategy(maxSurge=1, maxUnavailable=0))
    new = clone(old)
    new["spec"]["template"]["metadata"]["annotations"] = {"checksum": "2"}
    assert seconds(new, old) == 4 * 5 + 60


def test_the_analyses_of_a_canary_take_their_measurements() -> None:
    template = {"kind": "AnalysisTemplate", "apiVersion": "argoproj.io/v1alpha1", "metadata": {"name": "errors"}}
    template |= {"spec": {"metrics": [{"name": "a", "interval": "30s", "count": 5, "initialDelay": "10s"}]}}
    new = workload("Rollout", replicas=2, **canary({"setWeight": 50}, {"analysis": {"templates": [{"templateName": "errors"}]}}))
    assert seconds(new, workload("Rollout", image="web:0", replicas=2), template) == 2 * 65 + 10 + 4 * 30


def test_a_pause_for_a_person_is_said_and_not_counted() -> None:
    new = workload("Rollout", replicas=2, **canary({"setWeight": 50}, {"pause": {}}))
    old = workload("Rollout", image="web:0", replicas=2)
    limit = timeout([new], live={ref_of(new): old})
    assert limit.warnings == ("Rollout web waits at step 2 of 2 for a person; that time is not counted",)


def test_the_arithmetic_is_printed() -> None:
    old, new = (
        workload(replicas=3, image=image, container=READY, **strategy(maxSurge=1, maxUnavailable=0))
        for image in ("web:0", "web:1")
    )
    hook = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "pre-upgrade"}},
        "spec": {"activeDeadlineSeconds": 100},
    }
    limit = timeout([new], [hook], {ref_of(new): old}, factor=1.5)
    assert limit.lines == (
        "Job migrate (hook): 100 s",
        "Deployment web: 3 pods, one at a time = 3 waves × (pull 60 + start 5 + probes 6 = 71 s) × 1.5 = 320 s",
        "whole: 100 s × 1.5 + 320 s = 470 s",
    )
    assert limit.seconds == 469.5


def test_only_the_hooks_of_this_operation_are_waited_for() -> None:
    hook = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "seed", "annotations": {"helm.sh/hook": "pre-install"}},
        "spec": {"activeDeadlineSeconds": 100},
    }
    obj = workload()
    assert timeout([obj], [hook], {}).seconds == 100 * 2 + 65 * 2
    assert timeout([obj], [hook], {ref_of(obj): workload(image="web:0")}).seconds == 65 * 2


def test_a_given_time_replaces_the_computed_one_which_is_still_told() -> None:
    limit = timeout([workload()], given=42)
    assert (limit.seconds, limit.lines[-1]) == (42, "given: 42 s, in place of 130 s")


def test_a_pause_is_no_guess_and_is_not_multiplied() -> None:
    new = workload("Rollout", replicas=1, **canary({"pause": {"duration": "10m"}}))
    share = share_of(new, workload("Rollout", image="web:0", replicas=1), 3.0, (new,))
    assert share is not None
    assert share.seconds == 65 * 3 + 600


def test_where_nothing_is_known_of_what_runs_it_is_an_upgrade_with_everything() -> None:
    hook = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "seed", "annotations": {"helm.sh/hook": "pre-install"}},
        "spec": {"activeDeadlineSeconds": 100},
    }
    assert timeout([workload(replicas=3, **strategy(maxSurge=1, maxUnavailable=0))], [hook]).seconds == 100 * 2 + 3 * 65 * 2


def test_without_workloads_there_is_still_a_minute() -> None:
    assert timeout([]).seconds == LEAST


#: what is released on the virtual clock -> old, new.
PLAYED: dict[str, tuple[list[Obj], list[Obj]]] = {
    "first": ([], [simulated(replicas=5, profile="ready_after=4", container=READY)]),
    "rolled": ([simulated(replicas=6, profile="ready_after=4", container=READY)], [simulated(replicas=6, profile="ready_after=4", container=READY | {"image": "web:2"})]),
    "recreated": ([simulated(replicas=3, strategy={"type": "Recreate"})], [simulated(replicas=3, strategy={"type": "Recreate"}, container={"image": "web:2"})]),
}  # fmt: skip


@pytest.mark.parametrize("what", PLAYED)
def test_a_healthy_rollout_has_time_enough_even_without_a_safety_factor(what: str) -> None:
    old, new = PLAYED[what]
    limit = timeout(new, live={ref_of(obj): obj for obj in old}, factor=1.0)
    bench = release(old, new, limit.seconds)
    assert bench.verdict.state == "succeeded", json.dumps(limit.lines)
    assert bench.at < limit.seconds
