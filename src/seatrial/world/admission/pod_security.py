"""The pod security level that a namespace asks for by its labels, and what keeps a pod from it.

pod-security-admission, admission/admission.go and api/helpers.go; the checks themselves are in `pod_checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from seatrial.world.admission.pod_checks import LATEST, violations
from seatrial.world.objects import Obj

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")  # from lax to strict


class Level(NamedTuple):
    level: str = "privileged"
    version: str = "latest"

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    @property
    def minor(self) -> int:
        return LATEST if self.version == "latest" else int(self.version.removeprefix("v1."))

    def violations(self, pod: Obj) -> list[tuple[str, str]]:
        return violations(self.level, self.minor, pod)


class Wrong(NamedTuple):
    """A label whose value cannot be read."""

    label: str
    value: str
    why: str


class Policy(NamedTuple):
    enforce: Level
    warn: Level


def policy_of(labels: Mapping[str, str]) -> tuple[Policy, list[Wrong]]:
    """What a namespace's labels ask for, and what is wrong with them; what cannot be read is enforced as restricted."""
    causes: list[Wrong] = []
    read: dict[str, Level] = {}
    for mode in ("enforce", "audit", "warn"):
        read[mode] = _level_of(labels, mode, causes)
    enforce, warn = read["enforce"], read["warn"]
    explicit = labels.get(f"{PREFIX}enforce") in LEVELS and f"{PREFIX}warn" not in labels
    if explicit and LEVELS.index(enforce.level) > LEVELS.index(warn.level):
        warn = Level(enforce.level, warn.version if f"{PREFIX}warn-version" in labels else enforce.version)
    return Policy(enforce, warn), causes


def _level_of(labels: Mapping[str, str], mode: str, causes: list[Wrong]) -> Level:
    level, version = labels.get(PREFIX + mode, "privileged"), labels.get(f"{PREFIX}{mode}-version", "latest")
    if level not in LEVELS:
        causes.append(Wrong(PREFIX + mode, level, "must be one of privileged, baseline, restricted"))
        level = "restricted" if mode == "enforce" else "privileged"
    if version != "latest" and not re.fullmatch(r"v1\.([0-9]|[1-9][0-9]*)", version):
        causes.append(Wrong(f"{PREFIX}{mode}-version", version, 'must be "latest" or "v1.x"'))
        version = "latest"
    return Level(level, version)


def details(found: Iterable[tuple[str, str]]) -> str:
    """What is violated, as admission says it."""
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in found)
