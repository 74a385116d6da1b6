"""Where traces go: the variables that tell the libraries of OpenTelemetry in services. The collector itself is in `collector`."""

from __future__ import annotations

from seatrial.app.model import ServiceKeys
from seatrial.render.scope import Scope
from seatrial.world.objects import Obj

#: The collector's name; the operator adds the second half to the name of its resource.
RESOURCE, COLLECTOR = "otel", "otel-collector"
#: The component label of its pods, as the operator sets it.
COLLECTOR_COMPONENT = "opentelemetry-collector"
#: What it listens on: OTLP by gRPC and HTTP, the metrics it passes on, its own metrics, its health.
PORTS = {"otlp-grpc": 4317, "otlp-http": 4318, "metrics": 8889, "telemetry": 8888, "health": 13133}


def takes(scope: Scope) -> bool:
    """Whether anything takes traces there."""
    return scope.app.platform.telemetry != "none"


def traced(scope: Scope, service: ServiceKeys) -> bool:
    return takes(scope) and service.tracing is not False


def own(scope: Scope) -> bool:
    """Whether the collector is the app's own."""
    return takes(scope) and not scope.app.platform.otlp and any(traced(scope, one) for one in scope.app.services.values())


def endpoint(scope: Scope) -> str:
    """The collector's OTLP endpoint over HTTP."""
    return scope.app.platform.otlp or f"http://{COLLECTOR}:{PORTS['otlp-http']}"


def variables(scope: Scope, name: str, service: ServiceKeys) -> list[Obj]:
    """The variables of a traced service. What its `config` says of the same variables counts more; `$(…)` sees what is above.

    Metrics that Prometheus reads already are not sent as well, nor logs, which go the way of all containers' output.
    """
    if not traced(scope, service):
        return []
    app, image = scope.app, scope.image(name, service).partition("@")[0]
    tag = image.rpartition(":")[2] if ":" in image.rsplit("/", 1)[-1] else app.version
    about = {
        "service.namespace": app.name,
        "service.version": tag,
        "deployment.environment.name": app.environment,
        "k8s.namespace.name": app.namespace,
        "k8s.pod.name": "$(POD_NAME)",
    }
    plain = {
        "OTEL_SERVICE_NAME": name,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint(scope),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={value}" for key, value in about.items() if value),
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none" if service.metrics else "otlp",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
    }
    given = (service.config or {}).keys() | set(service.secrets or ())
    pod: list[Obj] = [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    return [entry for entry in [*pod, *({"name": k, "value": v} for k, v in plain.items())] if entry["name"] not in given]
