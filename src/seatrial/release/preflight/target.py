"""What was observed of the target of a release: everything that the checks of a preflight read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.cluster.api import LIMIT_RANGES, QUOTAS, Api, Refused, Resource, Served
from seatrial.cluster.records import Record
from seatrial.release.plan import Plan
from seatrial.world.objects import Obj


@dataclass(frozen=True, slots=True)
class Table:
    """What is available against what is needed."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Target:
    """`denied` are the verbs on kinds that we may not do; `last` is Helm's latest record of the release."""

    served: Served
    plan: Plan
    last: Record | None = None
    quotas: tuple[Obj, ...] = ()
    limit_ranges: tuple[Obj, ...] = ()
    denied: frozenset[tuple[str, Resource]] = frozenset()
    force_conflicts: bool = False
    unread: Mapping[str, str] = field(default_factory=dict)  # what could not be asked, and why

    @staticmethod
    async def observe(api: Api, served: Served, plan: Plan, last: Record | None, force_conflicts: bool = False) -> Target:
        """Ask the cluster, side by side. Raises ClusterError; what we may not read is left out and named."""
        unread: dict[str, str] = {}

        async def read(resource: Resource) -> tuple[Obj, ...]:
            try:
                return tuple(await api.list(resource, plan.namespace))
            except Refused as refused:
                unread[resource.plural] = refused.words
                return ()

        quotas, ranges, denied = await asyncio.gather(read(QUOTAS), read(LIMIT_RANGES), _denied(api, served, plan))
        return Target(served, plan, last, quotas, ranges, denied, force_conflicts, unread)


#: What each action on an object needs.
_VERBS = {"add": ("create",), "change": ("patch",), "remove": ("delete",)}


async def _denied(api: Api, served: Served, plan: Plan) -> frozenset[tuple[str, Resource]]:
    wanted = {
        (verb, resource): None
        for change in plan.changes
        if (resource := served.of_ref(change.ref)) is not None
        for verb in _VERBS[change.action]
    }
    allowed = await asyncio.gather(*(api.may(verb, resource, plan.namespace) for verb, resource in wanted))
    return frozenset(one for one, may in zip(wanted, allowed, strict=True) if not may)
