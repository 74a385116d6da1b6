"""The process runtime: pods whose containers are processes of this machine, started and watched by the shim.

Everything happens on the loop's thread.  Folders under `<root>/run/<token>` live as long as the runtime: pods, their volumes and
logs; `<root>/claims` holds what PersistentVolumeClaims keep and stays.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from seatrial.twin.kubelet.process import grpc, probes, stale
from seatrial.twin.kubelet.process.addresses import AddressBlock, Addresses, claim_block, loopback_of
from seatrial.twin.kubelet.process.capability import Capability, from_probe, why_not
from seatrial.twin.kubelet.process.client import Event, Shim, as_file
from seatrial.twin.kubelet.process.composition import compose, probe_plan, relocation
from seatrial.twin.kubelet.process.execution import ExecStream, Execution, Output
from seatrial.twin.kubelet.process.hosts import pod_hosts
from seatrial.twin.kubelet.process.images import Images, Launch
from seatrial.twin.kubelet.process.logs import LogFile, Stream, rotated
from seatrial.twin.kubelet.process.meter import Meter
from seatrial.twin.kubelet.process.pods import Container, Pod
from seatrial.twin.kubelet.process.shim.remove import remove
from seatrial.twin.kubelet.process.volumes import SHARED, Volumes
from seatrial.twin.kubelet.runtime import ContainerSpec, ExecResult, Exit, ProbeResult, PullResult, StartError, Usage, Volume
from seatrial.twin.network import low_ports
from seatrial.world.objects import Obj, dig, name_of, namespace_of

PROBE_PATIENCE = 20.0  # seconds for the shim to say what this machine permits
TERMINATION_LOG_SIZE = 4096  # bytes


class ProcessRuntime:
    """`isolation` is "auto" (what the machine permits) or "plain" (no namespaces, for tests and for those who want it so).

    `belongings` are further folders that go with the runtime, even when this process is killed; `held` are descriptors that
    stay open until they are gone (a lock, say). Raises OSError when the shim cannot be started, and AddressError when
    every block of addresses is taken.
    """

    name = "process"

    def __init__(
        self,
        root: Path,
        *,
        store: Path | None = None,
        block: AddressBlock | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        isolation: str = "auto",
        claims: Path | None = None,
        belongings: Sequence[Path] = (),
        held: Sequence[int] = (),
    ) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._block = block or claim_block()
        self._own_block = block is None
        self._isolation = isolation
        self._token = secrets.token_hex(6)
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        stale.sweep(root / "run")
        self._run = root / "run" / self._token
        self._run.mkdir(parents=True, mode=0o711)
        self._memory = SHARED / f"seatrial-{self._token}" if os.access(SHARED, os.W_OK) else self._run / "memory"
        self._log = root / "shim.log"
        self._lock = stale.hold(self._run)
        self._images = Images(store or root / "images", self._run / "bin")
        self._volumes = Volumes(self._run / "pods", self._memory, claims or root / "claims")
        self._addresses = Addresses(self._block, self._loop.time)
        self._pods: dict[str, Pod] = {}
        self._containers: dict[str, Container] = {}
        self._executions: dict[str, Execution] = {}
        self._leaving: dict[str, Pod] = {}  # by the id of the request that takes them back
        self._hosts: dict[str, str] = {}
        self._belongings, self._held = tuple(belongings), tuple(held)
        self._closed = False
        self._capability: Capability | None = None
        self._why_plain = "plain processes were asked for"
        self._shim = self._start_shim()
        self._unfollow = low_ports.follow(self._tell_port)
        self._probe()

    # the shim

    def _start_shim(self) -> Shim:
        held = [self._block.claim.fileno(), self._lock, *self._held]
        return Shim(self._loop, [self._run, self._memory, *self._belongings], held, self._log, self._heard)

    def _probe(self) -> None:
        """Try out a container, so that what this machine permits is known by the time it is asked for."""
        self._try_out("plain" if self._isolation == "plain" else "full")

    def _try_out(self, isolation: str) -> None:
        folder = self._run / "trial" / isolation
        folder.mkdir(parents=True)
        address = str(IPv4Network(self._block.pod_cidr)[1])
        null = os.open(os.devnull, os.O_RDWR)
        self._send_plan("start", probe_plan(folder, address, isolation == "full"), [null, null], id=f"trial-{isolation}")
        os.close(null)

    def _tried(self, event: Event) -> None:
        reason = "" if event["id"] == "trial-full" else self._why_plain
        self._capability = from_probe(event, reason)
        if self._capability is None and event["id"] == "trial-full":
            self._why_plain = why_not(event)
            self._try_out("plain")
        elif self._capability is None:
            self._capability = Capability(False, reason, addresses=False)

    def capability(self) -> Capability:
        """What containers are on this machine. Waits for the trial at the start, some 50 ms, if it is still under way."""
        deadline = time.monotonic() + PROBE_PATIENCE
        while self._capability is None and (left := deadline - time.monotonic()) > 0 and self._shim.alive:
            event = self._shim.wait(left)
            if event is not None:
                self._heard(event)
        if self._capability is None:
            self._capability = Capability(False, "the trial of a container did not end", addresses=False)
        return self._capability

    def _send_plan(self, do: str, plan: Mapping[str, object], fds: list[int], **facts: object) -> None:
        file = as_file(plan)
        self._shim.send(do, [file, *fds], **facts)
        os.close(file)

    def _heard(self, event: Event) -> None:
        handle = {
            "started": self._started,
            "ended": self._ended,
            "exec-ended": self._exec_ended,
            "discarded": self._discarded,
            "gone": self._gone,
            "port": self._port_moved,
        }.get(event["event"])
        if handle:
            handle(event)

    def _tell_port(self, address: str, port: int, where: int) -> None:
        self._shim.send("move", address=address, port=port, where=where)

    def _port_moved(self, event: Event) -> None:
        low_ports.note(event["address"], event["port"], event["where"])

    def _gone(self, _event: Event) -> None:
        """The shim was killed, and its containers with it: say so, and go on with another."""
        if self._closed:
            return
        self._shim.process.wait()
        self._shim = self._start_shim()
        self._unfollow()
        self._unfollow = low_ports.follow(self._tell_port)
        for container in list(self._containers.values()):
            self._ended({"id": container.id, "status": signal.SIGKILL, "error": "", "oom": False})
        for execution in list(self._executions.values()):
            self._exec_ended({"exec": execution.id, "status": signal.SIGKILL, "error": ""})
        for pod in list(self._leaving.values()):
            self._take_back(pod)

    # images

    def resolve(self, image: str, command: tuple[str, ...] = (), args: tuple[str, ...] = ()) -> Launch | None:
        """How an image would run here; None when it cannot, and has to be simulated."""
        return self._images.resolve(image, command, args)

    def has_image(self, image: str) -> bool:
        return self._images.has(image)

    def pull(self, image: str, done: Callable[[PullResult], None]) -> None:
        self._loop.call_soon(done, self._images.pull(image))

    # pods

    def start_pod(self, pod: Obj) -> str:
        uid = str(dig(pod, "metadata.uid"))
        if uid in self._pods:
            return self._pods[uid].address
        folder = self._run / "pods" / uid
        folder.mkdir(parents=True, exist_ok=True)
        address = self._addresses.take()
        hostname = str(dig(pod, "spec.hostname") or name_of(pod))[:63].rstrip("-.")
        made = Pod(
            uid,
            namespace_of(pod),
            hostname,
            address,
            folder,
            folder / "hosts",
            pod_hosts(pod, address, hostname),
            self._memory / uid / "s",
        )
        self._pods[uid] = made
        made.hosts.write_text(made.own_hosts + self._hosts.get(made.namespace, ""))
        return address

    def set_hosts(self, namespace: str, text: str) -> None:
        """The lines for Services (see `hosts.service_hosts`) in the files of all pods of a namespace, those that run included."""
        if self._hosts.get(namespace) == text:
            return
        self._hosts[namespace] = text
        for pod in self._pods.values():
            if pod.namespace == namespace:
                _overwrite(pod.hosts, (pod.own_hosts + text).encode())

    def mount(self, pod_uid: str, volume: Volume) -> None:
        pod = self._pods[pod_uid]
        pod.volumes[volume.name] = self._volumes.make(pod_uid, volume)
        if volume.kind == "files":
            pod.files.add(volume.name)

    def remove_claim(self, claim: str) -> None:
        """Delete what a PersistentVolumeClaim (`<namespace>/<name>`) kept."""
        self._volumes.remove_claim(claim)

    def remove_pod(self, pod_uid: str) -> None:
        pod = self._pods.pop(pod_uid, None)
        if pod is not None:
            self._take_back(pod)

    def _take_back(self, pod: Pod) -> None:
        self._leaving[pod.uid] = pod
        paths = [str(pod.folder), str(self._memory / pod.uid)]
        self._shim.send("discard", id=pod.uid, containers=sorted(pod.containers), paths=paths)

    def _discarded(self, event: Event) -> None:
        pod = self._leaving.pop(event["id"], None)
        if pod is not None:
            self._addresses.give_back(pod.address)
            for address in (pod.address, loopback_of(pod.address)):
                low_ports.forget(address)

    # containers

    def start(self, spec: ContainerSpec, ended: Callable[[Exit], None]) -> str:
        pod = self._pods[spec.pod_uid]
        launch = self.resolve(spec.image, spec.command, spec.args)
        if launch is None:
            raise StartError("CreateContainerError", f'image "{spec.image}" cannot run as a process of this machine')
        if not launch.argv:
            raise StartError("CreateContainerError", "no command specified")
        folder = pod.folder / "containers" / spec.name / str(spec.attempt)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            plan = compose(spec, launch, pod, folder, self.capability())
            log = LogFile(self._log_file(pod.uid, spec.name, spec.attempt))
            self._forget_logs(pod.uid, spec.name, spec.attempt - 2)
            streams = [Stream(self._loop, name, log) for name in ("stdout", "stderr")]
        except OSError as error:
            raise StartError("CreateContainerError", str(error)) from error
        container = Container(f"process://{secrets.token_hex(32)}", pod, spec, launch, ended, streams, log, folder)
        if not self.capability().full:
            container.move = relocation(spec, launch, folder)
        self._containers[container.id] = container
        pod.containers.add(container.id)
        self._send_plan("start", plan, [stream.theirs for stream in streams], id=container.id)
        for stream in streams:
            stream.sent()
        return container.id

    def _started(self, event: Event) -> None:
        container = self._containers.get(event["id"])
        if container is not None:
            container.pid = event["pid"]
            container.meter = Meter(container.pid, event["minded"])
            _tell(container)

    def when_running(self, container_id: str, done: Callable[[None], object]) -> None:
        """Call `done` when the command runs (the shim has seen its exec) or has ended: at once where that is so already."""
        container = self._containers.get(container_id)
        if container is None or container.pid:
            done(None)
        else:
            container.awaited.append(done)

    def _ended(self, event: Event) -> None:
        if event["id"].startswith("trial-"):
            self._tried(event)
            return
        container = self._containers.pop(event["id"], None)
        if container is None:
            return
        container.pod.containers.discard(container.id)
        for stream in container.streams:
            stream.close()
        container.log.close()
        said = _termination_message(container.folder)
        container.ended(_exit(event, said))
        _tell(container)

    def signal(self, container_id: str, number: int) -> None:
        """Send a signal to the first process; SIGTERM becomes the image's own stop signal, as container engines do it."""
        container = self._containers.get(container_id)
        if container is not None:
            if number == signal.SIGTERM:
                number = int(signal.Signals[container.launch.stop_signal])
            self._shim.send("signal", id=container_id, number=int(number))

    # commands in containers

    def exec(self, container_id: str, command: tuple[str, ...], timeout: float, done: Callable[[ExecResult], None]) -> None:
        execution = Execution(self._loop, self._end_exec, timeout=timeout, done=done)
        self._execute(container_id, command, execution)

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
        """Run a command with its streams connected: `output(1 or 2, data)` gets what it writes, `write` sends it input.

        With `tty` both outputs come as 1, and `resize` tells the size of the terminal.
        """
        execution = Execution(self._loop, self._end_exec, output=output, done=done, tty=tty, stdin=stdin)
        self._execute(container_id, command, execution)
        return execution

    def _execute(self, container_id: str, command: tuple[str, ...], execution: Execution) -> None:
        self._executions[execution.id] = execution
        container = self._containers.get(container_id)
        words = [container.move(word) for word in command] if container else list(command)
        plan = {"argv": words, "env": {"TERM": "xterm"} if execution.tty else {}, "tty": execution.tty}
        self._send_plan("exec", plan, execution.theirs, id=container_id, exec=execution.id)
        execution.sent()
        if container is None or not self._shim.alive:
            self._loop.call_soon(self._exec_ended, {"exec": execution.id, "status": 1 << 8, "error": "container not running"})

    def _end_exec(self, execution: Execution) -> None:
        self._shim.send("kill-exec", exec=execution.id)

    def _exec_ended(self, event: Event) -> None:
        execution = self._executions.pop(event["exec"], None)
        if execution is not None:
            execution.ended(_code(event["status"]) if not event["error"] else event.get("code", 1), event["error"])

    # probes and figures

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
        probes.http(self._loop, address, port, path, scheme, headers, timeout, done)

    def tcp_probe(self, container_id: str, address: str, port: int, timeout: float, done: Callable[[ProbeResult], None]) -> None:
        probes.tcp(self._loop, address, port, timeout, done)

    def grpc_probe(
        self, container_id: str, address: str, port: int, service: str, timeout: float, done: Callable[[ProbeResult], None]
    ) -> None:
        grpc.check(self._loop, address, port, service, timeout, done)

    def usage(self, container_id: str) -> Usage | None:
        container = self._containers.get(container_id)
        return container.meter.read() if container and container.meter else None

    def _log_file(self, pod_uid: str, container: str, attempt: int) -> Path:
        return self._run / "pods" / pod_uid / "logs" / container / f"{attempt}.log"

    def log_path(self, pod_uid: str, container: str, attempt: int) -> str | None:
        path = self._log_file(pod_uid, container, attempt)
        return str(path) if path.exists() else None

    def follow_log(self, container_id: str, grown: Callable[[], object]) -> Callable[[], None]:
        """Have `grown` called when something was written to a running container's log, and at its end; returns the way out."""
        container = self._containers.get(container_id)
        followers = container.log.followers if container else []
        followers.append(grown)
        return lambda: followers.remove(grown) if grown in followers else None

    def _forget_logs(self, pod_uid: str, container: str, attempt: int) -> None:
        """Only the run before this one is kept, as the kubelet keeps one dead container."""
        path = self._log_file(pod_uid, container, attempt)
        for old in [*rotated(path), path]:
            old.unlink(missing_ok=True)

    def close(self, grace: float = 2.0) -> None:
        """End everything; containers that listen to SIGTERM get `grace` seconds. Returns when nothing is left."""
        if self._closed:
            return
        self._closed = True
        self._unfollow()
        self._shim.close(grace)
        for path in (self._run, self._memory):
            remove(str(path))  # the shim has done it, unless it was killed
        os.close(self._lock)
        if self._own_block:
            self._block.release()


def _tell(container: Container) -> None:
    awaited, container.awaited = container.awaited, []
    for done in awaited:
        done(None)


def _code(status: int) -> int:
    """What a shell says of a status of wait(2)."""
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _exit(event: Event, said: str) -> Exit:
    """A container that could not start ends with 128, as containerd has it (internal/cri/server/container_start.go)."""
    if event["error"]:
        return Exit(128, reason="StartError", message=event["error"])
    code = _code(event["status"])
    number = code - 128 if os.WIFSIGNALED(event["status"]) else 0
    if event["oom"]:
        return Exit(code, number, "OOMKilled", said)
    return Exit(code, number, "Error" if code else "Completed", said)


def _termination_message(folder: Path) -> str:
    try:
        with (folder / "termination-log").open("rb") as file:
            return file.read(TERMINATION_LOG_SIZE).decode(errors="replace")
    except OSError:
        return ""


def _overwrite(path: Path, data: bytes) -> None:
    """New contents in the same file: it is bound into containers, which keep the file and not its name."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))
    os.close(fd)
