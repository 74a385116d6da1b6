"""What the kubelet knows of a pod's containers, and the questions it asks of that knowledge: what to start, is it over?

Nothing here waits, writes or talks to a runtime. The answers follow pkg/kubelet/kuberuntime/kuberuntime_manager.go
(computePodActions) and kuberuntime_container.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.twin.clock import seconds_of
from seatrial.twin.kubelet.runtime import Exit
from seatrial.world.objects import Obj

APP, INIT, SIDECAR, EPHEMERAL = "app", "init", "sidecar", "ephemeral"

#: The field of the pod's spec that a container of each kind is in.
FIELDS = {APP: "containers", INIT: "initContainers", SIDECAR: "initContainers", EPHEMERAL: "ephemeralContainers"}


@dataclass(slots=True)
class Run:
    """One run of a container: `attempt` counts from 0, times are seconds since the epoch."""

    id: str
    attempt: int
    image_id: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    exit: Exit | None = None
    ended: list[Callable[[None], None]] = field(default_factory=list)  # who waits for the end

    def finish(self, exit_: Exit, now: float) -> None:
        self.exit, self.finished_at = exit_, now
        waiting, self.ended = self.ended, []
        for resume in waiting:
            resume(None)

    def when_ended(self, resume: Callable[[None], None]) -> None:
        """Wait for the end of this run (see `tasks`)."""
        if self.exit is None:
            self.ended.append(resume)
        else:
            resume(None)


@dataclass(slots=True)
class Container:
    """One container of a pod over all its runs."""

    spec: Obj
    kind: str
    run: Run | None = None
    previous: Run | None = None
    waiting: tuple[str, str] | None = None  # why the last sync could not start it: reason and message
    runs: int = 0
    changed: bool = False  # the spec is another than the one that runs

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def running(self) -> bool:
        return self.run is not None and self.run.exit is None

    @property
    def last_end(self) -> Run | None:
        """The newest run that has ended."""
        return self.run if self.ended else self.previous

    @property
    def succeeded(self) -> bool:
        return self.run is not None and self.run.exit is not None and self.run.exit.code == 0

    @property
    def ended(self) -> bool:
        return self.run is not None and self.run.exit is not None

    def adopt(self, spec: Obj) -> None:
        """A running pod's container gets another image: it has to be started anew. Resources change in place."""
        self.changed |= self.running and spec["image"] != self.spec["image"]
        self.spec = spec

    def begin(self, run: Run) -> None:
        self.previous, self.run, self.waiting, self.changed = self.run, run, None, False
        self.runs = run.attempt + 1


def containers_of(pod: Obj) -> dict[str, Container]:
    """The containers of a pod by name: init containers first, ephemeral ones last, each in the order of the spec."""
    spec = pod["spec"]
    found = {}
    for init in spec.get("initContainers") or ():
        kind = SIDECAR if init.get("restartPolicy") == "Always" else INIT
        found[init["name"]] = Container(init, kind)
    for app in spec.get("containers") or ():
        found[app["name"]] = Container(app, APP)
    for ephemeral in spec.get("ephemeralContainers") or ():
        found[ephemeral["name"]] = Container(ephemeral, EPHEMERAL)
    return found


def recall(pod: Obj, containers: Mapping[str, Container], now: float) -> None:
    """Take over what the status says of containers that an earlier kubelet process ran: those that ran are lost.

    As after a restart of the node: they end with 255 and reason Unknown, and their next run counts as a restart.
    """
    status = pod.get("status") or {}
    kinds = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    for said in (each for kind in kinds for each in status.get(kind) or ()):
        container = containers.get(said["name"])
        if container is None or not said.get("containerID"):
            continue
        state = said.get("state") or {}
        run = Run(said["containerID"], said.get("restartCount", 0), said.get("imageID", ""))
        ended = state.get("terminated") or ((said.get("lastState") or {}).get("terminated") if "waiting" in state else None)
        if ended:
            run.started_at, run.finished_at = _seconds(ended.get("startedAt"), now), _seconds(ended.get("finishedAt"), now)
            run.exit = Exit(ended["exitCode"], ended.get("signal", 0), ended.get("reason", ""), ended.get("message", ""))
        elif "running" in state:
            run.started_at, run.finished_at = _seconds(state["running"].get("startedAt"), now), now
            run.exit = Exit(255, reason="Unknown")
        else:
            continue
        container.run, container.runs = run, run.attempt + 1


def _seconds(stamp: str | None, default: float) -> float:
    return seconds_of(stamp) if stamp else default


def restart_policy(pod: Obj, container: Container) -> str:
    """Always, OnFailure or Never: the container's own where it has one (kubecontainer.ShouldContainerBeRestarted)."""
    if container.kind in (SIDECAR, EPHEMERAL):
        return "Always" if container.kind == SIDECAR else "Never"
    policy = container.spec.get("restartPolicy") or pod["spec"].get("restartPolicy") or "Always"
    if container.kind == INIT and policy == "Always":
        return "OnFailure"
    return str(policy)


def should_start(pod: Obj, container: Container) -> bool:
    """Whether a container that is not running has to be started (again)."""
    run = container.run
    if run is None or run.exit is None:
        return run is None
    policy = restart_policy(pod, container)
    if policy == "Never":
        return False
    return policy == "Always" or run.exit.code != 0


def is_over(pod: Obj, containers: Iterable[Container]) -> bool:
    """Whether the pod has done all it will ever do: its app containers, or an init container, ended for good."""
    everyone = list(containers)
    if any(c.kind == INIT and c.ended and not c.succeeded and not should_start(pod, c) for c in everyone):
        return True
    apps = [c for c in everyone if c.kind == APP]
    return bool(apps) and all(c.ended and not should_start(pod, c) for c in apps)


def next_starts(pod: Obj, containers: Iterable[Container], started: Mapping[str, bool]) -> list[Container]:
    """The containers to start now: ephemeral ones that never ran, and what else is missing."""
    everyone = list(containers)
    asked_for = [c for c in everyone if c.kind == EPHEMERAL and should_start(pod, c)]
    return asked_for + _next_regular(pod, [c for c in everyone if c.kind != EPHEMERAL], started)


def _next_regular(pod: Obj, everyone: Sequence[Container], started: Mapping[str, bool]) -> list[Container]:
    """The next init container, or what is missing of sidecars and app containers."""
    missing = []
    if not any(c.run is not None for c in everyone if c.kind == APP):
        for container in everyone:
            if container.kind == APP:
                break
            done = container.succeeded if container.kind == INIT else container.running and started.get(container.name, False)
            if done:
                continue
            if not container.running and should_start(pod, container):
                missing.append(container)
            return missing  # the ones behind wait for it
        return [c for c in everyone if c.kind == APP]
    return [c for c in everyone if c.kind != INIT and not c.running and should_start(pod, c)]
