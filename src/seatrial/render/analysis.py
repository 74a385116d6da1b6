"""What a canary is judged by: an AnalysisTemplate that asks Prometheus about the new version's own pods, and no others.

A measurement says nothing while there were fewer than `canary.requests` requests: its query has no result then, both conditions
are false, and Argo Rollouts calls it inconclusive.  Two must have said something and one may fail, where there are three;
a canary nobody asked anything pauses and waits for a person.  A counter that appears with its first error has no increase yet,
so series younger than the window count in full.

In Istio's mesh a service that shows no metrics is judged by what the proxies of its pods count of the requests to it.
"""

from __future__ import annotations

from seatrial.app.model import Canary, Check, Metrics, Service
from seatrial.render.scope import SERVICE, Scope
from seatrial.world.objects import Obj

#: Seconds between two measurements: not less than Prometheus needs to read anew, not so long that a bad version stays.
LEAST, MOST = 30, 300
#: How often Prometheus may fail to answer in a row, every 10 s, before the canary is given up: a restart of it must not do that.
ERRORS = 10
#: What a query may name, and where the Rollout has it from.
ARGUMENTS = ("service", "namespace", "hash")


#: What Istio's proxy counts of the requests to its pod, and where Prometheus reads it; its histogram is of milliseconds.
PROXY = Metrics(requests="istio_requests_total", status="response_code", latency="istio_request_duration_milliseconds")
PROXY_PORT, PROXY_PATH, PROXY_SIDE = 15090, "/stats/prometheus", 'reporter="destination"'


def by_proxy(scope: Scope, service: Service) -> bool:
    """Whether a canary is judged by what the proxies of its pods count."""
    rolled = bool(service.canary) and scope.app.platform.rollouts == "argo-rollouts"
    return rolled and not service.metrics and scope.app.platform.mesh == "istio"


def pace(canary: Canary) -> tuple[int, int]:
    """The seconds between two measurements of a step, and how many there are; together they take `canary.pause`."""
    pause = int(300 if canary.pause is None else canary.pause)
    interval = min(MOST, max(LEAST, pause // 5))
    return interval, max(1, pause // interval)


def arguments(name: str) -> list[Obj]:
    """The arguments with which a Rollout asks for the analysis."""
    namespace = {"fieldRef": {"fieldPath": "metadata.namespace"}}
    return [
        {"name": "service", "value": name},
        {"name": "namespace", "valueFrom": namespace},
        {"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}},
    ]


def template(scope: Scope, name: str) -> Obj:
    """The AnalysisTemplate of a service that has a canary."""
    service = scope.app.services[name]
    proxied = by_proxy(scope, service)
    canary, metrics = service.canary or Canary(), PROXY if proxied else service.metrics or Metrics()
    side = [PROXY_SIDE] if proxied else []
    minimum, window = canary.requests or 50, f"{max(120, int(300 if canary.pause is None else canary.pause))}s"
    counter, status = metrics.requests or "http_requests_total", metrics.status or "status"
    enough = f"({_total(_of(counter, *side), window)} >= {minimum})"
    good = _total(_of(counter, *side, f'{status}!~"5.."'), window)
    asked = [("success-rate", f"({good} or vector(0))\n/ {enough}", ">=", (canary.success or 99.0) / 100)]
    if canary.latency:
        histogram = metrics.latency or "http_request_duration_seconds"
        buckets = _total(_of(f"{histogram}_bucket", *side), window, "by (le) ")
        some = f"({_total(_of(f'{histogram}_count', *side), window)} >= {minimum})"
        asked.append(
            ("latency-p99", f"histogram_quantile(0.99, {buckets})\nand {some}", "<=", canary.latency * (1000 if proxied else 1))
        )
    asked += [_check(title, check) for title, check in (canary.checks or {}).items()]
    platform = scope.app.platform
    address = platform.prometheus or f"http://prometheus-operated.{platform.monitoringNamespace}.svc:9090"
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": scope.meta(name, name, SERVICE),
        "spec": {
            "args": [{"name": argument} for argument in ARGUMENTS],
            "metrics": [_metric(canary, address, *one) for one in asked],
        },
    }


def _check(title: str, check: Check) -> tuple[str, str, str, float]:
    if check.min is not None:
        return title, check.query, ">=", check.min
    return title, check.query, "<=", check.max or 0.0


def _metric(canary: Canary, address: str, title: str, query: str, order: str, limit: float) -> Obj:
    interval, count = pace(canary)
    opposite = {">=": "<", "<=": ">"}[order]
    return {
        "name": title,
        "interval": f"{interval}s",
        "count": count,
        # NaN fulfils neither, and no result is not looked at.
        "successCondition": f"len(result) > 0 && result[0] {order} {limit:.10g}",
        "failureCondition": f"len(result) > 0 && result[0] {opposite} {limit:.10g}",
        "failureLimit": 1 if count >= 3 else 0,
        "inconclusiveLimit": count - 2 if count >= 3 else count - 1,
        "consecutiveErrorLimit": ERRORS,
        "provider": {"prometheus": {"address": address, "query": query}},
    }


def _of(metric: str, *more: str) -> str:
    matchers = ['namespace="{{args.namespace}}"', 'pod=~"{{args.service}}-{{args.hash}}-.+"', *more]
    return f"{metric}{{{','.join(matchers)}}}"


def _total(series: str, window: str, by: str = "") -> str:
    """How much a counter grew in the window, all pods together; of a series that is younger, all of it."""
    return f"sum {by}(\n  (increase({series}[{window}]) and {series} offset {window})\n  or {series}\n)"
