"""What the target is asked before anything is changed: each check a pure function of what was observed, its answer findings
and a table of what is available against what is needed.

All checks are made, whatever the others find.  One that needs what we may not read says so in the last table, and finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from seatrial.release.preflight import (
    admission,
    apis,
    deadlines,
    images,
    nodes,
    permissions,
    quota,
    references,
    releases,
    webhooks,
    workloads,
)
from seatrial.release.preflight.target import Table, Target
from seatrial.rules.finding import Finding
from seatrial.world.objects import Obj

__all__ = ["CHECKS", "Check", "Table", "Target", "check"]

Answer = Finding | Table
_ORDER = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Check:
    """`reads` says what it needs of the cluster: where none of it could be read, the check was not made."""

    name: str
    looks: tuple[Callable[[Target], Iterable[Answer]], ...]
    reads: Callable[[Target], Sequence[str]] = lambda target: ()
    summary: Callable[[Target], str] = lambda target: ""

    def missed(self, target: Target) -> list[str]:
        """What it needs and could not be read."""
        return [key for key in self.reads(target) if key in target.unread]


def _keys(*keys: str) -> Callable[[Target], Sequence[str]]:
    return lambda target: keys


def _all(*keys: str) -> Callable[[Target], Sequence[str]]:
    """Keys of which none may be missing: without one the check is not made."""
    return lambda target: [key for key in keys if key in target.unread] or keys


def _objects(target: Target) -> str:
    kinds = {obj["kind"] for obj in (*target.plan.objects, *target.plan.hooks)}
    return f"{len(target.plan.objects) + len(target.plan.hooks)} objects of {len(kinds)} kinds"


def _counted(found: Sequence[Obj], word: str) -> str:
    """`2 quotas`, `no quota`."""
    number = len(found)
    return f"{number or 'no'} {word}{'s' if number > 1 else ''}"


CHECKS: tuple[Check, ...] = (
    Check("release", (releases.check, releases.fields), _keys("lease", "records", "namespace")),
    Check("kinds", (apis.served, apis.deprecated), summary=_objects),
    Check("objects", (apis.taken, apis.ours)),
    Check("permissions", (permissions.check,), _keys("permissions")),
    Check("quota", (quota.check,), _keys("resourcequotas"), lambda target: _counted(target.quotas, "quota")),
    Check("limits", (admission.limited,), _keys("limitranges"), lambda target: _counted(target.limit_ranges, "limit range")),
    Check("pod security", (admission.secure,), _keys("namespace"), admission.level),
    Check("nodes", (nodes.check,), _all("nodes", "pods"), nodes.summary),
    Check("references", (references.check,), references.reads, references.summary),
    Check("webhooks", (webhooks.check,), _keys(*webhooks.CONFIGURATIONS)),
    Check("images", (images.check,), summary=images.summary),
    Check("deadlines", (deadlines.check,)),
    Check("workloads", (workloads.check,)),
)


def check(target: Target) -> tuple[list[Table], list[Finding]]:
    """The tables and findings of every check; errors first. The last table says what became of each check."""
    tables: list[Table] = []
    findings: list[Finding] = []
    rows = []
    for one in CHECKS:
        answers = [answer for look in one.looks for answer in look(target)]
        tables += [answer for answer in answers if isinstance(answer, Table)]
        mine = [answer for answer in answers if isinstance(answer, Finding)]
        findings += mine
        rows.append((one.name, _result(one, target, mine), _why(one, target)))
    tables.append(Table("Preflight", ("check", "result", ""), tuple(rows)))
    return tables, sorted(findings, key=lambda one: _ORDER.index(one.severity))


def _result(one: Check, target: Target, found: Iterable[Finding]) -> str:
    severities = [finding.severity for finding in found]
    counts = [
        f"{severities.count(kind)} {kind}{'s' if severities.count(kind) > 1 else ''}" for kind in _ORDER if kind in severities
    ]
    missed = one.missed(target)
    whole = len(missed) == len(one.reads(target))
    return ", ".join(counts) or ("ok" if not missed else "not checked" if whole else "partly checked")


def _why(one: Check, target: Target) -> str:
    """What could not be read, in a few words where we may not; else what was looked at."""
    said: dict[str, list[str]] = {}
    for key in one.missed(target):
        refused = _MAY_NOT.search(target.unread[key])
        words = f"we may not {refused[1]}" if refused else f"{key}: {target.unread[key]}"
        said.setdefault(words, []).append(refused[2] if refused else "")
    parts = [f"{words} {', '.join(dict.fromkeys(what))}".strip() for words, what in said.items()]
    return "; ".join(parts) or one.summary(target)


#: What an API server says to those who may not.
_MAY_NOT = re.compile(r'cannot (\w+) resource "([^"]+)"')
