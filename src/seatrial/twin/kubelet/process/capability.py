"""What containers can be on this machine, found out by trying, and said in words that help."""

from __future__ import annotations

import os
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
UNTRANSLATED = 9  # what the trial ends with when sockets are not translated
ENGINES = ("/.dockerenv", "/run/.containerenv")


@dataclass(frozen=True, slots=True)
class Capability:
    """`full`: namespaces and a file system of its own for every container; else plain processes, and why.

    `addresses`: a program that asks for every address gets its pod's own; else it has to be told ($POD_IP).
    """

    full: bool
    reason: str = ""
    addresses: bool = True

    @property
    def limited(self) -> bool:
        return not (self.full and self.addresses)

    @property
    def words(self) -> str:
        """One line for a person."""
        told = "" if self.addresses else "; their servers have to listen on $POD_IP"
        if self.full:
            return f"containers are processes with their own file system, processes and host name{told}"
        return f"containers are plain processes, with their volumes under $SEATRIAL_ROOT{told}: {self.reason}"


def from_probe(event: Mapping[str, Any], reason: str = "") -> Capability | None:
    """What a trial of a container says; None when it did not run. `reason`: why it was a plain one."""
    code = os.waitstatus_to_exitcode(event["status"])
    if event["error"] or code not in (0, UNTRANSLATED):
        return None
    return Capability(not reason, reason, addresses=code == 0)


def why_not(event: Mapping[str, Any]) -> str:
    """Why a trial with namespaces did not run, in words that help."""
    found = str(event["error"]).rpartition("container process: ")[2].removeprefix("error during container init: ")
    return _cause() or found or f"the trial of a container ended with status {event['status']}"


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
