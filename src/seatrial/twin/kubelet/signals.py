"""What a node measures itself by: signals, their thresholds, and the conditions they raise.

Pure: `observed` figures go in, the thresholds that are met come out. Follows pkg/kubelet/eviction/{helpers,defaults_linux}.go.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
    """An evictionHard that cannot be read."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Met when less than `amount`, or that share of the capacity, is left."""

    signal: str
    amount: int = 0
    share: float = 0.0

    def quantity(self, capacity: int) -> int:
        """The threshold in the signal's unit: bytes, inodes or processes."""
        return int(capacity * self.share) if self.share else self.amount

    def met(self, observations: Observations) -> bool:
        observed = observations.get(self.signal)
        return observed is not None and observed.available < self.quantity(observed.capacity)


def thresholds(hard: Mapping[str, str]) -> list[Threshold]:
    """The thresholds of an evictionHard, in the order of SIGNALS. Raises ThresholdError."""
    unknown = [name for name in hard if name not in SIGNALS]
    if unknown:
        raise ThresholdError(f"unsupported eviction signal {unknown[0]!r}; there are {', '.join(SIGNALS)}")
    found = [_threshold(name, str(hard[name])) for name in SIGNALS if name in hard]
    return [each for each in found if each.amount > 0 or each.share > 0]


def _threshold(signal: str, text: str) -> Threshold:
    try:
        if text.endswith("%"):
            return Threshold(signal, share=_single(float(text[:-1]) / 100))
        return Threshold(signal, amount=quantity.whole(text))
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
