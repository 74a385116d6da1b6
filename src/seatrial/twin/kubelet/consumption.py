"""What pods use of their node: memory, disk, inodes and processes, by container and by volume.

A runtime that knows it says so by `Metering`; figures of the node follow by adding up (pkg/kubelet/server/stats, summary.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from seatrial.twin.kubelet import signals
from seatrial.twin.kubelet.signals import Observations, Observed

#: How a simulated node's disk and kernel are made: bytes for each inode (mke2fs), and process ids (kernel.pid_max).
BYTES_FOR_INODE, MOST_PIDS = 16384, 32768


@dataclass(frozen=True, slots=True)
class Used:
    """What a container uses: bytes of memory and of disk (writable layer and logs), inodes, processes."""

    memory: int = 0
    disk: int = 0
    inodes: int = 0
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a pod uses: by running container, and the bytes in its emptyDirs; those in memory are counted there."""

    containers: Mapping[str, Used] = field(default_factory=dict)
    volumes: Mapping[str, int] = field(default_factory=dict)
    in_memory: frozenset[str] = frozenset()  # the volumes of medium Memory

    @property
    def memory(self) -> int:
        return sum(used.memory for used in self.containers.values()) + self._volumes(True)

    @property
    def disk(self) -> int:
        return sum(used.disk for used in self.containers.values()) + self._volumes(False)

    @property
    def inodes(self) -> int:
        return sum(used.inodes for used in self.containers.values())

    @property
    def processes(self) -> int:
        return sum(used.processes for used in self.containers.values())

    def _volumes(self, in_memory: bool) -> int:
        return sum(size for name, size in self.volumes.items() if (name in self.in_memory) is in_memory)

    def of(self, resource: str) -> int:
        """The whole pod's use of a resource, by the name that evictions have for it."""
        match resource:
            case "memory":
                return self.memory
            case "inodes":
                return self.inodes
            case "pids":
                return self.processes
        return self.disk


@runtime_checkable
class Metering(Protocol):
    """What a runtime adds whose containers' use of the node counts: `consumption` is None for a pod that does not."""

    def consumption(self, pod_uid: str) -> Consumption | None: ...

    def most_consumption(self, pod_uid: str) -> Consumption | None:
        """The most that what runs now will ever use."""
        ...


def observed(memory: int, storage: int, pods: Iterable[Consumption]) -> Observations:
    """The figures of a node of this size (bytes) with these pods; images and containers share one file system."""
    everyone = list(pods)
    inodes = storage // BYTES_FOR_INODE
    disk = Observed(storage, max(0, storage - sum(pod.disk for pod in everyone)))
    files = Observed(inodes, max(0, inodes - sum(pod.inodes for pod in everyone)))
    return {
        signals.MEMORY: Observed(memory, max(0, memory - sum(pod.memory for pod in everyone))),
        signals.NODEFS: disk,
        signals.NODEFS_INODES: files,
        signals.IMAGEFS: disk,
        signals.IMAGEFS_INODES: files,
        signals.PIDS: Observed(MOST_PIDS, max(0, MOST_PIDS - sum(pod.processes for pod in everyone))),
    }
