"""What the target is asked before anything is changed: each check a pure function of what was observed, its answer findings
and a table of what is available against what is needed.

All checks are made, whatever the others find.  One that needs what we may not read says so in the last table, and finds nothing.
"""

from __future__ import annotations

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
)
from seatrial.release.preflight.target import Table, Target
from seatrial.rules.finding import Finding
from seatrial.world.objects import Obj

__all__ = ["CHECKS", "Check", "Table", "Target", "check"]

Answer = Finding | Table
_ORDER = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Check:
    """`reads` are keys of what it needs of the cluster: where one could not be read, the check was not made (or not wholly)."""

    name: str
    looks: tuple[Callable[[Target], Iterable[Answer]], ...]
    reads: tuple[str, ...] = ()
    summary: Callable[[Target], str] = lambda target: ""


def _objects(target: Target) -> str:
    kinds = {obj["kind"] for obj in (*target.plan.objects, *target.plan.hooks)}
    return f"{len(target.plan.objects) + len(target.plan.hooks)} objects of {len(kinds)} kinds"


def _counted(found: Sequence[Obj], word: str) -> str:
    """`2 quotas`, `no quota`."""
    number = len(found)
    return f"{number or 'no'} {word}{'s' if number > 1 else ''}"


CHECKS: tuple[Check, ...] = (
    Check("release", (releases.check, releases.fields), ("lease", "records", "namespace")),
    Check("kinds", (apis.served, apis.deprecated), (), _objects),
    Check("objects", (apis.taken, apis.ours)),
    Check("permissions", (permissions.check,), ("permissions",)),
    Check("quota", (quota.check,), ("resourcequotas",), lambda target: _counted(target.quotas, "quota")),
    Check("limits", (admission.limited,), ("limitranges",), lambda target: _counted(target.limit_ranges, "limit range")),
    Check("pod security", (admission.secure,), ("namespace",), admission.level),
    Check("nodes", (nodes.check,), ("nodes", "pods"), nodes.summary),
    Check("references", (references.check,), ("priorityclasses.scheduling.k8s.io",), references.summary),
    Check("webhooks", (webhooks.check,), webhooks.CONFIGURATIONS),
    Check("images", (images.check,), (), images.summary),
    Check("deadlines", (deadlines.check,)),
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
    return ", ".join(counts) or ("not checked" if _unread(one, target) else "ok")


def _why(one: Check, target: Target) -> str:
    return "; ".join(_unread(one, target)) or one.summary(target)


def _unread(one: Check, target: Target) -> list[str]:
    keys = [key for key in one.reads if key in target.unread]
    if one.name == "references":
        keys += [key for key in target.unread if key.partition(" ")[2] and key.partition(" ")[0] in _NAMED]
    return [f"{key.partition('.')[0]}: {target.unread[key]}" for key in keys]


_NAMED = frozenset(
    {"secrets", "configmaps", "serviceaccounts", "services", "ingressclasses", "runtimeclasses", "persistentvolumeclaims"}
)
