"""What the API server sets or keeps on a write, kind by kind: initial status, generation, what a client may not change.

These are the strategies of pkg/registry in Kubernetes, as a table of small functions.  Defaults are `admission.defaulting`'s
part, addresses and ports of Services `services`', and deletion `deletion`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seatrial.world import quantity
from seatrial.world.admission import creating
from seatrial.world.objects import Obj, clone, dig

CreateHook = Callable[[Obj], None]
UpdateHook = Callable[[Obj, Obj], None]  # new, old


@dataclass(frozen=True, slots=True)
class Strategy:
    """`generation`: which part of the object counts ("" none, "spec", "all": all but metadata and status)."""

    generation: str = ""
    status: Obj | None = None  # what a new object starts with; None leaves status as it came
    create: CreateHook | None = None
    update: UpdateHook | None = None
    #: metadata that a status write leaves as it is, beyond what no write may change.
    status_keeps: tuple[str, ...] = ()
    returns_deleted: bool = False  # DELETE answers with the object, not with a Status


# pods


def _prepare_pod(pod: Obj) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod)}


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort (pkg/apis/core/v1/helper/qos/qos.go)."""
    spec = pod.get("spec") or {}
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    guaranteed, effort = bool(containers), False
    for container in containers:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            limit, request = limits.get(name), requests.get(name)
            effort = effort or not _zero(limit) or not _zero(request)
            if _zero(limit) or (request is not None and quantity.parse(request) != quantity.parse(limit)):
                guaranteed = False
    if not effort:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _zero(amount: str | int | None) -> bool:
    return amount is None or quantity.parse(amount) == 0


# apps and batch


def _update_deployment(new: Obj, old: Obj) -> None:
    """A change of annotations counts as one of the spec (pkg/registry/apps/deployment/strategy.go)."""
    if new["metadata"].get("annotations") != old["metadata"].get("annotations"):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _prepare_daemon_set(daemon_set: Obj) -> None:
    daemon_set["metadata"].setdefault("annotations", {}).setdefault(_TEMPLATE_GENERATION, "1")


def _update_daemon_set(new: Obj, old: Obj) -> None:
    count = int((old["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION, "1"))
    changed = dig(new, "spec.template") != dig(old, "spec.template")
    annotations = dict(new["metadata"].get("annotations") or {})
    annotations[_TEMPLATE_GENERATION] = str(count + 1 if changed else count)
    new["metadata"]["annotations"] = annotations


# the others


def _update_namespace(new: Obj, old: Obj) -> None:
    """`spec.finalizers` changes by the finalize subresource alone."""
    new["spec"] = old.get("spec") or {}


_BALANCED = ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort")


def _update_service(new: Obj, old: Obj) -> None:
    """What belonged to a type that the Service has no longer goes, unless the client changed it (dropTypeDependentFields)."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    kinds = ("NodePort", "LoadBalancer")
    if before.get("type") in kinds and spec.get("type") not in kinds:
        had = {port.get("nodePort") for port in before.get("ports") or ()}
        spec["ports"] = [
            {key: value for key, value in port.items() if key != "nodePort" or value not in had}
            for port in spec.get("ports") or ()
        ]
        if spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy") and not spec.get("externalIPs"):
            spec.pop("externalTrafficPolicy", None)
    if before.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        for key in _BALANCED:
            if spec.get(key) == before.get(key):
                spec.pop(key, None)
    if before.get("type") != "ExternalName" and spec.get("type") == "ExternalName":
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(key) == before.get(key):
                spec.pop(key, None)


_BALANCER: Obj = {"loadBalancer": {}}
_DAEMONS: Obj = {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}
_BUDGET: Obj = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
_PENDING: Obj = {"phase": "Pending"}

STRATEGIES: dict[str, Strategy] = {
    "pods": Strategy("spec", None, _prepare_pod, status_keeps=("ownerReferences",), returns_deleted=True),
    "podtemplates": Strategy("spec", returns_deleted=True),
    "replicationcontrollers": Strategy("spec", {"replicas": 0}),
    "services": Strategy("", _BALANCER, None, _update_service, returns_deleted=True),
    "serviceaccounts": Strategy(returns_deleted=True),
    "namespaces": Strategy("", {"phase": "Active"}, creating.namespace, _update_namespace),
    "secrets": Strategy("", None, creating.secret, lambda new, old: creating.secret(new)),
    "persistentvolumeclaims": Strategy("", _PENDING, returns_deleted=True),
    "persistentvolumes": Strategy("", _PENDING, returns_deleted=True),
    "resourcequotas": Strategy("", {}, returns_deleted=True),
    "deployments.apps": Strategy("spec", {}, None, _update_deployment, status_keeps=("labels",)),
    "replicasets.apps": Strategy("spec", {"replicas": 0}),
    "statefulsets.apps": Strategy("spec", {"replicas": 0, "availableReplicas": 0}),
    "daemonsets.apps": Strategy("spec", _DAEMONS, _prepare_daemon_set, _update_daemon_set),
    "jobs.batch": Strategy("spec", {}, creating.job),
    "cronjobs.batch": Strategy("spec", {}),
    "horizontalpodautoscalers.autoscaling": Strategy("", {"desiredReplicas": 0, "currentMetrics": None}),
    "ingresses.networking.k8s.io": Strategy("spec", _BALANCER),
    "ingressclasses.networking.k8s.io": Strategy("spec"),
    "networkpolicies.networking.k8s.io": Strategy("spec"),
    "poddisruptionbudgets.policy": Strategy("spec", _BUDGET),
    "priorityclasses.scheduling.k8s.io": Strategy("first"),
    "endpointslices.discovery.k8s.io": Strategy("all"),
    "customresourcedefinitions.apiextensions.k8s.io": Strategy("spec", None, creating.definition),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": Strategy("all"),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": Strategy("all"),
    "flowschemas.flowcontrol.apiserver.k8s.io": Strategy("spec", {}),
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": Strategy("spec", {}),
    "storageclasses.storage.k8s.io": Strategy(returns_deleted=True),
}

#: Built-in resources with nothing of their own; and custom resources, where everything but metadata and status counts.
PLAIN = Strategy()
CUSTOM = Strategy("all")


def prepare_create(strategy: Strategy, obj: Obj) -> None:
    if strategy.generation:
        obj["metadata"]["generation"] = 1
    else:
        obj["metadata"].pop("generation", None)
    if strategy.status is not None:
        obj["status"] = clone(strategy.status)
    if strategy.create is not None:
        strategy.create(obj)


def prepare_update(strategy: Strategy, new: Obj, old: Obj, has_status: bool) -> None:
    """Keep the status, where it has a subresource of its own, and count the generation."""
    if has_status:
        if "status" in old:
            new["status"] = old["status"]
        else:
            new.pop("status", None)
    if strategy.update is not None:
        strategy.update(new, old)
    if strategy.generation and _counts(strategy.generation, new, old):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def only_ephemeral(new: Obj, old: Obj) -> Obj:
    """The stored pod with the ephemeral containers of the new one (dropNonEphemeralContainerUpdates)."""
    spec = {key: value for key, value in old["spec"].items() if key != "ephemeralContainers"}
    added = (new.get("spec") or {}).get("ephemeralContainers")
    return {**new, "spec": {**spec, "ephemeralContainers": added} if added else spec, "status": old.get("status") or {}}


def _counts(part: str, new: Obj, old: Obj) -> bool:
    if part == "spec":
        return bool(new.get("spec") != old.get("spec"))
    if part == "all":
        ignored = ("metadata", "status")
        return {k: v for k, v in new.items() if k not in ignored} != {k: v for k, v in old.items() if k not in ignored}
    return False
