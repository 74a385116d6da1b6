"""What rules ask of a pod: its containers with their specs and states, its conditions, where evidence points to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seatrial.rules.finding import Fact
from seatrial.world.objects import Obj, Ref, dig, name_of, ref_of
from seatrial.world.world import LogKey, World

#: Seconds that a pod gets for its start before anybody is to be told that it is not ready.
NEW = 60.0
#: Where a pod keeps the specs of its containers and what became of them.
_SHELVES = (("initContainers", "initContainerStatuses"), ("containers", "containerStatuses"))


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod: what it should be, how it is, and where its status stands."""

    pod: Obj
    spec: Obj
    status: Obj
    init: bool  # one that has to end before the others start
    path: str

    @property
    def name(self) -> str:
        return str(self.spec.get("name") or self.status.get("name", ""))

    @property
    def running(self) -> Obj | None:
        found: Obj | None = dig(self.status, "state.running")
        return found

    @property
    def waiting(self) -> Obj:
        found: Obj = dig(self.status, "state.waiting", {})
        return found

    @property
    def ended(self) -> Obj:
        """How it ended last: the present end, else the one before."""
        found: Obj = dig(self.status, "state.terminated") or dig(self.status, "lastState.terminated") or {}
        return found

    @property
    def ends(self) -> int:
        """How often it has ended: restartCount counts the runs that were begun after the first one."""
        begun = int(self.status.get("restartCount", 0))
        return begun if self.running is not None else begun + (1 if self.ended else 0)


def containers(pod: Obj) -> Iterator[Container]:
    """The containers that the status knows of, init containers first."""
    for specs, statuses in _SHELVES:
        by_name = {spec.get("name"): spec for spec in dig(pod, f"spec.{specs}", [])}
        for number, status in enumerate(dig(pod, f"status.{statuses}", [])):
            spec = by_name.get(status.get("name"), {})
            init = specs == "initContainers" and spec.get("restartPolicy") != "Always"
            yield Container(pod, spec, status, init, f"status.{statuses}[{number}]")


def condition(obj: Obj, kind: str) -> Obj:
    """A condition of an object by its type; an empty one where it has none."""
    return next((dict(each) for each in dig(obj, "status.conditions", []) if each.get("type") == kind), {})


def is_true(obj: Obj, kind: str) -> bool:
    return str(condition(obj, kind).get("status")) == "True"


def is_ready(pod: Obj) -> bool:
    return is_true(pod, "Ready") and not is_going(pod)


def is_going(obj: Obj) -> bool:
    return bool(dig(obj, "metadata.deletionTimestamp"))


def is_over(pod: Obj) -> bool:
    return str(dig(pod, "status.phase", "")) in ("Succeeded", "Failed")


def of_job(world: World, pod: Obj) -> bool:
    """Whether a pod has work to end: then it is its Job that counts the failures."""
    return str(dig(pod, "spec.restartPolicy", "Always")) != "Always"


def said(event: Obj, about: Obj) -> Fact:
    """An event as evidence."""
    return Fact(f"{event.get('reason', '')}: {str(event.get('message', '')).strip()}", f"event of {ref_of(about)}")


def tail(world: World, container: Container, lines: int = 5) -> tuple[list[str], str]:
    """The end of a container's last log that says something, and how evidence cites it."""
    pod = ref_of(container.pod)
    restarted = bool(dig(container.status, "lastState.terminated"))
    for previous in (True, False) if restarted else (False, True):
        found = [line for line in world.logs.get(LogKey(pod, container.name, previous), []) if line.strip()]
        if found:
            which = "previous log" if previous and restarted else "log"
            return found[-lines:], f"{which} of container {container.name} of {pod}"
    return [], ""


def seconds_between(first: Any, second: Any) -> float | None:
    """Seconds between two times of the cluster; None where one is missing."""
    try:
        return (_moment(str(second)) - _moment(str(first))).total_seconds()
    except ValueError:
        return None


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))


def named(container: Container) -> str:
    """`container api` (or `init container migrate`), as sentences name it."""
    return f"{'init container' if container.init else 'container'} {container.name}"


def refs(world: World, pod: Obj) -> tuple[Ref, ...]:
    """What a finding about a pod is about: the workload that owns it, then the pod."""
    root = ref_of(world.root(pod))
    return (root, ref_of(pod)) if root != ref_of(pod) else (root,)


def whose(world: World, pod: Obj) -> str:
    root = world.root(pod)
    return f"{root['kind']} {name_of(root)}"


def are_new(world: World, pods: Sequence[Obj]) -> bool:
    """Whether all these pods are so young that they may be on their way; False where the time is not known, or there are none."""
    now = world.facts.get("now")
    stamp = datetime.fromtimestamp(now, UTC).isoformat() if now is not None else ""
    ages = [seconds_between(dig(pod, "metadata.creationTimestamp"), stamp) for pod in pods]
    return bool(ages) and all(age is not None and age < NEW for age in ages)


def none_ready(pods: Sequence[Obj]) -> str:
    """`none of its 3 pods is ready`, of those behind a Service."""
    return f"none of its {len(pods)} pods is ready" if len(pods) != 1 else "its only pod is not ready"


def one_of(world: World, pod: Obj) -> str:
    """`a pod of Deployment api`, as sentences name one of several; `Pod api` where nothing owns it."""
    return whose(world, pod) if world.owner(pod) is None else f"a pod of {whose(world, pod)}"
