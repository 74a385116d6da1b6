"""The Kubernetes API in this process: what a create, update, patch or delete does to an object and to the store.

The HTTP server decodes a request into a call here; controllers, scheduler and kubelet call it directly.  Every write
takes the same way: default, mutate, prepare (uid, times, generation, what a client may not set), validate, check, store.
All methods take a resource id (`pods`, `deployments.apps`), return objects that are shared with the store (clone them
before you change one) and raise `errors.ApiError`.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from seatrial.twin import errors
from seatrial.twin.admission.chain import OPEN, Chain
from seatrial.twin.clock import Clock, timestamp
from seatrial.twin.registry import deletion, eviction, patching, scaling, strategies, tokens
from seatrial.twin.registry.custom import CustomResources
from seatrial.twin.registry.options import SYSTEM, Options
from seatrial.twin.registry.resources import Resource, ResourceTable
from seatrial.twin.registry.services import ServiceAddresses
from seatrial.twin.registry.strategies import CUSTOM, PLAIN, STRATEGIES, Strategy
from seatrial.twin.store import Exists, Objects, Store
from seatrial.world.admission import structure
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj

__all__ = ["SYSTEM", "Options", "Registry"]

#: A generated name is the base, cut to this, and five random characters (apiserver, storage/names/generate.go).
_LONGEST_BASE = 63 - 5


class Registry:
    """`admission`: the steps between a request and the store; `track_fields` False leaves managedFields out (faster).

    `service_cidr`: where cluster IPs come from; `signer`: signs the tokens of service accounts.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        resources: ResourceTable,
        seed: int | None = None,
        *,
        admission: Chain = OPEN,
        track_fields: bool = True,
        service_cidr: str = "127.96.0.0/16",
        signer: tokens.Signer | None = None,
    ) -> None:
        self.store, self.clock, self.resources = store, clock, resources
        self.random = random.Random(seed)  # noqa: S311 - names and choices, not secrets
        self.admission, self.track_fields = admission, track_fields
        self.addresses = ServiceAddresses(store, self.random, service_cidr)
        self.signer = signer or tokens.Signer()
        self.custom = CustomResources(store, resources)

    # reading

    def find(self, resource: str, namespace: str, name: str) -> Obj | None:
        return self.store.get(resource, namespace, name)

    def get(self, resource: str, namespace: str, name: str) -> Obj:
        obj = self.store.get(resource, namespace, name)
        if obj is None:
            kind = self.resources.stored(resource)
            raise errors.not_found(kind.group, kind.plural, name)
        return obj

    def list(self, resource: str, namespace: str | None = None) -> Objects:
        return self.store.list(resource, namespace)

    # writing

    def create(self, resource: str, obj: Obj, options: Options = SYSTEM) -> Obj:
        """Store a new object. The dictionary becomes the registry's own: do not keep it."""
        kind = self.resources.stored(resource)
        self._default(kind, obj)
        self.admission.mutate(self, resource, obj, None, options)
        self._prepare_create(kind, obj)
        self._validate(kind, obj, None, "")
        if resource == "services":
            self._refuse(kind, obj, self.addresses.complete(obj, None, options.dry_run))
        if self.track_fields and options.manager:
            obj = patching.track(kind, None, obj, options, "", self.clock.now())
        self.admission.check(self, resource, obj, None, options)
        name = obj["metadata"]["name"]
        if options.dry_run:
            if self.store.get(resource, obj["metadata"].get("namespace", ""), name) is not None:
                raise errors.already_exists(kind.group, kind.plural, name)
            return obj
        try:
            return self.store.create(resource, obj)
        except Exists:
            raise errors.already_exists(kind.group, kind.plural, name) from None

    def update(self, resource: str, obj: Obj, options: Options = SYSTEM, subresource: str = "") -> Obj:
        """Replace an object, or its status for `subresource="status"`. A resourceVersion in it must be the stored one.

        The dictionary becomes the registry's own. Nothing is written when nothing changes.
        """
        metadata = obj["metadata"]
        old = self.get(resource, metadata.get("namespace", ""), metadata["name"])
        kind = self.resources.stored(resource)
        self._check_locks(kind, metadata, old["metadata"])
        strategy = self.strategy(resource)
        obj = self._system_fields(strategy, obj, old, subresource)
        if subresource != "status":
            self._default(kind, obj)
        self.admission.mutate(self, resource, obj, old, options)
        if subresource != "status":
            strategies.prepare_update(strategy, obj, old, "status" in kind.subresources)
        return self._replace(kind, obj, old, options, subresource)

    def update_status(self, resource: str, obj: Obj, options: Options = SYSTEM) -> Obj:
        return self.update(resource, obj, options, "status")

    def patch(
        self,
        resource: str,
        namespace: str,
        name: str,
        patch: object,
        patch_type: str = patching.MERGE,
        options: Options = SYSTEM,
        subresource: str = "",
    ) -> Obj:
        """Patch an object: `patch_type` is one of `patching.JSON`, MERGE, STRATEGIC (APPLY is `apply`)."""
        old = self.get(resource, namespace, name)
        new = patching.patched(old, patch, patch_type)
        return self.update(resource, new, options, subresource)

    def apply(self, resource: str, obj: Obj, options: Options, subresource: str = "") -> tuple[Obj, bool]:
        """Server-side apply: the object as it then is, and whether it is new. Raises ApiError (409) for fields of others."""
        metadata = obj["metadata"]
        live = self.store.get(resource, metadata.get("namespace", ""), metadata["name"])
        merged = patching.applied(self.resources.stored(resource), live, obj, options, subresource, self.clock.now())
        applying = _without_manager(options)
        if live is None:
            return self.create(resource, merged, applying), True
        return self.update(resource, merged, applying, subresource), False

    def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        version: str | None = None,
        options: Options = SYSTEM,
    ) -> Obj:
        """Delete, or mark for deletion where a grace period or finalizers ask for it; returns the object as it then is.

        `grace` in seconds, None for the object's own; `propagation` Background, Foreground or Orphan; `uid` and
        `version` are preconditions.
        """
        obj = self.get(resource, namespace, name)
        deletion.check_preconditions(self.resources.stored(resource), obj, uid, version)
        verdict = deletion.decide(resource, obj, grace, propagation, self.clock.now())
        if options.dry_run:
            return verdict.object or obj
        if verdict.now:
            return self.store.delete(resource, namespace, name)
        return obj if verdict.object is None else self.store.update(resource, verdict.object)

    def is_gone(self, resource: str, obj: Obj) -> bool:
        """Whether what `delete` returned has left the store."""
        metadata = obj["metadata"]
        stored = self.store.get(resource, metadata.get("namespace", ""), metadata["name"])
        return stored is None or stored["metadata"]["uid"] != metadata["uid"]

    def delete_collection(
        self,
        resource: str,
        namespace: str | None,
        wanted: Callable[[Obj], bool] = lambda obj: True,
        *,
        grace: int | None = None,
        propagation: str | None = None,
        options: Options = SYSTEM,
    ) -> Objects:
        """Delete all that `wanted` says; returns them as they then are."""
        deleted = []
        for obj in self.store.list(resource, namespace):
            metadata = obj["metadata"]
            if wanted(obj) and self.store.get(resource, metadata.get("namespace", ""), metadata["name"]) is obj:
                where = metadata.get("namespace", ""), metadata["name"]
                deleted.append(self.delete(resource, *where, grace=grace, propagation=propagation, options=options))
        return deleted

    # subresources

    def scale(self, resource: str, namespace: str, name: str) -> Obj:
        return scaling.scale_of(self.get(resource, namespace, name), self.scale_paths(resource))

    def set_scale(
        self, resource: str, namespace: str, name: str, replicas: int, options: Options = SYSTEM, version: str = ""
    ) -> Obj:
        """Set the number of replicas; returns the Scale. `version` is a precondition."""
        obj = scaling.scaled(self.get(resource, namespace, name), replicas, self.scale_paths(resource))
        if version:
            obj["metadata"]["resourceVersion"] = version
        return scaling.scale_of(self.update(resource, obj, options), self.scale_paths(resource))

    def bind(self, namespace: str, name: str, node: str, options: Options = SYSTEM) -> Obj:
        """Give a pod its node, as the scheduler does. Raises ApiError (409) for a pod that has one or is on its way out."""
        pod = self.get("pods", namespace, name)
        metadata, spec = pod["metadata"], pod["spec"]
        if "deletionTimestamp" in metadata:
            raise errors.conflict("", "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
        if spec.get("nodeName"):
            raise errors.conflict("", "pods/binding", name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
        status = dict(pod.get("status") or {})
        bound = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(self.clock.now()),
        }
        others = [condition for condition in status.get("conditions") or () if condition["type"] != "PodScheduled"]
        status["conditions"] = [*others, bound]
        status.pop("nominatedNodeName", None)
        obj = {**pod, "metadata": dict(metadata), "spec": {**spec, "nodeName": node}, "status": status}
        return obj if options.dry_run else self.store.update("pods", obj)

    def evict(
        self, namespace: str, name: str, *, grace: int | None = None, uid: str | None = None, options: Options = SYSTEM
    ) -> Obj:
        """Delete a pod if its PodDisruptionBudget has room, and charge it. Raises ApiError (429) when it has none."""
        pod = self.get("pods", namespace, name)
        deletion.check_preconditions(self.resources.stored("pods"), pod, uid, None)
        if not eviction.needs_no_budget(pod):
            budget = eviction.budget_of(pod, self.list(eviction.BUDGETS, namespace))
            if budget is not None and not eviction.covers_unhealthy(pod, budget):
                charged = eviction.charge(pod, budget, self.clock.now())
                if not options.dry_run:
                    self.store.update(eviction.BUDGETS, charged)
        return self.delete("pods", namespace, name, grace=grace, uid=uid, options=options)

    def finalize(self, obj: Obj, options: Options = SYSTEM) -> Obj:
        """The finalize subresource of a namespace: sets `spec.finalizers`; a deleted namespace without any goes."""
        old = self.get("namespaces", "", obj["metadata"]["name"])
        kind = self.resources.stored("namespaces")
        self._check_locks(kind, obj["metadata"], old["metadata"])
        new = {**old, "metadata": {**old["metadata"]}, "spec": obj.get("spec") or {}}
        return self._replace(kind, new, old, options, "finalize")

    def token(self, namespace: str, name: str, request: Obj, options: Options = SYSTEM) -> Obj:
        """A TokenRequest answered: its status carries the token. Raises ApiError when there is no such service account."""
        account = self.get("serviceaccounts", namespace, name)
        life = (request.get("spec") or {}).get("expirationSeconds")
        if life is not None and life < tokens.LEAST_LIFE:
            cause = Cause(
                "FieldValueInvalid",
                f"Invalid value: {life}: may not specify a duration less than 10 minutes",
                "spec.expirationSeconds",
            )
            raise errors.invalid("authentication.k8s.io", "TokenRequest", name, [cause])
        return tokens.issue(self.signer, account, request, self.clock.now(), self.new_uid())

    # the steps of a write

    def strategy(self, resource: str) -> Strategy:
        known = STRATEGIES.get(resource)
        if known is not None:
            return known
        return CUSTOM if self.resources.stored(resource).custom else PLAIN

    def _default(self, kind: Resource, obj: Obj) -> None:
        self.admission.defaulter(obj)
        if kind.custom is not None and kind.custom.schema:
            structure.default(obj, kind.custom.schema)

    def _prepare_create(self, kind: Resource, obj: Obj) -> None:
        metadata = obj["metadata"]
        if metadata.get("generateName") and not metadata.get("name"):
            metadata["name"] = metadata["generateName"][:_LONGEST_BASE] + self.suffix()
        if not kind.namespaced:
            metadata.pop("namespace", None)
        for key in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(key, None)
        metadata["uid"] = self.new_uid()
        metadata["creationTimestamp"] = timestamp(self.clock.now())
        strategy = self.strategy(kind.id)
        if strategy is CUSTOM and "status" in kind.subresources:
            obj.pop("status", None)
        strategies.prepare_create(strategy, obj)

    def _check_locks(self, kind: Resource, new: Obj, old: Obj) -> None:
        if new.get("resourceVersion") not in (None, "", "0", old["resourceVersion"]):
            raise errors.conflict(kind.group, kind.plural, old["name"])
        if new.get("uid") not in (None, "", old["uid"]):
            why = f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: {old['uid']}"
            raise errors.conflict(kind.group, kind.plural, old["name"], why)

    def _system_fields(self, strategy: Strategy, obj: Obj, old: Obj, subresource: str) -> Obj:
        """The new object with what no update changes taken from the stored one (rest.BeforeUpdate, strategies of status)."""
        before, metadata = old["metadata"], dict(obj["metadata"])
        for key in _KEPT:
            if key in before:
                metadata[key] = before[key]
            else:
                metadata.pop(key, None)
        if not metadata.get("managedFields") and before.get("managedFields"):
            metadata["managedFields"] = before["managedFields"]
        if subresource == "ephemeralcontainers":
            obj = strategies.only_ephemeral(obj, old)
        if subresource != "status":
            return {**obj, "metadata": metadata}
        keeps = ("labels", "annotations", "finalizers", "ownerReferences") if strategy is CUSTOM else strategy.status_keeps
        for key in keeps:
            if key in before:
                metadata[key] = before[key]
            else:
                metadata.pop(key, None)
        return {**old, "metadata": metadata, "status": obj.get("status") or {}}

    def _replace(self, kind: Resource, obj: Obj, old: Obj, options: Options, subresource: str) -> Obj:
        """Validate, check and store an update; the object goes when it was only waiting for this."""
        self._validate(kind, obj, old, subresource)
        if kind.id == "services" and subresource == "":
            self._refuse(kind, obj, self.addresses.complete(obj, old, options.dry_run))
        if self.track_fields and options.manager:
            obj = patching.track(kind, old, obj, options, subresource, self.clock.now())
        self.admission.check(self, kind.id, obj, old, options)
        if options.dry_run or patching.same(obj, old):
            return obj if options.dry_run else old
        if deletion.ready_to_go(obj):
            metadata = obj["metadata"]
            return self.store.delete(kind.id, metadata.get("namespace", ""), metadata["name"])
        return self.store.update(kind.id, obj)

    def _validate(self, kind: Resource, obj: Obj, old: Obj | None, subresource: str) -> None:
        if kind.custom is None:
            self._refuse(kind, obj, self.admission.validator(obj, old, subresource))
        else:
            causes = structure.problems(obj, old, kind.custom.schema, kind.namespaced)
            if kind.custom.rules is not None:
                causes = structure.with_rules(causes, kind.custom.rules, obj, old)
            self._refuse(kind, obj, causes)

    def _refuse(self, kind: Resource, obj: Obj, causes: Sequence[Cause]) -> None:
        if causes:
            raise errors.invalid(kind.group, kind.kind, obj["metadata"].get("name", ""), causes)

    def scale_paths(self, resource: str) -> scaling.ScalePaths:
        """Where objects of a resource keep their replicas and their selector."""
        custom = self.resources.stored(resource).custom
        return (custom.scale if custom else None) or scaling.BUILTIN

    # names

    def new_uid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """The random end of a generated name (apimachinery, util/rand)."""
        return "".join(self.random.choices("bcdfghjklmnpqrstvwxz2456789", k=length))


#: What an update cannot change.
_KEPT = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "resourceVersion",
    "generateName",
    "selfLink",
)


def _without_manager(options: Options) -> Options:
    """Apply has written managedFields itself."""
    return replace(options, manager="")
