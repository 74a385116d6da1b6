"""Whatever a service is called, no two objects of an app have one name: those we make, and those that operators make of them.
An app in which that would happen is refused, with the reason."""

import re

import pytest
import yaml
from drawn import worlds_of

from seatrial.app import AppFileErrors, loads
from seatrial.world.objects import ref_of

SERVICE = {
    "image": "x/y:1",
    "port": 80,
    "metrics": "/metrics",
    "secrets": ["KEY"],
    "config": {"A": "1"},
    "jobs": {"tidy": {"schedule": "@daily", "run": "x"}},
    "migrate": "up",
    "calls": ["db", "cache"],
    "slo": 99.9,
    "scale": {"min": 2, "max": 4, "on": [{"list": "q", "store": "cache", "target": 3}]},
    "permissions": [{"resources": ["pods"], "verbs": ["get"]}],
    "canary": [20],
}
STORES = {"db": {"postgres": 16, "storage": "1Gi"}, "cache": {"redis": 7, "password": True, "storage": "1Gi"}}
COMMON = {
    "autoscaling": "keda",
    "rollouts": "argo-rollouts",
    "monitoring": "prometheus-operator",
    "dashboards": True,
    "recommendations": "vpa",
    "issuer": "letsencrypt",
}
VAULT = {"secretProvider": "vault", "secretVault": "https://vault.example"}
PLATFORMS = [
    {"ingress": "nginx", "mesh": "istio", "telemetry": "opentelemetry", "postgres": "cloudnative-pg"},
    {"ingress": "gateway", "mesh": "none", "telemetry": "opentelemetry-operator", "secrets": "external-secrets", **VAULT},
    {"ingress": "istio", "mesh": "istio", "postgres": "cloudnative-pg", "secrets": "csi", **VAULT},
]
#: What operators make, by the kind of what they make it of: kinds and names, `{}` for the object's own.
MADE = {
    "Cluster": [("Service", "{}-rw"), ("Service", "{}-ro"), ("Service", "{}-r"), ("Secret", "{}-ca"), ("Secret", "{}-server")],
    "OpenTelemetryCollector": [
        ("Deployment", "{}-collector"),
        *(("Service", f"{{}}-collector{end}") for end in ("", "-headless", "-monitoring")),
    ],
    "Gateway": [("Deployment", "{}-nginx"), ("Service", "{}-nginx"), ("ServiceAccount", "{}-nginx")],
}


def app_of(platform, *names):
    services = {name: {**SERVICE, "expose": f"{name}.example.com"} for name in names}
    data = {"app": "shop", "services": services, "stores": STORES, "environments": {"production": {}}}
    return loads(yaml.safe_dump({**data, "platform": {**COMMON, **platform}}))


def made_of(objects):
    for obj in objects:
        for kind, name in MADE.get(obj["kind"], ()) if not obj["apiVersion"].startswith("networking.istio.io") else ():
            yield kind, name.format(obj["metadata"]["name"])


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform["ingress"])
def test_a_service_may_be_called_whatever_is_not_taken(platform):
    _, objects = worlds_of(app_of(platform, "web"))[-1]
    names = {obj["metadata"]["name"] for obj in objects} | {name for _, name in made_of(objects)}
    names = {name for name in names if re.fullmatch("[a-z][a-z0-9-]{0,39}", name)} - {"web", *STORES}
    refused = set()
    for name in sorted(names):
        try:
            app = app_of(platform, "web", name)
        except AppFileErrors as errors:
            assert all("would both have the" in problem.message for problem in errors.problems)
            refused.add(name)
            continue
        for _, both in worlds_of(app):
            assert len({ref_of(obj) for obj in both}) == len(both), name
            made = set(made_of(both))
            assert not made & {(obj["kind"], obj["metadata"]["name"]) for obj in both}, name
    assert "web-canary" in refused
    assert names - refused, "not everything is forbidden"
