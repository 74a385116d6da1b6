"""What was observed of the target of a release: everything that the checks of a preflight read.

All of it is read side by side, no object twice; what we may not read is left out, and named, so that the checks that need it
can say that they were not made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from seatrial.cluster.api import Resource, Served
from seatrial.cluster.records import Record
from seatrial.release.plan import Plan
from seatrial.release.preflight.pods import Load, loads, pod_of, scalers, template_of
from seatrial.world import quantity
from seatrial.world.admission import quota_usage
from seatrial.world.objects import Obj, Ref, dig, labels_of, name_of, namespace_of

NODES, PODS = "nodes", "pods"


@dataclass(frozen=True, slots=True)
class Table:
    """What is available against what is needed."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Target:
    """`last` is Helm's latest record of the release; `wanted_namespace` the namespace as the release would make it.

    `lists` holds what was listed, by resource id (`nodes`, `priorityclasses.scheduling.k8s.io`); `named` what was asked for by
    name, None for what is not there; `denied` the verbs on kinds that we may not do, with why each is needed.
    """

    served: Served
    plan: Plan
    last: Record | None = None
    namespace: Obj | None = None
    wanted_namespace: Obj | None = None
    lists: Mapping[str, Sequence[Obj]] = field(default_factory=dict)
    named: Mapping[Ref, Obj | None] = field(default_factory=dict)
    denied: Mapping[tuple[str, Resource], str] = field(default_factory=dict)
    endpoints: Mapping[tuple[str, str], bool] = field(default_factory=dict)  # Services of webhooks, and whether any is ready
    lock: Obj | None = None  # the Lease of the release
    now: float = 0.0  # seconds since 1970
    force_conflicts: bool = False
    unread: Mapping[str, str] = field(default_factory=dict)  # what could not be asked, and why

    def of(self, resource: str) -> Sequence[Obj]:
        """What was listed of a resource; nothing where it could not be."""
        return self.lists.get(resource, ())

    @property
    def namespace_labels(self) -> dict[str, str]:
        """The labels of the namespace when the release has made or changed it."""
        wanted = (self.wanted_namespace or {}).get("metadata") or {}
        name = {"kubernetes.io/metadata.name": self.plan.namespace}
        return {**name, **(labels_of(self.namespace) if self.namespace else {}), **(wanted.get("labels") or {})}

    @cached_property
    def loads(self) -> list[Load]:
        """The workloads of the release and what is live of them."""
        nodes = self.of(NODES) if NODES in self.lists else None
        return loads(self.plan, self.limit_ranges, self.of("priorityclasses.scheduling.k8s.io"), nodes)

    @cached_property
    def leaving(self) -> list[Load]:
        """The workloads that the release takes away, when it has applied the others: their pods make room then."""
        found = []
        for change in self.plan.changes:
            live = self.plan.live.get(change.ref) if change.action == "remove" else None
            template = template_of(live)
            if live is not None and template is not None:
                number = int(dig(live, "status.replicas", dig(live, "spec.replicas", 1)))
                pod = pod_of(live, template, self.limit_ranges)
                found.append(Load(live, pod, 0, pod, number))
        return found

    def autoscaled(self) -> Iterator[tuple[Load, int]]:
        """The workloads that an autoscaler of the release scales, with the most pods it may ask for."""
        by_name = {(load.obj["kind"], name_of(load.obj)): load for load in self.loads}
        for kind, name, _, most in scalers(self.plan):
            if (kind, name) in by_name:
                yield by_name[kind, name], most

    @cached_property
    def limit_ranges(self) -> list[Obj]:
        """The limit ranges as they are when the release has made or changed its own: Helm applies them first."""
        return list(self._with_own("LimitRange", "limitranges").values())

    @cached_property
    def quotas(self) -> list[Obj]:
        """The same of quotas; one that is new counts the pods that run already."""
        found = []
        own = {name_of(obj) for obj in self.plan.objects if obj["kind"] == "ResourceQuota"}
        known = {name_of(obj): obj for obj in self.of("resourcequotas")}
        for name, quota in self._with_own("ResourceQuota", "resourcequotas").items():
            if name in own:
                hard = dig(quota, "spec.hard", {})
                used = dig(known[name], "status.used", {}) if name in known else self._used(quota, hard)
                quota = {**quota, "status": {"hard": hard, "used": used}}
            found.append(quota)
        return found

    def _with_own(self, kind: str, resource: str) -> dict[str, Obj]:
        wanted = {name_of(obj): obj for obj in self.plan.objects if obj["kind"] == kind}
        return {name_of(obj): obj for obj in self.of(resource)} | wanted

    def _used(self, quota: Obj, hard: Mapping[str, str]) -> dict[str, str]:
        """What the running pods of the namespace use of a quota that is not there yet."""
        used: dict[str, str] = {}
        for pod in self.of(PODS):
            if namespace_of(pod) == self.plan.namespace and quota_usage.in_scope(quota, "pods", pod):
                for name, amount in quota_usage.usage("pods", pod).items():
                    if name in hard:
                        used[name] = quantity.add(used.get(name, "0"), amount)
        return used
