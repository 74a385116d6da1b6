"""Whether the namespace's quotas have room for the rollout at its peak: the old pods, the new ones, the surge, hooks and objects.

What counts towards which quota, by its resources and scopes, is what the API server charges by (`world.admission`).  Room that
the rollout cannot do without is an error; room that it would only be quicker with is a warning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from seatrial.cluster.api import Resource
from seatrial.release.findings import found, listed
from seatrial.release.preflight.pods import Load, hooks_and_others
from seatrial.release.preflight.target import Table, Target
from seatrial.rules.finding import Fact, Finding
from seatrial.world import quantity
from seatrial.world.admission import quota_usage
from seatrial.world.objects import Obj, dig, name_of, namespace_of, ref_of

Amounts = dict[str, Fraction]
#: Who needs it -> how much: at the peak, and at the least.
Needs = dict[str, tuple[Amounts, Amounts]]

SECRET, REPLICASET = "secrets", "replicasets.apps"


def check(target: Target) -> Iterator[Finding | Table]:
    rows: list[tuple[str, ...]] = []
    for quota in target.quotas:
        hard: Mapping[str, str] = dig(quota, "status.hard", dig(quota, "spec.hard", {}))
        yield from _unstated(target, quota, hard)
        needs = _needs(target, quota, hard)
        for resource in sorted(hard):
            used, limit = _used(quota, resource), quantity.parse(hard[resource])
            free = limit - used
            peak, least = (
                sum((parts[end].get(resource, Fraction(0)) for parts in needs.values()), Fraction(0)) for end in (0, 1)
            )
            shown = [_text(resource, one) for one in (used, free, peak)]
            rows.append((name_of(quota), resource, str(hard[resource]), *shown))
            if peak > free:
                freed = sum(
                    (load.before * charge(load.new, quota).get(resource, Fraction(0)) for load in target.leaving), Fraction(0)
                )
                yield _exceeded(quota, resource, shown[2], shown[1], needs, least > free + freed)
        yield from _at_maximum(target, quota, hard, needs)
    if rows:
        yield Table("Quota at the peak of the rollout", ("quota", "resource", "hard", "used", "free", "needed more"), tuple(rows))


def _used(quota: Obj, resource: str) -> Fraction:
    return quantity.parse(str(dig(quota, "status.used", {}).get(resource, "0")))


def _text(resource: str, value: Fraction) -> str:
    if any(word in resource for word in ("memory", "storage", "hugepages")):
        return quantity.render(value, True)
    return quantity.render(value, False) if "cpu" in resource else str(value)


def _exceeded(quota: Obj, resource: str, needed: str, free: str, needs: Needs, hopeless: bool) -> Finding:
    who = [(name, parts[0][resource]) for name, parts in needs.items() if parts[0].get(resource)]
    cause = "While old and new pods run side by side, both count; what goes beyond the quota would be refused."
    if not hopeless:
        cause += " The rollout can go on, with fewer at a time or when others are gone: slowly, with refusals on the way."
    return found(
        "quota-exceeded",
        f"quota {name_of(quota)} has {free} {resource} left, and the rollout needs {needed} more at its peak",
        refs=(ref_of(quota),),
        evidence=[Fact(f"{name} needs {_text(resource, amount)} more", "plan") for name, amount in who],
        cause=cause,
        severity="error" if hopeless else "warning",
        resource=resource,
        free=free,
        needed=needed,
    )


def _unstated(target: Target, quota: Obj, hard: Mapping[str, str]) -> Iterator[Finding]:
    alike: dict[str, list[Load]] = {}
    for load in target.loads:
        if quota_usage.in_scope(quota, "pods", load.new):
            alike.setdefault(quota_usage.unstated(load.new["spec"], hard), []).append(load)
    alike.pop("", None)
    for missing, several in alike.items():
        title = f"quota {name_of(quota)} counts what pods of {listed(map(str, several))} do not state: {missing}"
        yield found("quota-unstated", title, refs=(*(load.ref for load in several), ref_of(quota)))


# what is needed


def _needs(target: Target, quota: Obj, hard: Mapping[str, str]) -> Needs:
    """Who needs how much more of a quota; of hooks that run one after the other only the largest counts."""
    early, workloads, late = hooks_and_others(target.loads)
    needs: Needs = {}
    for load in workloads:
        peak, least = of_load(load, quota)
        needs[str(load)] = peak, least
    for load in _largest(late, quota):  # beside the rollout: Helm does not wait for it
        needs[f"hook {load}"] = (amounts := _hook(load, quota)), amounts
    for who, made in _objects(target).items():
        amounts = _of_objects(made, quota)
        needs[who] = amounts, amounts
    for load in _largest(early, quota):
        needs = _with_early(f"hook {load}", _hook(load, quota), needs)
    return {who: parts for who, parts in needs.items() if parts[0] or parts[1]}


def _with_early(who: str, hook: Amounts, needs: Needs) -> Needs:
    """A hook before the others ends before they begin: the larger of the two is the peak, resource by resource."""
    more: Amounts = {}
    for resource, amount in hook.items():
        others = sum((parts[0].get(resource, Fraction(0)) for parts in needs.values()), Fraction(0))
        more[resource] = max(Fraction(0), amount - others)
    return {**needs, who: (more, more)}


def _largest(hooks: Sequence[Load], quota: Obj) -> list[Load]:
    return sorted(hooks, key=lambda one: tuple(sorted(_hook(one, quota).items())))[-1:]


def _hook(load: Load, quota: Obj) -> Amounts:
    return scaled(charge(load.new, quota), load.after)


def of_load(load: Load, quota: Obj) -> tuple[Amounts, Amounts]:
    """What a workload needs beyond what is live of it: at the peak, and at the least, going as slowly as it may."""
    new, old = charge(load.new, quota), charge(load.old, quota) if load.old else {}
    if not load.rolls:
        more = scaled(new, max(0, load.after - load.before))
        return more, more
    quick = peak(old, new, load.before, load.after - load.kept, load.surge, load.kept)
    if load.obj["kind"] == "Deployment" and dig(load.obj, "spec.strategy.type") == "Recreate":
        quick = _positive({r: load.after * new.get(r, Fraction(0)) - load.before * old.get(r, Fraction(0)) for r in {*old, *new}})
        return quick, quick
    slow = peak(old, new, load.before, load.after - load.kept, 0, load.kept) if load.unavailable else quick
    return quick, slow


def peak(old: Amounts, new: Amounts, before: int, after: int, surge: int, kept: int = 0) -> Amounts:
    """The most that a rolling update takes beyond its old pods, by resource: usage is linear in how many of each run, so that
    it is highest at one of the two ends: all `after` new with as many old as fit beside, or all old with as many new.

    `kept` old pods are not replaced.
    """
    most: Amounts = {}
    whole = after + kept + surge
    ends = ((after, min(before, max(kept, whole - after))), (max(0, min(after, whole - before)), before), (after, kept))
    for resource in {*old, *new}:
        mine, theirs = new.get(resource, Fraction(0)), old.get(resource, Fraction(0))
        most[resource] = max(Fraction(0), *(x * mine + y * theirs - before * theirs for x, y in ends))
    return most


def charge(pod: Obj, quota: Obj | None = None) -> Amounts:
    """What one pod counts for in a quota; nothing where the quota's scopes leave it out."""
    if quota is not None and not quota_usage.in_scope(quota, "pods", pod):
        return {}
    return {name: quantity.parse(amount) for name, amount in quota_usage.usage("pods", pod).items()}


def scaled(amounts: Amounts, by: int) -> Amounts:
    return {name: amount * by for name, amount in amounts.items()}


def _positive(amounts: Amounts) -> Amounts:
    return {name: max(Fraction(0), amount) for name, amount in amounts.items()}


# objects


def _objects(target: Target) -> dict[str, list[tuple[str, Obj]]]:
    """What is made anew besides pods, by who makes it: resource ids and objects. Charged before anything is removed."""
    wanted = {ref_of(obj): obj for obj in target.plan.objects}
    added = [obj for change in target.plan.changes if change.action == "add" and (obj := wanted.get(change.ref))]
    added += [hook for hook in target.plan.hooks if ref_of(hook) not in target.plan.live]
    made: dict[str, list[tuple[str, Obj]]] = defaultdict(list)
    for obj in added:
        resource = target.served.of(obj)
        if resource is not None and namespace_of(obj) == target.plan.namespace and obj["kind"] != "Pod":
            made["new objects"].append((resource_id(resource), obj))
    for load in target.loads:
        if load.obj["kind"] in ("Deployment", "Rollout") and load.rolls:
            made["a ReplicaSet for each new version"].append((REPLICASET, {"metadata": {}}))
        if load.obj["kind"] == "StatefulSet":
            for template in dig(load.obj, "spec.volumeClaimTemplates", []):
                claims = [("persistentvolumeclaims", template)] * max(0, load.after - load.before)
                made[f"claims of {load}"] += claims
    made["Helm's record"].append((SECRET, {"metadata": {}}))
    return made


def resource_id(resource: Resource) -> str:
    """As quotas name it: `deployments.apps`."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _of_objects(made: Iterable[tuple[str, Obj]], quota: Obj) -> Amounts:
    total: Amounts = defaultdict(Fraction)
    for resource, obj in made:
        if quota_usage.in_scope(quota, resource, {**obj, "metadata": obj.get("metadata") or {}}):
            for name, amount in quota_usage.usage(resource, {**obj, "metadata": obj.get("metadata") or {}}).items():
                total[name] += quantity.parse(amount)
    return dict(total)


# autoscalers


def _at_maximum(target: Target, quota: Obj, hard: Mapping[str, str], needs: Needs) -> Iterator[Finding]:
    """Whether there is room for as many pods as the autoscalers of the release may ask for."""
    more: Amounts = defaultdict(Fraction)
    who = []
    for load, most in target.autoscaled():
        wanted = scaled(charge(load.new, quota), max(0, most - load.after))
        for resource, amount in wanted.items():
            more[resource] += amount
        if wanted:
            who.append(f"{load} may grow from {load.after} to {most}")
    short = []
    for resource in sorted(hard):
        free = quantity.parse(hard[resource]) - _used(quota, resource)
        steady = sum((parts[1].get(resource, Fraction(0)) for parts in needs.values()), Fraction(0))
        if more.get(resource) and steady <= free < steady + more[resource]:
            short.append(f"{_text(resource, steady + more[resource])} {resource} of {_text(resource, free)} free")
    if short:
        title = f"quota {name_of(quota)} has no room for the autoscalers' maximum: {', '.join(short)}"
        yield found("quota-at-maximum", title, refs=(ref_of(quota),), evidence=[Fact(text, "plan") for text in who])
