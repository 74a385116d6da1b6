"""Whoever makes pods, in one form: the pod template of every workload kind, and its containers with what they inherit.

A kind nobody here knows counts too when it has a pod template where workloads have theirs.  What another object of the world
made (a ReplicaSet of a Deployment, a pod of a Job) is not looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import NamedTuple

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.patching import Path
from seatrial.rules.written.reading import EMPTY, has, items, mapping, text, value
from seatrial.world.objects import Obj, group_of, labels_of
from seatrial.world.world import World

#: Where a kind keeps its pod template ("" for the pod itself).
TEMPLATES: dict[str, Path] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "PodTemplate": ("template",),
}
USUAL: Path = ("spec", "template")
#: Kinds that have a pod template in any case.
KINDS = frozenset(
    [
        "Pod",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
        "CronJob",
        "Rollout",
        "DeploymentConfig",
    ]
)
#: Kinds whose pods are meant to end.
ENDING = frozenset({"Job", "CronJob"})


_CALLED = {"init": "init container", "ephemeral": "ephemeral container"}


class Container(NamedTuple):
    """A container of a template. `role` is main, init, sidecar or ephemeral; `spec` is as written, `security` with what the pod
    says.
    """

    pods: Pods
    spec: Obj
    path: Path
    role: str

    @property
    def name(self) -> str:
        return text(self.spec, "name") or "without a name"

    @property
    def who(self) -> str:
        return f"{_CALLED.get(self.role, 'container')} {self.name}"

    @property
    def image(self) -> str:
        return text(self.spec, "image")

    def security(self, field: str) -> object:
        """A field of the security context: the container's, else the pod's."""
        own = value(self.spec, "securityContext", field)
        return own if own is not None else value(self.pods.spec, "securityContext", field)


class Pods(NamedTuple):
    """The pods that an object makes. `path` leads to the template, `spec_path` to the pod spec in it."""

    obj: Obj
    path: Path
    template: Obj
    spec: Obj
    containers: Sequence[Container]

    @property
    def kind(self) -> str:
        return str(self.obj.get("kind", ""))

    @property
    def custom(self) -> bool:
        """Whether an operator makes the pods, which may fill in what is left out."""
        return "." in group_of(self.obj) and self.kind != "Rollout"

    @property
    def spec_path(self) -> Path:
        return (*self.path, "spec")

    @property
    def labels(self) -> dict[str, str]:
        return labels_of(self.template) if isinstance(mapping(self.template, "metadata").get("labels"), dict) else {}

    @property
    def lasting(self) -> bool:
        """Whether the pods are meant to serve until somebody ends them."""
        kept = self.kind in KINDS and self.kind != "Pod"  # which knows no other policy than Always
        return self.kind not in ENDING and (kept or self.spec.get("restartPolicy", "Always") == "Always")

    @property
    def ephemeral(self) -> list[Container]:
        """The containers that `kubectl debug` has put into a pod."""
        at = (*self.spec_path, "ephemeralContainers")
        return [
            Container(self, each, (*at, place), "ephemeral")
            for place, each in enumerate(items(self.spec, "ephemeralContainers"))
            if each
        ]

    @property
    def main(self) -> Iterator[Container]:
        return (container for container in self.containers if container.role == "main")


def template_path(obj: Obj) -> Path:
    return TEMPLATES.get(str(obj.get("kind", "")), USUAL)


_SHELVES = ("initContainers", "containers")
#: The last object that was asked for, with the answer: many rules ask for the same one after the other.
_last: tuple[Obj, World, Pods | None] | None = None


def pods_of(world: World, obj: Obj) -> Pods | None:
    """The pods that an object makes; None where it makes none, or is itself made by something in the world."""
    global _last
    if _last is not None and _last[0] is obj and _last[1] is world:
        return _last[2]
    found = read(obj)
    if found is not None and has(obj, "metadata", "ownerReferences") and world.owner(obj) is not None:
        found = None
    _last = (obj, world, found)
    return found


def read(obj: Obj) -> Pods | None:
    """The pods that an object makes, whoever made the object."""
    path = template_path(obj)
    template = mapping(obj, *(str(step) for step in path))
    spec = mapping(template, "spec")
    if not isinstance(spec.get("containers"), list) and (not spec or obj.get("kind") not in KINDS):
        return None  # what a workload says beside its containers counts where they are forgotten, too
    containers: list[Container] = []
    pods = Pods(obj, path, template, spec, containers)
    containers += [
        Container(pods, container, (*path, "spec", shelf, place), _role(shelf, container))
        for shelf in _SHELVES
        for place, container in enumerate(items(spec, shelf))
        if container
    ]
    return pods


def _role(shelf: str, container: Obj) -> str:
    if shelf == "containers":
        return "main"
    return "sidecar" if container.get("restartPolicy") == "Always" else "init"


LookAtPods = Callable[[World, Pods], Iterable[Finding]]
LookAtContainer = Callable[[World, Container], Iterable[Finding]]


def check_pods(*, rules: Iterable[Rule]) -> Callable[[LookAtPods], LookAtPods]:
    """Enter a function that looks at the pods of any workload into the table of checks."""

    def enter(look: LookAtPods) -> LookAtPods:
        @check("*", rules=rules, when=pods_of)
        @wraps(look)
        def at_object(world: World, obj: Obj) -> Iterable[Finding]:
            pods = pods_of(world, obj)
            return look(world, pods) if pods is not None else ()

        return look

    return enter


def check_containers(*, rules: Iterable[Rule], ephemeral: bool = False) -> Callable[[LookAtContainer], LookAtContainer]:
    """Enter a function that looks at every container, init containers and sidecars included, into the table of checks."""

    def enter(look: LookAtContainer) -> LookAtContainer:
        @check("*", rules=rules, when=pods_of)
        @wraps(look)
        def at_object(world: World, obj: Obj) -> Iterator[Finding]:
            pods = pods_of(world, obj)
            if pods is None:
                return
            for container in (*pods.containers, *pods.ephemeral) if ephemeral else pods.containers:
                yield from look(world, container)

        return look

    return enter


def mounts(container: Container) -> Iterator[tuple[str, Obj, bool]]:
    """Where a container has volumes: mount path, the volume (empty where nobody declares it), and whether it may write."""
    volumes = {text(volume, "name"): volume for volume in items(container.pods.spec, "volumes")}
    volumes |= {text(claim, "metadata", "name"): claim for claim in items(container.pods.obj, "spec", "volumeClaimTemplates")}
    for mount in items(container.spec, "volumeMounts"):
        volume = volumes.get(text(mount, "name"), EMPTY)
        fixed = any(key in volume for key in ("configMap", "secret", "downwardAPI", "projected", "image"))
        yield text(mount, "mountPath"), volume, not fixed and mount.get("readOnly") is not True
