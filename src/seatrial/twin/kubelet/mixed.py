"""Two runtimes as one: a container is a process where its image or command can run on this machine, and simulated otherwise.

A pod may have both kinds; it has one address, that of the process runtime.  An annotation that gives a container a simulated
profile (`profiles.ANNOTATION`) decides for simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from seatrial.twin.kubelet.consumption import Consumption
from seatrial.twin.kubelet.profiles import ANNOTATION
from seatrial.twin.kubelet.runtime import (
    ContainerSpec,
    ExecResult,
    Exit,
    ProbeResult,
    PullResult,
    Runtime,
    Telling,
    Usage,
    Volume,
)
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.twin.kubelet.streaming import ExecStream, Output, exec_stream
from seatrial.world.objects import Obj


class ProcessLike(Runtime, Protocol):
    """A runtime that can say beforehand whether it can run something."""

    def resolve(self, image: str, command: tuple[str, ...] = (), args: tuple[str, ...] = ()) -> object | None: ...


class MixedRuntime:
    name = "process"

    def __init__(self, process: ProcessLike, simulated: SimulatedRuntime) -> None:
        self._process, self._simulated = process, simulated

    def _for(self, spec: ContainerSpec) -> Runtime:
        if f"{ANNOTATION}{spec.name}" in spec.annotations:
            return self._simulated
        return self._process if self._process.resolve(spec.image, spec.command, spec.args) is not None else self._simulated

    def _of(self, container_id: str) -> Runtime:
        return self._process if container_id.startswith("process://") else self._simulated

    # images

    def has_image(self, image: str) -> bool:
        return self._process.has_image(image) or self._simulated.has_image(image)

    def pull(self, image: str, done: Callable[[PullResult], None]) -> None:
        runtime = self._process if self._process.has_image(image) or image.startswith("localhost/") else self._simulated
        runtime.pull(image, done)

    # pods

    def start_pod(self, pod: Obj) -> str:
        self._simulated.start_pod(pod)
        return self._process.start_pod(pod)

    def mount(self, pod_uid: str, volume: Volume) -> None:
        self._process.mount(pod_uid, volume)
        self._simulated.mount(pod_uid, volume)

    def remove_pod(self, pod_uid: str) -> None:
        self._simulated.remove_pod(pod_uid)
        self._process.remove_pod(pod_uid)

    def remove_claim(self, claim: str) -> None:
        self._process.remove_claim(claim)
        self._simulated.remove_claim(claim)

    # containers

    def start(self, spec: ContainerSpec, ended: Callable[[Exit], None]) -> str:
        return self._for(spec).start(spec, ended)

    def start_seconds(self, spec: ContainerSpec) -> float:
        """A process takes the time it takes; a simulated container that of its profile."""
        return self._simulated.start_seconds(spec) if self._for(spec) is self._simulated else 0.0

    def when_running(self, container_id: str, done: Callable[[None], object]) -> None:
        runtime = self._of(container_id)
        if isinstance(runtime, Telling):
            runtime.when_running(container_id, done)
        else:
            done(None)

    def steady_until(self, container_id: str) -> float:
        """What a process will answer, nobody knows ahead: it is asked every period."""
        return self._simulated.steady_until(container_id) if self._of(container_id) is self._simulated else 0.0

    def signal(self, container_id: str, number: int) -> None:
        self._of(container_id).signal(container_id, number)

    def exec(self, container_id: str, command: tuple[str, ...], timeout: float, done: Callable[[ExecResult], None]) -> None:
        self._of(container_id).exec(container_id, command, timeout, done)

    def exec_stream(
        self,
        container_id: str,
        command: tuple[str, ...],
        output: Output,
        done: Callable[[ExecResult], None],
        *,
        tty: bool = False,
        stdin: bool = False,
    ) -> ExecStream:
        return exec_stream(self._of(container_id), container_id, command, output, done, tty=tty, stdin=stdin)

    def http_probe(
        self,
        container_id: str,
        address: str,
        port: int,
        path: str,
        scheme: str,
        headers: Mapping[str, str],
        timeout: float,
        done: Callable[[ProbeResult], None],
    ) -> None:
        self._of(container_id).http_probe(container_id, address, port, path, scheme, headers, timeout, done)

    def tcp_probe(self, container_id: str, address: str, port: int, timeout: float, done: Callable[[ProbeResult], None]) -> None:
        self._of(container_id).tcp_probe(container_id, address, port, timeout, done)

    def grpc_probe(
        self, container_id: str, address: str, port: int, service: str, timeout: float, done: Callable[[ProbeResult], None]
    ) -> None:
        self._of(container_id).grpc_probe(container_id, address, port, service, timeout, done)

    def usage(self, container_id: str) -> Usage | None:
        return self._of(container_id).usage(container_id)

    def consumption(self, pod_uid: str) -> Consumption | None:
        """Simulated containers use up a simulated node; what processes use is this machine's affair."""
        return self._simulated.consumption(pod_uid)

    def most_consumption(self, pod_uid: str) -> Consumption | None:
        return self._simulated.most_consumption(pod_uid)

    def log_path(self, pod_uid: str, container: str, attempt: int) -> str | None:
        return self._process.log_path(pod_uid, container, attempt) or self._simulated.log_path(pod_uid, container, attempt)

    def close(self) -> None:
        self._simulated.close()
        self._process.close()
