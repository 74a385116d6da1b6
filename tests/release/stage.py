# ruff: noqa: E501 - rows of tables
"""Rollouts in virtual time before the judge of a release: every change of an object is shown to him, and he is asked each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from seatrial.release.events import Rollout, Verdict
from seatrial.release.verdict import Judge, Weights
from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.runtime import ContainerSpec
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.twin.store import Change
from seatrial.world.objects import Obj, Ref, clone, name_of, ref_of

#: (image, container) -> what it does; None for what containers do by default.
Profiles = Callable[[str, ContainerSpec | None], Profile | None]

NAMESPACE = "shop"
SEEN = (
    "pods",
    "events",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "resourcequotas",
)


class Bench:
    """Shows a cluster to a judge from `begin` on, and keeps the first verdict that is not `progressing`."""

    def __init__(self, cluster: Cluster, clock: VirtualClock) -> None:
        self.cluster, self.clock = cluster, clock
        self.judge: Judge | None = None
        self.verdict, self.at, self.zero = Verdict("progressing"), 0.0, 0.0

    def begin(self, objects: list[Obj], before: dict[Ref, Obj], weights: Weights | None = None) -> None:
        self.judge = Judge(Rollout("shop", NAMESPACE, tuple(objects), before), weights or Weights())
        self.judge.world.facts["autoscaler"] = ""
        self.zero = self.clock.now()
        for resource in SEEN:
            for obj in self.cluster.registry.list(resource):
                self.judge.see("ADDED", obj)
            self.cluster.store.subscribe(resource, self._changed)

    def _changed(self, change: Change) -> None:
        assert self.judge is not None
        self.judge.see(change.type, change.object)
        self.ask()

    def ask(self) -> None:
        assert self.judge is not None
        if self.verdict.state == "progressing":
            self.verdict = self.judge.verdict(self.clock.now())
            self.at = self.clock.now() - self.zero

    def run(self, seconds: float) -> Verdict:
        end = self.clock.now() + seconds
        while self.clock.now() < end and self.verdict.state == "progressing":
            self.clock.run_for(0.5)
            self.ask()
        return self.verdict


def cluster_of(clock: VirtualClock, profiles: Profiles | None = None, **more: Any) -> Cluster:
    cluster = Cluster(
        clock, SimulatedRuntime(clock, profiles), [NodeSpec("node-a", cpu="4", memory="16Gi")], seed=1, track_fields=False, **more
    )
    cluster.start()
    cluster.registry.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    return cluster


def put(cluster: Cluster, objects: list[Obj]) -> list[Obj]:
    """Create or update; the objects as they are then."""
    found = []
    for obj in objects:
        kind = cluster.registry.resources.of_kind(obj["apiVersion"], obj["kind"])
        assert kind is not None
        there = cluster.registry.find(kind.id, NAMESPACE, name_of(obj))
        if there is None:
            found.append(cluster.registry.create(kind.id, clone(obj)))
        else:
            found.append(
                cluster.registry.update(kind.id, {**there, "metadata": dict(there["metadata"]), "spec": clone(obj["spec"])})
            )
    return found


def objects(text: str) -> list[Obj]:
    documents = [document for document in yaml.safe_load_all(text) if document]
    return [{**each, "metadata": {**each["metadata"], "namespace": NAMESPACE}} for each in documents]


def deployment(name: str = "web", replicas: int = 1, profile: str = "", **more: Any) -> Obj:
    """A Deployment whose container does what a simulated profile says; `container` and `pod` add to the template's parts."""
    container = {"name": "c", "image": "web:1", **more.pop("container", {})}
    annotations = {"sim.seatrial.dev/c": profile} if profile else {}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}, "annotations": annotations},
            "spec": {"containers": [container], **more.pop("pod", {})},
        },
        **more,
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def release(
    old: list[Obj], new: list[Obj], seconds: float = 120.0, weights: Weights | None = None, profiles: Profiles | None = None
) -> Bench:
    """Let the old objects settle, then release the new ones, and look until there is a verdict.

    `profiles` says what a container does that has no annotation: an image, and the container unless it is only pulled.
    """
    clock = VirtualClock()
    cluster = cluster_of(clock, profiles)
    put(cluster, old)
    clock.run_for(120 if old else 2)
    before = {}
    for obj in new:
        kind = cluster.registry.resources.of_kind(obj["apiVersion"], obj["kind"])
        assert kind is not None
        there = cluster.registry.find(kind.id, NAMESPACE, name_of(obj))
        if there is not None:
            before[ref_of(obj)] = clone(there)
    bench = Bench(cluster, clock)
    bench.begin(new, before, weights)
    assert bench.judge is not None
    bench.judge.applied([clone(obj) for obj in put(cluster, new)])
    bench.run(seconds)
    cluster.stop()
    return bench


def is_here(pod: Obj) -> bool:
    return "deletionTimestamp" not in pod["metadata"]
