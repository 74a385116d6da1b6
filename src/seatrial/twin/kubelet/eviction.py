"""Node pressure: a kubelet looks at its node's figures, says when one is low, and gives up pods until it is not.

A look every ten seconds, but only while something could come of it: what simulated containers will ever use is known ahead,
and a node that cannot come under pressure is left in peace until the next container starts.  `machine` gives the figures of
the machine the kubelet runs on; without it only what pods themselves are known to use counts.  Follows
pkg/kubelet/eviction/eviction_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from seatrial.twin.clock import Clock, Timer
from seatrial.twin.kubelet import ranking, signals
from seatrial.twin.kubelet.consumption import Consumption, Metering, Used, observed
from seatrial.twin.kubelet.runtime import Runtime
from seatrial.twin.kubelet.signals import SIGNALS, Observations, Settings, Threshold
from seatrial.twin.kubelet.status import qos_class
from seatrial.twin.kubelet.worker import PodWorker
from seatrial.world.objects import Obj

INTERVAL = 10.0  # seconds between looks (evictionMonitoringPeriod)
TRANSITION = 300.0  # seconds a pressure is told after it was last seen (--eviction-pressure-transition-period)
GRACE = 1.0  # seconds an evicted pod has to end (immediateEvictionGracePeriodSeconds)
CLEANUP, CLEANUP_POLL = 30.0, 1.0  # seconds an evicted pod is waited for, and how often it is looked at
REASON = "Evicted"
_MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"

#: The figures of this machine, by signal.
Machine = Callable[[], Observations]


class Host(Protocol):
    """The kubelet, as its eviction manager sees it. `memory` and `storage` are what pods can use, in bytes."""

    runtime: Runtime
    memory: int
    storage: int

    @property
    def clock(self) -> Clock: ...
    def workers(self) -> list[PodWorker]: ...
    def report_pressure(self, pressures: Iterable[str]) -> None:
        """Write the node's conditions."""
        ...

    def say_node(self, type_: str, reason: str, message: str) -> None: ...


class EvictionManager:
    def __init__(self, host: Host, settings: Settings, machine: Machine | None = None) -> None:
        self._host, self._machine = host, machine
        self._thresholds, self._max_pod_grace = signals.thresholds(settings), settings.max_pod_grace
        self._met_since: dict[Threshold, float] = {}
        self._acted_on: list[Threshold] = []  # those that were met, past their grace, at the last look
        self._metering: Metering | None = host.runtime if isinstance(host.runtime, Metering) else None
        self._began = host.clock.now()
        self._last_seen: dict[str, float] = {}  # when each pressure was
        self._timer: Timer | None = None
        self._leaving: list[PodWorker] = []  # evicted, and not yet ended
        self._leaving_since = 0.0
        self.pressures: list[str] = []

    # when it looks

    def start(self) -> None:
        if self._machine:
            self._plan()

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def container_started(self) -> None:
        """Something new runs: there may be something to see."""
        if self._timer is None and self._metering:
            self._plan()

    def _plan(self) -> None:
        """Look at the next of the moments that are ten seconds apart, whatever asked for it."""
        passed = (self._host.clock.now() - self._began) % INTERVAL
        self._timer = self._host.clock.call_later(INTERVAL - passed, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._leaving and not self._have_left():
            self._timer = self._host.clock.call_later(CLEANUP_POLL, self._look)
            return
        self._leaving = self._synchronize()
        self._leaving_since = self._host.clock.now()
        if self._leaving:
            self._timer = self._host.clock.call_later(CLEANUP_POLL, self._look)
        elif self._machine or self._last_seen or not self._is_calm():
            self._plan()

    def _have_left(self) -> bool:
        late = self._host.clock.now() - self._leaving_since >= CLEANUP
        return late or all(worker.ended for worker in self._leaving)

    def _is_calm(self) -> bool:
        """Whether nothing that runs now can ever meet a threshold or break a limit."""
        most = {worker: use for worker in self._active() if (use := self._most(worker)) is not None}
        worst = self._observe(most.values())
        if any(threshold.met(worst) for threshold in self._thresholds):
            return False
        return not any(ranking.broken_limit(worker.pod, use) for worker, use in most.items())

    def _most(self, worker: PodWorker) -> Consumption | None:
        return self._metering.most_consumption(worker.uid) if self._metering else None

    # what it sees

    def _active(self) -> list[PodWorker]:
        return [worker for worker in self._host.workers() if not worker.ended]

    def _observe(self, pods: Iterable[Consumption]) -> Observations:
        return self._machine() if self._machine else observed(self._host.memory, self._host.storage, pods)

    def _consumption(self, worker: PodWorker) -> Consumption | None:
        """What a pod uses, None where that does not count; processes only count where the machine does."""
        found = self._metering.consumption(worker.uid) if self._metering else None
        if found is not None or not self._machine:
            return found
        used = {}
        for container in worker.containers.values():
            usage = self._host.runtime.usage(container.run.id) if container.running and container.run else None
            if usage is not None:
                used[container.name] = Used(memory=usage.memory)
        return Consumption(used) if used else None

    # what it does

    def _synchronize(self) -> list[PodWorker]:
        """One look; returns the pods that were evicted: all that broke their own limits, or one for the node's sake."""
        use = {worker: found for worker in self._active() if (found := self._consumption(worker)) is not None}
        observations = self._observe(use.values())
        met = [each for each in self._thresholds if each.met(observations, reclaiming=each in self._acted_on)]
        self._tell(signals.conditions(met))
        met = self._acted_on = self._past_their_grace(met)
        staying = {worker: found for worker, found in use.items() if not worker.ending}
        evicted = []
        for worker, found in staying.items():
            broken = ranking.broken_limit(worker.pod, found)
            if broken and self._evict(worker, broken):
                evicted.append(worker)
        return evicted or (self._reclaim(met, staying, observations) if met else [])

    def _past_their_grace(self, met: list[Threshold]) -> list[Threshold]:
        """Those of the thresholds met now for which pods go: a soft one only when it has been met for long enough."""
        now = self._host.clock.now()
        self._met_since = {each: self._met_since.get(each, now) for each in met}
        return [each for each, since in self._met_since.items() if now - since >= (each.grace or 0.0)]

    def _grace(self, worker: PodWorker, threshold: Threshold) -> float:
        """Seconds a pod gets to end: for a soft threshold its own, up to evictionMaxPodGracePeriod."""
        return max(GRACE, min(worker.grace(), self._max_pod_grace)) if threshold.soft else GRACE

    def _reclaim(self, met: list[Threshold], use: Mapping[PodWorker, Consumption], observations: Observations) -> list[PodWorker]:
        resource = SIGNALS[met[0].signal].resource
        self._host.say_node("Warning", "EvictionThresholdMet", f"Attempting to reclaim {resource}")
        for worker in sorted(use, key=lambda each: ranking.order(each.pod, use[each], resource)):
            said = ranking.message(worker.pod, use[worker], resource, met, observations)
            condition = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": said}
            if self._evict(worker, said, condition, grace=self._grace(worker, met[0])):
                return [worker]
        return []

    def _evict(self, worker: PodWorker, said: str, *conditions: Obj, grace: float = GRACE) -> bool:
        if ranking.is_critical(worker.pod):
            return False
        worker.say_pod("Warning", REASON, said)
        worker.refuse(REASON, said, conditions, grace)
        return True

    def _tell(self, seen: Iterable[str]) -> None:
        """Report the pressures that are seen now, or were not long ago."""
        now = self._host.clock.now()
        self._last_seen |= dict.fromkeys(seen, now)
        self._last_seen = {pressure: at for pressure, at in self._last_seen.items() if now - at < TRANSITION}
        pressures = sorted(self._last_seen)
        if pressures != self.pressures:
            self.pressures = pressures
            self._host.report_pressure(pressures)

    # what it lets in

    def refuses(self, pod: Obj) -> tuple[str, str] | None:
        """Why a node under pressure does not take a pod, as reason and message."""
        if not self.pressures:
            return None
        tolerations = pod["spec"].get("tolerations") or ()
        tolerant = any(_tolerates_memory_pressure(toleration) for toleration in tolerations)
        said = ranking.refusal(pod, self.pressures, qos_class(pod) == "BestEffort", tolerant)
        return (REASON, said) if said else None


def _tolerates_memory_pressure(toleration: Obj) -> bool:
    if toleration.get("effect") not in (None, "", "NoSchedule") or toleration.get("key") not in (None, "", _MEMORY_PRESSURE):
        return False
    return toleration.get("operator") == "Exists" or (bool(toleration.get("key")) and not toleration.get("value"))
