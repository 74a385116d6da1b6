"""What Prometheus reads: the latency of every request, whatever became of it, and how busy the database pool is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every histogram, which nobody reads

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: A figure of psycopg's pool -> the gauge that shows it.
POOL_GAUGES = {
    "pool_size": ("shop_db_pool_connections", "Connections the pool holds."),
    "pool_available": ("shop_db_pool_idle", "Connections nobody uses."),
    "pool_max": ("shop_db_pool_limit", "Connections the pool may open."),
    "requests_waiting": ("shop_db_pool_waiting", "Requests that wait for a connection."),
}


class Metrics:
    """One registry for one app, so that two apps in one process do not count for each other."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._latency = Histogram(
            "http_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge("http_requests_in_flight", "Requests being answered now.", registry=self.registry)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the template (`/api/orders/{id}`), never a path: a label has few values or it floods Prometheus."""
        self._latency.labels(method if method in METHODS else "OTHER", route, str(status)).observe(seconds)

    def watch_pool(self, stats: Callable[[], Mapping[str, int]]) -> None:
        self.registry.register(_Pool(stats))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Pool(Collector):
    def __init__(self, stats: Callable[[], Mapping[str, int]]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats()
        for figure, (name, text) in POOL_GAUGES.items():
            gauge = GaugeMetricFamily(name, text)
            gauge.add_metric([], stats.get(figure, 0))
            yield gauge
