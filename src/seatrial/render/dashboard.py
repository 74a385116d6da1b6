"""A dashboard for Grafana, as a ConfigMap that its sidecar finds by a label: requests, saturation, pods, releases, stores.

One for the whole app, whatever its size: its panels ask for the series that `alerts` records, which have the same names for
every service, and a variable chooses among services.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from seatrial.render.scope import Scope
from seatrial.world.objects import Obj

#: The label that Grafana's sidecar looks for.
LABEL = {"grafana_dashboard": "1"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

#: A panel: title, unit, and its queries with their legends. `@NS@` is the matcher of the namespace.
Panel = tuple[str, str, tuple[tuple[str, str], ...]]
_POD = '@NS@,pod=~"($service)-.+",container=~"$service"'
_WAYS, _NETWORK = ("receive", "transmit"), 'container_network_%s_bytes_total{@NS@,pod=~"($service)-.+"}'
_QUANTILE = 'histogram_quantile(%s, sum by (job, le) (service:latency_bucket:rate5m{@NS@,job=~"$service"}))'
ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Requests",
        (
            ("Requests", "reqps", (('sum by (job) (service:requests:rate5m{@NS@,job=~"$service"})', "{{job}}"),)),
            (
                "Failures",
                "percentunit",
                (
                    (
                        'sum by (job) (service:requests_failed:rate5m{@NS@,job=~"$service"})'
                        ' / (sum by (job) (service:requests:rate5m{@NS@,job=~"$service"}) > 0)',
                        "{{job}}",
                    ),
                ),
            ),
            ("Latency", "s", tuple((_QUANTILE % share, f"{{{{job}}}} p{share[2:]:0<2}") for share in ("0.5", "0.95", "0.99"))),
        ),
    ),
    (
        "Saturation",
        (
            ("CPU", "short", ((f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{_POD}}}[5m]))", "{{pod}}"),)),
            ("Memory", "bytes", ((f"sum by (pod) (container_memory_working_set_bytes{{{_POD}}})", "{{pod}}"),)),
            (
                "CPU throttled",
                "percentunit",
                (
                    (
                        f"sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{{{_POD}}}[5m]))"
                        f" / sum by (pod) (rate(container_cpu_cfs_periods_total{{{_POD}}}[5m]))",
                        "{{pod}}",
                    ),
                ),
            ),
            ("Network", "Bps", tuple((f"sum by (pod) (rate({_NETWORK % way}[5m]))", f"{{{{pod}}}} {way}s") for way in _WAYS)),
        ),
    ),
    (
        "Pods and releases",
        (
            ("Pods by phase", "short", (("sum by (phase) (kube_pod_status_phase{@NS@})", "{{phase}}"),)),
            (
                "Restarts",
                "short",
                ((f"sum by (pod) (increase(kube_pod_container_status_restarts_total{{{_POD}}}[1h]))", "{{pod}}"),),
            ),
            (
                "Replicas",
                "short",
                (
                    ('kube_deployment_status_replicas_available{@NS@,deployment=~"$service"}', "{{deployment}} available"),
                    ('kube_deployment_spec_replicas{@NS@,deployment=~"$service"}', "{{deployment}} wanted"),
                    ('rollout_info_replicas_available{@NS@,name=~"$service"}', "{{name}} available"),
                    ('rollout_info_replicas_updated{@NS@,name=~"$service"}', "{{name}} updated"),
                ),
            ),
        ),
    ),
)
STORES: tuple[Panel, ...] = (
    (
        "Volumes, used",
        "percentunit",
        (
            (
                "1 - kubelet_volume_stats_available_bytes{@NS@} / kubelet_volume_stats_capacity_bytes{@NS@}",
                "{{persistentvolumeclaim}}",
            ),
        ),
    ),
    ("Stores, memory", "bytes", (('sum by (pod) (container_memory_working_set_bytes{@NS@,container=~"@STORES@"})', "{{pod}}"),)),
)
JVM: tuple[Panel, ...] = (
    ("Heap", "bytes", (('sum by (pod) (jvm_memory_used_bytes{@NS@,job=~"@JVM@",area="heap"})', "{{pod}}"),)),
    ("Garbage collection", "percentunit", (('sum by (pod) (rate(jvm_gc_pause_seconds_sum{@NS@,job=~"@JVM@"}[5m]))', "{{pod}}"),)),
    ("Threads", "short", (('sum by (pod) (jvm_threads_live_threads{@NS@,job=~"@JVM@"})', "{{pod}}"),)),
    ("Classes", "short", (('sum by (pod) (jvm_classes_loaded_classes{@NS@,job=~"@JVM@"})', "{{pod}}"),)),
    ("Connections of the pool", "short", (('sum by (pod) (hikaricp_connections_active{@NS@,job=~"@JVM@"})', "{{pod}}"),)),
)


def dashboard(scope: Scope) -> Obj | None:
    """The ConfigMap of the dashboard, where the platform wants one."""
    platform, app = scope.app.platform, scope.app
    if not platform.dashboards or platform.monitoring != "prometheus-operator":
        return None
    metadata = {"name": f"{app.name}-dashboard", "namespace": app.namespace, "labels": scope.common() | LABEL}
    text = json.dumps(model(scope), indent=1, ensure_ascii=False) + "\n"
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {f"{app.name}.json": text}}


def model(scope: Scope) -> dict[str, Any]:
    """The dashboard in Grafana's own form."""
    app = scope.app
    jvm = [name for name, service in app.services.items() if service.runtime == "jvm" and service.metrics]
    stores = [name for name, store in app.stores.items() if not store.host]
    rows = [*ROWS, *((("Stores", STORES),) if stores else ()), *((("JVM", JVM),) if jvm else ())]
    words = {"@NS@": f'namespace="{app.namespace}"', "@JVM@": "|".join(jvm), "@STORES@": "|".join(stores)}
    return {
        "uid": hashlib.sha256(f"{app.name}/{app.environment}".encode()).hexdigest()[:16],
        "title": f"{app.name} ({app.environment})",
        "tags": ["seatrial", app.name],
        "timezone": "utc",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": _variables(list(app.services))},
        "panels": _panels(rows, words),
    }


def _variables(services: Sequence[str]) -> list[dict[str, Any]]:
    everything = {"text": "All", "value": "$__all"}
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        {
            "name": "service",
            "type": "custom",
            "query": ",".join(services),
            "includeAll": True,
            "multi": True,
            "current": everything,
        },
    ]


def _panels(rows: Sequence[tuple[str, Sequence[Panel]]], words: dict[str, str]) -> list[dict[str, Any]]:
    """Rows below one another, three panels abreast; Grafana's grid is 24 wide."""
    found: list[dict[str, Any]] = []
    top = 0
    for title, panels in rows:
        found.append({"id": len(found) + 1, "type": "row", "title": title, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}})
        top += 1
        for index, panel in enumerate(panels):
            place = {"x": index % 3 * 8, "y": top + index // 3 * 8, "w": 8, "h": 8}
            found.append(_panel(len(found) + 1, panel, place, words))
        top += -(-len(panels) // 3) * 8
    return found


def _panel(number: int, panel: Panel, place: dict[str, int], words: dict[str, str]) -> dict[str, Any]:
    title, unit, queries = panel
    targets = []
    for letter, (query, legend) in zip("ABCDEF", queries, strict=False):
        for word, meant in words.items():
            query = query.replace(word, meant)
        targets.append({"refId": letter, "expr": query, "legendFormat": legend})
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}},
        "targets": targets,
    }
