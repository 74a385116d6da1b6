"""What is monitored, alerted on and drawn: every query parses, every alert says what it saw, every custom resource is valid."""

import json
import re

import crds
import promql_parser
import pytest

PLATFORM = "platform: {monitoring: prometheus-operator, monitoringLabels: {release: prom}, dashboards: true, issuer: le}"
API = "  api: {image: a/api, port: 80, metrics: /metrics, slo: {availability: 99.9%, latency: 300ms}, expose: a.example.com,"
API += " migrate: m, jobs: {nightly: {schedule: '@daily', run: x}}, scale: {min: 2, max: 4}}"
STORES = "stores: {db: {postgres: 16, storage: 1Gi}}"


@pytest.fixture
def watched(of):
    return of(API, rest=f"{STORES}\n{PLATFORM}")


def rules(world, name):
    return [rule for group in world["PrometheusRule", name]["spec"]["groups"] for rule in group["rules"]]


def alerts(world, name):
    return [rule for rule in rules(world, name) if "alert" in rule]


def test_every_query_of_rules_and_dashboard_parses(watched):
    queries = [rule["expr"] for rule in (*rules(watched, "api"), *rules(watched, "db"))]
    model = json.loads(watched["ConfigMap", "shop-dashboard"]["data"]["shop.json"])
    queries += [target["expr"].replace("$service", "api") for panel in model["panels"] for target in panel.get("targets", ())]
    assert len(queries) > 40
    for query in queries:
        promql_parser.parse(query)  # raises ValueError


def test_every_alert_has_a_severity_and_says_what_it_saw(watched):
    for alert in (*alerts(watched, "api"), *alerts(watched, "db")):
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert alert["annotations"]["summary"] and alert["annotations"]["runbook"]
        assert "{{ $value" in alert["annotations"]["description"], alert["alert"]


def test_budgets_burn_over_two_windows_and_with_enough_requests(watched):
    burns = [alert for alert in alerts(watched, "api") if alert["alert"] == "ErrorsBurnBudget"]
    found = [(alert["labels"]["window"], alert["labels"]["severity"]) for alert in burns]
    assert found == [("1h", "critical"), ("6h", "critical"), ("1d", "warning"), ("3d", "warning")]
    assert "[1h]" in burns[0]["expr"] and "[5m]" in burns[0]["expr"] and "> 0.0144\n" in burns[0]["expr"]
    assert burns[0]["expr"].endswith("[1h]) * 30 >= 209")  # three failures of 209 are 1.44 %


def test_a_budget_that_cannot_burn_so_fast_has_no_alert_that_never_fires(of):
    world = of("  api: {image: a/api, port: 80, metrics: /metrics, slo: 90%}", rest=PLATFORM)
    assert [a["labels"]["window"] for a in alerts(world, "api") if a["alert"] == "ErrorsBurnBudget"] == ["6h", "1d", "3d"]


def test_a_latency_objective_tells_when_its_bucket_is_not_there(watched):
    unmeasured = next(alert for alert in alerts(watched, "api") if alert["alert"] == "LatencyUnmeasured")
    assert 'absent(http_request_duration_seconds_bucket{namespace="shop-production",job="api",le="0.3"})' in unmeasured["expr"]


def test_the_pods_of_a_service_are_none_of_a_longer_name_or_of_its_jobs(watched):
    restart = next(alert for alert in alerts(watched, "api") if alert["alert"] == "PodsRestart")
    pattern = re.compile(re.search(r'pod=~"([^"]+)"', restart["expr"])[1])
    assert pattern.fullmatch("api-7d4b9c5f6-x2x9z")
    assert not pattern.fullmatch("api-gateway-7d4b9c5f6-x2x9z")
    assert not pattern.fullmatch("api-migrate-0123456789-x2x9z")


def test_rules_and_monitors_carry_the_labels_the_operator_looks_for(watched):
    for kind, name in (("PrometheusRule", "api"), ("PrometheusRule", "db"), ("ServiceMonitor", "api")):
        assert watched[kind, name]["metadata"]["labels"]["release"] == "prom"


def test_a_service_with_a_canary_is_read_by_its_pods_and_their_version(of):
    rest = PLATFORM.replace("platform: {", "platform: {rollouts: argo-rollouts, ")
    world = of("  api: {image: a/api, port: 80, metrics: /metrics, canary: [10%, 50%]}", rest=rest)
    spec = world["PodMonitor", "api"]["spec"]
    assert world.get("ServiceMonitor", "api") is None
    assert spec["podTargetLabels"] == ["rollouts-pod-template-hash"] and spec["jobLabel"] == "app.kubernetes.io/name"
    stuck = next(alert for alert in alerts(world, "api") if alert["alert"] == "RolloutStuck")
    assert "rollout_info" in stuck["expr"]


def test_the_dashboard_is_found_by_grafana_and_has_a_row_for_the_jvm_only_where_there_is_one(of):
    service = "  api: {image: a/api, port: 80, metrics: /metrics, runtime: %s}"
    for runtime, there in (("jvm", True), ("go", False)):
        config_map = of(service % runtime, rest=PLATFORM)["ConfigMap", "shop-dashboard"]
        assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
        model = json.loads(config_map["data"]["shop.json"])
        assert ("JVM" in [panel["title"] for panel in model["panels"]]) == there
        assert len({panel["id"] for panel in model["panels"]}) == len(model["panels"])


def test_without_the_operator_there_is_nothing(of):
    world = of("  api: {image: a/api, port: 80, metrics: /metrics}")
    assert not {"ServiceMonitor", "PodMonitor", "PrometheusRule"} & {obj["kind"] for obj in world.objects}


@crds.needed
def test_custom_resources_are_valid_by_their_schemas(watched, of):
    rest = PLATFORM.replace("platform: {", "platform: {rollouts: argo-rollouts, ")
    rolled = of("  api: {image: a/api, port: 80, metrics: /metrics, canary: [10%, 50%]}", rest=rest)
    checked = {obj["kind"] for obj in (*watched.objects, *rolled.objects) if crds.check(obj)}
    assert checked >= {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


TRACED = "platform: {telemetry: %s, monitoring: prometheus-operator}"


@pytest.mark.parametrize("kind", ["opentelemetry", "opentelemetry-operator"])
def test_a_traced_service_knows_its_collector_and_may_reach_it_and_nobody_else_may(of, kind):
    world = of("  api: {image: 'a/api:7', port: 80}\n  old: {image: a/old, port: 80, tracing: false}", rest=TRACED % kind)
    variables = world.variables("Deployment", "api")
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector:4318"
    assert "service.version=$(OTEL_SERVICE_VERSION)" in variables["OTEL_RESOURCE_ATTRIBUTES"]
    assert variables["OTEL_SERVICE_VERSION"] == "7"
    assert "OTEL_SERVICE_NAME" not in world.variables("Deployment", "old")
    inside, out = (world["NetworkPolicy", name]["spec"] for name in ("otel-collector", "otel-collector-senders"))
    assert inside["ingress"][0]["from"][0]["podSelector"] == out["podSelector"]
    assert out["podSelector"]["matchExpressions"][0]["values"] == ["api"]
    assert out["egress"][1]["to"][0]["podSelector"] == inside["podSelector"]


def test_what_config_says_of_a_variable_counts_more(of):
    world = of("  api: {image: a/api, port: 80, config: {OTEL_TRACES_SAMPLER_ARG: '1'}}", rest=TRACED % "opentelemetry")
    assert "OTEL_TRACES_SAMPLER_ARG" not in world.variables("Deployment", "api")
    assert world["ConfigMap", "api"]["data"]["OTEL_TRACES_SAMPLER_ARG"] == "1"


def test_a_collector_that_is_there_already_is_used_and_none_is_rendered(of):
    world = of(
        "  api: {image: a/api, port: 80}", rest="platform: {telemetry: opentelemetry, otlp: 'http://otel.observability:4318'}"
    )
    assert world.variables("Deployment", "api")["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel.observability:4318"
    assert world.get("Deployment", "otel-collector") is None


def test_the_quota_has_room_for_the_collector(of):
    service = "  api: {image: a/api, port: 80}"
    without, with_it = of(service), of(service, rest=TRACED % "opentelemetry")
    room = [int(world["ResourceQuota", "shop"]["spec"]["hard"]["pods"]) for world in (without, with_it)]
    assert room[1] - room[0] == 4


@crds.needed
def test_the_operators_collector_is_valid_by_its_schema(of):
    world = of("  api: {image: a/api, port: 80}", rest=TRACED % "opentelemetry-operator")
    assert crds.check(world["OpenTelemetryCollector", "otel"])
    assert crds.check(world["PodMonitor", "otel-collector"])


JVM = "  api: {image: 'a/api:7', port: 80, runtime: jvm, migrate: up, jobs: {tidy: {schedule: '@daily', run: tidy}}}"
AGENT = "-javaagent:/otel-agent/javaagent.jar"


def test_an_init_container_brings_the_agent_to_a_jvm_and_its_options_load_it(of):
    world = of(JVM, rest=TRACED % "opentelemetry")
    pod = world.pod("Deployment", "api")
    (brings,) = pod["initContainers"]
    assert brings["command"] == ["cp", "/javaagent.jar", "/otel-agent/javaagent.jar"]
    assert brings["securityContext"]["readOnlyRootFilesystem"]
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "otel-agent"]
    assert mount == {"name": "otel-agent", "mountPath": "/otel-agent", "readOnly": True}
    options = world.variables("Deployment", "api")["JAVA_TOOL_OPTIONS"]
    assert options.startswith("-XX:MaxRAMPercentage=75.0 ")
    assert options.endswith(f" {AGENT}")
    for kind, name in (("CronJob", "api-tidy"), ("Job", world.names("Job")[0])):
        assert AGENT not in world.variables(kind, name)["JAVA_TOOL_OPTIONS"]


def test_where_its_operator_runs_the_pod_asks_for_the_agent(of):
    world = of(JVM, rest=TRACED % "opentelemetry-operator")
    template = world["Deployment", "api"]["spec"]["template"]
    asked = {key.partition("/")[2]: value for key, value in template["metadata"]["annotations"].items()}
    assert asked == {"inject-java": "otel", "container-names": "api"}
    assert world["Instrumentation", "otel"]["spec"]["exporter"] == {"endpoint": "http://otel-collector:4318"}
    assert "initContainers" not in template["spec"]
    assert AGENT not in world.variables("Deployment", "api")["JAVA_TOOL_OPTIONS"]


@pytest.mark.parametrize("key", ["tracing: false", "config: {JAVA_TOOL_OPTIONS: -Xmx200m}", "runtime: go"])
def test_what_is_not_traced_sets_its_own_options_or_is_no_jvm_has_no_agent(of, key):
    world = of(
        f"  api: {{image: a/api, port: 80, {'' if 'runtime' in key else 'runtime: jvm, '}{key}}}", rest=TRACED % "opentelemetry"
    )
    assert "initContainers" not in world.pod("Deployment", "api")


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("a/api:2", "2"),
        ("a/api", "1"),
        (f"a/api@sha256:{'0123456789abcdef' * 4}", "0123456789ab"),
        (f"a/api:3@sha256:{'0' * 64}", "3"),
    ],
)
def test_the_version_that_traces_tell_is_that_of_the_image_wherever_it_was_set(of, image, version):
    world = of(
        "  api: {image: a/api, port: 80}", rest=TRACED % "opentelemetry", images={} if image == "a/api" else {"api": image}
    )
    assert world.variables("Deployment", "api")["OTEL_SERVICE_VERSION"] == version


def test_a_jvm_is_watched_from_inside_where_it_shows_metrics(of):
    inside = {"HeapNearLimit", "CollectorBusy", "ConnectionsAwaited"}
    world = of(
        "  api: {image: a/api, port: 80, runtime: jvm, metrics: /m}\n  go: {image: a/go, port: 80, metrics: /m}", rest=PLATFORM
    )
    assert {alert["alert"] for alert in alerts(world, "api")} >= inside
    assert not {alert["alert"] for alert in alerts(world, "go")} & inside
    for alert in alerts(world, "api"):
        promql_parser.parse(alert["expr"])
        assert "{{ $value" in alert["annotations"]["description"]


def test_the_dashboard_shows_what_goes_in_and_out_of_pods(watched):
    model = json.loads(watched["ConfigMap", "shop-dashboard"]["data"]["shop.json"])
    (panel,) = [panel for panel in model["panels"] if panel["title"] == "Network"]
    assert [target["expr"].count("receive") for target in panel["targets"]] == [1, 0]
