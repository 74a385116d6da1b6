"""What the kubelet asks of a container runtime.  Two answer: `simulated` (profiles, any clock) and `process` (this machine).

Everything is a call that returns at once; what takes time answers later through a callback, on the clock's thread.
The runtime knows nothing of the API: the kubelet hands it finished specifications and writes all status itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from seatrial.world.objects import Obj


@dataclass(frozen=True, slots=True)
class PullResult:
    """`error` is "" when the image is there; otherwise the message of ErrImagePull."""

    error: str = ""
    size: int = 0  # bytes
    seconds: float = 0.0
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a pod, resolved: the kubelet has read the ConfigMaps, Secrets and fields it is made of.

    `kind`: files (ConfigMap, Secret, downwardAPI, projected: `files`), empty (emptyDir), memory (emptyDir on tmpfs),
    claim (PersistentVolumeClaim: kept under `claim` until the claim is deleted), host (hostPath).
    """

    name: str
    kind: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    mode: int = 0o644
    claim: str = ""  # <namespace>/<claim name>
    path: str = ""  # of the host
    size_limit: int | None = None  # bytes


@dataclass(frozen=True, slots=True)
class Mount:
    volume: str
    path: str
    read_only: bool = False
    sub_path: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container ready to start: variables expanded, mounts resolved, security context merged from pod and container."""

    pod_uid: str
    pod_name: str
    namespace: str
    name: str
    image: str
    attempt: int  # the restart count
    command: tuple[str, ...] = ()  # replaces the image's entrypoint; empty: the image's own
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    run_as_user: int | None = None
    run_as_group: int | None = None
    read_only_root: bool = False
    memory_limit: int | None = None  # bytes
    cpu_limit: int | None = None  # millicores
    annotations: Mapping[str, str] = field(default_factory=dict)  # the pod's: simulated profiles live there


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended: `code` as the shell says it (128 + signal), `reason` Completed, Error, OOMKilled or StartError."""

    code: int
    signal: int = 0
    reason: str = ""
    message: str = ""


class StartError(Exception):
    """A container that could not be started: `reason` goes to state.waiting or terminated, `message` beside it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


@dataclass(frozen=True, slots=True)
class ExecResult:
    code: int
    output: str
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`ok`, and when not, the words the kubelet puts in its Unhealthy event. `errored`: it could not even be asked."""

    ok: bool
    message: str = ""
    errored: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    cpu: float  # cores, averaged since the last reading
    memory: int  # bytes, working set


class Runtime(Protocol):
    name: str

    # images
    def has_image(self, image: str) -> bool: ...
    def pull(self, image: str, done: Callable[[PullResult], None]) -> None: ...

    # pods
    def start_pod(self, pod: Obj) -> str:
        """Make the pod's folder and address; returns the address. Idempotent."""
        ...

    def mount(self, pod_uid: str, volume: Volume) -> None:
        """Make a volume ready, or bring its files up to date. Raises OSError."""
        ...

    def remove_pod(self, pod_uid: str) -> None:
        """Take back everything the pod had: containers first, then folders and address."""
        ...

    def remove_claim(self, claim: str) -> None:
        """A PersistentVolumeClaim (`<namespace>/<name>`) was deleted: what was kept under it goes."""
        ...

    # containers
    def start(self, spec: ContainerSpec, ended: Callable[[Exit], None]) -> str:
        """Start a container and return its id (`process://…`); `ended` is called once. Raises StartError."""
        ...

    def signal(self, container_id: str, number: int) -> None: ...
    def exec(self, container_id: str, command: tuple[str, ...], timeout: float, done: Callable[[ExecResult], None]) -> None: ...

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
    ) -> None: ...

    def tcp_probe(
        self, container_id: str, address: str, port: int, timeout: float, done: Callable[[ProbeResult], None]
    ) -> None: ...

    def grpc_probe(
        self, container_id: str, address: str, port: int, service: str, timeout: float, done: Callable[[ProbeResult], None]
    ) -> None: ...

    def usage(self, container_id: str) -> Usage | None: ...

    def log_path(self, pod_uid: str, container: str, attempt: int) -> str | None:
        """The file of a container's log, lines as the CRI writes them (`<time> stdout F <text>`); None when there is none."""
        ...

    def close(self) -> None:
        """End everything that was started and take back everything that was made."""
        ...


@runtime_checkable
class Telling(Protocol):
    """What a runtime adds whose `start` returns before the container has become its command."""

    def when_running(self, container_id: str, done: Callable[[None], object]) -> None:
        """Call `done(None)` once the command itself runs, or has ended."""
        ...


@runtime_checkable
class Foretelling(Protocol):
    """What a runtime adds when it knows ahead how its containers behave; the kubelet asks no more often than it must.

    A runtime without these starts containers at once and is probed every period.
    """

    def start_seconds(self, spec: ContainerSpec) -> float:
        """Seconds between being asked for this container and its running; the kubelet waits them before it calls `start`."""
        ...

    def steady_until(self, container_id: str) -> float:
        """The time (of the clock) until which every probe of this container gives the answer it gives now."""
        ...
