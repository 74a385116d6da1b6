"""Ports besides the one that serves: a management port for probes and metrics, and further places with metrics."""

import crds
import pytest

SERVICE = """  a: {image: x/a, port: 80, expose: a.example.com, health: {live: /l, port: %s},
      metrics: {port: 8081, also: [{port: 9464}, {port: 9465, path: /jvm}]}%s}"""
MONITORED = "monitoring: prometheus-operator, monitoringLabels: {release: prom}"


def world_of(of, health=8081, more="", platform=""):
    return of(SERVICE % (health, more), rest=f"platform: {{{MONITORED}{platform}}}")


@pytest.mark.parametrize(("port", "name"), [(8081, "metrics"), (8082, "health"), (80, "http")])
def test_probes_ask_at_the_port_that_answers(of, port, name):
    container = world_of(of, port).container("Deployment", "a")
    assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {name}
    assert {"name": name, "containerPort": port} in container["ports"]


def test_the_world_and_callers_reach_the_port_that_serves_and_no_other(of):
    (world, monitoring) = world_of(of, 8082)["NetworkPolicy", "a"]["spec"]["ingress"]
    assert [port["port"] for port in world["ports"]] == [80]
    assert [port["port"] for port in monitoring["ports"]] == [8081, 9464, 9465]


def test_further_places_are_read_from_the_pods(of):
    world = world_of(of)
    assert [one["port"] for one in world["ServiceMonitor", "a"]["spec"]["endpoints"]] == ["metrics"]
    monitor = world["PodMonitor", "a"]
    assert [(one["port"], one["path"]) for one in monitor["spec"]["podMetricsEndpoints"]] == [
        ("metrics-9464", "/metrics"),
        ("metrics-9465", "/jvm"),
    ]
    assert monitor["metadata"]["labels"]["release"] == "prom"
    assert [port["name"] for port in world["Service", "a"]["spec"]["ports"]] == ["http", "metrics"]


def test_a_service_with_a_canary_has_one_monitor_for_all_its_places(of):
    world = world_of(of, more=", canary: [50]", platform=", rollouts: argo-rollouts")
    assert world.names("ServiceMonitor") == []
    ports = [one["port"] for one in world["PodMonitor", "a"]["spec"]["podMetricsEndpoints"]]
    assert ports == ["metrics", "metrics-9464", "metrics-9465"]


@crds.needed
def test_in_the_mesh_prometheus_may_read_all_of_them(of):
    world = world_of(of, platform=", mesh: istio")
    assert world["PeerAuthentication", "a"]["spec"]["portLevelMtls"].keys() == {"80", "8081", "9464", "9465"}
    admitted = [rule["to"][0]["operation"]["ports"] for rule in world["AuthorizationPolicy", "a"]["spec"]["rules"]]
    assert admitted == [["80"], ["8081"], ["9464"], ["9465"]]
    assert crds.check(world["PodMonitor", "a"])
