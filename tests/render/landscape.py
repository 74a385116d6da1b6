"""Rendered objects with what operators will make of them: the pods there will be, the Services, the Secrets.

What operators make is as they document it: CloudNativePG's instances and Services, OpenTelemetry's collector, the pods of a
Gateway in its own namespace (Istio, NGINX Gateway Fabric), those with which cert-manager answers a challenge.
"""

from dataclasses import dataclass, field

from network_policies import Peer
from seatrial.world.objects import dig

TEMPLATED = ("Deployment", "Rollout", "StatefulSet", "Job")
OPERATED_PORTS = {"postgres": 5432, "status": 8000, "metrics": 9187}
OTEL_PORTS = {"otlp-grpc": 4317, "otlp-http": 4318, "metrics": 8889, "telemetry": 8888, "health": 13133}
GATEWAY_PORTS = {"http": 80, "https": 443}


@dataclass
class Workload:
    """What runs pods: one pod of it, and its spec where we wrote it."""

    kind: str
    name: str
    namespace: str
    labels: dict
    ports: dict
    spec: dict = field(default_factory=dict)
    obj: dict = field(default_factory=dict)

    @property
    def key(self):
        return (self.kind, self.name)

    @property
    def peer(self):
        return Peer(self.namespace, self.labels, ports=self.ports)

    @property
    def part_of(self):
        return self.labels.get("app.kubernetes.io/name", "")

    @property
    def component(self):
        return self.labels.get("app.kubernetes.io/component", "")


def template_of(obj):
    return dig(obj, "spec.jobTemplate.spec.template") if obj["kind"] == "CronJob" else dig(obj, "spec.template")


def workloads(objects):
    """Everything that runs pods, whoever makes them."""
    for obj in objects:
        kind, name, namespace = obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", "")
        if kind in (*TEMPLATED, "CronJob"):
            template = template_of(obj)
            ports = {
                one["name"]: one["containerPort"] for each in template["spec"]["containers"] for one in each.get("ports", ())
            }
            yield Workload(kind, name, namespace, template["metadata"]["labels"], ports, template["spec"], obj)
        elif kind == "Cluster":
            labels = {"cnpg.io/cluster": name, "cnpg.io/podRole": "instance"}
            yield Workload(kind, name, namespace, labels | dig(obj, "spec.inheritedMetadata.labels", {}), OPERATED_PORTS, {}, obj)
        elif kind == "OpenTelemetryCollector":
            labels = {
                "app.kubernetes.io/name": f"{name}-collector",
                "app.kubernetes.io/instance": f"{namespace}.{name}",
                "app.kubernetes.io/component": "opentelemetry-collector",
            }
            yield Workload(kind, f"{name}-collector", namespace, labels, OTEL_PORTS, {}, obj)
        elif kind == "Gateway" and dig(obj, "spec.gatewayClassName") in ("istio", "nginx"):
            yield Workload(kind, name, namespace, {"gateway.networking.k8s.io/gateway-name": name}, GATEWAY_PORTS, {}, obj)

    namespace = next(iter(of(objects, "ResourceQuota").values()))["metadata"]["namespace"]
    if any(  # it answers beside what it is asked for: not here for a certificate beside Istio's gateway
        "cert-manager.io/cluster-issuer" in obj["metadata"].get("annotations", {})
        or (obj["kind"] == "Certificate" and obj["metadata"]["namespace"] == namespace)
        for obj in objects
    ):
        yield Workload("Solver", "solver", namespace, {"acme.cert-manager.io/http01-solver": "true"}, {"http": 8089})


def of(objects, *kinds):
    """The objects of some kinds, by name."""
    return {obj["metadata"]["name"]: obj for obj in objects if obj["kind"] in kinds}
