"""The Deployment or Rollout of a service: rolled without losing a request, probed in three ways, spread over the cluster.

A pod that is told to stop goes on answering for `drain` seconds, while it is taken out of the Services, and only then gets
SIGTERM; its grace period covers both.  No replica is missing while a new version comes (`maxUnavailable: 0`).
"""

from __future__ import annotations

from math import ceil

from seatrial.app.model import Service
from seatrial.render import delivery, tracing
from seatrial.render.config import checksums
from seatrial.render.container import container, container_security, pod_annotations, pod_labels, pod_spec, resources
from seatrial.render.jobs import migration
from seatrial.render.scope import CALLS, MIGRATION_NAME, SERVICE, ZONE, Scope
from seatrial.render.telemetry import further, port_name
from seatrial.world.objects import Obj, name_of

#: Seconds between two questions of the startup probe; short, for it is asked only until the first answer.
STARTUP_PERIOD = 2

HOST = "kubernetes.io/hostname"


def workload(scope: Scope, name: str) -> Obj:
    service = scope.app.services[name]
    template = {
        "metadata": {"labels": pod_labels(scope, name, SERVICE)},
        "spec": _pod(scope, name, service),
    }
    annotated = {**checksums(scope, name), **pod_annotations(scope), **tracing.asks_for_agent(scope, name, service)}
    if annotated:
        template["metadata"]["annotations"] = annotated
    calls = [call.name or call.url or "" for call in service.calls or ()]
    annotations = {CALLS.replace("/", "__"): ",".join(calls)} if calls else {}
    migrates = migration(scope, name)
    if migrates:
        annotations[MIGRATION_NAME.replace("/", "__")] = name_of(migrates)
    spec: Obj = {} if is_scaled(service, scope) else {"replicas": service.replicas}
    spec |= {
        "selector": {"matchLabels": scope.selector(name, SERVICE)},
        "strategy": _strategy(scope, name),
        "template": template,
    }
    startup = int(_startup(service))
    if startup > 300:  # the default deadline of 600 s would call a slow start a failure
        spec["progressDeadlineSeconds"] = startup * 2
    if delivery.is_rollout(scope, name):
        spec["progressDeadlineAbort"] = True
    kind = delivery.target(scope, name)
    metadata = scope.meta(name, name, SERVICE, **annotations)
    return {"apiVersion": kind["apiVersion"], "kind": kind["kind"], "metadata": metadata, "spec": spec}


def _strategy(scope: Scope, name: str) -> Obj:
    if delivery.is_rollout(scope, name):
        return delivery.strategy(scope, name)
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}


def is_scaled(service: Service, scope: Scope) -> bool:
    """Whether an autoscaler owns the number of replicas."""
    ranged = service.scale is not None and (service.scale.max or 1) > (service.scale.min or 1)
    return ranged and scope.app.platform.autoscaling in ("hpa", "keda")


def replicas(service: Service, scope: Scope) -> tuple[int, int]:
    """The least and the most replicas of a service."""
    if service.scale and is_scaled(service, scope):
        return service.scale.min or 1, service.scale.max or 1
    return service.replicas or 1, service.replicas or 1


def _pod(scope: Scope, name: str, service: Service) -> Obj:
    main = container(scope, name, service, name)
    drain = ceil(service.drain or 0)
    serving: Obj = {}
    if service.run and not service.build:  # what is built brings its own command
        serving["command"] = list(service.run)
    if ports(service):  # a worker without a port may still show its metrics at one
        serving["ports"] = ports(service)
    if service.port:
        serving |= _probes(service)
        if drain:
            serving["lifecycle"] = {"preStop": {"sleep": {"seconds": drain}}}
    order = ("name", "image", "command", "ports", "env", "envFrom", *PROBES, "lifecycle", "resources", "securityContext")
    both = main | serving
    main = {key: both[key] for key in (*order, "volumeMounts") if key in both}
    spec = pod_spec(scope, name, service, [main])
    ending = {"terminationGracePeriodSeconds": ceil(service.grace or 30) + (drain if service.port else 0)}
    spread = _spread(scope, name) if replicas(service, scope)[1] > 1 else {}
    head = {key: spec.pop(key) for key in ("serviceAccountName", "automountServiceAccountToken", "enableServiceLinks")}
    placed = {"affinity": spec.pop("affinity")} if "affinity" in spec else {}
    found = {**head, **ending, "securityContext": spec.pop("securityContext"), **placed, **spread, **spec}
    if tracing.watched(scope, service) and not tracing.by_operator(scope):
        return tracing.with_agent(found, resources(scope.app.sizes["small"]), container_security())
    return found


def ports(service: Service) -> list[Obj]:
    found = [{"name": "http", "containerPort": service.port}] if service.port else []
    if service.metrics and service.metrics.port and service.metrics.port != service.port:
        found.append({"name": "metrics", "containerPort": service.metrics.port})
    if asked_at(service) == "health":
        found.append({"name": "health", "containerPort": service.health.port if service.health else None})
    return [*found, *({"name": port_name(one.port), "containerPort": one.port} for one in further(service))]


def asked_at(service: Service) -> str:
    """The name of the port at which probes ask."""
    port = service.health.port if service.health else None
    if port in (None, service.port):
        return "http"
    return "metrics" if service.metrics and service.metrics.port == port else "health"


PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def _startup(service: Service) -> float:
    return (service.health.startup if service.health else None) or 60.0


def _probes(service: Service) -> Obj:
    """Three probes. The startup probe asks what the liveness probe asks, and holds both others back until it is answered."""
    live, ready = _asks(service, "live", "ready"), _asks(service, "ready", "live")
    attempts = max(1, ceil(_startup(service) / STARTUP_PERIOD))
    return {
        "startupProbe": {**live, "periodSeconds": STARTUP_PERIOD, "timeoutSeconds": 2, "failureThreshold": attempts},
        "livenessProbe": {**live, "periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 3},
        "readinessProbe": {**ready, "periodSeconds": 3, "timeoutSeconds": 2, "failureThreshold": 3},
    }


def _asks(service: Service, first: str, second: str) -> Obj:
    path = getattr(service.health, first, None) or getattr(service.health, second, None)
    port = asked_at(service)
    return {"httpGet": {"path": path, "port": port}} if path else {"tcpSocket": {"port": port}}


def _spread(scope: Scope, name: str) -> Obj:
    """Over zones and nodes, each version for itself. Zones are a rule where there are several: any number of replicas can be
    spread over them with a skew of one, and a zone whose nodes are lost does not count. Else it is a wish."""
    pinned = ZONE in (scope.app.platform.nodes or {}) or ZONE in (scope.app.services[name].nodes or {})
    zoned = (scope.app.platform.zones or 1) > 1 and not pinned
    return {"topologySpreadConstraints": [_constraint(scope, name, ZONE, zoned), _constraint(scope, name, HOST, False)]}


def _constraint(scope: Scope, name: str, key: str, rule: bool) -> Obj:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule" if rule else "ScheduleAnyway",
        "labelSelector": {"matchLabels": scope.selector(name, SERVICE)},
        "matchLabelKeys": [delivery.HASH[delivery.target(scope, name)["kind"]]],
        **({"nodeTaintsPolicy": "Honor"} if rule else {}),
    }
