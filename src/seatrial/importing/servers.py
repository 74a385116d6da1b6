"""What an image's name gives away: a store the app file has a word for, a server it has none for, or a part of the platform."""

from __future__ import annotations

import re

#: The last part of an image's name -> the store it is, and the version where the tag says none.
STORES = {
    **dict.fromkeys(("postgres", "postgresql", "postgis", "timescaledb", "timescaledb-ha", "pgvector"), ("postgres", "16")),
    **dict.fromkeys(("redis", "valkey", "redis-stack", "redis-stack-server"), ("redis", "7")),
}
#: Those of them that have more in them than the official image, and so are kept.
KEPT = ("postgis", "timescaledb", "timescaledb-ha", "pgvector", "redis-stack", "redis-stack-server")

#: Servers with data of their own that the app file has no store for.
FOREIGN = (
    *("mysql", "mariadb", "mongo", "mongodb", "rabbitmq", "kafka", "cp-kafka", "zookeeper", "cp-zookeeper", "elasticsearch"),
    *("opensearch", "cassandra", "minio", "couchdb", "neo4j", "clickhouse-server", "influxdb", "nats", "vault", "consul"),
)

_ENTRY = "`expose` and `platform.ingress` let the world in"
_MONITORING = "`platform.monitoring` reads `metrics`, and `platform.dashboards` shows them"
#: What a cluster has once for all its apps -> the keys that speak of it.
PLATFORM = {
    **dict.fromkeys(("traefik", "nginx-proxy", "caddy-docker-proxy", "acme-companion"), _ENTRY),
    **dict.fromkeys(
        ("prometheus", "grafana", "alertmanager", "node-exporter", "cadvisor", "kube-state-metrics", "redis_exporter"),
        _MONITORING,
    ),
    **dict.fromkeys(("postgres-exporter", "statsd-exporter", "blackbox-exporter"), _MONITORING),
    **dict.fromkeys(
        ("opentelemetry-collector", "opentelemetry-collector-contrib", "otel-collector"),
        "`platform.telemetry: opentelemetry` renders a collector, or `platform.otlp` names the one that is there",
    ),
    **dict.fromkeys(("jaeger", "all-in-one", "zipkin", "tempo"), "`platform.telemetry` and `platform.otlp` say where traces go"),
    **dict.fromkeys(
        ("loki", "promtail", "fluentd", "fluent-bit", "filebeat"), "the cluster gathers what pods write to their output"
    ),
    **dict.fromkeys(("watchtower", "portainer", "portainer-ce", "autoheal"), "Kubernetes itself does what it does"),
}


def base(image: str) -> str:
    """The last part of an image's name, without tag and digest."""
    return image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[0]


def tag(image: str) -> str:
    return image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[2]


def store_of(image: str) -> tuple[str, str] | None:
    """The kind of store an image is, and its major version: of `2.15-pg16`, which is TimescaleDB's way, 16."""
    found = STORES.get(base(image))
    if not found:
        return None
    major = re.search(r"pg([0-9]+)", tag(image)) or re.match(r"v?([0-9]+)", tag(image))
    return found[0], major[1] if major else found[1]
