"""ResourceQuota: refuses what would exceed a quota, and charges what it lets through.

apiserver/pkg/admission/plugin/resourcequota/controller.go. All writes pass here one after another, so a charge is
never lost to a race; a charge for an object that is then not stored is corrected by the quota controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from seatrial.twin.admission.plugins.refusal import forbidden
from seatrial.world import quantity
from seatrial.world.admission import quota_usage
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

QUOTAS = "resourcequotas"
#: Counted again when they change; everything else only when it is made.
_COUNTED_ON_UPDATE = ("services", "persistentvolumeclaims")
Usage = dict[str, str]


def check(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    namespace = (obj.get("metadata") or {}).get("namespace")
    if not namespace or (old is not None and resource not in _COUNTED_ON_UPDATE):
        return
    quotas = [quota for quota in registry.list(QUOTAS, namespace) if quota_usage.matches(quota, resource, obj)]
    if not quotas:
        return
    for quota in quotas:
        _check_constraints(registry, resource, obj, quota)
    used = quota_usage.usage(resource, obj, registry.clock.now())
    negative = sorted(name for name, amount in used.items() if quantity.parse(amount) < 0)
    if negative:
        raise forbidden(registry, resource, obj, f"quota usage is negative for resource(s): {','.join(negative)}")
    charges = [(quota, _charge(registry, resource, obj, quota, _delta(quota, resource, used, old, registry))) for quota in quotas]
    if options.dry_run:
        return
    for quota, charged in charges:
        if charged != quota["status"].get("used"):
            registry.update_status(QUOTAS, {**quota, "status": {**quota["status"], "used": charged}})


def _check_constraints(registry: Registry, resource: str, obj: Obj, quota: Obj) -> None:
    status = quota["status"]
    names = quota_usage.counted(resource, status["hard"])
    name = quota["metadata"]["name"]
    if resource == "pods":
        missing = quota_usage.unstated(obj["spec"], names)
        if missing:
            raise forbidden(registry, resource, obj, f"failed quota: {name}: must specify {missing}")
    if any(n not in (status.get("used") or {}) for n in names):
        raise forbidden(registry, resource, obj, f"status unknown for quota: {name}, resources: {','.join(sorted(names))}")


def _delta(quota: Obj, resource: str, used: Usage, old: Obj | None, registry: Registry) -> Usage:
    """What is charged: all of a new object, of a changed one what it uses more than before."""
    if old is not None and quota_usage.matches(quota, resource, old):
        before = quota_usage.usage(resource, old, registry.clock.now())
        used = {name: quantity.subtract(amount, before.get(name, "0")) for name, amount in used.items()}
    return {name: amount for name, amount in used.items() if quantity.parse(amount) > 0}


def _charge(registry: Registry, resource: str, obj: Obj, quota: Obj, delta: Usage) -> Usage:
    hard, used = quota["status"]["hard"], quota["status"].get("used") or {}
    requested = {name: amount for name, amount in delta.items() if name in hard}
    after = {**used, **{name: quantity.add(used.get(name, "0"), amount) for name, amount in requested.items()}}
    exceeded = [name for name in requested if quantity.parse(after[name]) > quantity.parse(hard[name])]
    if exceeded:
        said = ", ".join(
            f"{word}: {_pretty(amounts, exceeded)}"
            for word, amounts in (("requested", requested), ("used", used), ("limited", hard))
        )
        raise forbidden(registry, resource, obj, f"exceeded quota: {quota['metadata']['name']}, {said}")
    return after


def _pretty(amounts: Mapping[str, str], names: Iterable[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in sorted(names) if name in amounts)
