"""What containers can be on this machine, found out by trying, and said in words that help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What forbids user namespaces: the setting, the value that forbids, and what to tell whoever wants them.
SETTINGS = (
    ("/proc/sys/user/max_user_namespaces", "0", "user namespaces are switched off (sysctl user.max_user_namespaces=0)"),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "user namespaces are for root only here; `sudo sysctl kernel.unprivileged_userns_clone=1` permits them",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor restricts user namespaces; `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0` permits them",
    ),
)
ENGINES = ("/.dockerenv", "/run/.containerenv")


@dataclass(frozen=True, slots=True)
class Capability:
    """`full`: namespaces and a file system of its own for every container. Else plain processes, and why."""

    full: bool
    reason: str = ""

    @property
    def words(self) -> str:
        """One line for a person."""
        if self.full:
            return "containers are processes with their own file system, processes and host name"
        return f"containers are plain processes, with their volumes under $SEATRIAL_ROOT: {self.reason}"


def from_probe(event: Mapping[str, Any]) -> Capability:
    """What the trial of a container says."""
    if event["status"] == 0 and not event["error"]:
        return Capability(True)
    found = str(event["error"]).rpartition("container process: ")[2].removeprefix("error during container init: ")
    return Capability(False, _cause() or found or f"the trial of a container ended with status {event['status']}")


def _cause() -> str:
    for path, forbidding, words in SETTINGS:
        try:
            if Path(path).read_text().strip() == forbidding:
                return words
        except OSError:
            continue
    if any(Path(path).exists() for path in ENGINES):
        return "Seatrial itself runs in a container, whose engine permits no user namespaces"
    return ""
