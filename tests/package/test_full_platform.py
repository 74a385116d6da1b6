"""An app on a cluster that offers everything: its chart and tree still yield exactly what was rendered, in every environment."""

import pytest
from test_helm_chart import Chart, helm
from test_kustomize_tree import built, by_name

from seatrial.app import loads
from seatrial.package.files import write
from seatrial.package.helm import chart
from seatrial.package.kustomize import kustomize

ROLE = "arn:aws:iam::123456789012:role/shop"
APP = f"""\
app: shop
team: storefront
version: "1.4"
services:
  web: {{image: x/web, runtime: nginx, port: 80, expose: shop.example.com, calls: [api, {{geo: "https://geo.example.com/v1"}}],
         metrics: /metrics, slo: 99.9%, scale: {{min: 2, max: 10, cpu: 70%}}, canary: {{header: X-Try, latency: 300ms}}}}
  api: {{image: x/api, runtime: jvm, port: 3000, metrics: {{port: 9464}}, expose: {{host: shop.example.com, path: /api}},
         calls: [db, cache], config: {{LOG_LEVEL: info}}, secrets: [PAYMENTS_KEY], migrate: migrate up, canary: [20, 60],
         slo: {{availability: 99.9%, latency: 300ms}}, identity: "{ROLE}",
         jobs: {{nightly: {{schedule: "0 3 * * *", run: report}}}},
         permissions: [{{resources: [configmaps], verbs: [get, list]}}],
         scale: {{min: 2, max: 9, cpu: 70%, on: [{{prometheus: sum(up), target: 0.5}}, {{list: jobs, store: cache, target: 5}},
                 {{schedule: 0 8 * * *, until: 0 18 * * *, replicas: 6}}]}}}}
  worker: {{image: x/worker, runtime: go, calls: [api, db], migrate: migrate more}}
stores:
  db: {{postgres: 16, storage: 20Gi, backup: s3://acme/shop, identity: "{ROLE}"}}
  cache: {{redis: 7, password: true, storage: 1Gi}}
environments:
  dev: {{size: small, replicas: 1, services: {{api: {{config: {{LOG_LEVEL: debug}}}}}}}}
  staging: {{domain: staging.example.com, services: {{api: {{scale: {{max: 4}}}}}}}}
  production: {{size: large, namespace: shop}}
platform: {{autoscaling: keda, recommendations: vpa, monitoring: prometheus-operator, monitoringLabels: {{release: prom}},
  dashboards: true, rollouts: argo-rollouts, telemetry: opentelemetry, postgres: cloudnative-pg, issuer: letsencrypt, zones: 3,
  nodes: {{pool: apps}}, region: eu-west-1, storageClass: fast, PLATFORM}}
"""
AWS = f'secretProvider: aws, secretVault: eu-west-1, secretIdentity: "{ROLE}"'
PLATFORMS = {
    "istio": f"ingress: istio, mesh: istio, secrets: external-secrets, {AWS}",
    "gateway-in-mesh": f"ingress: gateway, mesh: istio, secrets: csi, {AWS}",
    "gateway": "ingress: gateway, gitops: argocd, secrets: kubernetes",
    "nginx": "ingress: nginx, mesh: istio, secrets: existing",
}


@pytest.fixture(scope="module", params=PLATFORMS.values(), ids=PLATFORMS.keys())
def full(request, tmp_path_factory):
    return Chart(loads(APP.replace("PLATFORM", request.param)), tmp_path_factory.mktemp("full"), "production")


def test_helm_accepts_its_chart(full):
    said = helm("lint", "--strict", str(full.folder / "chart"))
    assert "0 chart(s) failed" in said
    assert "[WARNING]" not in said


def test_its_templates_yield_what_was_rendered(full):
    for environment in full.worlds:
        assert full.yields(environment) == full.rendered(environment)


def test_each_overlay_is_what_was_rendered(full, tmp_path):
    write(kustomize(full.worlds), tmp_path)
    for environment, objects in full.worlds.items():
        assert built(tmp_path, environment) == by_name(objects)


def test_a_secret_that_one_environment_has_is_in_no_file_of_the_chart(tmp_path):
    text = "app: a\nversion: '1'\nservices: {api: {image: x/api, secrets: [KEY]}}\n"
    text += "environments: {dev: {}, production: {platform: {secrets: kubernetes}, services: {api: {secrets: [KEY, EXTRA]}}}}"
    made = Chart(loads(text), tmp_path, "production")
    found = [value for world in made.worlds.values() for obj in world for value in obj.get("stringData", {}).values()]
    assert len(found) == 3
    assert not any(value in content for value in found for content in made.files.values())
    for environment in made.worlds:
        assert made.yields(environment) == made.rendered(environment)


def test_objects_of_one_kind_in_two_groups_have_files_and_flags_of_their_own():
    labels = {"app.kubernetes.io/name": "web"}
    both = [
        {"apiVersion": f"{group}/v1", "kind": "Gateway", "metadata": {"name": "web", "namespace": "n", "labels": labels}}
        for group in ("networking.istio.io", "gateway.networking.k8s.io")
    ]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "n", "labels": labels}}
    files = chart("a", {"dev": [account], "production": [account, *both]}, base="production")
    written = [text for path, text in files.items() if path.startswith("templates/web/") and "Gateway" in text]
    assert len(written) == 2
    assert len({text.splitlines()[0] for text in written}) == 2, "each is there under a condition of its own"


def test_a_service_that_only_some_environments_have_is_switched_as_a_whole(tmp_path):
    text = "app: a\nversion: '1'\nservices: {api: {image: x/api, port: 80}}\nplatform: {telemetry: opentelemetry}\n"
    made = Chart(
        loads(text + "environments: {staging: {}, production: {platform: {otlp: 'http://otel.x:4318'}}}\n"),
        tmp_path,
        "production",
    )
    assert made.files["values.yaml"].count("enabled: ") == 2, "of the collector and of telemetry"
    for environment in made.worlds:
        assert made.yields(environment) == made.rendered(environment)


def test_a_migration_that_a_rollout_ran_is_looked_up_where_there_are_rollouts(full):
    template = next(text for path, text in full.files.items() if path.startswith("templates/api/") and "$ran" in text)
    assert 'if .Capabilities.APIVersions.Has "argoproj.io/v1alpha1/Rollout"' in template
    assert 'lookup "argoproj.io/v1alpha1" "Rollout" .Release.Namespace "api"' in template
