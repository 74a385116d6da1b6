"""Examples of what runs, played: their specs on the twin, whose controllers and kubelet write what is looked at.

What the examples say a cluster shows is written by hand; here nobody writes it, and the rules speak all the same.  Left out are
examples of what no twin can be brought to: registries, webhooks, other operators, nodes that fail.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

import seatrial.rules.alive  # noqa: F401 - enters the rules
from seatrial.rules.alive.examples import EXAMPLES, Example, world_of
from seatrial.rules.alive.pods import seconds_between
from seatrial.rules.looking import found
from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.world.objects import Obj, dig, name_of, namespace_of, ref_of
from seatrial.world.world import LogKey, World

#: Seconds after which the twin is looked at: most show at once, what has a deadline when that is over.
LEFT_ALONE, LATE = 100, 400
NOT_PLAYED = {
    "mount-claim-missing", "mount-busy", "mount-failed", "config-invalid", "unschedulable", "unschedulable-volume",
    "refused", "refused-webhook", "refused-webhook-down", "config-root",
    "crash-disk-full", "crash-credentials", "claim-no-default",
    "ingress-no-class",
    "crash-hook", "crash-mount",
}  # fmt: skip
WITH_DEADLINE = ("job-failed", "job-deadline", "deadline-exceeded", "hpa-target-missing", "hpa-no-request", "budget-allows-none")
TOPICS = (
    *WITH_DEADLINE,
    "crash-",
    "image-",
    "config-",
    "mount-",
    "unschedulable",
    "refused",
    "service-",
    "ingress-",
    "claim-class",
    "claim-no-default",
    "probe-port",
)
#: A container runtime says more of an image's name than the twin.
NOT_ALIKE = {"image-name"}
PLAYED = [rule for rule in EXAMPLES if rule.startswith(TOPICS) and rule not in NOT_PLAYED]
FIRST = ("Namespace", "ResourceQuota", "LimitRange", "ServiceAccount", "PriorityClass", "StorageClass", "ConfigMap", "Secret")


#: What the cluster gives.
_GIVEN = ("nodeName", "clusterIP", "clusterIPs", "volumeName")


def objects(text: str) -> list[Obj]:
    """The objects of an example as somebody would apply them: without what controllers make of them."""
    kept = []
    for obj in yaml.safe_load_all(text):
        metadata = obj["metadata"]
        if obj["kind"] in ("Event", "Node", "ReplicaSet") or "ownerReferences" in metadata:
            continue
        metadata = {key: value for key, value in metadata.items() if key not in ("uid", "creationTimestamp")}
        spec = {key: value for key, value in (obj.get("spec") or {}).items() if key not in _GIVEN}
        kept.append(
            {
                **{key: value for key, value in obj.items() if key != "status"},
                "metadata": metadata,
                **({"spec": spec} if spec else {}),
            }
        )
    spaces = {space for obj in kept if (space := namespace_of(obj))} - {
        name_of(obj) for obj in kept if obj["kind"] == "Namespace"
    }
    kept += [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}} for space in spaces]
    return kept


def _order(obj: Obj) -> int:
    """Namespaces, then what fills quotas, then what pods need, then the rest."""
    place = FIRST.index(obj["kind"]) if obj["kind"] in FIRST else len(FIRST)
    return FIRST.index("Namespace") if name_of(obj).startswith("filler-") else place


def fillers(text: str) -> list[Obj]:
    """Pods that use of a quota what the example says is used."""
    quotas = [obj for obj in yaml.safe_load_all(text) if obj["kind"] == "ResourceQuota"]
    used = [amount for quota in quotas for amount in dig(quota, "status.used", {}).values() if amount != "0"]
    container = {"name": "filler", "image": "busybox:1.37", "command": ["sleep", "1d"]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"filler-{amount}", "namespace": "shop"},
         "spec": {"containers": [{**container, "resources": {"limits": {"cpu": amount}, "requests": {"cpu": "1m"}}}]}}
        for amount in used
    ]  # fmt: skip


def nodes(text: str) -> list[NodeSpec]:
    found = []
    for obj in yaml.safe_load_all(text):
        if obj["kind"] == "Node":
            size = dig(obj, "status.allocatable", {})
            found.append(
                NodeSpec(
                    name_of(obj),
                    size["cpu"],
                    size["memory"],
                    labels=obj["metadata"]["labels"],
                    taints=dig(obj, "spec.taints", []),
                )
            )
    return found or [NodeSpec("node-1", cpu="8", memory="16Gi", labels={"kubernetes.io/arch": "amd64"})]


def profile(example: Example) -> Profile:
    """A container that does what the example says it did."""
    documents = list(yaml.safe_load_all(example.wrong))
    status: Any = next(
        (each for obj in documents if obj["kind"] == "Pod" for each in dig(obj, "status.containerStatuses", [])), {}
    )
    end = dig(status, "lastState.terminated") or dig(status, "state.terminated") or {}
    doing = Profile(lines=tuple((0.0, line) for line in example.log.splitlines()), pull_seconds=0.5)
    said = re.search(r"ErrImagePull: (.*)", dig(status, "state.waiting.message", ""))
    if said:
        return replace(doing, pull_error=said[1])
    if end.get("reason") == "StartError":
        return replace(doing, start_error=end["message"].rpartition("error during container init: ")[2])
    if end:
        lasted = max(0.2, seconds_between(end["startedAt"], end["finishedAt"]) or 0.0)
        reason = "OOMKilled" if end["reason"] == "OOMKilled" else ""
        return replace(doing, exits_after=min(lasted, 5.0), exit_code=end["exitCode"], exit_reason=reason)
    return doing if status.get("ready") or dig(status, "state.waiting") else replace(doing, ready_after=1e9)


def played(text: str, doing: Profile, seconds: float = LEFT_ALONE) -> World:
    clock = VirtualClock()
    ours = ("registry.example/api", "registry.example/API")
    runtime = SimulatedRuntime(clock, lambda image, _spec: doing if image.startswith(ours) else None)
    cluster = Cluster(clock, runtime, nodes(text), seed=1, track_fields=False)
    cluster.start()
    clock.run_for(1)
    for obj in sorted([*objects(text), *fillers(text)], key=_order):
        kind = cluster.registry.resources.of_kind(obj["apiVersion"], obj["kind"])
        assert kind is not None
        if cluster.registry.find(kind.id, namespace_of(obj), name_of(obj)) is None:
            cluster.registry.create(kind.id, obj)
        clock.run_for(0.5)
    clock.run_for(seconds)
    kinds = [resource for resource in cluster.registry.resources if "list" in resource.verbs]
    world = World(obj for resource in kinds for obj in cluster.registry.list(resource.id))
    world.facts |= {"now": clock.now(), "autoscaler": ""}
    for pod in world.of("Pod"):
        for status in dig(pod, "status.containerStatuses", []):
            run = status["restartCount"]
            for previous in (False, True)[: run + 1]:
                lines = runtime.log_text(pod["metadata"]["uid"], status["name"], run - previous)
                world.logs[LogKey(ref_of(pod), status["name"], previous)] = lines.splitlines()
    cluster.stop()
    return world


#: What differs between two clusters: numbers, and the names that controllers make up.
_MADE_UP = re.compile(r"\bapi-[0-9a-z]{6,10}-?[0-9a-z]*|[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


def told(world: World, rule: str) -> set[str]:
    """The evidence of a rule, less what is made up."""
    return {_MADE_UP.sub("…", fact.text) for one in found(world, live=True) if one.rule == rule for fact in one.evidence}


@pytest.mark.parametrize("rule", PLAYED)
def test_the_rule_speaks_of_what_a_kubelet_and_controllers_write(rule: str) -> None:
    example = EXAMPLES[rule]
    seconds = LATE if rule in WITH_DEADLINE else LEFT_ALONE
    written, seen = told(world_of(example, example.wrong), rule), told(played(example.wrong, profile(example), seconds), rule)
    assert seen, (
        "played, nothing of it is to be seen: make the example whole, or say in NOT_PLAYED that no twin can be brought to it"
    )
    assert rule in NOT_ALIKE or written == seen, "the example says what a cluster does not"
    assert not told(played(example.right, Profile(), seconds), rule)
