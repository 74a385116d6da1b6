# ruff: noqa: E501 - rows of a table
"""Broken workloads that other people published, played in virtual time: the diagnosis names the published cause of each.

The manifests are theirs and not in this repository; where they are not beside it, there is nothing to play.  Containers do what
their commands say, as the twin reads them; where only an image knows, it is told here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import seatrial.rules.alive
import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.causes import Cause, causes
from seatrial.rules.looking import found
from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.world.objects import Obj, ref_of
from seatrial.world.world import LogKey, World

SCENARIOS = Path(__file__).parents[3] / "shared" / "scenarios"
pytestmark = pytest.mark.skipif(not SCENARIOS.is_dir(), reason="the published scenarios are not beside this repository")

CERTIFICATE = "ERROR: certificate /certs/certificate.pem has expired"
#: What its image prints, as its source has it: one line in so many is an error, of two kinds.
ERRORS = Profile(
    lines=tuple(
        (
            seconds,
            f'2025-06-18T13:49:{seconds % 60:02d}.000Z [ERROR] order-service - PostgreSQL query failed: syntax error at or near "SELCT" - RequestID: r{seconds}',
        )
        if seconds % 3 == 0
        else (
            seconds,
            f"2025-06-18T13:49:{seconds % 60:02d}.000Z [INFO] user-service - Operation: cache_hit - Processing time: {seconds}ms",
        )
        for seconds in range(1, 290)
    )
)
#: The kind of a custom resource, as its operator would have installed it.
RULE = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "prometheusrules.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "names": {
            "kind": "PrometheusRule",
            "listKind": "PrometheusRuleList",
            "plural": "prometheusrules",
            "singular": "prometheusrule",
        },
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}

#: scenario -> what its containers do, the seconds it is left alone, the rule of the first cause, words of its title.
PLAYED: dict[str, tuple[dict[str, Profile], float, str, str]] = {
    "crashloop_backoff": ({}, 60, "crash-command-not-found", "wge"),
    "init_crashloop_backoff": ({}, 60, "crash-command-not-found", "init container downloader"),
    "crashpod": ({}, 60, "crash-config", "DEPLOY_ENV"),
    "crashpod.v2": ({"*": Profile(exits_after=0.5, exit_code=1, lines=((0.0, CERTIFICATE),))}, 60, "certificate-expired", "ConfigMap db-certs-config"),
    "image_pull_backoff": ({}, 60, "image-not-found", "crw"),
    "job_failure": ({}, 300, "crash-dependency", "prod-db:3333"),
    "job_run_forever": ({}, 600, "job-forever", "nothing bounds it"),
    "liveness_probe_fail": ({}, 120, "probe-failing-liveness", "1000 × 5 = 5000 s"),
    "readiness_probe_fail": ({}, 400, "probe-not-passing", "readiness probe"),
    "oomkill": ({}, 120, "crash-oom", ""),
    "pending_pods": ({}, 60, "unschedulable-", ""),
    "pvc-misconfiguration": ({}, 60, "claim-class-missing", "standard-v2"),
    "evictions": ({}, 60, "evicted-preempted", "analytics-worker"),
    "ingress_port_path_change": ({}, 30, "ingress-service-missing", "backend-service"),
    "multiple_errors_in_deployment": ({"*": ERRORS}, 300, "log-errors", "PostgreSQL query failed"),
    "prometheus_rule_failure": ({}, 10, "alert-refused", "BadAlert"),
    "memory_pressure_evictions": ({}, 60, "unschedulable-affinity", ""),
}  # fmt: skip


def documents(name: str) -> list[Obj]:
    """All objects of a scenario, in the default namespace where they name none; those with a priority come last."""
    texts = [path.read_text() for path in sorted((SCENARIOS / name).glob("*.yaml")) if path.name != "healthy.yaml"]
    found = [document for text in texts for document in yaml.safe_load_all(text) if document]
    return sorted(found, key=lambda obj: (bool((obj.get("spec") or {}).get("priorityClassName")), obj["kind"] == "Pod"))


def played(name: str) -> World:
    """The scenario after its time, as a diagnosis sees it."""
    profiles, seconds, _, _ = PLAYED[name]

    def profile(image: str, spec: Any) -> Profile | None:
        return profiles.get(spec.name, profiles.get("*")) if spec is not None else None

    clock = VirtualClock()
    cores = "1" if name == "evictions" else "4"
    cluster = Cluster(
        clock,
        (runtime := SimulatedRuntime(clock, profile)),
        [NodeSpec("node-a", cpu=cores, memory="16Gi")],
        seed=1,
        track_fields=False,
    )
    cluster.start()
    clock.run_for(1)
    if name == "prometheus_rule_failure":
        cluster.registry.create("customresourcedefinitions.apiextensions.k8s.io", dict(RULE))
        clock.run_for(5)
    for obj in documents(name):
        kind = cluster.registry.resources.of_kind(obj["apiVersion"], obj["kind"])
        assert kind is not None, obj["kind"]
        if kind.namespaced:
            obj["metadata"].setdefault("namespace", "default")
        there = cluster.registry.find(kind.id, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if there is None:
            cluster.registry.create(kind.id, obj)
        else:
            cluster.registry.update(kind.id, {**there, "spec": obj["spec"]})
        clock.run_for(5)
    clock.run_for(seconds)
    world = World(
        obj for resource in cluster.registry.resources if "list" in resource.verbs for obj in cluster.registry.list(resource.id)
    )
    world.facts |= {"now": clock.now(), "autoscaler": ""}
    for pod in world.of("Pod"):
        for status in pod.get("status", {}).get("containerStatuses", ()):
            for previous in (False, True):
                run = status["restartCount"] - previous
                lines = runtime.log_text(pod["metadata"]["uid"], status["name"], run) if run >= 0 else ""
                world.logs[LogKey(ref_of(pod), status["name"], previous)] = lines.splitlines()
    cluster.stop()
    return world


@pytest.mark.parametrize("name", PLAYED)
def test_the_published_cause_is_the_one_that_is_named_first(name: str) -> None:
    _, _, rule, words = PLAYED[name]
    world = played(name)
    told: list[Cause] = causes(world, found(world, live=True))
    assert told, "nothing was found"
    assert told[0].finding.rule.startswith(rule), [(one.finding.rule, one.finding.title) for one in told]
    assert words in told[0].finding.title
