"""Ending containers: preStop, SIGTERM, and SIGKILL when the grace is over; all containers of a pod side by side, sidecars last.

Follows pkg/kubelet/kuberuntime/kuberuntime_container.go (killContainer) and kuberuntime_termination_order.go.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seatrial.twin.kubelet import hooks
from seatrial.twin.kubelet.containers import EPHEMERAL, SIDECAR, Container, Run
from seatrial.twin.kubelet.tasks import Steps, all_of, first_of, sleep

if TYPE_CHECKING:
    from seatrial.twin.kubelet.worker import PodWorker

#: Whatever the grace is, a container has this many seconds between SIGTERM and SIGKILL (minimumGracePeriodInSeconds).
LEAST_GRACE = 2.0


def kill(worker: PodWorker, container: Container, message: str, deadline: float, after: Sequence[Run] = ()) -> Steps[None]:
    """End a running container by `deadline` (seconds since the epoch), saying why; nothing for one that does not run.

    `after`: runs that have to end before it is sent SIGTERM, as long as there is time.
    """
    run = container.run
    if run is None or run.exit is not None:
        return
    worker.say(container, "Normal", "Killing", message)
    hook = (container.spec.get("lifecycle") or {}).get("preStop")
    left = deadline - worker.clock.now()
    if hook and left > 0:
        problem = yield from hooks.run(worker, container, hook, limit=left)
        if problem is not None and run.exit is None:
            worker.say(container, "Warning", "FailedPreStopHook", "PreStopHook failed")
    yield from _wait_for(worker, after, deadline)
    if run.exit is None:
        worker.host.runtime.signal(run.id, signal.SIGTERM)
    if run.exit is None:
        _arm(worker, container, max(LEAST_GRACE, deadline - worker.clock.now()))
        yield run.when_ended
    timer = worker.kill_timers.pop(container.name, None)
    if timer:
        timer.cancel()


def _wait_for(worker: PodWorker, runs: Sequence[Run], deadline: float) -> Steps[None]:
    for run in runs:
        left = deadline - worker.clock.now()
        if run.exit is None and left > 0:
            yield first_of(run.when_ended, sleep(worker.clock, left))


def _arm(worker: PodWorker, container: Container, seconds: float) -> None:
    assert container.run is not None
    timer = worker.clock.call_later(seconds, worker.host.runtime.signal, container.run.id, signal.SIGKILL)
    worker.kill_timers[container.name] = timer


def hasten(worker: PodWorker) -> None:
    """The pod has less time than it had: kill what is still stopping sooner."""
    left = worker.deadline - worker.clock.now()
    for name, timer in list(worker.kill_timers.items()):
        timer.cancel()
        _arm(worker, worker.containers[name], max(LEAST_GRACE, left))


def end_all(worker: PodWorker) -> Steps[None]:
    """End all containers of a pod side by side; a sidecar waits for those that came after it."""
    everyone = list(worker.containers.values())
    running = [container for container in everyone if container.running]
    parts: list[Steps[object]] = []
    for container in running:
        later: list[Run] = []
        if container.kind == SIDECAR:
            behind = [other for other in everyone[everyone.index(container) + 1 :] if other.kind != EPHEMERAL]
            later = [other.run for other in behind if other.running and other.run is not None]
        parts.append(kill(worker, container, f"Stopping container {container.name}", worker.deadline, later))
    yield all_of(parts)
    if running:
        yield sleep(worker.clock, worker.host.timing.stopped)


def restart_failed(worker: PodWorker) -> Steps[None]:
    """End the containers that a probe has given up or whose image was changed; the sync that goes on starts them again."""
    for container in worker.containers.values():
        failed = worker.prober.failed(container)
        grace = worker.grace()
        if failed is not None:
            kind, spec = failed
            why = f"failed {kind} probe"
            grace = float(spec.get("terminationGracePeriodSeconds", grace))
        elif container.changed:
            why = "definition changed"
        else:
            continue
        said = f"Container {container.name} {why}, will be restarted"
        yield from kill(worker, container, said, worker.clock.now() + grace)
