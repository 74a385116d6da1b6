"""Probes: when each one runs, how results add up, and what they say of a container (started, ready, to be restarted).

Follows pkg/kubelet/prober/worker.go and prober_manager.go.  A worker's ticks keep their beat over restarts of the container;
a readiness probe is also asked at once when a status shows a container that is not ready, and its beat begins anew from there.
Where the runtime knows that nothing will change, no tick is spent on it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from math import ceil, floor, inf
from typing import Protocol

from seatrial.twin.clock import Clock, Timer
from seatrial.twin.kubelet.containers import APP, SIDECAR, Container, Run
from seatrial.twin.kubelet.runtime import ExecResult, Foretelling, ProbeResult, Runtime
from seatrial.world.objects import Obj

STARTUP, LIVENESS, READINESS = "startup", "liveness", "readiness"

#: What a worker believes of a container before its first result.
_INITIAL: Mapping[str, bool | None] = {STARTUP: None, LIVENESS: True, READINESS: False}

#: A thousandth of a period: clocks since the epoch are not finer than that in floating point.
_EPSILON = 1e-3


class Owner(Protocol):
    """What a probe needs of the pod it belongs to."""

    @property
    def pod(self) -> Obj: ...
    @property
    def address(self) -> str: ...
    def probed(self) -> None:
        """A result has changed: what the status says may be out of date."""
        ...

    def say(self, container: Container, type_: str, reason: str, message: str) -> None: ...


class Prober:
    """The probes of one pod."""

    def __init__(self, clock: Clock, runtime: Runtime, owner: Owner, containers: Mapping[str, Container], latency: float) -> None:
        self._workers: dict[tuple[str, str], Worker] = {}
        self._begun = False
        for container in containers.values():
            if container.kind not in (APP, SIDECAR):
                continue
            for kind in (STARTUP, LIVENESS, READINESS):
                spec = container.spec.get(f"{kind}Probe")
                if spec:
                    self._workers[container.name, kind] = Worker(clock, runtime, owner, self, container, kind, spec, latency)

    def begin(self) -> None:
        """The pod's volumes are there: from now on the workers keep their beat."""
        if not self._begun:
            self._begun = True
            for worker in self._workers.values():
                worker.begin()

    def container_started(self, container: Container) -> None:
        for kind in (STARTUP, LIVENESS, READINESS):
            worker = self._workers.get((container.name, kind))
            if worker:
                worker.new_run()

    def started(self, container: Container) -> bool:
        """Whether the container counts as started: it runs, and its startup probe, if any, has succeeded."""
        if not container.running:
            return False
        worker = self._workers.get((container.name, STARTUP))
        return worker is None or worker.result_of(container) is True

    def ready(self, container: Container) -> bool:
        """Whether the container is ready; one that should be and is not is asked at once."""
        if not self.started(container):
            return False
        worker = self._workers.get((container.name, READINESS))
        return worker is None or worker.result_of(container) is True

    def ask(self, container: Container) -> None:
        """Ask a started container that is not ready now, instead of at the next tick."""
        worker = self._workers.get((container.name, READINESS))
        if worker and self.started(container) and worker.result_of(container) is not True:
            worker.trigger()

    def failed(self, container: Container) -> tuple[str, Obj] | None:
        """The probe that wants the running container restarted, and its spec."""
        for kind in (LIVENESS, STARTUP):
            worker = self._workers.get((container.name, kind))
            if worker and container.running and worker.result_of(container) is False:
                return kind, worker.spec
        return None

    def startup_done(self, container: Container) -> None:
        for kind in (LIVENESS, READINESS):
            worker = self._workers.get((container.name, kind))
            if worker:
                worker.arm()

    def stop_restarting(self) -> None:
        """The pod ends: only readiness is still asked."""
        for (_, kind), worker in self._workers.items():
            if kind != READINESS:
                worker.stop()

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.stop()


class Worker:
    """One probe of one container."""

    def __init__(
        self,
        clock: Clock,
        runtime: Runtime,
        owner: Owner,
        prober: Prober,
        container: Container,
        kind: str,
        spec: Obj,
        latency: float,
    ) -> None:
        self._clock, self._runtime, self._owner, self._prober = clock, runtime, owner, prober
        self._container, self._kind, self.spec, self._latency = container, kind, spec, latency
        self._period = float(spec.get("periodSeconds") or 10)
        self._base: float | None = None  # the beat began here
        self._timer: Timer | None = None
        self._run: Run | None = None
        self._result: bool | None = None
        self._last: bool | None = None
        self._same = 0  # how often the last answer came in a row
        self._on_hold = False
        self._busy = False
        self._foretells = isinstance(runtime, Foretelling)

    def result_of(self, container: Container) -> bool | None:
        """What was found of the container's present run; the initial belief where nothing was yet."""
        return self._result if self._run is container.run else _INITIAL[self._kind]

    # the beat

    def begin(self) -> None:
        self._base = self._clock.now()
        self._tick()

    def stop(self) -> None:
        self._base = None
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def new_run(self) -> None:
        """A new container: forget the old one and go on probing."""
        self._run, self._result = self._container.run, _INITIAL[self._kind]
        self._on_hold = False
        self.arm()

    def trigger(self) -> None:
        """Ask now and count the beat from now."""
        if self._base is not None and not self._busy:
            self._base = self._clock.now()
            self._tick()

    def arm(self, not_before: float = 0.0) -> None:
        """Wait for the next tick of the beat at which there is something to ask, and not before a time that is given."""
        if self._base is None or self._on_hold or not self._container.running or self._held_back():
            return
        now, run = self._clock.now(), self._container.run
        assert run is not None
        if self._timer:
            if not not_before:
                return
            self._timer.cancel()
            self._timer = None
        if not_before < inf:
            wanted = max(not_before, floor(run.started_at) + (self.spec.get("initialDelaySeconds") or 0))
            following = floor((now - self._base) / self._period + _EPSILON) + 1
            ticks = max(following, ceil((wanted - self._base) / self._period - _EPSILON))
            self._timer = self._clock.call_later(self._base + ticks * self._period - now, self._tick)

    def _held_back(self) -> bool:
        started = self._prober.started(self._container)
        return started if self._kind == STARTUP else not started

    def _tick(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        run = self._container.run
        if self._base is None or run is None or run.exit is not None or self._on_hold or self._held_back() or self._busy:
            return
        if int(self._clock.now() - floor(run.started_at) + _EPSILON) < (self.spec.get("initialDelaySeconds") or 0):
            self.arm()
            return
        self._busy = True
        self._ask(run, lambda result: self._answered(run, result))
        if self._busy:
            self.arm()

    # one probe

    def _ask(self, run: Run, done: Callable[[ProbeResult], None]) -> None:
        spec, pod_ip = self.spec, self._owner.address
        timeout = float(spec.get("timeoutSeconds") or 1)
        if "exec" in spec:
            command = tuple(spec["exec"].get("command") or ())
            self._runtime.exec(run.id, command, timeout, lambda result: done(_of_exec(result, command, timeout)))
        elif "httpGet" in spec:
            get = spec["httpGet"]
            port = port_number(get["port"], self._container.spec)
            if not port:
                done(_unresolved(get["port"]))
                return
            headers = {header["name"]: header["value"] for header in get.get("httpHeaders") or ()}
            host, scheme = get.get("host") or pod_ip, (get.get("scheme") or "HTTP").lower()
            self._runtime.http_probe(run.id, host, port, get.get("path") or "/", scheme, headers, timeout, done)
        elif "grpc" in spec:
            grpc = spec["grpc"]
            self._runtime.grpc_probe(run.id, pod_ip, grpc["port"], grpc.get("service") or "", timeout, done)
        else:
            socket = spec.get("tcpSocket") or {}
            port = port_number(socket.get("port", 0), self._container.spec)
            if not port:
                done(_unresolved(socket.get("port", 0)))
                return
            self._runtime.tcp_probe(run.id, socket.get("host") or pod_ip, port, timeout, done)

    def _answered(self, run: Run, answer: ProbeResult) -> None:
        self._busy = False
        if self._base is None or run is not self._container.run or run.exit is not None:
            return
        if answer.errored:  # says nothing of the container: what was believed of it stays (prober/worker.go, doProbe)
            message = f"{self._kind.capitalize()} probe errored and resulted in unknown state: {answer.message}"
            self._owner.say(self._container, "Warning", "Unhealthy", message)
            self.arm()
            return
        if not answer.ok:
            message = f"{self._kind.capitalize()} probe failed: {answer.message}"
            self._owner.say(self._container, "Warning", "Unhealthy", message)
        self._same = self._same + 1 if self._last == answer.ok else 1
        self._last = answer.ok
        threshold = self.spec.get("successThreshold") or 1 if answer.ok else self.spec.get("failureThreshold") or 3
        if self._same >= threshold:
            self._conclude(run, answer.ok)
        self.arm(self._quiet_until(run) if answer.ok and self._result else 0.0)

    def _quiet_until(self, run: Run) -> float:
        if self._foretells:
            assert isinstance(self._runtime, Foretelling)
            return self._runtime.steady_until(run.id)
        return 0.0

    def _conclude(self, run: Run, ok: bool) -> None:
        changed = self._run is not run or self._result is not ok
        self._run, self._result = run, ok
        if self._kind == STARTUP or (self._kind == LIVENESS and not ok):
            self._on_hold, self._same = True, 0
        if changed:
            self._clock.call_later(self._latency, self._report)

    def _report(self) -> None:
        if self._kind == STARTUP and self._result:
            self._prober.startup_done(self._container)
        self._owner.probed()


def _unresolved(port: int | str) -> ProbeResult:
    """A port by a name that the container does not have (probe/util.go, ResolveContainerPort: at last it is read as a number)."""
    numeric = str(port).lstrip("-").isdigit()
    words = f"invalid port number: {port}" if numeric else f'strconv.Atoi: parsing "{port}": invalid syntax'
    return ProbeResult(False, words, errored=True)


def port_number(port: int | str, container: Obj) -> int:
    """The number of a port given by number or by the name of one of the container's ports; 0 when there is none."""
    if isinstance(port, int):
        return port
    for known in container.get("ports") or ():
        if known.get("name") == port:
            return int(known["containerPort"])
    return int(port) if port.isdigit() else 0


def _of_exec(result: ExecResult, command: tuple[str, ...], timeout: float) -> ProbeResult:
    if result.timed_out:
        return ProbeResult(False, f'command timed out: "{shlex.join(command)}" timed out after {timeout:g}s')
    return ProbeResult(result.code == 0, result.output if result.code else "")
