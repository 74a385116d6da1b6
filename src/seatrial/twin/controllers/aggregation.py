"""The controller of aggregated ClusterRoles: their rules are those of the roles that their selectors match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import Watch
from seatrial.twin.rbac.aggregation import gathered
from seatrial.twin.rbac.grants import CLUSTER_ROLES
from seatrial.twin.registry.options import SYSTEM
from seatrial.twin.store import Change, Key
from seatrial.world.objects import name_of

_OPTIONS = replace(SYSTEM, manager="clusterrole-aggregation-controller")


class ClusterRoleAggregation:
    name = "clusterrole-aggregation"

    def __init__(self, context: Context) -> None:
        self._registry = context.registry
        self.watches: Sequence[Watch] = (Watch(CLUSTER_ROLES, self._aggregated),)

    def _aggregated(self, change: Change) -> Iterable[Key]:
        """Any role may be one that others gather."""
        return [("", name_of(role)) for role in self._registry.list(CLUSTER_ROLES) if role.get("aggregationRule")]

    def reconcile(self, key: Key) -> float | None:
        role = self._registry.find(CLUSTER_ROLES, *key)
        if role is None or not role.get("aggregationRule"):
            return None
        rules = gathered(role, self._registry.list(CLUSTER_ROLES))
        if rules != (role.get("rules") or []):
            self._registry.update(CLUSTER_ROLES, {**role, "metadata": dict(role["metadata"]), "rules": rules}, _OPTIONS)
        return None
