"""Dashboards for Grafana, in a ConfigMap that its sidecar finds by a label: requests, saturation, pods, releases; and stores.

One for all services, however many: its panels ask for the series that `alerts` records, which have the same names for every
service, and a variable chooses among services.  One for the stores, where some run here.  The namespace is a constant of each,
so that the dashboards of two environments differ in nothing else but their title.
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
#: The longest identifier that Grafana takes.
UID = 40
#: How long a line may be, where it can be shorter.
WIDTH = 120
#: The matcher of the namespace.
NAMESPACE = 'namespace="$namespace"'
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
    ("CPU", "short", (("sum by (pod) (rate(container_cpu_usage_seconds_total{@STORE@}[5m]))", "{{pod}}"),)),
    ("Memory", "bytes", (("sum by (pod) (container_memory_working_set_bytes{@STORE@})", "{{pod}}"),)),
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
    texts = {f"{app.name}.json": services(scope)}
    if any(not store.host for store in app.stores.values()):
        texts[f"{app.name}-stores.json"] = stores(scope)
    data = {name: _text(model, "") + "\n" for name, model in texts.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def services(scope: Scope) -> dict[str, Any]:
    """The dashboard of all services, in Grafana's own form."""
    names = {"query": ",".join(scope.app.services), "includeAll": True, "multi": True}
    chosen = {"name": "service", "type": "custom", **names, "current": {"text": "All", "value": "$__all"}}
    jvm = [name for name, service in scope.app.services.items() if service.runtime == "jvm" and service.metrics]
    rows = [*ROWS, *((("JVM", JVM),) if jvm else ())]
    return _model(scope, "overview", [chosen], _panels(rows, {"@JVM@": "|".join(jvm)}))


def stores(scope: Scope) -> dict[str, Any]:
    """The dashboard of all stores. One that runs elsewhere has no pod here, and shows nothing."""
    pods = f'@NS@,pod=~"({"|".join(scope.app.stores)})-[0-9]+",container!=""'
    return _model(scope, "stores", [], _panels([("Stores", STORES)], {"@STORE@": pods}))


def _model(scope: Scope, title: str, variables: Sequence[dict[str, Any]], panels: Sequence[dict[str, Any]]) -> dict[str, Any]:
    app = scope.app
    uid = f"{app.name}_{app.environment}_{title}"
    namespace = {"name": "namespace", "type": "constant", "query": app.namespace}
    return {
        "uid": uid if len(uid) <= UID else hashlib.sha256(uid.encode()).hexdigest()[:16],
        "title": f"{app.name} / {app.environment} / {title}",
        "tags": ["seatrial", app.name],
        "timezone": "utc",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [namespace, {"name": "datasource", "type": "datasource", "query": "prometheus"}, *variables]},
        "panels": panels,
    }


def _text(value: Any, indent: str) -> str:
    """JSON as people would write it: what is short stands on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not isinstance(value, (dict, list)):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{inner}{json.dumps(key)}: {_text(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _text(item, inner) for item in value) + f"\n{indent}]"


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
        for word, meant in (*words.items(), ("@NS@", NAMESPACE)):
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
