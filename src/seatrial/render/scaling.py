"""What changes the number of a service's pods: the HorizontalPodAutoscaler, and the PodDisruptionBudget that bounds a drain.

A budget allows one pod to go at a time, so it never blocks a drain; a service of one replica has none, for any budget
would either block or mean nothing.
"""

from __future__ import annotations

from seatrial.render.scope import SERVICE, Scope
from seatrial.render.workload import is_scaled, replicas
from seatrial.world.objects import Obj


def autoscaler(scope: Scope, name: str) -> Obj | None:
    service = scope.app.services[name]
    if service.scale is None or not is_scaled(service, scope):
        return None
    targets = {"cpu": service.scale.cpu, "memory": service.scale.memory}
    low, high = replicas(service, scope)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": scope.meta(name, name, SERVICE),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": resource, "target": {"type": "Utilization", "averageUtilization": share}},
                }
                for resource, share in targets.items()
                if share
            ],
        },
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
