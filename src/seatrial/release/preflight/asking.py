"""What a preflight asks of a cluster, and how: lists and single objects side by side, none twice, each allowed to fail.

Large answers are made small as they come: of the pods of a whole cluster only what the scheduler counts is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.cluster.api import LEASES, LIMIT_RANGES, NAMESPACES, NODES, QUOTAS, Api, Refused, Resource, Served
from seatrial.cluster.helm import version
from seatrial.cluster.records import PENDING, Record, driver
from seatrial.release.lock import name_of_lock
from seatrial.release.plan import Plan
from seatrial.release.preflight.permissions import Needed, needed
from seatrial.release.preflight.references import Reference, references
from seatrial.release.preflight.target import Target
from seatrial.release.preflight.webhooks import asked, concerned
from seatrial.world.objects import Obj, Ref, dig, labels_of, name_of, namespace_of

PODS = Resource("", "v1", "Pod", "pods", True)
PRIORITIES = Resource("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False)
STORAGE = Resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", False)
CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True)
VOLUMES = Resource("", "v1", "PersistentVolume", "persistentvolumes", False)
VALIDATING = Resource(
    "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False
)
MUTATING = Resource("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", False)
SLICES = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", True)
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", True)
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", True)

DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False)

#: Where cluster-autoscaler writes down how it is.
AUTOSCALER = Ref("", "ConfigMap", "kube-system", "cluster-autoscaler-status")
#: The parts of a pod's spec that the scheduler counts.
_COUNTED = ("nodeName", "affinity", "overhead", "hostNetwork", "priority", "topologySpreadConstraints", "resources")


@dataclass
class Answers:
    """See `Target` for what each holds."""

    namespace: Obj | None = None
    lists: dict[str, Sequence[Obj]] = field(default_factory=dict)
    named: dict[Ref, Obj | None] = field(default_factory=dict)
    denied: dict[tuple[str, Resource], str] = field(default_factory=dict)
    endpoints: dict[tuple[str, str], bool] = field(default_factory=dict)
    lock: Obj | None = None
    unread: dict[str, str] = field(default_factory=dict)

    def as_fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


async def observe(
    api: Api,
    served: Served,
    plan: Plan,
    last: Record | None,
    force_conflicts: bool = False,
    *,
    namespace: Obj | None = None,
    now: float | None = None,
) -> Target:
    """Ask the cluster. `namespace` is the one that the release makes. Raises ClusterError when it does not answer at all."""
    answers = await ask(api, served, plan)
    when = time.time() if now is None else now
    return Target(
        served, plan, last, wanted_namespace=namespace, force_conflicts=force_conflicts, now=when, **answers.as_fields()
    )


async def ask(api: Api, served: Served, plan: Plan) -> Answers:
    """Everything. What is refused (403, 404) is in `unread`; raises ClusterError when the cluster does not answer."""
    asking = _Asking(api, served, plan, Answers())
    await asking.all()
    return asking.answers


@dataclass
class _Asking:
    api: Api
    served: Served
    plan: Plan
    answers: Answers

    async def all(self) -> None:
        namespace = self.plan.namespace
        places = [self._list(QUOTAS, namespace), self._list(LIMIT_RANGES, namespace)]
        if any(load for load in self.plan.objects if dig(load, "spec.template.spec") or load["kind"] == "Pod"):
            places += [self._list(NODES), self._pods(), self._list(PRIORITIES)]
            places += [self._list(DEPLOYMENTS, "kube-system", keep=_named_only), self._one(CONFIG_MAPS, AUTOSCALER)]
        places += [self._list(STORAGE)] if _stores(self.plan.objects) else []
        asked = (
            self._namespace,
            self._lock,
            self._pending,
            self._permissions,
            self._webhooks,
            self._references,
            self._definitions,
        )
        await asyncio.gather(*(ask() for ask in asked), *places)

    # one thing each

    async def _try(self, what: str, work: Awaitable[Any]) -> Any:
        try:
            return await work
        except Refused as refused:
            self.answers.unread[what] = refused.words
            return None

    async def _list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        keep: Callable[[Obj], Obj] | None = None,
        labels: str = "",
        fields: str = "",
    ) -> None:
        key = resource_key(resource)
        if self.served.of({"apiVersion": resource.api_version, "kind": resource.kind}) is None:
            return
        found = await self._try(key, self.api.list(resource, namespace, labels=labels, fields=fields, keep=keep))
        if found is not None:
            self.answers.lists[key] = tuple(found)

    async def _one(self, resource: Resource, ref: Ref) -> None:
        found = await self._try(f"{resource.plural} {ref.name}", self.api.get(resource, ref.namespace, ref.name))
        if f"{resource.plural} {ref.name}" not in self.answers.unread:
            self.answers.named[ref] = found

    async def _pods(self) -> None:
        await self._list(PODS, fields="status.phase!=Succeeded,status.phase!=Failed", keep=counted)

    async def _namespace(self) -> None:
        """The namespace, where it was not read with the plan."""
        name = self.plan.namespace
        self.answers.namespace = self.plan.place or await self._try("namespace", self.api.get(NAMESPACES, "", name))

    async def _lock(self) -> None:
        self.answers.lock = await self._try("lease", self.api.get(LEASES, self.plan.namespace, name_of_lock(self.plan.release)))

    async def _pending(self) -> None:
        """Helm's records of all releases of the namespace that are pending: few, where there are any."""
        labels = f"owner=helm,status in ({','.join(sorted(PENDING))})"
        found = await self._try("records", self.api.list(driver(), self.plan.namespace, labels=labels, keep=_labels_only))
        self.answers.lists["pending"] = tuple(found or ())

    async def _permissions(self) -> None:
        """One question where we may do everything, else one for each verb and kind."""
        namespace, every = self.plan.namespace, Resource("*", "*", "*", "*", True)
        wanted = needed(self.plan, self.served, server_side=version() >= (4, 0))
        if await self._try("permissions", self.api.may("*", every, namespace)):
            cluster = [one for one in wanted if not one.resource.namespaced]
            if not cluster or await self._try("permissions", self.api.may("*", Resource("*", "*", "*", "*", False), "")):
                return
            wanted = cluster
        allowed = await asyncio.gather(*(self._may(one) for one in wanted))
        for one, may in zip(wanted, allowed, strict=True):
            if may is False:
                self.answers.denied[one.verb, one.resource] = one.why

    async def _may(self, one: Needed) -> bool | None:
        found: bool | None = await self._try("permissions", self.api.may(one.verb, one.resource, one.namespace))
        return found

    async def _references(self) -> None:
        """What the release refers to and neither brings nor was read with the plan."""
        wanted: dict[Ref, Reference] = {}
        for reference in references(self.plan):
            if reference.ref not in self.plan.live:
                wanted.setdefault(reference.ref, reference)
        own = {(obj["kind"], namespace_of(obj), name_of(obj)) for obj in (*self.plan.objects, *self.plan.hooks)}
        asked = []
        for ref in wanted:
            resource = self.served.of_ref(ref)
            if resource is not None and (ref.kind, ref.namespace, ref.name) not in own and ref.kind not in _LISTED:
                asked.append(self._one(resource, ref))
        asked += [self._one(CLAIMS, ref) for ref in claims_of_replicas(self.plan) if ref not in self.plan.live]
        await asyncio.gather(*asked)
        claims = [*self.answers.named.values(), *self.plan.live.values()]
        bound = {dig(obj, "spec.volumeName") for obj in claims if obj and obj["kind"] == _CLAIM} - {None, ""}
        await asyncio.gather(*(self._one(VOLUMES, Ref("", "PersistentVolume", "", name)) for name in sorted(bound)))

    async def _definitions(self) -> None:
        """The definitions of custom resources that are served in several versions: one may be on its way out."""
        resources = {self.served.of(obj) for obj in (*self.plan.objects, *self.plan.hooks)}
        custom = {
            f"{one.plural}.{one.group}"
            for one in resources
            if one is not None and "." in one.group and len(self.served.versions_of(one.group, one.kind)) > 1
            if not one.group.endswith(".k8s.io")
        }
        await asyncio.gather(*(self._one(DEFINITIONS, definition(name)) for name in sorted(custom)))

    async def _webhooks(self) -> None:
        """Webhook configurations, then whether anything stands behind the Services that they name."""
        await asyncio.gather(self._list(VALIDATING), self._list(MUTATING))
        seen = concerned(self.plan, self.served)
        services = {
            (service["namespace"], service["name"])
            for resource in (VALIDATING, MUTATING)
            for configuration in self.answers.lists.get(resource_key(resource), ())
            for webhook in configuration.get("webhooks") or ()
            if webhook.get("failurePolicy", "Fail") == "Fail" and (service := dig(webhook, "clientConfig.service"))
            if any(asked(webhook, resource, operation) for resource, _, operation in seen)
        }
        await asyncio.gather(*(self._endpoints(*service) for service in sorted(services)))

    async def _endpoints(self, namespace: str, name: str) -> None:
        what = f"endpoints of Service {name} in {namespace}"
        found = await self._try(what, self.api.list(SLICES, namespace, labels=f"kubernetes.io/service-name={name}"))
        if found is not None:
            self.answers.endpoints[namespace, name] = any(
                dig(endpoint, "conditions.ready", True) for one in found for endpoint in one.get("endpoints") or ()
            )


#: Claims that are looked at of each template.
MOST_CLAIMS = 50
#: Kinds that are listed whole, and so need not be asked for by name.
_LISTED = frozenset({"PriorityClass", "StorageClass"})
_CLAIM = "PersistentVolumeClaim"


def definition(name: str) -> Ref:
    """A CustomResourceDefinition by its name, `rollouts.argoproj.io`."""
    return Ref("apiextensions.k8s.io", "CustomResourceDefinition", "", name)


def claims_of_replicas(plan: Plan) -> list[Ref]:
    """The claims that the replicas of StatefulSets have from their templates, where these run already."""
    return [
        Ref("", _CLAIM, namespace_of(obj), f"{name_of(template)}-{name_of(obj)}-{number}")
        for ref, obj in plan.live.items()
        if ref.kind == "StatefulSet"
        for template in dig(obj, "spec.volumeClaimTemplates", [])
        for number in range(min(MOST_CLAIMS, int(dig(obj, "spec.replicas", 1))))
    ]


def resource_key(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _stores(objects: Iterable[Obj]) -> bool:
    return any(
        obj["kind"] == "PersistentVolumeClaim" or dig(obj, "spec.volumeClaimTemplates") or "persistentVolumeClaim" in str(obj)
        for obj in objects
    )


def counted(pod: Obj) -> Obj:
    """A pod without what the scheduler does not count."""
    spec: Mapping[str, Any] = pod.get("spec") or {}
    metadata = {key: pod["metadata"][key] for key in _METADATA if key in pod["metadata"]}
    lean: Obj = {key: spec[key] for key in _COUNTED if key in spec}
    for kind in ("containers", "initContainers"):
        if kind in spec:
            lean[kind] = [{key: one[key] for key in _CONTAINER if key in one} for one in spec[kind]]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": lean, "status": {}}


_METADATA = ("name", "namespace", "uid", "labels", "deletionTimestamp", "ownerReferences")
_CONTAINER = ("name", "resources", "ports", "restartPolicy")


def _named_only(obj: Obj) -> Obj:
    return {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": {"name": name_of(obj)}}


def _labels_only(obj: Obj) -> Obj:
    return {"metadata": {"name": name_of(obj), "labels": labels_of(obj)}}
