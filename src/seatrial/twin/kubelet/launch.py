"""Starting one container of a pod: back-off, image, configuration, the start itself, and its postStart hook.

Follows pkg/kubelet/kuberuntime/kuberuntime_container.go (startContainer) and doBackOff of kuberuntime_manager.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from seatrial.twin.kubelet import ending, hooks
from seatrial.twin.kubelet.containers import Container, Run
from seatrial.twin.kubelet.environment import ConfigError, command_of, expand, variables
from seatrial.twin.kubelet.runtime import ContainerSpec, Exit, Foretelling, StartError, Telling
from seatrial.twin.kubelet.tasks import Steps, all_of, first_of, sleep
from seatrial.twin.kubelet.volumes import mounts_of
from seatrial.world import quantity
from seatrial.world.images import pull_policy
from seatrial.world.objects import Obj, annotations_of, name_of, namespace_of

if TYPE_CHECKING:
    from seatrial.twin.kubelet.worker import PodWorker

#: Seconds before an error is tried again (pkg/kubelet/kubelet.go, backOffPeriod).
ERROR_RETRY = 10.0


def start(worker: PodWorker, container: Container) -> Steps[None]:
    """Start a container, or note why it waits and when to try again."""
    if held_back(worker, container):
        return
    spec, asked = container.spec, worker.clock.now()
    policy = spec.get("imagePullPolicy") or pull_policy(spec["image"])
    image = yield from worker.host.images.ensure(worker.uid, spec["image"], policy, worker.sayer(container))
    if image.reason:
        fail(worker, container, image.reason, image.message)
        worker.retry_after(ERROR_RETRY)
        return
    try:
        wanted = container_spec(worker, container)
    except ConfigError as error:
        fail(worker, container, "CreateContainerConfigError", str(error), said=str(error))
        worker.retry_after(ERROR_RETRY)
        return
    pulled = worker.clock.now() > asked
    yield from _wait_for_start(worker, wanted, worker.clock.now() if pulled else worker.sync_began)
    run = Run("", wanted.attempt, image.id, worker.clock.now())
    try:
        run.id = worker.host.runtime.start(wanted, partial(_ended, worker, container, run))
    except StartError as error:
        _not_started(worker, container, run, error)
        return
    container.begin(run)
    worker.host.container_started()
    worker.say(container, "Normal", "Created", "Container created")
    worker.say(container, "Normal", "Started", "Container started")
    worker.prober.container_started(container)
    worker.again()
    yield from _post_start(worker, container)


def _wait_for_start(worker: PodWorker, wanted: ContainerSpec, since: float) -> Steps[None]:
    """The time a simulated container takes to start; containers of one sync start side by side."""
    runtime = worker.host.runtime
    if isinstance(runtime, Foretelling):
        yield sleep(worker.clock, since + runtime.start_seconds(wanted) - worker.clock.now())


def settle(worker: PodWorker, started: Sequence[Container]) -> Steps[None]:
    """Wait a moment for containers just started: the status shows them when it is known whether they ended at once."""
    runs = [container.run for container in started if container.running and container.run is not None]
    if worker.host.timing.settle > 0:
        yield all_of([_settle(worker, run) for run in runs])


def _settle(worker: PodWorker, run: Run) -> Steps[None]:
    runtime = worker.host.runtime
    if isinstance(runtime, Telling):
        yield first_of(run.when_ended, partial(runtime.when_running, run.id))
    if run.exit is None:
        yield first_of(run.when_ended, sleep(worker.clock, worker.host.timing.settle))
    if run.exit is not None:  # `_ended` asks for a sync: let it, so that start and end are looked at once
        yield lambda resume: worker.clock.call_later(worker.host.timing.notice, resume, None)


def _not_started(worker: PodWorker, container: Container, run: Run, error: StartError) -> None:
    """A container that could not be made waits; one that was made and could not run has ended with 128."""
    if error.reason != "RunContainerError":
        fail(worker, container, error.reason, error.message, said=error.message)
        worker.retry_after(ERROR_RETRY)
        return
    worker.say(container, "Normal", "Created", "Container created")
    run.id = f"{worker.host.runtime.name}://{worker.uid}-{container.name}-{run.attempt}"
    container.begin(run)
    run.finish(Exit(128, 0, "StartError", error.message), worker.clock.now())
    fail(worker, container, error.reason, error.message, said=error.message)
    worker.clock.call_later(worker.host.timing.notice, worker.wake)


def held_back(worker: PodWorker, container: Container) -> bool:
    """Whether a container that has crashed still has to wait; says so, and counts the start otherwise."""
    last = worker.last_ends.get(container.name)
    if last is None:
        return False
    now, crashes = worker.clock.now(), worker.host.crashes
    key = f"{worker.uid}_{container.name}_{container.spec['image']}"
    left = crashes.left(key, last.finished_at, now)
    if left <= 0:
        crashes.next(key, last.finished_at, now)
        return False
    pod = worker.pod
    who = f"{name_of(pod)}_{namespace_of(pod)}({worker.uid})"
    worker.say(container, "Warning", "BackOff", f"Back-off restarting failed container {container.name} in pod {who}")
    wait = render_wait(crashes.seconds(key))
    container.waiting = "CrashLoopBackOff", f"back-off {wait} restarting failed container={container.name} pod={who}"
    worker.retry_after(left)
    return True


def render_wait(seconds: float) -> str:
    """A duration as Go prints it: `10s`, `1m20s`, `5m0s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def fail(worker: PodWorker, container: Container, reason: str, message: str, said: str = "") -> None:
    """Note why a container waits, and say it in an event: the reason, or better words where there are some."""
    container.waiting = reason, message
    worker.say(container, "Warning", "Failed", f"Error: {said or reason}")


def container_spec(worker: PodWorker, container: Container) -> ContainerSpec:
    """What the runtime is to start. Raises ConfigError."""
    pod, spec = worker.pod, container.spec
    values = variables(worker.surroundings(), spec)
    command, args = command_of(spec, values)
    security = {**(pod["spec"].get("securityContext") or {}), **(spec.get("securityContext") or {})}
    _check_user(worker, container, security)
    limits = (spec.get("resources") or {}).get("limits") or {}
    return ContainerSpec(
        pod_uid=worker.uid,
        pod_name=name_of(pod),
        namespace=namespace_of(pod),
        name=container.name,
        image=spec["image"],
        attempt=container.runs,
        command=command,
        args=args,
        env={"HOSTNAME": pod["spec"].get("hostname") or name_of(pod), **values},
        working_dir=spec.get("workingDir", ""),
        mounts=mounts_of(spec, lambda text: expand(text, values)),
        run_as_user=security.get("runAsUser"),
        run_as_group=security.get("runAsGroup"),
        read_only_root=bool(security.get("readOnlyRootFilesystem")),
        memory_limit=quantity.whole(limits["memory"]) if "memory" in limits else None,
        cpu_limit=quantity.millis(limits["cpu"]) if "cpu" in limits else None,
        annotations=annotations_of(pod),
    )


def _check_user(worker: PodWorker, container: Container, security: Obj) -> None:
    if security.get("runAsNonRoot") and security.get("runAsUser") == 0:
        pod = f'"{name_of(worker.pod)}_{namespace_of(worker.pod)}({worker.uid})"'
        raise ConfigError(f"container's runAsUser breaks non-root policy (pod: {pod}, container: {container.name})")


def _ended(worker: PodWorker, container: Container, run: Run, exit_: Exit) -> None:
    worker.clock.call_later(worker.host.timing.notice, worker.wake)
    run.finish(exit_, worker.clock.now())


def _post_start(worker: PodWorker, container: Container) -> Steps[None]:
    hook: Obj | None = (container.spec.get("lifecycle") or {}).get("postStart")
    run = container.run
    if not hook or run is None:
        return
    problem = yield from hooks.run(worker, container, hook)
    if problem is None or run.exit is not None:
        return
    worker.say(container, "Warning", "FailedPostStartHook", "PostStartHook failed")
    yield from ending.kill(worker, container, "FailedPostStartHook", worker.clock.now() + worker.grace())
    container.waiting = "PostStartHookError", problem
