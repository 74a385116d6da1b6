"""A runtime whose containers are profiles: no process runs, everything happens on the clock, real or virtual.

What a container does comes, in this order, from its pod's annotation (see `profiles`), from the callable given, from its
command and image (`commands`), or from the defaults: it starts half a second after being asked, is ready at once and runs for
ever.
"""

from __future__ import annotations

import hashlib
import shutil
import signal as signals
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from seatrial.twin.clock import Clock, Timer, micro_timestamp
from seatrial.twin.kubelet import grpc_health
from seatrial.twin.kubelet.commands import reading
from seatrial.twin.kubelet.commands.outcome import DATE, Outcome
from seatrial.twin.kubelet.consumption import Consumption, Used
from seatrial.twin.kubelet.profiles import ANNOTATION, Points, Profile, ProfileError, at, of_outcome, parse
from seatrial.twin.kubelet.runtime import ContainerSpec, ExecResult, Exit, ProbeResult, PullResult, StartError, Usage, Volume
from seatrial.world.images import OFFICIAL, doubt
from seatrial.world.images import parse as parse_image
from seatrial.world.objects import Obj, annotations_of

#: What a container of this image with this specification does (None while only the image is known); None: no opinion.
Profiles = Callable[[str, ContainerSpec | None], Profile | None]

DEFAULT = Profile()


@dataclass(slots=True)
class _Pod:
    obj: Obj
    address: str
    ports: frozenset[int]  # declared by its containers
    volumes: dict[str, Volume] = field(default_factory=dict)
    containers: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Running:
    spec: ContainerSpec
    profile: Profile
    started: float
    ended: Callable[[Exit], None]
    timers: list[Timer] = field(default_factory=list)
    over: bool = False
    age_at_end: float = 0.0


class SimulatedRuntime:
    """Containers that are profiles. `log_dir` keeps their logs as files; without it they are in memory (`log_text`)."""

    name = "simulated"

    def __init__(self, clock: Clock, profiles: Profiles | None = None, log_dir: Path | None = None) -> None:
        self._clock, self._profiles, self._log_dir = clock, profiles, log_dir
        self._pods: dict[str, _Pod] = {}
        self._containers: dict[str, _Running] = {}
        self._image_profiles: dict[str, Profile] = {}  # from annotations, which only a pod brings
        self._logs: dict[tuple[str, str, int], list[str]] = {}
        self._addresses = 0
        self._ids = 0

    # images

    def has_image(self, image: str) -> bool:
        profile = self._image(image)
        return profile.pull_seconds == 0 and not profile.pull_error

    def pull(self, image: str, done: Callable[[PullResult], None]) -> None:
        profile = self._image(image)
        digest = hashlib.sha256(image.encode()).hexdigest()
        identity = f"{image.partition('@')[0].rpartition(':')[0] or image}@sha256:{digest}"
        result = PullResult(profile.pull_error, profile.image_size, profile.pull_seconds, "" if profile.pull_error else identity)
        self._clock.call_later(profile.pull_seconds, done, result)

    def _image(self, image: str) -> Profile:
        known = self._image_profiles.get(image)
        if known is not None:
            return known
        profile = self._profiles(image, None) if self._profiles else None
        return profile or _unreachable(image) or _nowhere(image) or DEFAULT

    # pods

    def start_pod(self, pod: Obj) -> str:
        uid = pod["metadata"]["uid"]
        known = self._pods.get(uid)
        if known:
            return known.address
        self._addresses += 1
        number = self._addresses
        address = f"10.{128 + (number >> 16) % 128}.{(number >> 8) % 256}.{number % 256}"
        containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
        ports = frozenset(port["containerPort"] for container in containers for port in container.get("ports") or ())
        self._pods[uid] = _Pod(pod, address, ports)
        for container in containers:
            told = annotations_of(pod).get(ANNOTATION + container["name"], "")
            if "pull" in told:
                self._image_profiles[container["image"]] = parse(told, DEFAULT)
        return address

    def mount(self, pod_uid: str, volume: Volume) -> None:
        self._pods[pod_uid].volumes[volume.name] = volume

    def volume(self, pod_uid: str, name: str) -> Volume | None:
        """What is mounted: for tests, which look where a process would."""
        return self._pods[pod_uid].volumes.get(name)

    def remove_pod(self, pod_uid: str) -> None:
        pod = self._pods.pop(pod_uid, None)
        for container_id in pod.containers if pod else ():
            self._end(container_id, Exit(137, signals.SIGKILL))
            running = self._containers.pop(container_id, None)
            if running:
                self._logs.pop((pod_uid, running.spec.name, running.spec.attempt), None)
        if pod and self._log_dir:
            shutil.rmtree(self._log_dir / pod_uid, ignore_errors=True)

    def remove_claim(self, claim: str) -> None:
        """Nothing is kept under a simulated claim."""

    # containers

    def profile(self, spec: ContainerSpec) -> Profile:
        """What a container does. Raises StartError for an annotation that cannot be read."""
        given = self._profiles(spec.image, spec) if self._profiles else None
        base = given or of_outcome(_outcome(spec), DEFAULT)
        told = spec.annotations.get(ANNOTATION + spec.name)
        if not told:
            return base
        try:
            return parse(told, base)
        except ProfileError as error:
            raise StartError("RunContainerError", f"annotation {ANNOTATION}{spec.name}: {error}") from None

    def start_seconds(self, spec: ContainerSpec) -> float:
        try:
            return self.profile(spec).start_seconds
        except StartError:
            return 0.0

    def start(self, spec: ContainerSpec, ended: Callable[[Exit], None]) -> str:
        profile = self.profile(spec)
        if profile.start_error:
            raise StartError("RunContainerError", profile.start_error)
        self._ids += 1
        container_id = f"simulated://{self._ids:064x}"
        running = _Running(spec, profile, self._clock.now(), ended)
        self._containers[container_id] = running
        pod = self._pods.get(spec.pod_uid)
        if pod:
            pod.containers.append(container_id)
        self._logs[spec.pod_uid, spec.name, spec.attempt] = []
        for seconds, line in profile.lines:
            self._after(running, seconds, self._write, spec, line)
        self._plan_end(container_id, running)
        return container_id

    def _plan_end(self, container_id: str, running: _Running) -> None:
        profile, limit = running.profile, running.spec.memory_limit
        out_of_memory = profile.memory_passes(limit) if limit else inf
        if out_of_memory < profile.exits_after:
            exit_ = Exit(137, signals.SIGKILL, "OOMKilled")
            self._after(running, out_of_memory, self._end, container_id, exit_)
        elif profile.exits_after < inf and running.spec.attempt < profile.good_after:
            exit_ = Exit(profile.exit_code, 0, profile.exit_reason, profile.exit_message)
            self._after(running, profile.exits_after, self._end, container_id, exit_)

    def _after(self, running: _Running, seconds: float, callback: Callable[..., object], *args: object) -> None:
        running.timers.append(self._clock.call_later(seconds, callback, *args))

    def _end(self, container_id: str, exit_: Exit) -> None:
        running = self._containers.get(container_id)
        if running is None or running.over:
            return
        running.over, running.age_at_end = True, self._clock.now() - running.started
        for timer in running.timers:
            timer.cancel()
        running.ended(exit_)

    def signal(self, container_id: str, number: int) -> None:
        running = self._containers.get(container_id)
        if running is None or running.over:
            return
        if number == signals.SIGKILL:
            self._end(container_id, Exit(137, signals.SIGKILL))
        elif number == signals.SIGTERM and running.profile.term_after < inf:
            self._after(running, running.profile.term_after, self._end, container_id, Exit(running.profile.term_code))

    def exec(self, container_id: str, command: tuple[str, ...], timeout: float, done: Callable[[ExecResult], None]) -> None:
        outcome = self._asked(container_id, command)
        if outcome is None or outcome.memory:  # nobody knows what it would do: it finds what a probe would find
            well = self._well(container_id)
            done(ExecResult(0, "") if well else ExecResult(1, f"{' '.join(command)}: not ready"))
        elif outcome.seconds > timeout:
            self._clock.call_later(timeout, done, ExecResult(137, "", timed_out=True))
        else:
            output = "".join(f"{self._dated(line)}\n" for _, line in outcome.lines)
            self._clock.call_later(outcome.seconds, done, ExecResult(outcome.code, output))

    def _asked(self, container_id: str, command: tuple[str, ...]) -> Outcome | None:
        running = self._containers.get(container_id)
        if running is None:
            return None
        spec, age = running.spec, self._clock.now() - running.started
        main = None if ANNOTATION + spec.name in spec.annotations else _outcome(spec)
        return reading.asked(command, _variables(spec), main, age, [mount.path for mount in spec.mounts])

    def _dated(self, line: str) -> str:
        return line.replace(DATE, time.strftime("%a %b %e %H:%M:%S UTC %Y", time.gmtime(self._clock.now())))

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
        if self._well(container_id, port):
            done(ProbeResult(True))
        else:
            refused = f"dial tcp {address}:{port}: connect: connection refused"
            done(ProbeResult(False, f'Get "{scheme.lower()}://{address}:{port}{path}": {refused}'))

    def tcp_probe(self, container_id: str, address: str, port: int, timeout: float, done: Callable[[ProbeResult], None]) -> None:
        well = self._well(container_id, port)
        done(ProbeResult(well, "" if well else f"dial tcp {address}:{port}: connect: connection refused"))

    def grpc_probe(
        self, container_id: str, address: str, port: int, service: str, timeout: float, done: Callable[[ProbeResult], None]
    ) -> None:
        """A server that listens and is not well says so; where nobody listens, the time runs out."""
        running = self._containers.get(container_id)
        if running is None or running.over or not self._listens(running, port):
            self._clock.call_later(timeout, done, grpc_health.unreachable(address, port, timeout))
        else:
            done(grpc_health.answered(grpc_health.SERVING if self._well(container_id) else "NOT_SERVING"))

    def _well(self, container_id: str, port: int = 0) -> bool:
        running = self._containers.get(container_id)
        if running is None or running.over or (port and not self._listens(running, port)):
            return False
        age = self._clock.now() - running.started
        return running.profile.ready_after <= age + 1e-6 and age < running.profile.sick_after

    def _listens(self, running: _Running, port: int) -> bool:
        if running.profile.ports is not None:
            return port in running.profile.ports
        pod = self._pods.get(running.spec.pod_uid)
        return pod is None or not pod.ports or port in pod.ports

    def steady_until(self, container_id: str) -> float:
        running = self._containers.get(container_id)
        if running is None or running.over:
            return inf
        age = self._clock.now() - running.started
        if age < running.profile.ready_after:
            return running.started + running.profile.ready_after
        return running.started + running.profile.sick_after

    def usage(self, container_id: str) -> Usage | None:
        running = self._containers.get(container_id)
        if running is None or running.over:
            return None
        return Usage(running.profile.cpu, running.profile.memory_at(self._clock.now() - running.started))

    def consumption(self, pod_uid: str) -> Consumption | None:
        """What a pod uses of its node now; what was put into a volume stays there when its container ends."""
        now = self._clock.now()
        return self._consumption(pod_uid, lambda points, running: at(points, now - running.started))

    def most_consumption(self, pod_uid: str) -> Consumption | None:
        return self._consumption(pod_uid, lambda points, _running: max(size for _, size in points))

    def _consumption(self, pod_uid: str, size: Callable[[Points, _Running], int]) -> Consumption | None:
        pod = self._pods.get(pod_uid)
        runs = [running for each in pod.containers if (running := self._containers.get(each))] if pod else []
        if pod is None or not runs:
            return None
        used, volumes = dict[str, Used](), dict[str, int]()
        for running in runs:
            profile = running.profile
            if not running.over:
                amounts = size(profile.memory, running), size(profile.disk, running)
                used[running.spec.name] = Used(*amounts, profile.inodes, profile.processes)
            for volume, points in profile.fills:
                filled = at(points, running.age_at_end) if running.over else size(points, running)
                volumes[volume] = max(volumes.get(volume, 0), filled)
        in_memory = frozenset(name for name in volumes if name in pod.volumes and pod.volumes[name].kind == "memory")
        return Consumption(used, volumes, in_memory)

    # logs

    def _write(self, spec: ContainerSpec, line: str) -> None:
        line = self._dated(line) if DATE in line else line
        if self._log_dir is None:
            self._logs[spec.pod_uid, spec.name, spec.attempt].append(line)
            return
        path = self._log_file(spec.pod_uid, spec.name, spec.attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            log.write(f"{micro_timestamp(self._clock.now())} stdout F {line}\n")

    def _log_file(self, pod_uid: str, container: str, attempt: int) -> Path:
        return (self._log_dir or Path()) / pod_uid / container / f"{attempt}.log"

    def log_path(self, pod_uid: str, container: str, attempt: int) -> str | None:
        if self._log_dir is None or (pod_uid, container, attempt) not in self._logs:
            return None
        path = self._log_file(pod_uid, container, attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return str(path)

    def log_text(self, pod_uid: str, container: str, attempt: int = 0) -> str:
        """What a container has printed, where logs are kept in memory."""
        return "".join(f"{line}\n" for line in self._logs.get((pod_uid, container, attempt), ()))

    def close(self) -> None:
        for running in self._containers.values():
            for timer in running.timers:
                timer.cancel()
        for uid in list(self._pods):
            if self._log_dir:
                shutil.rmtree(self._log_dir / uid, ignore_errors=True)
        self._pods.clear()
        self._containers.clear()


def _outcome(spec: ContainerSpec) -> Outcome | None:
    return reading.outcome(spec.image, spec.command, spec.args, _variables(spec), [mount.path for mount in spec.mounts])


def _variables(spec: ContainerSpec) -> Mapping[str, str]:
    """A container's variables; its host's name only where its command asks for it: the same command is read once for all pods."""
    if any("hostname" in word.lower() for word in (*spec.command, *spec.args)):
        return spec.env
    return {name: value for name, value in spec.env.items() if name != "HOSTNAME"}


def _unreachable(image: str) -> Profile | None:
    """Registries under `.invalid` exist nowhere (RFC 2606)."""
    host, slash, rest = image.partition("/")
    if not slash or not host.partition(":")[0].endswith(".invalid"):
        return None
    name, _, tag = rest.partition(":")
    why = f'Head "https://{host}/v2/{name}/manifests/{tag or "latest"}": dial tcp: lookup {host}: no such host'
    resolve = f'failed to resolve reference "{image}": failed to do request: {why}'
    return Profile(pull_seconds=0.2, pull_error=f'failed to pull and unpack image "{image}": {resolve}')


def _nowhere(image: str) -> Profile | None:
    """What a registry says of an image that cannot be meant."""
    if not doubt(image):
        return None
    reference = parse_image(image)
    full = f"{reference.repository}:{reference.tag}"
    denied = "pull access denied, repository does not exist or may require authorization"
    why = (
        f"{full}: not found"
        if reference.official in OFFICIAL
        else f"{denied}: server message: insufficient_scope: authorization failed"
    )
    resolve = f'failed to pull and unpack image "{full}": failed to resolve reference "{full}"'
    return Profile(pull_seconds=0.5, pull_error=f"{resolve}: {why}")
