"""Where secrets are kept, what scales, and a PostgreSQL with an operator: each custom resource as its own schema has it."""

import json
from pathlib import Path

import jsonschema
import pytest

CRDS = Path(__file__).parents[3] / "shared" / "crds"
ROLE = "arn:aws:iam::123456789012:role/shop"
SERVICES = """\
  api: {image: x/api, port: 80, calls: [db, cache], secrets: [KEY], migrate: up, scale: {min: 2, max: 9, on: [%s]}}"""
STORES = f"""\
stores:
  db: {{postgres: 16, storage: 20Gi, backup: s3://acme/shop, identity: "{ROLE}"}}
  cache: {{redis: 7, password: true}}"""
TRIGGERS = "{prometheus: sum(up), target: 0.5}, {list: jobs, store: cache, target: 5}"
TRIGGERS += ", {schedule: 0 8 * * *, until: 0 18 * * *, replicas: 6}"
OPERATED = "postgres: cloudnative-pg, autoscaling: keda, recommendations: vpa, monitoring: prometheus-operator"
PROVIDERS = {
    "aws": f'secretProvider: aws, secretVault: eu-west-1, secretIdentity: "{ROLE}"',
    "gcp": "secretProvider: gcp, secretVault: acme",
    "azure": "secretProvider: azure, secretVault: https://acme.vault.azure.net, secretTenant: t,"
    " secretIdentity: 11111111-2222-3333-4444-555555555555",
    "vault": "secretProvider: vault, secretVault: https://vault.example.com",
}


def conforms(obj):
    group, _, version = obj["apiVersion"].partition("/")
    path = CRDS / group / f"{obj['kind'].lower()}_{version}.json"
    if not path.exists():
        pytest.skip("the schemas of custom resources are not beside the checkout")
    jsonschema.Draft202012Validator(json.loads(path.read_text())).validate(obj)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("way", ["external-secrets", "csi"])
def test_each_custom_resource_is_as_its_schema_has_it(of, way, provider):
    world = of(SERVICES % TRIGGERS, rest=f"{STORES}\nplatform: {{{OPERATED}, secrets: {way}, {PROVIDERS[provider]}}}")
    found = [obj for obj in world.objects if "." in obj["apiVersion"].partition("/")[0] and "k8s.io" not in obj["apiVersion"]]
    found += world.of("SecretProviderClass") + world.of("VerticalPodAutoscaler")
    kinds = {obj["kind"] for obj in found}
    assert {"Cluster", "ScheduledBackup", "ScaledObject", "TriggerAuthentication", "VerticalPodAutoscaler"} <= kinds
    assert ({"SecretStore", "ExternalSecret"} if way == "external-secrets" else {"SecretProviderClass"}) <= kinds
    for obj in found:
        conforms(obj)


def test_a_pod_that_reads_secrets_of_the_csi_driver_mounts_them_and_so_do_its_jobs(of):
    platform = f"platform: {{autoscaling: keda, monitoring: prometheus-operator, secrets: csi, {PROVIDERS['aws']}}}"
    world = of(SERVICES % TRIGGERS, rest=f"{STORES}\n{platform}".replace(", backup: s3://acme/shop", ""))
    for kind, name in (("Deployment", "api"), ("Job", world.names("Job")[0])):
        classes = [v["csi"]["volumeAttributes"]["secretProviderClass"] for v in world.pod(kind, name)["volumes"] if "csi" in v]
        assert classes == ["api", "db", "cache"]
    assert world["ServiceAccount", "api"]["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": ROLE}


CREDENTIALS = {
    "aws": ["auth", "secretRef", "secretAccessKeySecretRef"],
    "gcp": ["auth", "secretRef", "secretAccessKeySecretRef"],
    "azure": ["authSecretRef", "clientSecret"],
    "vault": ["auth", "tokenSecretRef"],
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_store_of_secrets_is_asked_by_keys_that_are_referred_to_and_never_written(of, provider):
    who = PROVIDERS[provider].partition(", secretIdentity")[0]
    rest = f"platform: {{secrets: external-secrets, {who}, secretCredentials: keys}}"
    world = of("  api: {image: x/api, secrets: [KEY]}", rest=rest)
    store = world["SecretStore", "shop"]
    conforms(store)
    (found,) = store["spec"]["provider"].values()
    for key in CREDENTIALS[provider]:
        found = found[key]
    assert found["name"] == "keys"
    assert world.get("ServiceAccount", "shop-secrets") is None


def test_keda_and_an_hpa_never_scale_one_target(of):
    world = of(SERVICES % TRIGGERS, rest=f"{STORES}\nplatform: {{{OPERATED}}}")
    assert world.names("HorizontalPodAutoscaler") == []
    assert world["ScaledObject", "api"]["spec"]["scaleTargetRef"]["name"] == "api"


def test_an_operated_postgres_is_called_where_it_is_written(of):
    world = of(SERVICES % TRIGGERS, rest=f"{STORES}\nplatform: {{{OPERATED}}}")
    assert world.variables("Deployment", "api")["DB_URL"] == "postgresql://shop:$(DB_PASSWORD)@db-rw:5432/shop"
    assert world.get("StatefulSet", "db") is None
    assert world["Secret", "db"]["stringData"]["username"] == "shop"
    assert world["Cluster", "db"]["spec"]["enablePDB"] is True


def test_a_managed_store_is_called_with_tls(of):
    stores = "stores: {db: {postgres: 16, host: db.example.com}, cache: {redis: 7, host: c.example.com, tls: true}}"
    world = of("  api: {image: x/api, calls: [db, cache]}", rest=stores)
    variables = world.variables("Deployment", "api")
    assert variables["DB_URL"].endswith("@db:5432/shop?sslmode=require")
    assert variables["CACHE_URL"] == "rediss://c.example.com:6379"


def test_permissions_become_a_role_and_a_token(of):
    world = of("  api: {image: x/api, permissions: [{resources: [configmaps, jobs.batch], verbs: [get, create], names: [a]}]}")
    rules = world["Role", "api"]["rules"]
    assert {"apiGroups": ["batch"], "resources": ["jobs"], "resourceNames": ["a"], "verbs": ["get"]} in rules
    assert {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]} in rules
    assert world.pod("Deployment", "api")["automountServiceAccountToken"] is True
