"""Whether the namespace's quotas have room for the rollout at its peak: the old pods, the new ones, and the surge.

The peak of a Deployment is where the last old pod still runs beside all new ones that its strategy allows (deployment/rolling.go:
never more than replicas + maxSurge); it is charged for what is live already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction

from seatrial.release.preflight.target import Table, Target
from seatrial.release.timeout import replicas_of, surge_of
from seatrial.rules.finding import Fact, Finding
from seatrial.world import pod_resources, quantity
from seatrial.world.objects import Obj, clone, dig, name_of, ref_of

Amounts = dict[str, Fraction]


def check(target: Target) -> Iterator[Finding | Table]:
    if not target.quotas:
        return
    parts = {
        name: more for obj in target.plan.objects if (name := f"{obj['kind']} {name_of(obj)}") and (more := _more(target, obj))
    }
    total: Amounts = defaultdict(Fraction)
    for more in parts.values():
        for resource, amount in more.items():
            total[resource] += amount
    rows = []
    for quota in target.quotas:
        if dig(quota, "spec.scopes") or dig(quota, "spec.scopeSelector"):
            continue  # it counts pods of a kind only
        for resource, hard in sorted(dig(quota, "status.hard", dig(quota, "spec.hard", {})).items()):
            if resource not in _COUNTED:
                continue
            used = str(dig(quota, "status.used", {}).get(resource, "0"))
            free = quantity.parse(hard) - quantity.parse(used)
            needed = total.get(resource, Fraction(0))
            words = quantity.render(needed, str(hard)[-1:] == "i" or "memory" in resource)
            rows.append((name_of(quota), resource, str(hard), used, quantity.render(free, "memory" in resource), words))
            if needed > free:
                yield _finding(quota, resource, (words, quantity.render(free, "memory" in resource)), parts)
    yield Table("Quota at the peak of the rollout", ("quota", "resource", "hard", "used", "free", "needed more"), tuple(rows))


_COUNTED = frozenset({"pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})


def _finding(quota: Obj, resource: str, amounts: tuple[str, str], parts: Mapping[str, Amounts]) -> Finding:
    needed, free = amounts
    who = [
        f"{name} {quantity.render(more[resource], 'memory' in resource)}" for name, more in parts.items() if more.get(resource)
    ]
    return Finding(
        "quota-exceeded",
        "error",
        f"quota {name_of(quota)} has {free} {resource} left, and the rollout needs {needed} more at its peak",
        refs=(ref_of(quota),),
        evidence=tuple(Fact(text, "plan") for text in who),
        cause="While old and new pods run side by side, both count; the pods beyond the quota would be refused.",
        fix="raise the quota, ask for less, or lower maxSurge (with maxUnavailable above 0)",
    )


def _more(target: Target, obj: Obj) -> Amounts:
    """What one workload needs at its peak beyond what is live of it."""
    template = dig(obj, "spec.template.spec")
    if obj["kind"] not in ("Deployment", "StatefulSet", "Job") or template is None:
        return {}
    live = target.plan.live.get(ref_of(obj))
    new = charge(_with_defaults(template, target.limit_ranges))
    if obj["kind"] == "Job":
        return {} if live else scaled(new, int(dig(obj, "spec.parallelism", 1)))
    replicas = replicas_of(obj, live)
    change = next((one for one in target.plan.changes if one.ref == ref_of(obj)), None)
    before = int(dig(live, "spec.replicas", 0))
    if live is None:
        return scaled(new, replicas)
    old = charge(dig(live, "spec.template.spec", {}))
    rolls = bool(change and change.rolls)
    surge = surge_of(obj, replicas)[0] if rolls and obj["kind"] == "Deployment" else 0
    return peak(old, new, before, replicas, surge) if rolls else scaled(new, max(0, replicas - before))


def peak(old: Amounts, new: Amounts, before: int, after: int, surge: int) -> Amounts:
    """The most that a rolling update takes beyond its old pods, by resource: usage is linear in how many of each run, so that
    it is highest at one of the two ends: all new with as many old as fit beside, or all old with as many new."""
    found: Amounts = {}
    ends = ((after, min(before, surge)), (max(0, after + surge - before), before))
    for resource in {*old, *new}:
        mine, theirs = new.get(resource, Fraction(0)), old.get(resource, Fraction(0))
        found[resource] = max(Fraction(0), *(x * mine + y * theirs - before * theirs for x, y in ends))
    return found


def charge(spec: Obj) -> Amounts:
    """What one pod counts for (pkg/quota/v1/evaluator/core/pods.go)."""
    requests, limits = pod_resources.requests(spec), pod_resources.limits(spec)
    found: Amounts = {"pods": Fraction(1)}
    for name in ("cpu", "memory"):
        if name in requests:
            found[name] = found[f"requests.{name}"] = quantity.parse(requests[name])
        if name in limits:
            found[f"limits.{name}"] = quantity.parse(limits[name])
    return found


def scaled(amounts: Amounts, by: int) -> Amounts:
    return {name: amount * by for name, amount in amounts.items()}


def _with_defaults(spec: Obj, ranges: tuple[Obj, ...]) -> Obj:
    """A pod spec with what LimitRanges fill in; a limit without a request is a request too."""
    spec = clone(spec)
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container.setdefault("resources", {})
        requests, limits = dict(resources.get("requests") or {}), dict(resources.get("limits") or {})
        requests = {**limits, **requests}
        for item in (item for one in ranges for item in dig(one, "spec.limits", []) if item.get("type") == "Container"):
            limits = {**(item.get("default") or {}), **limits}
            requests = {**(item.get("defaultRequest") or item.get("default") or {}), **requests}
        resources.update(requests=requests, limits=limits)
    return spec
