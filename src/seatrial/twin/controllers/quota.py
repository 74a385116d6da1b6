"""The resource quota controller: counts what a namespace uses and writes it to its quotas (pkg/controller/resourcequota).

Admission charges what is created; this corrects the charge when something goes, ends or was never stored. What an
object counts for is admission's knowledge (`quota_usage`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import OPTIONS, Watch, own_key
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.controllers.pods import is_finished
from seatrial.twin.registry.registry import Registry
from seatrial.twin.store import Change, Key
from seatrial.world import quantity
from seatrial.world.admission import quota_usage
from seatrial.world.objects import Obj, name_of, namespace_of

QUOTAS = "resourcequotas"
#: Seconds from the end of an object to the count without it, as recorded in `rollouts/golden/quota-allows-unavailable-4.json`,
#: where a retry soon after a pod's end was still refused.
NOTICE = 0.2


class ResourceQuotaController:
    name = "resourcequota"

    def __init__(self, context: Context) -> None:
        self._context, self._registry = context, context.registry
        self.watches: Sequence[Watch] = (Watch(QUOTAS, own_key), Watch(None, self._of_freed, delay=NOTICE))

    def _of_freed(self, change: Change) -> Iterable[Key]:
        """The quotas of a namespace in which something went or ended, and so no longer counts."""
        if change.resource in ("events", QUOTAS):
            return ()
        if change.type == "MODIFIED":
            ended = (
                change.resource == "pods"
                and change.old is not None
                and is_finished(change.object)
                and not is_finished(change.old)
            )
            if not ended and change.resource not in ("services", "persistentvolumeclaims"):
                return ()
        elif change.type == "ADDED":
            return ()
        namespace = namespace_of(change.object)
        return [(namespace, name_of(quota)) for quota in self._context.store.list(QUOTAS, namespace)] if namespace else ()

    def reconcile(self, key: Key) -> float | None:
        quota = self._registry.find(QUOTAS, *key)
        if quota is None or is_deleting(quota):
            return None
        hard = (quota.get("spec") or {}).get("hard") or {}
        status = {"hard": hard, "used": observed(self._registry, quota)}
        if status != quota.get("status"):
            written = {**quota, "metadata": {**quota["metadata"]}, "status": status}
            self._registry.update_status(QUOTAS, written, OPTIONS)
        return None


def observed(registry: Registry, quota: Obj) -> quota_usage.Usage:
    """What is used now of each resource of `spec.hard`, counted over the objects of the quota's namespace."""
    hard = list((quota.get("spec") or {}).get("hard") or {})
    namespace = quota["metadata"].get("namespace", "")
    total: quota_usage.Usage = dict.fromkeys(hard, "0")
    for resource in quota_usage.sources(hard):
        names = quota_usage.counted(resource, hard)
        for obj in registry.list(resource, namespace):
            if quota_usage.in_scope(quota, resource, obj):
                used = quota_usage.usage(resource, obj, registry.clock.now())
                for name in names:
                    if name in used:
                        total[name] = quantity.add(total[name], used[name])
    return total
