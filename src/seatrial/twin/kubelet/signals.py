"""What a node measures itself by: signals, their thresholds, and the conditions they raise.

Pure: `observed` figures go in, the thresholds that are met come out. Follows pkg/kubelet/eviction/{helpers,defaults_linux}.go.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from seatrial.world import quantity

MEMORY, NODEFS, NODEFS_INODES = "memory.available", "nodefs.available", "nodefs.inodesFree"
IMAGEFS, IMAGEFS_INODES, PIDS = "imagefs.available", "imagefs.inodesFree", "pid.available"


@dataclass(frozen=True, slots=True)
class Signal:
    """A figure of a node: the condition it raises when it falls too low, and the resource that pods have to give back."""

    condition: str
    resource: str


#: In the order in which they are dealt with: memory first (byEvictionPriority).
SIGNALS = {
    MEMORY: Signal("MemoryPressure", "memory"),
    NODEFS: Signal("DiskPressure", "ephemeral-storage"),
    NODEFS_INODES: Signal("DiskPressure", "inodes"),
    IMAGEFS: Signal("DiskPressure", "ephemeral-storage"),
    IMAGEFS_INODES: Signal("DiskPressure", "inodes"),
    PIDS: Signal("PIDPressure", "pids"),
}

#: What a kubelet begins to evict at (evictionHard); there is no default for process ids.
DEFAULT_HARD: Mapping[str, str] = {MEMORY: "100Mi", NODEFS: "10%", NODEFS_INODES: "5%", IMAGEFS: "15%", IMAGEFS_INODES: "5%"}


@dataclass(frozen=True, slots=True)
class Observed:
    """How much of something a node has, and how much of it is left."""

    capacity: int
    available: int


Observations = Mapping[str, Observed]  # by signal


class ThresholdError(ValueError):
    """An evictionHard, or another of the settings beside it, that cannot be read."""


@dataclass(frozen=True, slots=True)
class Amount:
    """So much of something, or that share of the capacity."""

    amount: int = 0
    share: float = 0.0

    def of(self, capacity: int) -> int:
        return int(capacity * self.share) if self.share else self.amount


@dataclass(frozen=True, slots=True)
class Threshold:
    """Met when less than `least` is left. One with `grace` is soft: it has to be met for so many seconds before pods go.

    Once pods went for it, it stays met until `reclaim` more than `least` is left.
    """

    signal: str
    least: Amount
    grace: float | None = None
    reclaim: Amount = Amount()

    @property
    def soft(self) -> bool:
        return self.grace is not None

    def quantity(self, capacity: int) -> int:
        """The threshold in the signal's unit: bytes, inodes or processes."""
        return self.least.of(capacity)

    def met(self, observations: Observations, reclaiming: bool = False) -> bool:
        observed = observations.get(self.signal)
        if observed is None:
            return False
        more = self.reclaim.of(observed.capacity) if reclaiming else 0
        return observed.available < self.quantity(observed.capacity) + more


@dataclass(frozen=True, slots=True)
class Settings:
    """What a kubelet's configuration says of eviction, by signal: evictionHard, evictionSoft, evictionSoftGracePeriod (seconds),
    evictionMinimumReclaim; and evictionMaxPodGracePeriod (seconds), which pods get at most that go for a soft threshold.
    """

    hard: Mapping[str, str]
    soft: Mapping[str, str] = field(default_factory=dict)
    grace: Mapping[str, float] = field(default_factory=dict)
    reclaim: Mapping[str, str] = field(default_factory=dict)
    max_pod_grace: float = 0.0


def thresholds(settings: Settings) -> list[Threshold]:
    """All thresholds in the order of SIGNALS, the hard one of a signal before its soft one. Raises ThresholdError."""
    for names in (settings.hard, settings.soft, settings.grace, settings.reclaim):
        unknown = [name for name in names if name not in SIGNALS]
        if unknown:
            raise ThresholdError(f"unsupported eviction signal {unknown[0]!r}; there are {', '.join(SIGNALS)}")
    found = []
    for name in SIGNALS:
        reclaim = _amount(name, str(settings.reclaim.get(name, "0")))
        if name in settings.hard:
            found.append(Threshold(name, _amount(name, str(settings.hard[name])), None, reclaim))
        if name in settings.soft:
            if name not in settings.grace:
                raise ThresholdError(f"{name}: a soft eviction threshold needs its evictionSoftGracePeriod")
            found.append(Threshold(name, _amount(name, str(settings.soft[name])), settings.grace[name], reclaim))
    return [each for each in found if each.least.amount > 0 or each.least.share > 0]


def _amount(signal: str, text: str) -> Amount:
    try:
        if text.endswith("%"):
            return Amount(share=_single(float(text[:-1]) / 100))
        return Amount(quantity.whole(text))
    except ValueError:
        raise ThresholdError(f"{signal}: {text!r} is neither a quantity nor a percentage") from None


def _single(value: float) -> float:
    """A share in the precision that Kubernetes keeps it in, which shows in what it says of thresholds."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def conditions(met: Iterable[Threshold]) -> list[str]:
    return sorted({SIGNALS[each.signal].condition for each in met})


#: type, whether it is so -> reason and message (nodestatus/setters.go), and the event (kubelet_node_status.go).
WORDS = {
    ("MemoryPressure", True): ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ("MemoryPressure", False): ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", True): ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ("DiskPressure", False): ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", True): ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ("PIDPressure", False): ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
EVENTS = {
    ("MemoryPressure", True): "NodeHasInsufficientMemory",
    ("MemoryPressure", False): "NodeHasSufficientMemory",
    ("DiskPressure", True): "NodeHasDiskPressure",
    ("DiskPressure", False): "NodeHasNoDiskPressure",
    ("PIDPressure", True): "NodeHasInsufficientPID",
    ("PIDPressure", False): "NodeHasSufficientPID",
}
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")
