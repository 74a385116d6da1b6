"""A name is taken for another one mistyped where nothing else can be meant; and what patches make of it in whole manifests."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.finding import Finding
from seatrial.rules.looking import found
from seatrial.rules.mending import mend
from seatrial.rules.slips import meant
from seatrial.world.world import World


@pytest.mark.parametrize(
    ("wrong", "names", "right"),
    [
        ("fronted", ["frontend", "backend"], "frontend"),
        ("always", ["Always", "IfNotPresent", "Never"], "Always"),
        ("europe/berlin", ["Europe/Berlin", "Europe/Bern"], "Europe/Berlin"),
        ("wbe", ["web", "api"], "web"),
        ("db-1", ["db-2"], ""),
        ("db-12", ["db-21"], ""),
        ("web", ["db"], ""),
        ("api", ["apia", "apib"], ""),
        ("api", ["api"], ""),
    ],
)
def test_what_can_be_meant(wrong: str, names: list[str], right: str) -> None:
    assert meant(wrong, names) == right


def workload(app: str = "frontend", **container: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "web", "image": "registry.example/web:1.2.3", **container}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}}, "spec": spec},
        },
    }


def named(kind: str, version: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, **fields}


def service(selector: str, **port: Any) -> dict[str, Any]:
    return named("Service", "v1", spec={"selector": {"app": selector}, "ports": [{"port": 80, **port}]})


def mended(objects: list[dict[str, Any]], rule: str) -> dict[str, Any]:
    """The last object once everything that a rule finds is mended."""

    def find(world: World) -> list[Finding]:
        return found(world, live=False)

    world = World(objects)
    return list(mend(world, [one for one in find(world) if one.rule == rule], find).world)[-1]


def test_a_label_that_one_selector_alone_mistypes_is_corrected_there() -> None:
    web = workload(ports=[{"containerPort": 80}])
    after = mended([web, service("fronted")], "service-selects-no-pods")
    assert after["spec"]["selector"] == {"app": "frontend"}
    budget = named(
        "PodDisruptionBudget", "policy/v1", spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": "frontent"}}}
    )
    assert mended([workload(), budget], "budget-protects-nothing")["spec"]["selector"] == {"matchLabels": {"app": "frontend"}}


def test_a_label_that_several_ask_for_is_the_pods_own_mistake() -> None:
    budget = named(
        "PodDisruptionBudget", "policy/v1", spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": "frontend"}}}
    )
    after = mended([workload("fronted"), budget, service("frontend")], "service-selects-no-pods")
    assert after["spec"]["selector"] == {"app": "frontend"}


def test_a_backend_asks_for_the_port_that_leads_to_the_container_it_names() -> None:
    ingress = yaml.safe_load("""
        apiVersion: networking.k8s.io/v1
        kind: Ingress
        metadata: {name: web, namespace: shop}
        spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 3000}}}}]}}]}
    """)
    web = service("frontend", name="http", targetPort=3000)
    after = mended([workload(ports=[{"containerPort": 3000}]), web, ingress], "backend-port-unknown")
    assert after["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] == {"number": 80}


GO, ASKED = {"name": "GOMEMLIMIT"}, {"requests": {"memory": "64Mi"}}


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        ("quantity-invalid", {"resources": {"requests": {"memory": "512MB"}}}, {"resources": {"requests": {"memory": "512M"}}}),
        ("quantity-invalid", {"resources": {"limits": {"memory": "1gi"}}}, {"resources": {"limits": {"memory": "1Gi"}}}),
        ("memory-unit", {"resources": {"limits": {"memory": "256m"}}}, {"resources": {"limits": {"memory": "256Mi"}}}),
        ("cpu-unit", {"resources": {"requests": {"cpu": 500}}}, {"resources": {"requests": {"cpu": "500m"}}}),
        ("image-policy-unknown", {"imagePullPolicy": "always"}, {"imagePullPolicy": "Always"}),
        ("go-memory-limit", {"env": [GO | {"value": "460Mi"}]}, {"env": [GO | {"value": "460MiB"}]}),
        ("memory-limit-missing", {"resources": ASKED}, {"resources": ASKED}),  # how much more it needs, nobody here knows
    ],
)
def test_a_container_gets_what_was_meant(rule: str, wrong: dict[str, Any], right: dict[str, Any]) -> None:
    container = mended([workload(**wrong)], rule)["spec"]["template"]["spec"]["containers"][0]
    assert {key: container[key] for key in right} == right


def test_a_workload_without_a_selector_selects_its_own_pods() -> None:
    web = workload()
    del web["spec"]["selector"]
    assert mended([web], "selector-missing")["spec"]["selector"] == {"matchLabels": {"app": "frontend"}}


def test_a_key_and_a_name_that_are_mistyped_are_corrected() -> None:
    settings = named("ConfigMap", "v1", data={"LOG_LEVEL": "info"})
    web = workload(env=[{"name": "L", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "LOG_LEVLE"}}}])
    after = mended([settings, web], "missing-key")
    assert after["spec"]["template"]["spec"]["containers"][0]["env"][0]["valueFrom"]["configMapKeyRef"]["key"] == "LOG_LEVEL"
    binding = {**named("RoleBinding", "rbac.authorization.k8s.io/v1"),
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reeder"},
               "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]}  # fmt: skip
    role = named("Role", "rbac.authorization.k8s.io/v1", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
    role["metadata"] = {"name": "reader", "namespace": "shop"}
    account = named("ServiceAccount", "v1", automountServiceAccountToken=False)
    assert mended([account, role, binding], "missing-role")["roleRef"]["name"] == "reader"
