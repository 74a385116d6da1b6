"""What the process runtime keeps of a pod and of a container in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.twin.kubelet.process.images import Launch
from seatrial.twin.kubelet.process.logs import LogFile, Stream
from seatrial.twin.kubelet.process.meter import Meter
from seatrial.twin.kubelet.runtime import ContainerSpec, Exit

#: What is done to every word and variable of a container.
Move = Callable[[str], str]


@dataclass
class Pod:
    uid: str
    namespace: str
    hostname: str
    address: str
    folder: Path
    hosts: Path
    own_hosts: str  # the part of the file that is the pod's own
    sockets: Path  # a folder with a short name, for the sockets of plain processes
    volumes: dict[str, Path] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)  # volumes made of files
    containers: set[str] = field(default_factory=set)


@dataclass
class Container:
    id: str
    pod: Pod
    spec: ContainerSpec
    launch: Launch
    ended: Callable[[Exit], None]
    streams: list[Stream]
    log: LogFile
    folder: Path
    pid: int = 0  # of the first process, once it has started
    meter: Meter | None = None
    move: Move = str  # what is done to the words of commands run in it
    awaited: list[Callable[[None], object]] = field(default_factory=list)  # who waits until it runs
