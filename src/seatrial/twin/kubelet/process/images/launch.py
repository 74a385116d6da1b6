"""How an image runs as a process of this machine: what the image says of itself, and what the runtime makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Launch:
    """A command to run, with what its image gives it. Paths in `env`, `workdir` and `argv` are the container's."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()  # folders that come before the others on PATH
    workdir: str = "/"
    root: Path | None = None  # the image's own files, shown at `workdir`
    user: str = "root"
    uid: int = 0
    gid: int = 0
    folders: tuple[str, ...] = ()  # what the image has as its user's own: empty at the start
    stop_signal: str = "SIGTERM"
    visible: tuple[Path, ...] = ()  # folders of the machine that the command needs, also where they lie in /tmp
    note: str = ""  # how this differs from the image, for a person
