"""A canary: which objects it becomes on each platform, that they fit together, and what it is judged by."""

import crds
import pytest

from seatrial.app import loads, resolve
from seatrial.render import render

SERVICES = """\
  web: {image: x/web, port: 80, expose: shop.example.com, calls: [api], metrics: /metrics,
        canary: {header: X-Try, latency: 300ms}}
  api: {image: x/api, port: 3000, metrics: {port: 9464}, expose: {host: shop.example.com, path: /api},
        canary: [20, 60], replicas: 3}
  plain: {image: x/plain, port: 8080, scale: {min: 2, max: 5}}
"""
PLATFORM = "rollouts: argo-rollouts, monitoring: prometheus-operator, issuer: letsencrypt"
PLATFORMS = {
    "nginx": "ingress: nginx, mesh: istio",
    "gateway": "ingress: gateway",
    "gateway-in-mesh": "ingress: gateway, mesh: istio",
    "there-already": "ingress: gateway, gateway: infra/public",
    "istio": "ingress: istio, mesh: istio, zones: 3, nodes: {pool: apps}",
}


@pytest.fixture(params=PLATFORMS.values(), ids=PLATFORMS.keys())
def everywhere(of, request):
    return of(SERVICES, rest=f"platform: {{{PLATFORM}, {request.param}}}")


@crds.needed
def test_every_custom_resource_is_what_its_operator_expects(everywhere):
    kinds = {"Rollout", "AnalysisTemplate", "HTTPRoute", "VirtualService", "DestinationRule", "PeerAuthentication", "Gateway"}
    for obj in everywhere.objects:
        assert crds.check(obj) or obj["kind"] not in kinds


def test_services_routes_and_templates_that_a_rollout_names_are_there(everywhere):
    for rollout in everywhere.of("Rollout"):
        canary = rollout["spec"]["strategy"]["canary"]
        stable, new = (everywhere["Service", canary[key]] for key in ("stableService", "canaryService"))
        assert stable["spec"] == new["spec"]
        for step in canary["steps"]:
            for template in step.get("analysis", {}).get("templates", ()):
                args = {arg["name"] for arg in step["analysis"]["args"]}
                wanted = everywhere["AnalysisTemplate", template["templateName"]]["spec"]["args"]
                assert {arg["name"] for arg in wanted} == args
        routing = canary["trafficRouting"]
        istio = routing.get("istio", {})
        for led in istio.get("virtualServices", [istio["virtualService"]] if "virtualService" in istio else []):
            routes = {route["name"]: route for route in everywhere["VirtualService", led["name"]]["spec"]["http"]}
            for name in led["routes"]:
                weights = {to["destination"]["host"]: to["weight"] for to in routes[name]["route"]}
                assert weights == {canary["stableService"]: 100, canary["canaryService"]: 0}
        for route in routing.get("plugins", {}).get("argoproj-labs/gatewayAPI", {}).get("httpRoutes", ()):
            (rule,) = everywhere["HTTPRoute", route["name"]]["spec"]["rules"]
            assert [ref["name"] for ref in rule["backendRefs"]] == [canary["stableService"], canary["canaryService"]]
        if "nginx" in routing:
            assert everywhere.get("Ingress", routing["nginx"]["stableIngress"])


def test_destinations_are_services_and_the_last_route_takes_what_no_other_does(everywhere):
    for virtual in everywhere.of("VirtualService"):
        for route in virtual["spec"]["http"]:
            for to in route["route"]:
                service = everywhere["Service", to["destination"]["host"]]
                assert to["destination"]["port"]["number"] in {port["port"] for port in service["spec"]["ports"]}
        assert "match" not in virtual["spec"]["http"][-1]
    for rule in everywhere.of("DestinationRule"):
        assert everywhere.get("Service", rule["spec"]["host"])


def test_longer_paths_of_a_host_come_first_and_the_header_before_the_shares(of):
    world = of(SERVICES, rest=f"platform: {{{PLATFORM}, {PLATFORMS['istio']}}}")
    routes = world["VirtualService", "web-public"]["spec"]["http"]
    assert [route["name"] for route in routes] == ["api", "web-header", "web"]
    assert routes[0]["match"] == [{"uri": {"exact": "/api"}}, {"uri": {"prefix": "/api/"}}]
    assert routes[1]["match"] == [{"headers": {"x-try": {"exact": "true"}}}]
    assert routes[1]["route"] == [{"destination": {"host": "web-canary", "port": {"number": 80}}}]


def test_without_a_router_the_share_is_that_of_the_replicas(of):
    world = of("  a: {image: x/a, port: 80, metrics: /m, canary: [50]}", rest=f"platform: {{{PLATFORM}}}")
    canary = world["Rollout", "a"]["spec"]["strategy"]["canary"]
    assert not {"stableService", "canaryService", "trafficRouting", "abortScaleDownDelaySeconds"} & canary.keys()
    assert world.names("Service") == ["a"]


def test_a_canary_is_judged_by_enough_requests_to_its_own_pods(of):
    world = of(SERVICES, rest=f"platform: {{{PLATFORM}, {PLATFORMS['istio']}}}")
    rate, latency = world["AnalysisTemplate", "web"]["spec"]["metrics"]
    query = rate["provider"]["prometheus"]["query"]
    assert query.count('pod=~"{{args.service}}-{{args.hash}}-.+"') == query.count("http_requests_total")
    assert ") or vector(0))\n/ (sum (" in query
    assert query.endswith(">= 50)")
    assert rate["successCondition"] == "len(result) > 0 && result[0] >= 0.99"
    assert rate["failureCondition"] == "len(result) > 0 && result[0] < 0.99"
    assert latency["successCondition"] == "len(result) > 0 && result[0] <= 0.3"
    assert "sum by (le) (" in latency["provider"]["prometheus"]["query"]


@pytest.mark.parametrize("pause", ["10s", "1m", "2m", "5m", "2h"])
def test_a_canary_that_only_fails_or_is_never_asked_does_not_pass(of, pause):
    world = of(f"  a: {{image: x/a, port: 80, metrics: /m, canary: {{pause: {pause}}}}}", rest=f"platform: {{{PLATFORM}}}")
    (metric,) = world["AnalysisTemplate", "a"]["spec"]["metrics"]
    assert metric["count"] > metric["failureLimit"] + metric["inconclusiveLimit"]


def test_zones_are_a_rule_and_each_version_counts_for_itself(of):
    world = of(SERVICES, rest=f"platform: {{{PLATFORM}, {PLATFORMS['istio']}}}")
    for kind, name, label in (("Rollout", "web", "rollouts-pod-template-hash"), ("Deployment", "plain", "pod-template-hash")):
        pod = world.pod(kind, name)
        zone, host = pod["topologySpreadConstraints"]
        assert (zone["whenUnsatisfiable"], host["whenUnsatisfiable"]) == ("DoNotSchedule", "ScheduleAnyway")
        assert zone["matchLabelKeys"] == [label]
        terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        assert terms == [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["apps"]}]}]


def test_in_dev_a_canary_is_an_ordinary_deployment():
    text = f"app: shop\nversion: '1'\nservices:\n{SERVICES}platform: {{{PLATFORM}, {PLATFORMS['istio']}}}\n"
    text += "environments: {production: {}}\n"
    kinds = {obj["kind"] for obj in render(resolve(loads(text), "dev"))}
    assert "Deployment" in kinds
    assert not {"Rollout", "AnalysisTemplate", "VirtualService", "DestinationRule", "PeerAuthentication"} & kinds


def test_in_the_mesh_who_shows_no_metrics_is_judged_by_what_its_proxies_count(of):
    services = "  a: {image: x/a, port: 80, expose: a.example.com, canary: {latency: 300ms}}"
    world = of(services, rest=f"platform: {{{PLATFORM}, ingress: istio, mesh: istio}}")
    rate, latency = world["AnalysisTemplate", "a"]["spec"]["metrics"]
    query = rate["provider"]["prometheus"]["query"]
    assert query.count('reporter="destination"') == query.count("istio_requests_total")
    assert 'response_code!~"5.."' in query
    assert "istio_request_duration_milliseconds_bucket" in latency["provider"]["prometheus"]["query"]
    assert latency["successCondition"] == "len(result) > 0 && result[0] <= 300"
    (endpoint,) = world["PodMonitor", "a"]["spec"]["podMetricsEndpoints"]
    assert (endpoint["portNumber"], endpoint["path"]) == (15090, "/stats/prometheus")
    *_, read = world["NetworkPolicy", "a"]["spec"]["ingress"]
    assert read["ports"] == [{"protocol": "TCP", "port": 15090}]


def test_nginx_leads_a_header_to_the_new_version(of):
    services = "  a: {image: x/a, port: 80, expose: a.example.com, metrics: /m, canary: {header: X-Try}}"
    routing = of(services, rest=f"platform: {{{PLATFORM}}}")["Rollout", "a"]["spec"]["strategy"]["canary"]["trafficRouting"]
    annotations = {"canary-by-header": "X-Try", "canary-by-header-value": "true"}
    assert routing == {"nginx": {"stableIngress": "a", "additionalIngressAnnotations": annotations}}
