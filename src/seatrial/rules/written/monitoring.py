# ruff: noqa: E501 - a line of the table is one saying
"""Monitors and alerts: what Prometheus or its operator refuses, what never fires, and what always does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from seatrial.rules import promql
from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.reading import has, items, mapping, number, seconds, text, value
from seatrial.rules.written.telling import Path, brief, tell
from seatrial.world.objects import Obj
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_REFUSED = "The operator refuses the whole object: none of its rules is loaded."
_GOOD = 'sum(rate(http_requests_total{job="api", code=~"5.."}[5m])) / sum(rate(http_requests_total{job="api"}[5m])) > 0.05'
_SILENT = "It is loaded and never fires, or fires without a reason, and whoever relies on it finds out in the outage."


def _alert(expr: str, rest: str = "for: 5m, labels: {severity: critical}, annotations: {summary: many errors}") -> str:
    body = f"spec:\n  groups:\n    - name: api\n      rules:\n        - {{alert: HighErrorRate, {rest}, expr: '{expr}'}}"
    return manifest("monitoring.coreos.com/v1", "PrometheusRule", body)


def _monitor(endpoint: str, kind: str = "ServiceMonitor") -> str:
    where = "endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"
    return manifest("monitoring.coreos.com/v1", kind, f"spec: {{selector: {{matchLabels: {{app: api}}}}, {where}: [{endpoint}]}}")


RULES = (
    Rule("promql-syntax", "error", "has a query that Prometheus cannot read", _REFUSED,
         "Correct the query.",
         _alert("sum(rate(http_requests_total[5m]) > 1"), _alert(_GOOD)),
    Rule("promql-rate-of-gauge", "warning", "takes the rate of what is no counter", _SILENT + " rate() reads every fall as a restart.",
         "Use deriv() or delta() for gauges.",
         _alert('rate(container_memory_working_set_bytes{container="api"}[5m]) > 100'), _alert(_GOOD)),
    Rule("promql-rate-of-sum", "warning", "takes the rate of a sum", "When one pod restarts its counter falls, the sum falls with it, and rate() sees a jump of the whole.",
         "Take the rate first, then the sum: sum(rate(…[5m])).",
         _alert('rate(sum(http_requests_total{job="api"})[5m:]) > 10'), _alert(_GOOD)),
    Rule("promql-counter-bare", "warning", "compares a counter that only grows", "Once above the bound it stays there until the process restarts: the alert never ends.",
         "Compare its rate() or increase().",
         _alert('http_errors_total{job="api"} > 100'), _alert(_GOOD)),
    Rule("promql-ratio-unsummed", "warning", "divides series that do not pair up", "Without a sum each series is divided by the one with the same labels: by itself, which is 1, or by none.",
         "Sum both sides: sum(rate(a{…}[5m])) / sum(rate(b[5m])).",
         _alert('rate(http_requests_total{job="api", code=~"5.."}[5m]) / rate(http_requests_total{job="api"}[5m]) > 0.05'), _alert(_GOOD)),
    Rule("promql-quantile-le", "error", "takes a quantile of buckets without their bounds", "A sum that drops le leaves nothing to compute from: there is no result, ever.",
         "Keep le: sum by (le) (rate(…_bucket[5m])).",
         _alert('histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{job="api"}[5m]))) > 1'),
         _alert('histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{job="api"}[5m]))) > 1')),
    Rule("promql-many-to-many", "error", "pairs many series with many", "Prometheus refuses it whenever there are two series of a group (many-to-many matching not allowed): the rule has no result, and the alert never fires.",
         "Aggregate the side of one by the labels that are matched: … / on (namespace) group_left () sum by (namespace) (…).",
         _alert('container_memory_rss{container="api"} / on (namespace) group_left (pod) container_memory_rss{container="api"} > 0.9'),
         _alert('container_memory_rss{container="api"} / on (namespace) group_left () sum by (namespace) (container_memory_rss{container="api"}) > 0.9')),
    Rule("promql-limit-zero", "warning", "divides by a limit that may be 0", "Containers without a limit have the limit 0: the quotient is infinite, and the alert always fires for them.",
         "Keep those with a limit: … / (container_spec_memory_limit_bytes > 0).",
         _alert('container_memory_working_set_bytes{container="api"} / container_spec_memory_limit_bytes{container="api"} > 0.9'),
         _alert('container_memory_working_set_bytes{container="api"} / (container_spec_memory_limit_bytes{container="api"} > 0) > 0.9')),
    Rule("promql-cadvisor", "warning", "counts pods and pause containers as containers", "cAdvisor has a series for each container, one for the pause container and one for the whole pod: values come twice, and without limits.",
         "Add container!=\"\".",
         _alert('container_memory_working_set_bytes{namespace="shop"} / on(pod) kube_pod_info{namespace="shop"} > 1e9'), _alert(_GOOD)),
    Rule("promql-unscoped", "warning", "does not say whose series it means", "Every application with a metric of that name counts: the alert fires for others, and their traffic hides one's own errors.",
         "Add job, namespace or service.",
         _alert('sum(rate(http_requests_total{code=~"5.."}[5m])) > 1'), _alert(_GOOD)),
    Rule("alert-rate-of-errors", "warning", "calls errors a second an error rate", "The bound is compared with errors a second of each series, not with a share: one error in twenty seconds fires, or a thousand slow ones do not.",
         "Divide by all requests: sum(errors) / sum(all).",
         _alert('rate(http_server_requests_seconds_count{job="api", status=~"5.."}[5m]) > 0.05'), _alert(_GOOD)),
    Rule("alert-without-for", "note", "fires at the first look", "One missed scrape or a single slow minute wakes somebody.",
         "Add for: 5m.",
         _alert(_GOOD, "labels: {severity: critical}, annotations: {summary: many errors}"), _alert(_GOOD)),
    Rule("alert-always", "warning", "fires whenever there is a value", "An alert is an expression that has a result only when something is wrong; without a comparison it always has one.",
         "Compare with a bound.",
         _alert('sum(rate(http_requests_total{job="api", code=~"5.."}[5m]))'), _alert(_GOOD)),
    Rule("alert-without-severity", "note", "has no severity", "Routes of Alertmanager choose by severity: it goes to the default receiver, which may be nobody.",
         "Add labels: {severity: …}.",
         _alert(_GOOD, "for: 5m, annotations: {summary: many errors}"), _alert(_GOOD)),
    Rule("alert-without-words", "note", "does not say what it means", "Who is woken sees a name and a number.",
         "Add annotations with a summary, and a runbook_url.",
         _alert(_GOOD, "for: 5m, labels: {severity: critical}"), _alert(_GOOD)),
    Rule("prometheus-rule-shape", "error", "has a rule that cannot be", _REFUSED,
         "Each rule is an alert or a record with an expr; groups have names of their own; durations are written 5m.",
         _alert(_GOOD, "record: 'job:errors:rate5m'"), _alert(_GOOD)),
    Rule("monitor-endpoints-missing", "warning", "watches nothing", "Without endpoints nothing is scraped, and nothing says so.",
         "Add an endpoint with the port's name.",
         manifest("monitoring.coreos.com/v1", "ServiceMonitor", "spec: {selector: {matchLabels: {app: api}}, endpoints: []}"), _monitor("{port: metrics}")),
    Rule("monitor-port", "error", "names its port in a way that cannot be", "The operator refuses the object, or no target is found: port is the name of a port, targetPort its number.",
         "Give port as the name of the Service's port.",
         _monitor("{port: 9090}"), _monitor("{port: metrics}")),
    Rule("monitor-timeout", "error", "waits longer for a scrape than the time between two", "Prometheus refuses its whole configuration: new targets of all teams are not taken up.",
         "Let scrapeTimeout be at most interval.",
         _monitor("{port: metrics, interval: 10s, scrapeTimeout: 30s}"), _monitor("{port: metrics, interval: 30s, scrapeTimeout: 10s}")),
    Rule("monitor-interval", "note", "is scraped every few seconds", "Each series costs in proportion: fifteen seconds are enough for alerts of minutes.",
         "Use 15s or more.",
         _monitor("{port: metrics, interval: 1s}"), _monitor("{port: metrics, interval: 30s}")),
    Rule("monitor-selects-all", "warning", "watches every Service of its namespaces", "Services without metrics become targets that are down for ever, and their alerts with them.",
         "Select by a label.",
         manifest("monitoring.coreos.com/v1", "ServiceMonitor", "spec: {selector: {}, endpoints: [{port: metrics}]}"), _monitor("{port: metrics}")),
)  # fmt: skip

_ERRORS = pattern(r"error|fail|5xx", re.IGNORECASE)
_DURATION = pattern(r"(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?")
_RECORD = pattern(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@check("PrometheusRule", rules=RULES[:10])
def queries(world: World, obj: Obj) -> Iterator[Finding]:
    """The queries of alerts and recording rules."""
    for at, rule in _rules(obj):
        expr = rule.get("expr")
        if not isinstance(expr, str) or not expr.strip():
            continue
        for slip in promql.slips(expr, bool(text(rule, "alert"))):
            yield tell(world, slip.rule, obj, (*at, "expr"), slip.says, who=_name(rule))


def _rules(obj: Obj) -> Iterator[tuple[Path, Obj]]:
    for place, group in enumerate(items(obj, "spec", "groups")):
        for nth, rule in enumerate(items(group, "rules")):
            yield ("spec", "groups", place, "rules", nth), rule


def _name(rule: Obj) -> str:
    return f"alert {rule['alert']}" if "alert" in rule else f"record {rule.get('record', 'without a name')}"


@check("PrometheusRule", rules=RULES[10:16])
def alerts(world: World, obj: Obj) -> Iterator[Finding]:
    """Alerts as somebody will get them."""
    names = Counter(text(group, "name") for group in items(obj, "spec", "groups"))
    for name, times in names.items():
        if times > 1 or not name:
            yield tell(
                world,
                "prometheus-rule-shape",
                obj,
                ("spec", "groups"),
                f"group {name or 'without a name'}" + (f", {times} times" if times > 1 else ""),
            )
    for at, rule in _rules(obj):
        who, expr = _name(rule), rule.get("expr")
        wrong = _misshapen(rule)
        if wrong:
            yield tell(world, "prometheus-rule-shape", obj, at, wrong, who=who)
        if "alert" not in rule or wrong:
            continue
        if not has(rule, "for") and not _decides_itself(str(expr)):
            yield tell(world, "alert-without-for", obj, (*at, "for"), "for: not set", who=who)
        if "severity" not in mapping(rule, "labels"):
            yield tell(world, "alert-without-severity", obj, (*at, "labels"), "labels.severity: not set", who=who)
        if not mapping(rule, "annotations"):
            yield tell(world, "alert-without-words", obj, (*at, "annotations"), "annotations: none", who=who)
        yield from _meaning(world, obj, at, rule)


def _misshapen(rule: Obj) -> str:
    if ("alert" in rule) == ("record" in rule):
        return "alert and record" if "alert" in rule else "neither alert nor record"
    if not isinstance(rule.get("expr"), (str, int)) or rule["expr"] == "":
        return "expr: not set"
    if "record" in rule and not _RECORD.fullmatch(text(rule, "record")):
        return f"record: {brief(rule['record'])}"
    for field in ("for", "keep_firing_for"):
        given = rule.get(field)
        if given is not None and given != "0" and (not isinstance(given, str) or not given or not _DURATION.fullmatch(given)):
            return f"{field}: {brief(given)}"
    return ""


def _decides_itself(expr: str) -> bool:
    """Whether a query looks back over a time already, or waits by its own words."""
    return "_over_time(" in expr or "vector(" in expr or "increase(" in expr


def _meaning(world: World, obj: Obj, at: Path, rule: Obj) -> Iterator[Finding]:
    expr, name = text(rule, "expr"), text(rule, "alert")
    tree = promql.parsed(expr)
    if tree is None:
        return
    if not promql.compares(tree) and any(_rates(node) for node in promql.every(tree)):
        yield tell(world, "alert-always", obj, (*at, "expr"), brief(expr), who=_name(rule))
    top = promql.bare(tree)
    if promql.is_comparison(top) and _ERRORS.search(name) and "rate" in name.lower() and not promql.divides(tree):
        bound = promql.bare(top.rhs)
        if (
            type(bound).__name__ == "NumberLiteral"
            and 0 < float(bound.val) < 1
            and any(
                promql.matchers(each).keys() & {"status", "code", "status_code", "response_code"}
                for each in promql.selectors(tree)
            )
        ):
            yield tell(world, "alert-rate-of-errors", obj, (*at, "expr"), brief(expr), who=_name(rule))


def _rates(node: Any) -> bool:
    """Whether a part of a query measures: a rate or a quantile is never just `there`, as a state of kube-state-metrics is."""
    return type(node).__name__ == "Call" and str(node.func.name) in (*promql.RATES, "histogram_quantile")


@check("ServiceMonitor", "PodMonitor", rules=RULES[16:])
def monitors(world: World, obj: Obj) -> Iterator[Finding]:
    """A monitor by itself; whether its ports exist is for the rules of ports."""
    spec = mapping(obj, "spec")
    field = "endpoints" if obj.get("kind") == "ServiceMonitor" else "podMetricsEndpoints"
    endpoints = items(spec, field)
    if not endpoints:
        yield tell(world, "monitor-endpoints-missing", obj, ("spec", field), f"{field}: none")
    for place, each in enumerate(endpoints):
        at: Path = ("spec", field, place)
        port = each.get("port")
        if port is not None and not isinstance(port, str):
            yield tell(world, "monitor-port", obj, (*at, "port"), f"port: {port}, which is a number")
        elif port is None and field == "endpoints" and not has(each, "targetPort"):
            yield tell(world, "monitor-port", obj, at, "port: not set")
        every, wait = seconds(each.get("interval")), seconds(each.get("scrapeTimeout"))
        if every is not None and wait is not None and wait > every > 0:
            yield tell(
                world,
                "monitor-timeout",
                obj,
                (*at, "scrapeTimeout"),
                f"interval: {each['interval']}, scrapeTimeout: {each['scrapeTimeout']}",
            )
        if every is not None and 0 < every < 5:
            yield tell(world, "monitor-interval", obj, (*at, "interval"), f"interval: {each['interval']}")
    selector = spec.get("selector")
    if (
        isinstance(selector, dict)
        and not selector
        and number(spec, "sampleLimit") == 0
        and value(spec, "selectorMechanism") is None
    ):
        yield tell(world, "monitor-selects-all", obj, ("spec", "selector"), "selector: {}")
