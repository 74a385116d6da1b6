"""Ending containers: preStop, SIGTERM, and SIGKILL when the grace is over; all containers of a pod side by side, sidecars last.

Follows pkg/kubelet/kuberuntime/kuberuntime_container.go (killContainer) and kuberuntime_termination_order.go.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from seatrial.twin.kubelet import hooks
from seatrial.twin.kubelet.containers import SIDECAR, Container
from seatrial.twin.kubelet.tasks import Steps, all_of, sleep

if TYPE_CHECKING:
    from seatrial.twin.kubelet.worker import PodWorker

#: Whatever the grace is, a container has this many seconds between SIGTERM and SIGKILL (minimumGracePeriodInSeconds).
LEAST_GRACE = 2.0


def kill(worker: PodWorker, container: Container, message: str, deadline: float) -> Steps[None]:
    """End a running container by `deadline` (seconds since the epoch), saying why; nothing for one that does not run."""
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
    if run.exit is None:
        worker.host.runtime.signal(run.id, signal.SIGTERM)
    if run.exit is None:
        _arm(worker, container, max(LEAST_GRACE, deadline - worker.clock.now()))
        yield run.when_ended
    timer = worker.kill_timers.pop(container.name, None)
    if timer:
        timer.cancel()


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
    """End all containers of a pod: side by side, and the sidecars one after another when the others are through."""
    everyone = list(worker.containers.values())
    ran = any(container.running for container in everyone)
    first = [c for c in everyone if c.kind != SIDECAR]
    yield all_of([kill(worker, c, f"Stopping container {c.name}", worker.deadline) for c in first])
    for sidecar in reversed([c for c in everyone if c.kind == SIDECAR]):
        yield from kill(worker, sidecar, f"Stopping container {sidecar.name}", worker.deadline)
    if ran:
        yield sleep(worker.clock, worker.host.timing.stopped)


def restart_failed(worker: PodWorker) -> Steps[None]:
    """End the containers whose liveness or startup probe has failed; the sync that goes on starts them again."""
    for container in worker.containers.values():
        failed = worker.prober.failed(container)
        if failed is None:
            continue
        kind, spec = failed
        grace = spec.get("terminationGracePeriodSeconds")
        deadline = worker.clock.now() + (worker.grace() if grace is None else float(grace))
        yield from kill(worker, container, f"Container {container.name} failed {kind} probe, will be restarted", deadline)
