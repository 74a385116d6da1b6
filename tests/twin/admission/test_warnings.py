"""What kubectl prints after `Warning:` although the object is accepted."""

from __future__ import annotations

from typing import Any

import pytest
from admitted import container, pod, registry, send

from seatrial.twin.registry.options import Options
from seatrial.world.objects import Obj, clone

C = "spec.containers[0]"


def warned(obj: Obj) -> list[str]:
    heard: list[str] = []
    send(registry(), obj, warnings=heard)
    return heard


def one(kind: str, api: str, name: str = "x", annotations: dict[str, str] | None = None, **more: Any) -> Obj:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "annotations": annotations or {}}, **more}


def deployment(name: str = "web", **spec: Any) -> Obj:
    spec.setdefault("containers", [container()])
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    return one("Deployment", "apps/v1", name, spec={"selector": {"matchLabels": {"app": "web"}}, "template": template})


def service(**spec: Any) -> Obj:
    return one("Service", "v1", spec={"ports": [{"port": 80}], **spec})


def of_container(**more: Any) -> Obj:
    return pod(containers=[container(**more)])


def variables(*pairs: tuple[str, str]) -> list[Obj]:
    return [{"name": name, "value": value} for name, value in pairs]


def files(*paths: str) -> list[Obj]:
    return [{"key": "k", "path": path} for path in paths]


def secret(name: str, path: str) -> Obj:
    return {"secret": {"name": name, "items": files(path)}}


SURPRISE = "which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"
NULL = "labelSelector: a null labelSelector results in matching no pod"
SOONER = "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution"
ZONE = "failure-domain.beta.kubernetes.io/zone"
NEWER_ZONE = 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}

WARNINGS = [
    (pod("a.b"), f"metadata.name: this is used in the Pod's hostname, {SURPRISE}"),
    (deployment("a.b"), f"metadata.name: this is used in Pod names and hostnames, {SURPRISE}"),
    (pod(nodeSelector={ZONE: "a"}), f"spec.nodeSelector[{ZONE}]: {NEWER_ZONE}"),
    (deployment(nodeSelector={ZONE: "a"}), f"spec.template.spec.nodeSelector[{ZONE}]: {NEWER_ZONE}"),
    (
        pod(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]),
        f"spec.topologySpreadConstraints[0].{NULL}",
    ),
    (
        pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}),
        f"{SOONER}[0].{NULL}",
    ),
    (
        of_container(env=variables(("A", "1"), ("A", "2"))),
        f'{C}.env[1]: hides previous definition of "A", which may be dropped when using apply',
    ),
    (
        of_container(resources={"limits": {"memory": "100m"}, "requests": {"memory": "0"}}),
        f'{C}.resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
    ),
    (
        of_container(ports=[{"containerPort": 80}, {"containerPort": 80}]),
        f"{C}.ports[1]: duplicate port definition with {C}.ports[0]",
    ),
    (
        of_container(ports=[{"containerPort": 80}, {"containerPort": 80, "hostPort": 80}]),
        f"{C}.ports[1]: overlapping port definition with {C}.ports[0]",
    ),
    (
        of_container(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 80, "hostPort": 80, "hostIP": "1.2.3.4"}]),
        f"{C}.ports[1]: dangerously ambiguous port definition with {C}.ports[0]",
    ),
    (
        of_container(ports=[{"containerPort": 80, "hostIP": "1.2.3.4"}]),
        f"{C}.ports[0]: hostIP set without hostPort: {{Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.2.3.4}}",
    ),
    (
        pod(containers=[container(n, ports=[{"name": "http", "containerPort": p}]) for n, p in (("a", 80), ("b", 81))]),
        f'spec.containers[1].ports[0]: duplicate port name "http" with {C}.ports[0], '
        f"services and probes that select ports by name will use {C}.ports[0]",
    ),
    (
        pod(terminationGracePeriodSeconds=-1),
        "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
    ),
    (pod(imagePullSecrets=[{"name": "a"}, {"name": "a"}]), 'spec.imagePullSecrets[1].name: duplicate name "a"'),
    (
        pod(volumes=[{"name": "v", "configMap": {"name": "c", "items": files("a", "a/b")}}]),
        'volume "v" (ConfigMap "c"): overlapping paths: "a/b" with "a"',
    ),
    (
        pod(volumes=[{"name": "v", "projected": {"sources": [secret("s", "a"), secret("t", "a/b")]}}]),
        'volume "v" (Projected): overlapping paths: "a/b" (Secret "t") with "a" (Secret "s")',
    ),
    (
        pod(volumes=[{"name": "v", "gitRepo": {"repository": "r"}}]),
        "spec.volumes[0].gitRepo: deprecated in v1.11",
    ),
    (
        one(
            "Ingress",
            "networking.k8s.io/v1",
            annotations={"kubernetes.io/ingress.class": "nginx"},
            spec={"rules": [{"host": "a.b"}]},
        ),
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead",
    ),
    (service(trafficDistribution="PreferClose"), 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'),
    (
        service(clusterIP="None", sessionAffinity="ClientIP"),
        "spec.SessionAffinity is ignored for headless services",
    ),
    (
        service(type="LoadBalancer", loadBalancerSourceRanges=["10.1.2.3/8"]),
        'spec.loadBalancerSourceRanges[0]: CIDR value "10.1.2.3/8" is ambiguous in this context '
        '(should be "10.0.0.0/8" or "10.1.2.3/32"?)',
    ),
    (
        one("PersistentVolumeClaim", "v1", annotations={BETA_CLASS: "fast"}, spec=CLAIM),
        f'metadata.annotations[{BETA_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead',
    ),
    (
        one("ServiceAccount", "v1", annotations={"kubernetes.io/enforce-mountable-secrets": "true"}),
        "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; "
        "prefer separate namespaces to isolate access to mounted secrets",
    ),
]


@pytest.mark.parametrize(("obj", "words"), WARNINGS, ids=[words[:60] for _, words in WARNINGS])
def test_it_is_accepted_with_a_warning(obj, words):
    assert warned(obj) == [words]


QUIET = [
    pod(),
    deployment(),
    service(),
    of_container(env=variables(("A", "1"), ("A", "$(A) and 2"))),
    of_container(ports=[{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}]),
    pod(volumes=[{"name": "v", "configMap": {"name": "c", "items": files("ab", "a")}}]),
]


@pytest.mark.parametrize("obj", QUIET)
def test_nothing_is_said_of_what_is_well(obj):
    assert warned(obj) == []


def test_a_definition_is_warned_of_formats_that_an_update_brings():
    schema: Obj = {
        "type": "object",
        "properties": {"at": {"type": "string", "format": "date-time"}, "n": {"type": "string", "format": "odd"}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "a.io", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": [version]}
    to, heard = registry(), []
    created = send(to, one("CustomResourceDefinition", "apiextensions.k8s.io/v1", "things.a.io", spec=spec), warnings=heard)
    assert heard == ['unrecognized format "odd"']
    changed = clone(created)
    changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["m"] = {"type": "integer", "format": "int16"}
    heard.clear()
    to.update("customresourcedefinitions.apiextensions.k8s.io", changed, Options(warnings=heard))
    assert heard == ['unrecognized format "int16"']


def test_a_workload_is_warned_of_again_only_when_it_changes():
    to, heard = registry(), []
    created = send(to, deployment(nodeSelector={ZONE: "a"}), warnings=heard)
    heard.clear()
    labelled = clone(created)
    labelled["metadata"]["labels"] = {"a": "b"}
    labelled = to.update("deployments.apps", labelled, Options(warnings=heard))
    assert heard == []
    scaled = clone(labelled)
    scaled["spec"]["replicas"] = 2
    to.update("deployments.apps", scaled, Options(warnings=heard))
    assert heard == [f"spec.template.spec.nodeSelector[{ZONE}]: {NEWER_ZONE}"]


def test_nobody_is_warned_of_a_status():
    to, heard = registry(), []
    created = send(to, service(trafficDistribution="PreferClose"))
    status = {**clone(created), "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}
    to.update("services", status, Options(warnings=heard), subresource="status")
    assert heard == []
