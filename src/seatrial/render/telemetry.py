"""What reads the metrics of services: ServiceMonitors and PodMonitors, where the Prometheus operator runs. Elsewhere nothing.

A service that is rolled as one Deployment is read through its Service.  One with a canary has two Services, which for a moment
have the same pods, and one without a port has none: their pods are read directly, each once.  Either way the series carry the
labels `job` (the service's name) and `namespace`, by which rules, dashboards and canaries ask for them.  What is alerted on is
in `alerts`, what is drawn in `dashboard`.
"""

from __future__ import annotations

from seatrial.app.model import Service
from seatrial.app.parts import Endpoint
from seatrial.render import analysis
from seatrial.render.scope import NAME, SERVICE, Scope
from seatrial.world.objects import Obj

API = "monitoring.coreos.com/v1"
#: How often metrics are read.
INTERVAL = "30s"
#: The label of a Rollout's pods that tells versions apart, as Kubernetes and as Prometheus spell it.
HASH = "rollouts-pod-template-hash"
HASH_LABEL = "rollouts_pod_template_hash"


def monitored(scope: Scope) -> bool:
    """Whether the Prometheus operator runs there."""
    return scope.app.platform.monitoring == "prometheus-operator"


def target(scope: Scope, name: str) -> str:
    """The label matchers of a service's own series, without braces: `namespace="shop",job="api"`."""
    return f'namespace="{scope.app.namespace}",job="{name}"'


def meta(scope: Scope, title: str, of: str, component: str) -> Obj:
    """Metadata with the labels by which the operator finds what is for it."""
    metadata = scope.meta(title, of, component)
    metadata["labels"] |= scope.app.platform.monitoringLabels or {}
    return metadata


def _rolled(scope: Scope, service: Service) -> bool:
    return bool(service.canary) and scope.app.platform.rollouts == "argo-rollouts"


def further(service: Service) -> tuple[Endpoint, ...]:
    """Where a service shows more metrics than at its first place."""
    return (service.metrics and service.metrics.also) or ()


def port_name(port: int) -> str:
    """The name of the port of a further place."""
    return f"metrics-{port}"


def read_ports(scope: Scope, service: Service) -> list[int]:
    """The ports at which Prometheus reads a service's pods."""
    if not monitored(scope):
        return []
    if analysis.by_proxy(scope, service):
        return [analysis.PROXY_PORT]
    first = service.metrics and (service.metrics.port or service.port)
    return [*([first] if first else []), *(one.port for one in further(service))]


def monitors(scope: Scope, name: str) -> list[Obj]:
    """What reads a service's metrics: its monitor, and a PodMonitor of its own for further places."""
    service, found = scope.app.services[name], _monitor(scope, name)
    endpoints = [{"port": port_name(one.port), "path": one.path or "/metrics", "interval": INTERVAL} for one in further(service)]
    if not found or not endpoints:
        return [found] if found else []
    if found["kind"] == "PodMonitor":
        found["spec"]["podMetricsEndpoints"] += endpoints
        return [found]
    return [found, _pod_monitor(scope, name, *endpoints)]


def _monitor(scope: Scope, name: str) -> Obj | None:
    """The monitor of a service: a ServiceMonitor, or a PodMonitor where its Services cannot tell its pods."""
    service = scope.app.services[name]
    if not monitored(scope):
        return None
    if analysis.by_proxy(scope, service):
        return _pod_monitor(scope, name, {"portNumber": analysis.PROXY_PORT, "path": analysis.PROXY_PATH, "interval": INTERVAL})
    if not service.metrics:
        return None
    apart = service.metrics.port and service.metrics.port != service.port
    endpoint = {"port": "metrics" if apart else "http", "path": service.metrics.path or "/metrics", "interval": INTERVAL}
    selector = {"matchLabels": scope.selector(name, SERVICE)}
    if service.port and not _rolled(scope, service):
        spec: Obj = {"selector": selector, "endpoints": [endpoint]}
        return {"apiVersion": API, "kind": "ServiceMonitor", "metadata": meta(scope, name, name, SERVICE), "spec": spec}
    return _pod_monitor(scope, name, endpoint)


def _pod_monitor(scope: Scope, name: str, *endpoints: Obj) -> Obj:
    spec: Obj = {"jobLabel": NAME}
    if _rolled(scope, scope.app.services[name]):
        spec["podTargetLabels"] = [HASH]
    spec |= {"selector": {"matchLabels": scope.selector(name, SERVICE)}, "podMetricsEndpoints": list(endpoints)}
    return {"apiVersion": API, "kind": "PodMonitor", "metadata": meta(scope, name, name, SERVICE), "spec": spec}
