"""A collector of the app's own, which takes the traces that services send.

The collector is a Deployment with its ConfigMap, or, where OpenTelemetry's operator runs, an OpenTelemetryCollector from which
the operator makes the same under the same name.  It turns traces into metrics of requests, which Prometheus reads at 8889, and
writes a summary to its log; whoever keeps traces elsewhere names that collector by `platform.otlp`, and none is rendered.
Its policies, and those that let services reach it, are here; policies add up, so those of `network` need know nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from seatrial.app.model import Profile
from seatrial.render.container import container_security, memory_limit, placement, pod_annotations, pod_security, resources
from seatrial.render.peers import dns, namespace, sidecar, tcp
from seatrial.render.scope import COMPONENT, INSTANCE, JOB, MIGRATION, NAME, SERVICE, ZONE, Scope, checksum
from seatrial.render.telemetry import API, INTERVAL, monitored
from seatrial.render.tracing import COLLECTOR, COLLECTOR_COMPONENT, PORTS, RESOURCE, own, traced
from seatrial.world import quantity
from seatrial.world.objects import Obj

IMAGE = "docker.io/otel/opentelemetry-collector-contrib:0.128.0"
REPLICAS = 2
#: How large it is: one of the sizes that every app has.
SIZE = "medium"
#: It goes on taking traces while it is taken out of its Service.
DRAIN: Obj = {"preStop": {"sleep": {"seconds": 5}}}


def pods(scope: Scope) -> Iterator[tuple[int, Profile]]:
    """How many pods of the collector there can be at once, for the quota: those that come and those that go."""
    if own(scope):
        yield 2 * REPLICAS, scope.app.sizes[SIZE]


def selector(scope: Scope) -> dict[str, str]:
    """The labels of the collector's pods; the operator gives them an instance of its own."""
    labels = {NAME: COLLECTOR, INSTANCE: scope.app.name, COMPONENT: COLLECTOR_COMPONENT}
    if scope.app.platform.telemetry == "opentelemetry-operator":
        del labels[INSTANCE]
    return labels


def collector(scope: Scope) -> Iterator[Obj]:
    """The app's own collector and all it needs, in an order in which it can be applied."""
    if not own(scope):
        return
    yield _account(scope)
    yield from _policies(scope)
    if scope.app.platform.telemetry == "opentelemetry-operator":
        yield _resource(scope)
    else:
        yield _config_map(scope)
        yield _service(scope)
        yield _deployment(scope)
        yield _budget(scope)
    if monitored(scope):
        yield _monitor(scope)


def metadata(scope: Scope, name: str = COLLECTOR) -> Obj:
    return {"name": name, "namespace": scope.app.namespace, "labels": {**_own_labels(scope), **scope.common()}}


def _own_labels(scope: Scope) -> dict[str, str]:
    return {NAME: COLLECTOR, INSTANCE: scope.app.name, COMPONENT: COLLECTOR_COMPONENT}


def _account(scope: Scope) -> Obj:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(scope), "automountServiceAccountToken": False}


def config() -> dict[str, Any]:
    """What the collector does, in its own form."""

    def everywhere(name: str) -> str:
        return f"0.0.0.0:{PORTS[name]}"

    processors = ["memory_limiter", "batch"]
    own_metrics = {"pull": {"exporter": {"prometheus": {"host": "0.0.0.0", "port": PORTS["telemetry"]}}}}  # noqa: S104
    return {
        "receivers": {
            "otlp": {"protocols": {"grpc": {"endpoint": everywhere("otlp-grpc")}, "http": {"endpoint": everywhere("otlp-http")}}}
        },
        "processors": {
            "memory_limiter": {"check_interval": "1s", "limit_percentage": 80, "spike_limit_percentage": 25},
            "batch": {"send_batch_size": 8192, "timeout": "5s"},
        },
        "connectors": {"spanmetrics": {"metrics_flush_interval": "15s"}},
        "exporters": {
            "prometheus": {"endpoint": everywhere("metrics"), "resource_to_telemetry_conversion": {"enabled": True}},
            "debug": {"verbosity": "basic"},
        },
        "extensions": {"health_check": {"endpoint": everywhere("health")}},
        "service": {
            "extensions": ["health_check"],
            "telemetry": {"metrics": {"readers": [own_metrics]}},
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": processors, "exporters": ["spanmetrics", "debug"]},
                "metrics": {"receivers": ["otlp", "spanmetrics"], "processors": processors, "exporters": ["prometheus"]},
                "logs": {"receivers": ["otlp"], "processors": processors, "exporters": ["debug"]},
            },
        },
    }


def _text() -> str:
    return yaml.safe_dump(config(), sort_keys=False, default_flow_style=False)


def _config_map(scope: Scope) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(scope), "data": {"collector.yaml": _text()}}


def _service(scope: Scope) -> Obj:
    ports = [{"name": name, "port": port, "targetPort": name} for name, port in PORTS.items() if name != "health"]
    spec = {"type": "ClusterIP", "selector": selector(scope), "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(scope), "spec": spec}


def _memory(scope: Scope) -> Obj:
    """Go collects garbage in time when it knows where its limit is."""
    limit = quantity.whole(memory_limit(scope.app.sizes[SIZE])) * 80 // 100 >> 20
    return {"name": "GOMEMLIMIT", "value": f"{limit}MiB"}


def _deployment(scope: Scope) -> Obj:
    probe = {"httpGet": {"path": "/", "port": "health"}, "timeoutSeconds": 2}
    main = {
        "name": COLLECTOR,
        "image": IMAGE,
        "args": ["--config=/etc/otelcol/collector.yaml"],
        "ports": [{"name": name, "containerPort": port} for name, port in PORTS.items()],
        "env": [_memory(scope)],
        "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 3},
        "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
        "lifecycle": dict(DRAIN),
        "resources": resources(scope.app.sizes[SIZE]),
        "securityContext": container_security(),
        "volumeMounts": [{"name": "config", "mountPath": "/etc/otelcol", "readOnly": True}],
    }
    spec = {
        "serviceAccountName": COLLECTOR,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(10001),
        **placement(scope),
        "topologySpreadConstraints": _spread(scope),
        "containers": [main],
        "volumes": [{"name": "config", "configMap": {"name": COLLECTOR}}],
    }
    template = {
        "metadata": {
            "labels": {**selector(scope), **scope.common()},
            "annotations": {"checksum/collector": checksum(_text()), **_mesh(scope)},
        },
        "spec": spec,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(scope),
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": selector(scope)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": template,
        },
    }


def _spread(scope: Scope) -> list[Obj]:
    """Over zones and nodes, as far as that can be."""
    every = {"labelSelector": {"matchLabels": selector(scope)}, "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    return [{**every, "topologyKey": key} for key in (ZONE, "kubernetes.io/hostname")]


def _mesh(scope: Scope) -> Mapping[str, str]:
    """Prometheus is outside of the mesh: what it reads is let through as it is."""
    ports = ",".join(str(PORTS[name]) for name in ("metrics", "telemetry"))
    found = pod_annotations(scope)
    return {**found, "traffic.sidecar.istio.io/excludeInboundPorts": ports} if found else {}


def _budget(scope: Scope) -> Obj:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(scope)}, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(scope), "spec": spec}


def _resource(scope: Scope) -> Obj:
    """The operator makes ServiceAccount, ConfigMap, Services and Deployment of this; the account is ours, for it has no token."""
    spec: Obj = {
        "mode": "deployment",
        "replicas": REPLICAS,
        "image": IMAGE,
        "serviceAccount": COLLECTOR,
        "env": [_memory(scope)],
        "resources": resources(scope.app.sizes[SIZE]),
        "podSecurityContext": pod_security(10001),
        "securityContext": container_security(),
        "podDisruptionBudget": {"maxUnavailable": 1},
    }
    spec |= {**placement(scope), "topologySpreadConstraints": _spread(scope), "lifecycle": dict(DRAIN)}
    if _mesh(scope):
        spec["podAnnotations"] = dict(_mesh(scope))
    ports = [{"name": "telemetry", "port": PORTS["telemetry"], "protocol": "TCP"}]
    spec |= {"ports": ports, "config": config()}
    kind = "OpenTelemetryCollector"
    return {"apiVersion": "opentelemetry.io/v1beta1", "kind": kind, "metadata": metadata(scope, RESOURCE), "spec": spec}


def _monitor(scope: Scope) -> Obj:
    """Pods, not Services: the operator makes several of these with the same labels."""
    found = metadata(scope)
    found["labels"] |= scope.app.platform.monitoringLabels or {}
    read = [
        {"targetPort": PORTS[name], "interval": INTERVAL, "honorLabels": name == "metrics"} for name in ("metrics", "telemetry")
    ]
    spec = {"jobLabel": NAME, "selector": {"matchLabels": selector(scope)}, "podMetricsEndpoints": read}
    return {"apiVersion": API, "kind": "PodMonitor", "metadata": found, "spec": spec}


def _policies(scope: Scope) -> Iterator[Obj]:
    """Who may send to the collector: the app's traced services, their jobs and migrations. And Prometheus may read it."""
    senders = [name for name, service in scope.app.services.items() if traced(scope, service)]
    whom = {
        "matchLabels": {INSTANCE: scope.app.name},
        "matchExpressions": [
            {"key": NAME, "operator": "In", "values": senders},
            {"key": COMPONENT, "operator": "In", "values": [SERVICE, JOB, MIGRATION]},
        ],
    }
    otlp = tcp(PORTS["otlp-grpc"], PORTS["otlp-http"])
    ingress: list[Obj] = [{"from": [{"podSelector": whom}], "ports": otlp}]
    if monitored(scope):
        where = namespace(scope.app.platform.monitoringNamespace or "monitoring")
        ingress.append({"from": [where], "ports": tcp(PORTS["metrics"], PORTS["telemetry"])})
    mine = {"podSelector": {"matchLabels": selector(scope)}}
    meshed = sidecar(scope)
    receiving: Obj = {**mine, "policyTypes": ["Ingress", "Egress"], "ingress": ingress} | ({"egress": meshed} if meshed else {})
    for title, spec in (
        (COLLECTOR, receiving),
        (
            f"{COLLECTOR}-senders",
            {"podSelector": whom, "policyTypes": ["Egress"], "egress": [dns(), {"to": [mine], "ports": otlp}]},
        ),
    ):
        yield {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata(scope, title), "spec": spec}
