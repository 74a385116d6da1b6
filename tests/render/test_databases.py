"""A PostgreSQL that CloudNativePG runs: watched, and spread so that it outlives a zone."""

import crds
import promql_parser

API = "  api: {image: x/api, port: 80, calls: [db]}"
STORE = "stores: {db: {postgres: 16, storage: 1Gi, backup: s3://acme/shop%s}}"
PLATFORM = "platform: {postgres: cloudnative-pg, monitoring: prometheus-operator, monitoringLabels: {release: prom}, zones: 3}"


def alerts(world):
    (group,) = world["PrometheusRule", "db"]["spec"]["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


@crds.needed
def test_its_monitor_is_one_that_prometheus_finds(of):
    world = of(API, rest=f"{STORE % ''}\n{PLATFORM}")
    monitor = world["PodMonitor", "db"]
    assert crds.check(monitor)
    assert crds.check(world["Cluster", "db"])
    assert monitor["metadata"]["labels"]["release"] == "prom"
    assert monitor["spec"]["selector"] == {"matchLabels": {"cnpg.io/cluster": "db"}}
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"
    assert "monitoring" not in world["Cluster", "db"]["spec"], "the operator would make a second one, without these labels"


def test_its_copies_backups_and_connections_are_watched(of):
    found = alerts(of(API, rest=f"{STORE % ''}\n{PLATFORM}"))
    assert found.keys() >= {
        "InstanceMissing",
        "ReplicationLags",
        "BackupOld",
        "WalNotArchived",
        "ConnectionsNearMax",
        "VolumeFull",
    }
    assert found["InstanceMissing"].endswith("< 3")
    for expr in found.values():
        promql_parser.parse(expr)


def test_a_single_instance_has_no_copies_to_watch_or_to_spread(of):
    world = of(API, rest=f"{STORE % ', instances: 1'}\n{PLATFORM}")
    assert not alerts(world).keys() & {"InstanceMissing", "ReplicationLags"}
    assert "topologySpreadConstraints" not in world["Cluster", "db"]["spec"]


def test_its_instances_are_spread_over_zones_as_a_rule_where_there_are_several(of):
    def spread(platform):
        (constraint,) = of(API, rest=f"{STORE % ''}\n{platform}")["Cluster", "db"]["spec"]["topologySpreadConstraints"]
        assert constraint["labelSelector"] == {"matchLabels": {"cnpg.io/cluster": "db"}}
        return constraint["topologyKey"], constraint["whenUnsatisfiable"]

    assert spread(PLATFORM) == ("topology.kubernetes.io/zone", "DoNotSchedule")
    assert spread(PLATFORM.replace(", zones: 3", "")) == ("topology.kubernetes.io/zone", "ScheduleAnyway")


def test_one_that_backs_up_to_google_may_ask_who_it_is(of):
    store = STORE % ", identity: db@acme.iam.gserviceaccount.com"
    policy = of(API, rest=f"{store.replace('s3:', 'gs:')}\n{PLATFORM}")["NetworkPolicy", "db"]
    asked = policy["spec"]["egress"][-1]
    assert [peer["ipBlock"]["cidr"] for peer in asked["to"]] == ["169.254.169.254/32", "169.254.169.252/32"]
