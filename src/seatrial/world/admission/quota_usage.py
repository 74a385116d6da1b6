"""What an object uses of a quota, and which quotas it counts towards: for admission, the quota controller and a preflight.

pkg/quota/v1/evaluator/core (pods, services, claims) and apiserver/pkg/quota/v1/generic (object counts).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from seatrial.world import pod_resources, quantity, selectors
from seatrial.world.objects import Obj, annotations_of, dig

Usage = dict[str, str]

#: Without these a pod is refused where a quota counts them: a mistake that Kubernetes keeps for compatibility.
MUST_SPECIFY = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"
#: Object counts from before `count/…`.
_PLAIN_COUNTS = ("configmaps", "secrets", "resourcequotas", "replicationcontrollers", "services", "persistentvolumeclaims")
_SERVICES = ("services", "services.nodeports", "services.loadbalancers")
_CLAIMS = ("persistentvolumeclaims", "requests.storage")


def usage(resource: str, obj: Obj, now: float = 0.0) -> Usage:
    """What an object of a resource id (`pods`, `deployments.apps`) uses, by quota resource; `now` in seconds since 1970."""
    used: Usage = {f"count/{resource}": "1"}
    if resource == "pods":
        if _is_charged(obj, now):
            used.update(compute(pod_resources.requests(obj["spec"]), pod_resources.limits(obj["spec"])), pods="1")
    elif resource == "services":
        used.update(_service_usage(obj.get("spec") or {}))
    elif resource == "persistentvolumeclaims":
        used.update(_claim_usage(obj))
    elif resource in _PLAIN_COUNTS:
        used[resource] = "1"
    return used


def _is_charged(pod: Obj, now: float) -> bool:
    """A pod counts until it has ended, or its grace period is over (pkg/quota/v1/evaluator/core/pods.go, QuotaV1Pod)."""
    if dig(pod, "status.phase") in ("Succeeded", "Failed"):
        return False
    deleted, grace = pod["metadata"].get("deletionTimestamp"), pod["metadata"].get("deletionGracePeriodSeconds")
    if deleted is not None and grace is not None:
        return now <= datetime.fromisoformat(deleted).timestamp() + int(grace)
    return True


def compute(requests: Mapping[str, Any], limits: Mapping[str, Any]) -> Usage:
    """Requests and limits under the names that quotas give them."""
    used: Usage = {}
    for name in _COMPUTE:
        if name in requests:
            used[name] = used[f"requests.{name}"] = str(requests[name])
        if name in limits:
            used[f"limits.{name}"] = str(limits[name])
    for name, amount in requests.items():
        if name.startswith("hugepages-"):
            used[name] = used[f"requests.{name}"] = str(amount)
        elif "/" in name:
            used[f"requests.{name}"] = str(amount)
    return used


def _service_usage(spec: Obj) -> Usage:
    ports = spec.get("ports") or []
    nodeports = balancers = 0
    if spec.get("type") == "NodePort":
        nodeports = len(ports)
    elif spec.get("type") == "LoadBalancer":
        balancers = 1
        allocates = spec.get("allocateLoadBalancerNodePorts") is not False
        nodeports = len(ports) if allocates else sum(1 for port in ports if port.get("nodePort"))
    return {"services": "1", "services.nodeports": str(nodeports), "services.loadbalancers": str(balancers)}


def _claim_usage(claim: Obj) -> Usage:
    used: Usage = {"persistentvolumeclaims": "1"}
    asked = dig(claim, "spec.resources.requests.storage")
    allocated = dig(claim, "status.allocatedResources.storage")
    if asked is not None and allocated is not None and quantity.parse(allocated) > quantity.parse(asked):
        asked = allocated
    if asked is not None:
        used["requests.storage"] = str(asked)
    storage_class = annotations_of(claim).get("volume.beta.kubernetes.io/storage-class") or dig(claim, "spec.storageClassName")
    if storage_class:
        used.update({f"{storage_class}{_STORAGE_CLASS}{name}": amount for name, amount in list(used.items())})
    return used


# which quota counts what


def counted(resource: str, names: Iterable[str]) -> list[str]:
    """The resources of a quota that objects of a resource id count towards."""
    return [name for name in names if _counts(resource, name)]


def _counts(resource: str, name: str) -> bool:
    if name == f"count/{resource}":
        return True
    if resource == "pods":
        return name == "pods" or _is_compute(name)
    if resource == "services":
        return name in _SERVICES
    if resource == "persistentvolumeclaims":
        return name in _CLAIMS or name.endswith(tuple(_STORAGE_CLASS + claim for claim in _CLAIMS))
    return resource in _PLAIN_COUNTS and name == resource


def _is_compute(name: str) -> bool:
    if _STORAGE_CLASS in name or name.startswith("count/"):
        return False
    side, dot, rest = name.partition(".")
    bare = rest if dot and side in ("requests", "limits") else name
    if bare in _COMPUTE or bare.startswith("hugepages-"):
        return True
    return side == "requests" and "/" in rest


def matches(quota: Obj, resource: str, obj: Obj) -> bool:
    """Whether a quota counts an object: one of its resources does, and every scope fits."""
    if not counted(resource, (quota.get("status") or {}).get("hard") or {}):
        return False
    return in_scope(quota, resource, obj)


def in_scope(quota: Obj, resource: str, obj: Obj) -> bool:
    spec = quota.get("spec") or {}
    rules = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    rules += dig(spec, "scopeSelector.matchExpressions") or []
    return all(_fits(rule, resource, obj) for rule in rules)


def _fits(rule: Obj, resource: str, obj: Obj) -> bool:
    scope = rule.get("scopeName")
    if resource == "persistentvolumeclaims" and scope == "VolumeAttributesClass":
        return _selected(rule, dig(obj, "spec.volumeAttributesClassName") or "")
    if resource != "pods":
        return False
    spec = obj.get("spec") or {}
    if scope == "PriorityClass":
        return _selected(rule, spec.get("priorityClassName") or "")
    if scope == "CrossNamespacePodAffinity":
        return _crosses_namespaces(spec.get("affinity") or {})
    terminating = spec.get("activeDeadlineSeconds") is not None
    best_effort = is_best_effort(spec)
    answers = {
        "Terminating": terminating,
        "NotTerminating": not terminating,
        "BestEffort": best_effort,
        "NotBestEffort": not best_effort,
    }
    return answers.get(str(scope), False)


def _selected(rule: Obj, value: str) -> bool:
    if rule.get("operator") == "Exists":
        return bool(value)
    labels = {rule["scopeName"]: value} if value else {}
    expression = {"key": rule["scopeName"], "operator": rule["operator"], "values": rule.get("values") or []}
    return selectors.matches({"matchExpressions": [expression]}, labels)


def is_best_effort(spec: Obj) -> bool:
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            for side in ("requests", "limits"):
                amounts = (container.get("resources") or {}).get(side) or {}
                if any(quantity.parse(amounts[name]) for name in ("cpu", "memory") if name in amounts):
                    return False
    return True


def _crosses_namespaces(affinity: Obj) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        weighted = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [one.get("podAffinityTerm") or {} for one in weighted]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def unstated(spec: Obj, names: Iterable[str]) -> str:
    """Which of the resources that a quota counts which containers leave open: `limits.cpu for: a,b; memory for: a`.

    `names` are those of the quota; for pods with any of them Kubernetes answers `must specify …`.
    """
    lacking: dict[str, set[str]] = {}
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            resources = container.get("resources") or {}
            given = compute(resources.get("requests") or {}, resources.get("limits") or {})
            for name in names:
                if name in MUST_SPECIFY and name not in given:
                    lacking.setdefault(name, set()).add(container["name"])
    return "; ".join(f"{name} for: {','.join(sorted(lacking[name]))}" for name in sorted(lacking))


def sources(hard: Iterable[str]) -> list[str]:
    """The resources whose objects count towards any of these names."""
    names = list(hard)
    candidates = {"pods", "services", "persistentvolumeclaims", *_PLAIN_COUNTS}
    candidates |= {name.removeprefix("count/") for name in names if name.startswith("count/")}
    return sorted(one for one in candidates if counted(one, names))
