"""Where traces go: the variables that tell the libraries of OpenTelemetry in services, and the agent that a JVM needs besides.

Java code says nothing by itself: OpenTelemetry's agent watches it from inside the JVM.  Its operator puts the agent into pods
that ask for it; where it does not run, an init container brings it.  A service that sets JAVA_TOOL_OPTIONS itself is left alone,
and so are jobs and migrations.  The collector is in `collector`.
"""

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


#: The image that OpenTelemetry's operator takes the agent from, and how a pod asks for it and says in which container.
AGENT_IMAGE = "ghcr.io/open-telemetry/opentelemetry-operator/autoinstrumentation-java:2.17.0"
INJECT, INJECT_INTO = "instrumentation.opentelemetry.io/inject-java", "instrumentation.opentelemetry.io/container-names"
AGENT_VOLUME, AGENT_JAR = "otel-agent", "/otel-agent/javaagent.jar"
OPTIONS = "JAVA_TOOL_OPTIONS"
#: The share of traces that begin here and are kept.
SAMPLED = "0.1"
#: The variable that holds the version alone: what sets another image has one place to say so.
VERSION = "OTEL_SERVICE_VERSION"


def takes(scope: Scope) -> bool:
    """Whether anything takes traces there."""
    return scope.app.platform.telemetry != "none"


def traced(scope: Scope, service: ServiceKeys) -> bool:
    return takes(scope) and service.tracing is not False


def watched(scope: Scope, service: ServiceKeys) -> bool:
    """Whether the agent runs in a service's JVM."""
    given = {*(service.config or {}), *(service.secrets or ())}
    return traced(scope, service) and service.runtime == "jvm" and OPTIONS not in given


def by_operator(scope: Scope) -> bool:
    """Whether the operator brings the agent."""
    return scope.app.platform.telemetry == "opentelemetry-operator"


def asks_for_agent(scope: Scope, name: str, service: ServiceKeys) -> dict[str, str]:
    """What a pod says so that the operator brings the agent into it."""
    return {INJECT: RESOURCE, INJECT_INTO: name} if watched(scope, service) and by_operator(scope) else {}


def with_agent(spec: Obj, resources: Obj, security: Obj) -> Obj:
    """A pod spec whose first container runs with the agent, which an init container of this size copies from its image."""
    main, *others = spec["containers"]
    variables = [
        entry | ({"value": f"{entry['value']} -javaagent:{AGENT_JAR}"} if entry["name"] == OPTIONS else {})
        for entry in main["env"]
    ]
    place = {"name": AGENT_VOLUME, "mountPath": AGENT_JAR.rpartition("/")[0]}
    mounts = [*main["volumeMounts"], place | {"readOnly": True}]
    brings = {
        "name": AGENT_VOLUME,
        "image": AGENT_IMAGE,
        "command": ["cp", "/javaagent.jar", AGENT_JAR],
        "resources": resources,
        "securityContext": security,
        "volumeMounts": [place],
    }
    head = {key: value for key, value in spec.items() if key not in ("initContainers", "containers", "volumes")}
    return {
        **head,
        "initContainers": [*spec.get("initContainers", ()), brings],
        "containers": [main | {"env": variables, "volumeMounts": mounts}, *others],
        "volumes": [*spec["volumes"], {"name": AGENT_VOLUME, "emptyDir": {"sizeLimit": "64Mi"}}],
    }


def instrumentation(scope: Scope) -> Obj | None:
    """What the operator is told of the agents it brings."""
    if not by_operator(scope) or not any(watched(scope, service) for service in scope.app.services.values()):
        return None
    spec = {
        "exporter": {"endpoint": endpoint(scope)},
        "propagators": ["tracecontext", "baggage"],
        "sampler": {"type": "parentbased_traceidratio", "argument": SAMPLED},
        "java": {"image": AGENT_IMAGE},
    }
    metadata = {"name": RESOURCE, "namespace": scope.app.namespace, "labels": scope.common()}
    return {"apiVersion": "opentelemetry.io/v1alpha1", "kind": "Instrumentation", "metadata": metadata, "spec": spec}


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
    app = scope.app
    about = {
        "service.namespace": app.name,
        "service.version": f"$({VERSION})",
        "k8s.namespace.name": "$(POD_NAMESPACE)",
        "k8s.pod.name": "$(POD_NAME)",
        "deployment.environment.name": app.environment,
    }
    plain = {
        VERSION: version_of(scope.image(name, service)),
        "OTEL_SERVICE_NAME": name,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint(scope),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={value}" for key, value in about.items() if value),
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none" if service.metrics else "otlp",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": SAMPLED,
    }
    given = (service.config or {}).keys() | set(service.secrets or ())
    fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    pod: list[Obj] = [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()]
    return [entry for entry in [*pod, *({"name": k, "value": v} for k, v in plain.items())] if entry["name"] not in given]


def version_of(image: str) -> str:
    """The version that an image's name tells: its tag, or of a digest the first twelve digits."""
    plain, _, digest = image.partition("@")
    tag = plain.rpartition(":")[2] if ":" in plain.rsplit("/", 1)[-1] else ""
    return tag or digest.partition(":")[2][:12]
