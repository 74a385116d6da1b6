"""In the mesh, a call is admitted by the identity of the caller: exactly the calls of the file, and who comes in from outside."""

import crds
import pytest

SERVICES = """\
  web: {image: x/web, port: 80, expose: shop.example.com, calls: [api]}
  api: {image: x/api, port: 3000, metrics: /metrics, calls: [db, cache], migrate: up}
  lone: {image: x/lone, port: 80}
"""
STORES = "stores: {db: {postgres: 16, storage: 1Gi}, cache: {redis: 7}}"
PLATFORM = "platform: {mesh: istio, monitoring: prometheus-operator, %s}"


def admitted(world, name):
    """Who is let in at which ports, in short."""
    rules = world["AuthorizationPolicy", name]["spec"].get("rules", ())
    found = []
    for rule in rules:
        who = []
        for entry in rule["from"]:
            source = entry["source"]
            who += [principal.rpartition("/")[2] for principal in source.get("principals", ())]
            who += source.get("namespaces", ())
            who += ["outsiders"] if "notPrincipals" in source else []
        operation = rule["to"][0]["operation"]
        found.append((who, operation["ports"], *operation.get("paths", ())))
    return found


@pytest.fixture
def meshed(of):
    return lambda platform: of(SERVICES, rest=f"{STORES}\n{PLATFORM % platform}")


def test_a_callee_admits_its_callers_and_prometheus_its_metrics(meshed):
    world = meshed("ingress: istio")
    assert admitted(world, "api") == [(["web"], ["3000"]), (["outsiders"], ["3000"], "/metrics")]
    assert admitted(world, "db") == [(["api"], ["5432"])]
    assert admitted(world, "cache") == [(["api"], ["6379"])]


def test_whom_nobody_calls_admits_nobody(meshed):
    spec = meshed("ingress: istio")["AuthorizationPolicy", "lone"]["spec"]
    assert spec["action"] == "ALLOW"
    assert "rules" not in spec


@pytest.mark.parametrize(
    ("platform", "who"),
    [
        ("ingress: istio", ["istio-system", "istio-ingress"]),
        ("ingress: istio, gateway: edge/public", ["edge", "istio-system", "istio-ingress"]),
        ("ingress: gateway", ["istio-system", "istio-ingress", "shop-istio"]),
        ("ingress: nginx", ["outsiders"]),
    ],
)
def test_the_world_comes_in_where_its_requests_do(meshed, platform, who):
    assert admitted(meshed(platform), "web") == [(who, ["80"])]


def test_principals_are_the_accounts_that_pods_have(meshed):
    world = meshed("ingress: istio")
    rule = world["AuthorizationPolicy", "api"]["spec"]["rules"][0]
    (principal,) = rule["from"][0]["source"]["principals"]
    account = world.pod("Deployment", "web")["serviceAccountName"]
    assert principal == f"cluster.local/ns/{world['Deployment', 'web']['metadata']['namespace']}/sa/{account}"


def test_without_a_mesh_there_are_none_and_of_others_stores_neither(of, meshed):
    assert of(SERVICES, rest=STORES).names("AuthorizationPolicy") == []
    assert "db" not in meshed("postgres: cloudnative-pg").names("AuthorizationPolicy")


def test_the_collector_admits_who_is_traced(of):
    services = SERVICES.replace("x/lone, port: 80", "x/lone, port: 80, tracing: false")
    world = of(services, rest=f"{STORES}\n{PLATFORM % 'telemetry: opentelemetry'}")
    assert admitted(world, "otel-collector") == [(["web", "api"], ["4317", "4318"])]
    _, istiod = world["NetworkPolicy", "otel-collector"]["spec"]["egress"]
    assert istiod["ports"] == [{"protocol": "TCP", "port": 15012}], "its proxy is told there who may call"


@crds.needed
def test_they_are_what_istio_expects(meshed):
    world = meshed("ingress: gateway, issuer: letsencrypt")
    assert all(crds.check(obj) for kind in ("AuthorizationPolicy", "Certificate") for obj in world.of(kind))


def test_in_the_mesh_proxies_start_before_what_waits_and_end_after_what_ran(of):
    services = SERVICES.replace("migrate: up", "migrate: up, jobs: {tidy: {schedule: '@daily', run: tidy}}")
    world = of(services, rest=f"{STORES}\n{PLATFORM % 'ingress: istio'}")
    templates = [obj["spec"]["template"] for kind in ("Deployment", "StatefulSet", "Job") for obj in world.of(kind)]
    templates += [obj["spec"]["jobTemplate"]["spec"]["template"] for obj in world.of("CronJob")]
    assert len(templates) == 7
    for template in templates:
        assert template["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] == "true"


# -- nodes ---------------------------------------------------------------------------------------------------------------


def test_all_pods_keep_to_the_nodes_of_the_platform_and_a_services_pods_to_its_own(of):
    services = (
        "  a: {image: x/a, port: 80, calls: [db], migrate: up, jobs: {t: {schedule: '@daily', run: t}}, nodes: {gpu: true}}"
    )
    control_plane = "node-role.kubernetes.io/control-plane"
    platform = f"platform: {{nodes: {{pool: apps, {control_plane}: false}}, telemetry: opentelemetry}}"
    world = of(services, rest=f"{STORES}\n{platform}")
    everywhere = [{"key": "pool", "operator": "In", "values": ["apps"]}, {"key": control_plane, "operator": "DoesNotExist"}]
    own = {"key": "gpu", "operator": "Exists"}
    for kind, name, of_service in (
        *(("Deployment", "a", True), ("CronJob", "a-t", True), ("Job", world.names("Job")[0], True)),
        *(("StatefulSet", "db", False), ("Deployment", "otel-collector", False)),
    ):
        affinity = world.pod(kind, name)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        wanted = [*everywhere, own] if of_service else everywhere
        assert affinity == {"nodeSelectorTerms": [{"matchExpressions": wanted}]}, name
