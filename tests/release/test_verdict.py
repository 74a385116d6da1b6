# ruff: noqa: E501 - rows of tables
"""A rollout that is doomed is known at once, with its reason; one that is only slow, or mends itself, is left alone."""

from __future__ import annotations

from typing import Any

import pytest
import stage
from stage import deployment, objects, release

QUOTA = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {pods: '2'}}}"
LIMITS = "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, max: {cpu: 100m}}]}}"
JOB = "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {backoffLimit: 0, template: {metadata: {annotations: \
{sim.seatrial.dev/c: 'exits_after=1,exit_code=4'}}, spec: {restartPolicy: Never, containers: [{name: c, image: 'j:1'}]}}}}"
MISSING = {"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "x"}}}]}
VOLUME = {"volumes": [{"name": "v", "secret": {"secretName": "absent"}}]}
PROBE = {"httpGet": {"path": "/", "port": 9999}, "periodSeconds": 2}
READY = {"readinessProbe": {"tcpSocket": {"port": 80}, "initialDelaySeconds": 5}}
LIVE = {**READY, "livenessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 2, "failureThreshold": 2}}
NOT_FOUND = "pull_seconds=1,pull_error=failed to resolve reference web:1: not found"

#: what happens -> what is released, what was there before, the reason, the rule, and the second by which it has to be known.
FAILURES: dict[str, tuple[list[Any], list[Any], str, str, float]] = {
    "crash": ([deployment(profile="exits_after=1,exit_code=3", container=READY)], [], "CrashLoop", "crash-exit", 8),
    "oom": (
        [deployment(profile="memory=0:1Mi/1:900Mi", container={**READY, "resources": {"limits": {"memory": "64Mi"}}})],
        [], "CrashLoop", "crash-oom", 8),
    "command": ([deployment(profile='start_error=exec: "x": executable file not found in $PATH')], [], "CrashLoop",
                "crash-command-not-found", 5),
    "image": ([deployment(profile=NOT_FOUND)], [], "ImageUnavailable", "image-not-found", 5),
    "name": ([deployment(container={"image": "Web:1:2"})], [], "ImageUnavailable", "image-name", 5),
    "config": ([deployment(container=MISSING)], [], "ConfigError", "config-object-missing", 5),
    "mount": ([deployment(pod=VOLUME)], [], "ConfigError", "mount-object-missing", 5),
    "quota": ([deployment(replicas=2, container={"image": "web:2"}, strategy={"rollingUpdate": {"maxUnavailable": 0}})],
              [*objects(QUOTA), deployment(replicas=2)], "Refused", "refused-quota", 5),
    "limit range": ([*objects(LIMITS), deployment(container={"resources": {"limits": {"cpu": "2"}}})], [], "Refused",
                    "refused-limit-range", 5),
    "no room": ([deployment(container={"resources": {"requests": {"cpu": "900"}}})], [], "Unschedulable",
                "unschedulable-resources", 5),
    "probe port": ([deployment(container={"ports": [{"containerPort": 80}], "readinessProbe": PROBE})], [], "ProbeNeverPasses",
                   "probe-port", 16),
    "liveness": ([deployment(profile="ready_after=40", container=LIVE)], [], "ProbeNeverPasses", "probe-kills", 90),
    "job": (objects(JOB), [], "JobFailed", "job-failed", 8),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_known_by_its_name(name: str) -> None:
    new, old, reason, rule, by = FAILURES[name]
    bench = release(old, new)
    assert (bench.verdict.state, bench.verdict.reason) == ("doomed", reason), bench.verdict
    assert bench.verdict.findings[0].rule == rule
    assert bench.at <= by


#: what looks bad and is not -> what is released.
HEALTHY: dict[str, list[Any]] = {
    "slow": [deployment(profile="ready_after=90", container={"readinessProbe": {"tcpSocket": {"port": 80}}})],
    "one crash": [deployment(profile="exits_after=2,exit_code=1,good_after=1", container=READY)],
    "large": [deployment(replicas=12)],
    "stateful": objects(
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, spec: {serviceName: s, replicas: 3, selector: {matchLabels:"
        " {app: s}}, template: {metadata: {labels: {app: s}}, spec: {containers: [{name: c, image: 's:1'}]}}}}"
    ),
    "daemon": objects(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d}, spec: {selector: {matchLabels: {app: d}}, template: "
        "{metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: 'd:1'}]}}}}"
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_rollout_that_ends_well_raises_no_alarm(name: str) -> None:
    assert release([], HEALTHY[name], 200).verdict.state == "succeeded"


def test_an_upgrade_succeeds_only_when_the_old_pods_are_gone() -> None:
    bench = release([deployment(replicas=3)], [deployment(replicas=3, container={"image": "web:2"})])
    assert bench.verdict.state == "succeeded"
    assert bench.judge is not None
    assert {pod["spec"]["containers"][0]["image"] for pod in bench.judge.world.of("Pod") if stage.is_here(pod)} == {"web:2"}


def test_a_registry_that_cannot_be_reached_is_given_time() -> None:
    bench = release([], [deployment(profile="pull_seconds=1,pull_error=dial tcp: i/o timeout")])
    assert bench.verdict.reason == "ImageUnavailable"
    assert bench.at > 25


def test_a_crash_waits_for_neighbours_that_still_start() -> None:
    database = deployment("db", profile="ready_after=25", container={"readinessProbe": {"tcpSocket": {"port": 5432}}})
    impatient = deployment("api", profile="exits_after=1,exit_code=1,good_after=3", container=READY)
    assert release([], [database, impatient], 200).verdict.state == "succeeded"


def test_an_autoscaler_that_cannot_measure_yet_does_not_hold_up_a_release() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    metadata = {"name": "web", "namespace": stage.NAMESPACE}
    hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata}
    hpa["spec"] = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3}
    bench = release([], [deployment(), hpa], 60)
    assert bench.verdict.state == "succeeded"
    assert bench.judge is not None
    conditions = {"conditions": [{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}]}
    bench.judge.see("ADDED", {**hpa, "status": conditions})
    assert [row.obj["kind"] for row in bench.judge.rows()] == ["Deployment"]
