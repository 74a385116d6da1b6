"""A bakery that is broken in one place after another, in virtual time: objects are applied, time passes, a diagnosis is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from math import inf

import yaml

import seatrial.rules.alive
import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.causes import Cause, causes
from seatrial.rules.explaining import behind
from seatrial.rules.looking import found
from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.runtime import ContainerSpec
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.world.objects import Obj, ref_of
from seatrial.world.world import LogKey, World

SPACE = "bakery"
NODES = (NodeSpec("oak", cpu="4", memory="8Gi"), NodeSpec("elm", cpu="4", memory="8Gi"))


@dataclass(frozen=True)
class Broken:
    """What is applied, what its containers do (by name), how long it is left alone; then the rule and words of the first cause.

    `images` are those whose pull fails, with what the registry says; `words` stand in the title, the evidence or the fix.
    """

    applied: str
    rule: str
    words: tuple[str, ...] = ()
    does: Mapping[str, Profile] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 120.0
    nodes: tuple[NodeSpec, ...] = NODES


def ends(*lines: str, code: int = 1, after: float = 1.0) -> Profile:
    """A container that prints and ends."""
    return Profile(exits_after=after, exit_code=code, lines=tuple((after / 2, line) for line in lines))


def repeats(*lines: str, every: float = 5.0) -> Profile:
    """A container that runs, and prints the same again and again."""
    return Profile(lines=tuple((every * turn, line) for turn in range(60) for line in lines), exits_after=inf)


def deployment(name: str, container: str = "", pod: str = "", *, replicas: int = 1) -> str:
    """A Deployment with one container of its own name; further fields of the container and of the pod."""
    more, beside = (f", {text}" if text else "" for text in (container, pod))
    image = f"registry.example/{name}:1"
    return (
        f"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {SPACE}}}\n"
        f"spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n"
        f"    metadata: {{labels: {{app: {name}}}}}\n"
        f"    spec: {{containers: [{{name: {name}, image: '{image}'{more}}}]{beside}}}\n"
    )


def thing(api: str, kind: str, name: str, rest: str, *, namespace: str = SPACE) -> str:
    where = f", namespace: {namespace}" if namespace else ""
    return f"---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}{where}}}\n{rest}\n"


def service(name: str, target: int | str = 8080, *, app: str = "", port: int = 80) -> str:
    return thing(
        "v1", "Service", name, f"spec: {{selector: {{app: {app or name}}}, ports: [{{port: {port}, targetPort: {target}}}]}}"
    )


def policy(name: str, app: str, rest: str) -> str:
    return thing("networking.k8s.io/v1", "NetworkPolicy", name, f"spec: {{podSelector: {{matchLabels: {{app: {app}}}}}, {rest}}}")


def claim(name: str, rest: str) -> str:
    return thing("v1", "PersistentVolumeClaim", name, f"spec: {{{rest}}}")


def played(broken: Broken) -> World:
    """The cluster after its time, as a diagnosis sees it."""
    clock = VirtualClock()

    def profile(image: str, spec: ContainerSpec | None) -> Profile | None:
        if image in broken.images:
            return Profile(pull_seconds=1, pull_error=broken.images[image])
        return broken.does.get(spec.name) if spec is not None else None

    runtime = SimulatedRuntime(clock, profile)
    cluster = Cluster(clock, runtime, list(broken.nodes), seed=1, track_fields=False)
    cluster.start()
    clock.run_for(1)
    room = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    for obj in chain([room], _objects(broken.applied)):
        kind = cluster.registry.resources.of_kind(obj["apiVersion"], obj["kind"])
        assert kind is not None, obj["kind"]
        cluster.registry.create(kind.id, obj)
    clock.run_for(broken.seconds)
    kinds = [resource for resource in cluster.registry.resources if "list" in resource.verbs]
    world = World(obj for resource in kinds for obj in cluster.registry.list(resource.id))
    world.facts |= {"now": clock.now(), "autoscaler": "", "complete": True}
    for pod in world.of("Pod"):
        statuses = [pod.get("status", {}).get(shelf) or () for shelf in ("initContainerStatuses", "containerStatuses")]
        for status in chain(*statuses):
            for previous in (False, True)[: status["restartCount"] + 1]:
                lines = runtime.log_text(pod["metadata"]["uid"], status["name"], status["restartCount"] - previous)
                world.logs[LogKey(ref_of(pod), status["name"], previous)] = lines.splitlines()
    cluster.stop()
    return world


def diagnosed(broken: Broken) -> list[Cause]:
    world = played(broken)
    seen = found(world, live=True)
    return causes(world, seen, behind(world, seen))


def _objects(text: str) -> Iterable[Obj]:
    return [document for document in yaml.safe_load_all(text) if document]
