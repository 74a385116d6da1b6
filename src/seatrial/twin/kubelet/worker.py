"""One pod on one node, from its binding to its removal: what the kubelet does about it, a sync at a time.

A sync looks at the pod and its containers, writes the status, and does what is missing: volumes, init containers, containers,
restarts.  Whatever happens (a container ends, a probe changes its mind, the pod is changed) asks for another sync.  A pod that
is deleted, evicted or done goes over to `ending`, and from there nowhere else.  Which containers to start or end is decided in
`containers`, what the status says in `status`; this module waits and calls the runtime.

Follows pkg/kubelet/pod_workers.go and kubelet.go (SyncPod, SyncTerminatingPod, SyncTerminatedPod).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Protocol

from seatrial.twin.clock import Timer, seconds_of
from seatrial.twin.context import Context
from seatrial.twin.errors import ApiError
from seatrial.twin.kubelet import ending, launch
from seatrial.twin.kubelet.backoff import Backoff
from seatrial.twin.kubelet.containers import (
    APP,
    EPHEMERAL,
    FIELDS,
    INIT,
    SIDECAR,
    Container,
    Run,
    containers_of,
    is_over,
    next_starts,
    recall,
)
from seatrial.twin.kubelet.environment import Surroundings
from seatrial.twin.kubelet.images import Images
from seatrial.twin.kubelet.mounting import PodVolumes
from seatrial.twin.kubelet.probes import Prober
from seatrial.twin.kubelet.runtime import Runtime
from seatrial.twin.kubelet.status import View, pod_status
from seatrial.twin.kubelet.tasks import Steps, Task
from seatrial.twin.kubelet.timing import Timing
from seatrial.twin.kubelet.volumes import TokenIssuer
from seatrial.twin.registry.registry import Options
from seatrial.world.objects import Obj, name_of, namespace_of

log = logging.getLogger(__name__)

#: Seconds between the syncs of a pod that has nothing to do, and the longest a back-off postpones one (--sync-frequency).
RESYNC = 60.0


class Host(Protocol):
    """The kubelet, as its pods see it."""

    context: Context
    runtime: Runtime
    timing: Timing
    images: Images
    crashes: Backoff
    options: Options
    token: TokenIssuer

    @property
    def node_name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def allocatable(self) -> Mapping[str, str]: ...
    def refuses(self, pod: Obj) -> tuple[str, str] | None:
        """Why the node cannot take the pod: a reason and a message."""
        ...

    def container_started(self) -> None:
        """Something new runs on the node."""
        ...

    def finished(self, worker: PodWorker) -> None:
        """The pod's containers are gone; its room is free."""
        ...

    def gone(self, worker: PodWorker) -> None: ...


class PodWorker:
    def __init__(self, host: Host, pod: Obj) -> None:
        self.host, self.pod = host, pod
        self.clock = host.context.clock
        self.uid: str = pod["metadata"]["uid"]
        self.containers = containers_of(pod)
        self.address: str = ""
        self.ending = False
        self.ended = False
        self.removed = False  # from the API, by force
        self.refused: tuple[str, str, str] | None = None  # phase, reason, message
        self.conditions: list[Obj] = []
        self.deadline = 0.0  # by when an ending pod's containers are killed
        self.kill_timers: dict[str, Timer] = {}
        self.prober = Prober(self.clock, host.runtime, self, self.containers, host.timing.probe)
        self.last_ends: dict[str, Run | None] = {}  # as known when the sync began
        self._task: Task | None = None
        self._again = False
        self._soon: Timer | None = None
        self._timer: Timer | None = None
        self._retry: float | None = None
        self._admitted = False
        self.volumes = PodVolumes(self)
        self.sandbox = False  # the pod has its network: from here on its address is shown
        self.sync_began = 0.0
        self._deadline_timer: Timer | None = None
        recall(pod, self.containers, self.clock.now())
        if pod["metadata"].get("deletionTimestamp"):
            self.end()
        else:
            self.wake()

    # what happens to it

    def update(self, pod: Obj) -> None:
        """The object has changed."""
        before, self.pod = self.pod, pod
        if pod["metadata"].get("deletionTimestamp"):
            if before["metadata"].get("deletionGracePeriodSeconds") != pod["metadata"].get("deletionGracePeriodSeconds"):
                self.end()
        elif before["spec"] is not pod["spec"] and before["spec"] != pod["spec"]:
            self._adopt_spec()
            self.wake()
        elif pod["spec"].get("readinessGates"):
            self.wake()

    def _adopt_spec(self) -> None:
        """Images and resources of a running pod may change in place, and ephemeral containers be added."""
        for name, container in containers_of(self.pod).items():
            if name in self.containers:
                self.containers[name].adopt(container.spec)
            elif container.kind == EPHEMERAL:
                self.containers[name] = container

    def vanish(self) -> None:
        """The object is gone from the API: end what still runs, and report to nobody."""
        self.removed = True
        if self.ended:
            self._finish()
        else:
            self.end(grace=None if self.pod["metadata"].get("deletionTimestamp") else 0.0)

    def refuse(self, reason: str, message: str, conditions: Iterable[Obj] = (), grace: float | None = None) -> None:
        """End the pod as Failed, for a reason of the node's: eviction, a deadline, no room."""
        if not self.ending:
            self.refused = "Failed", reason, message
            self.conditions = list(conditions)
            self.end(grace)

    def wake(self) -> None:
        """Ask for a sync."""
        if self.ending:
            return
        if self._task:
            self._again = True
        elif not self._soon:
            self._soon = self.clock.call_soon(self._begin)

    def probed(self) -> None:
        if self.ended:
            return
        if self.ending or self._task:
            self.write_status()
        self.wake()

    def stop(self) -> None:
        """Forget the pod without ending it: the kubelet stops."""
        self.prober.stop()
        self.volumes.stop()
        for timer in (self._soon, self._timer, self._deadline_timer, *self.kill_timers.values()):
            if timer:
                timer.cancel()
        if self._task:
            self._task.cancel()
            self._task = None
        self.ending = self.ended = True

    # syncs

    def _begin(self) -> None:
        self._soon = None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.ending:
            return
        self._again, self._retry = False, None
        self._start_task(self._sync())

    def _start_task(self, steps: Steps[None]) -> None:
        ran_through = False

        def done(error: Exception | None) -> None:
            nonlocal ran_through
            ran_through = True
            self._task = None
            if error:
                self.retry_after(launch.ERROR_RETRY)
            self._after_sync()

        task = Task(steps, done)
        if not ran_through:
            self._task = task

    def _after_sync(self) -> None:
        if self.ending:
            return
        if self._again:
            self._again = False
            self.wake()
        elif self._retry is not None:
            self._timer = self.clock.call_later(self._retry, self.wake)

    def retry_after(self, seconds: float, exactly: bool = False) -> None:
        """Sync again after a while if nothing else asks for it before; of several times asked for, the earliest counts."""
        seconds = max(0.0, min(seconds, RESYNC))
        if not exactly:
            seconds *= 1 + self.host.timing.late
        self._retry = seconds if self._retry is None else min(self._retry, seconds)

    def again(self) -> None:
        """Something was done whose outcome the next sync has to look at."""
        self._again = True

    def _sync(self) -> Steps[None]:
        if self._finished_before() or self._turned_away():
            return
        self.last_ends = {name: container.last_end for name, container in self.containers.items()}
        self.write_status()
        if is_over(self.pod, self.containers.values()):
            self._end_after_sync()
            return
        self._make_room()
        if not self.volumes.mount():
            return
        if not self.sandbox:
            self.sandbox = self._again = True
        self.prober.begin()
        self._watch_deadline()
        yield from ending.restart_failed(self)
        self.sync_began = self.clock.now()
        started = {name: self.prober.started(c) for name, c in self.containers.items()}
        missing = next_starts(self.pod, self.containers.values(), started)
        for container in missing:
            yield from launch.start(self, container)
        yield from launch.settle(self, missing)

    def _make_room(self) -> None:
        if not self.address:
            address = self.host.runtime.start_pod(self.pod)
            self.address = self.host.address if self.pod["spec"].get("hostNetwork") else address

    def _finished_before(self) -> bool:
        """A pod that has reached its end, in an earlier life of this kubelet perhaps, is left alone until it is deleted."""
        if (self.pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            return False
        self.ending = self.ended = True
        self.host.finished(self)
        return True

    def _turned_away(self) -> bool:
        if self._admitted:
            return False
        self._admitted = True
        refusal = self.host.refuses(self.pod)
        if refusal is None:
            return False
        reason, message = refusal
        self.say_pod("Warning", reason, message)
        self.refused = "Failed", reason, f"Pod was rejected: {message}"
        self._end_after_sync()
        return True

    def _watch_deadline(self) -> None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None or self._deadline_timer:
            return
        began = seconds_of(self.pod["status"]["startTime"])
        self._deadline_timer = self.clock.call_later(began + seconds - self.clock.now(), self._deadline_passed)

    def _deadline_passed(self) -> None:
        message = "Pod was active on the node longer than the specified deadline"
        if not self.ending:
            self.say_pod("Normal", "DeadlineExceeded", message)
        self.refuse("DeadlineExceeded", message)

    # the end

    def end(self, grace: float | None = None) -> None:
        """End the pod; asked again with less grace, end it sooner."""
        deadline = self.clock.now() + (self.grace() if grace is None else grace)
        if self.ending:
            if self.ended:
                self._remove_soon()
            elif deadline < self.deadline:
                self.deadline = deadline
                ending.hasten(self)
            return
        self.deadline = deadline
        self.ending = True
        if self._timer:  # a restart that was to come
            self._timer.cancel()
            self._timer = None
        if self._task:
            self._task.cancel()
            self._task = None
        self._start_task(self._end())

    def _end_after_sync(self) -> None:
        self.clock.call_soon(self.end)

    def _end(self) -> Steps[None]:
        self.prober.stop_restarting()
        yield from ending.end_all(self)
        self.prober.stop()
        self.volumes.stop()
        self.ended = True
        self.write_status()
        self.host.finished(self)
        if self.pod["metadata"].get("deletionTimestamp") or self.removed:
            self._remove_soon()

    def _remove_soon(self) -> None:
        if not self._timer:
            self._timer = self.clock.call_later(self.host.timing.gone, self._finish)

    def _finish(self) -> None:
        if not self.removed:
            namespace, name = namespace_of(self.pod), name_of(self.pod)
            self.removed = True
            try:
                self.host.context.registry.delete("pods", namespace, name, grace=0, uid=self.uid, options=self.host.options)
            except ApiError as error:
                log.debug("%s/%s: %s", namespace, name, error)
        self.host.gone(self)

    def grace(self) -> float:
        """Seconds the pod has to stop: what its deletion gave it, else what its spec says."""
        given = self.pod["metadata"].get("deletionGracePeriodSeconds")
        if given is None:
            given = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
        return float(given)

    # what it says

    def surroundings(self) -> Surroundings:
        addresses = {"podIP": self.address, "hostIP": self.host.address}
        return Surroundings(self.host.context.registry, self.pod, addresses, self.host.allocatable)

    def write_status(self) -> None:
        """Write the status, if it says anything new."""
        if self.removed:
            return
        registry = self.host.context.registry
        current = registry.find("pods", namespace_of(self.pod), name_of(self.pod))
        if current is None or current["metadata"]["uid"] != self.uid:
            return
        self.pod = current
        status = pod_status(self._view(), self.clock.now())
        if status != current.get("status"):
            written = {**current, "metadata": {**current["metadata"]}, "status": status}
            try:
                self.pod = registry.update_status("pods", written, self.host.options)
            except ApiError as error:
                log.warning("status of %s/%s: %s", namespace_of(current), name_of(current), error)
        for container in self.containers.values():
            if container.kind in (APP, SIDECAR):
                self.prober.ask(container)

    def _view(self) -> View:
        watched = self.containers.values()
        return View(
            self.pod,
            list(watched),
            started={c.name: c.kind != INIT and self.prober.started(c) for c in watched},
            ready={c.name: c.succeeded if c.kind == INIT else c.kind != EPHEMERAL and self.prober.ready(c) for c in watched},
            host_ip=self.host.address,
            pod_ip=self.address if self.sandbox else "",
            over=self.ended,
            rejected=self.refused is not None and not self.address,
            refused=self.refused,
            extra=self.conditions if self.ended else [],
        )

    def say(self, container: Container, type_: str, reason: str, message: str) -> None:
        path = f"spec.{FIELDS[container.kind]}{{{container.name}}}"
        self.host.context.events.emit(self.pod, type_, reason, message, "kubelet", field_path=path, host=self.host.node_name)

    def say_pod(self, type_: str, reason: str, message: str) -> None:
        self.host.context.events.emit(self.pod, type_, reason, message, "kubelet", host=self.host.node_name)

    def sayer(self, container: Container) -> partial[None]:
        return partial(self.say, container)
