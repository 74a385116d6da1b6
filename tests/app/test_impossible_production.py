"""Combinations that Kubernetes would take and that cannot work are explained, in the environment where they are."""

import pytest
import yaml

from seatrial.app import AppFileErrors, loads, resolve

WEB = {"image": "acme/web", "port": 8080}


def app(service: dict, platform: dict, **more: object) -> str:
    data = {"app": "shop", "version": "1", "services": {"web": {**WEB, **service}}, "environments": {"production": {}}}
    return yaml.safe_dump({**data, "platform": platform, **more}, sort_keys=False)


ARGO = {"rollouts": "argo-rollouts", "monitoring": "prometheus-operator"}


@pytest.mark.parametrize(
    ("service", "platform", "told"),
    [
        ({"canary": [10]}, {}, "nothing rolls the canary of `web`"),
        ({"canary": [10], "metrics": "/m"}, {"rollouts": "argo-rollouts"}, "no Prometheus reads its metrics"),
        ({"canary": [10]}, ARGO, "it shows no metrics"),
        ({"canary": [50, 10], "metrics": "/m"}, ARGO, "do not grow: 50%, 10%"),
        ({"canary": {"header": "X-Try"}, "metrics": "/m"}, ARGO, "nothing can lead requests with `X-Try`"),
        ({"canary": {"header": "X-Try"}, "metrics": "/m"}, {**ARGO, "ingress": "gateway"}, "nothing can lead requests"),
        (
            {"canary": {"header": "X-Try"}, "metrics": "/m", "expose": "a.example.com"},
            {**ARGO, "ingress": "traefik", "mesh": "istio"},
            "nothing can lead requests",
        ),
        ({"canary": {"checks": {"a": {"query": "up"}}}, "metrics": "/m"}, ARGO, "has to say how much is right"),
        ({"slo": "99.9%"}, {}, "shows no metrics to measure it by"),
        ({"slo": {"percentile": "99%"}, "metrics": "/m"}, {}, "no `latency` to keep to"),
        ({"scale": {"max": 4, "on": [{"prometheus": "up", "target": 1}]}}, {}, "it understands no `prometheus`"),
        ({"scale": {"max": 4, "on": [{"metric": "m"}]}}, {}, "has no `target`"),
        (
            {"scale": {"max": 4, "on": [{"list": "q", "store": "x", "target": 5}]}},
            {"autoscaling": "keda"},
            "is no Redis of this app",
        ),
        ({"scale": {"max": 4, "on": [{"schedule": "0 8 * * *"}]}}, {"autoscaling": "keda"}, "has no `until`"),
        ({"scale": {"max": 4, "on": [{}]}}, {}, "does not say what moves the replicas"),
        ({"metrics": {"also": [{"port": 8080}]}}, {}, "`web` shows its metrics at 8080 already"),
        ({"metrics": {"port": 9, "also": [{"port": 7}, {"port": 7}]}}, {}, "`web` shows metrics at 7 already"),
        ({}, {"ingress": "istio"}, "there is no mesh"),
        ({}, {"secrets": "csi"}, "nothing says from whom"),
        ({}, {"secrets": "sops"}, "nothing says for whom"),
        ({}, {"secrets": "external-secrets", "secretProvider": "gcp"}, "nothing says where"),
        ({}, {"dashboards": True}, "nothing that reads metrics"),
    ],
)
def test_what_cannot_work_is_explained(service: dict, platform: dict, told: str) -> None:
    with pytest.raises(AppFileErrors) as errors:
        loads(app(service, platform))
    assert told in str(errors.value)


def test_a_backup_needs_somebody_who_makes_it() -> None:
    stores = {"db": {"postgres": 16, "storage": "1Gi", "backup": "s3://acme/shop"}}
    with pytest.raises(AppFileErrors, match="nothing looks after the backup of `db`"):
        loads(app({}, {}, stores=stores))
    assert loads(app({}, {"postgres": "cloudnative-pg"}, stores=stores))


def test_dev_has_no_operators() -> None:
    everything = {**ARGO, "mesh": "istio", "ingress": "istio", "telemetry": "opentelemetry", "postgres": "cloudnative-pg"}
    found = loads(app({"canary": [10, 50], "metrics": "/m"}, everything))
    dev, production = resolve(found, "dev").platform, resolve(found, "production").platform
    assert (dev.rollouts, dev.mesh, dev.ingress, dev.telemetry, dev.postgres) == ("none", "none", "nginx", "none", "statefulset")
    assert (production.rollouts, production.ingress) == ("argo-rollouts", "istio")


@pytest.mark.parametrize("platform", [{}, {"ingress": "gateway"}, {"ingress": "none", "mesh": "istio"}])
def test_a_header_leads_to_the_new_version_where_something_reads_it(platform: dict) -> None:
    exposed = {"canary": {"header": "X-Try"}, "metrics": "/m", "expose": "a.example.com"}
    assert loads(app(exposed, {**ARGO, **platform}))


def test_in_a_mesh_proxies_count_the_requests_of_who_shows_no_metrics() -> None:
    assert loads(app({"canary": [10]}, {**ARGO, "mesh": "istio"}))
