"""What changes the number of a service's pods: an autoscaler, one that only recommends, and the budget that bounds a drain.

An HPA or a ScaledObject of KEDA, never both, for KEDA makes an HPA of its own.  KEDA is for what an HPA cannot see, such as a
queue, a query or a time of day: a service that is scaled by CPU and memory alone has an HPA there, too.

A VerticalPodAutoscaler changes nothing, so it
does not fight them over CPU.  A budget allows one pod to go at a time, so it never blocks a drain at any number of replicas; a
service that may have one replica has none, for any budget would either block or mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from seatrial.app.model import Service, Trigger
from seatrial.render.config import has_password
from seatrial.render.container import STORE_PORTS, by_tls
from seatrial.render.delivery import target
from seatrial.render.scope import SERVICE, Scope, without_empty
from seatrial.render.workload import is_scaled, replicas
from seatrial.world.objects import Obj

KEDA = "keda.sh/v1alpha1"
#: Grows at once, to twice as many or by four in half a minute; shrinks once five minutes agree, by a quarter or one in a minute.
BEHAVIOR: Obj = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 30},
            {"type": "Pods", "value": 4, "periodSeconds": 30},
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Percent", "value": 25, "periodSeconds": 60}, {"type": "Pods", "value": 1, "periodSeconds": 60}],
    },
}


def autoscalers(scope: Scope, name: str) -> list[Obj]:
    """What scales a service, and what recommends its requests."""
    service = scope.app.services[name]
    found: list[Obj] = []
    if service.scale and is_scaled(service, scope):
        found += _keda(scope, name, service) if by_keda(scope, service) else [_hpa(scope, name, service)]
    return [*found, _recommender(scope, name)] if scope.app.platform.recommendations == "vpa" else found


def by_keda(scope: Scope, service: Service) -> bool:
    """Whether KEDA scales a service, and not a plain HPA."""
    return scope.app.platform.autoscaling == "keda" and bool(_triggers(service))


def _shares(service: Service) -> dict[str, int]:
    scale = service.scale
    return {key: share for key, share in (("cpu", scale and scale.cpu), ("memory", scale and scale.memory)) if share}


def _triggers(service: Service) -> tuple[Trigger, ...]:
    return (service.scale and service.scale.on) or ()


def _hpa(scope: Scope, name: str, service: Service) -> Obj:
    low, high = replicas(service, scope)
    metrics: list[Obj] = [
        {"type": "Resource", "resource": {"name": key, "target": {"type": "Utilization", "averageUtilization": share}}}
        for key, share in _shares(service).items()
    ]
    for trigger in _triggers(service):
        if trigger.metric:
            goal = {"type": "AverageValue", "averageValue": _amount(trigger.target)}
            metrics.append({"type": "Pods", "pods": {"metric": {"name": trigger.metric}, "target": goal}})
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": scope.meta(name, name, SERVICE),
        "spec": {
            "scaleTargetRef": target(scope, name),
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": metrics,
            "behavior": BEHAVIOR,
        },
    }


def _amount(value: float | None) -> str:
    """A number as a quantity: thousandths where it has decimals."""
    number = value or 0.0
    return str(int(number)) if number == int(number) else f"{max(1, round(number * 1000))}m"


def _plain(value: float | None) -> str:
    """A number as KEDA reads it."""
    return f"{value or 0.0:.9f}".rstrip("0").rstrip(".")


# -- KEDA ----------------------------------------------------------------------------------------------------------------


def _keda(scope: Scope, name: str, service: Service) -> list[Obj]:
    low, high = replicas(service, scope)
    triggers: list[Obj] = [
        {"type": key, "metricType": "Utilization", "metadata": {"value": str(share)}} for key, share in _shares(service).items()
    ]
    own = [OF_TRIGGER[_kind(trigger)](scope, name, trigger) for trigger in _triggers(service)]
    spec: Obj = {"scaleTargetRef": target(scope, name), "minReplicaCount": low, "maxReplicaCount": high}
    if any(trigger.get("metricType") == "AverageValue" for trigger in own):  # a source that is silent never shrinks a service
        spec["fallback"] = {"failureThreshold": 3, "replicas": low, "behavior": "currentReplicasIfHigher"}
    spec["advanced"] = {"horizontalPodAutoscalerConfig": {"name": name, "behavior": BEHAVIOR}}
    spec["triggers"] = [*triggers, *own]
    scaled = {"apiVersion": KEDA, "kind": "ScaledObject", "metadata": scope.meta(name, name, SERVICE), "spec": spec}
    return [*_authentications(scope, name, service), scaled]


def _kind(trigger: Trigger) -> str:
    return next(kind for kind in OF_TRIGGER if getattr(trigger, kind))


def _prometheus(scope: Scope, name: str, trigger: Trigger) -> Obj:
    platform = scope.app.platform
    address = platform.prometheus or f"http://prometheus-operated.{platform.monitoringNamespace or 'monitoring'}:9090"
    query = trigger.prometheus or f'sum({trigger.metric}{{namespace="{scope.app.namespace}",pod=~"{name}-.+"}})'
    metadata = {"serverAddress": address, "query": query, "threshold": _plain(trigger.target)}
    return {"type": "prometheus", "metricType": "AverageValue", "metadata": metadata}


def _list(scope: Scope, name: str, trigger: Trigger) -> Obj:
    """KEDA asks from a namespace of its own, so a store is named with its namespace."""
    store_name = trigger.store or ""
    store = scope.app.stores[store_name]
    host = store.host or f"{store_name}.{scope.app.namespace}"
    metadata = {
        "address": f"{host}:{STORE_PORTS['redis']}",
        "listName": trigger.list,
        "listLength": _plain(trigger.target),
        "enableTLS": "true" if by_tls(scope, store_name) else None,
    }
    found: Obj = {"type": "redis", "metricType": "AverageValue", "metadata": without_empty(metadata)}
    return found | ({"authenticationRef": {"name": f"{name}-{store_name}"}} if has_password(store) else {})


def is_asked_by_keda(scope: Scope, store: str) -> bool:
    """Whether KEDA asks a store how long a list is, to scale a service by it."""
    if scope.app.platform.autoscaling != "keda" or scope.app.stores[store].host:
        return False
    scaled = [service for service in scope.app.services.values() if is_scaled(service, scope)]
    return any(trigger.list and trigger.store == store for service in scaled for trigger in _triggers(service))


def _cron(scope: Scope, name: str, trigger: Trigger) -> Obj:
    times = {"timezone": trigger.timeZone or "Etc/UTC", "start": trigger.schedule, "end": trigger.until}
    return {"type": "cron", "metadata": times | {"desiredReplicas": str(trigger.replicas)}}


OF_TRIGGER: dict[str, Callable[[Scope, str, Trigger], Obj]] = {
    "metric": _prometheus,
    "prometheus": _prometheus,
    "list": _list,
    "schedule": _cron,
}


def _authentications(scope: Scope, name: str, service: Service) -> list[Obj]:
    """The password of each Redis whose lists are looked at."""
    asked = dict.fromkeys(trigger.store for trigger in _triggers(service) if trigger.list and trigger.store)
    return [
        {
            "apiVersion": KEDA,
            "kind": "TriggerAuthentication",
            "metadata": scope.meta(f"{name}-{store}", name, SERVICE),
            "spec": {"secretTargetRef": [{"parameter": "password", "name": store, "key": "password"}]},
        }
        for store in asked
        if has_password(scope.app.stores[store])
    ]


# -- recommendations and drains ------------------------------------------------------------------------------------------


def _recommender(scope: Scope, name: str) -> Obj:
    return {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": scope.meta(name, name, SERVICE),
        "spec": {"targetRef": target(scope, name), "updatePolicy": {"updateMode": "Off"}},
    }


def disruption_budget(scope: Scope, name: str) -> Obj | None:
    if replicas(scope.app.services[name], scope)[0] < 2:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": scope.meta(name, name, SERVICE),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": scope.selector(name, SERVICE)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",  # a pod that is broken anyway does not hold up a drain
        },
    }
