"""What reads a service's metrics: a ServiceMonitor, where the Prometheus operator runs. Elsewhere nothing."""

from __future__ import annotations

from seatrial.render.scope import SERVICE, Scope
from seatrial.world.objects import Obj


def service_monitor(scope: Scope, name: str) -> Obj | None:
    service = scope.app.services[name]
    if not service.metrics or scope.app.platform.monitoring != "prometheus-operator":
        return None
    apart = service.metrics.port and service.metrics.port != service.port
    endpoint = {"port": "metrics" if apart else "http", "path": service.metrics.path or "/metrics", "interval": "30s"}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": scope.meta(name, name, SERVICE),
        "spec": {"selector": {"matchLabels": scope.selector(name, SERVICE)}, "endpoints": [endpoint]},
    }
