"""When somebody must look: a PrometheusRule for each service and store, where the Prometheus operator runs.

Objectives are watched as the SRE workbook has it (chapter "Alerting on SLOs"): an alert fires when the budget of errors burns
too fast over a long and a short window at once, 14.4 and 6 times for a page, 3 times and once for a ticket.  Shares are ratios
of sums.  A window with so few requests that three failures would be enough says nothing, and is not asked.  Rates of five
minutes are recorded; the long windows add those up, which costs one series each and not one for every pod and path.

A latency objective needs a histogram with a bucket that ends there; which buckets there are is the team's matter, and an alert
says so when the one that is needed is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import ceil

from seatrial.app.model import Metrics, Service
from seatrial.render import database_alerts, gateway, runtime_alerts
from seatrial.render.scope import COMPONENT, NAME, SERVICE, STORE, Scope
from seatrial.render.telemetry import API, INTERVAL, meta, monitored, target
from seatrial.world.objects import Obj

#: Long window, its hours, short window, how many times faster than sustainable, severity.
BURN_RATES = (
    ("1h", 1, "5m", 14.4, "critical"),
    ("6h", 6, "30m", 6.0, "critical"),
    ("1d", 24, "2h", 3.0, "warning"),
    ("3d", 72, "6h", 1.0, "warning"),
)
#: Seconds between two recorded values.
STEP = int(INTERVAL.removesuffix("s"))
#: Failures that a window must have room for before its share is believed.
FEW = 3
#: How what to do begins, in alerts whose series say where they are; those of an operator may say where it is itself.
KUBECTL = "kubectl -n {{ $labels.namespace }}"
KUBECTL_EXPORTED = "kubectl -n {{ or $labels.exported_namespace $labels.namespace }}"


def service_rules(scope: Scope, name: str) -> Obj | None:
    """The rules of a service."""
    if not monitored(scope):
        return None
    service = scope.app.services[name]
    groups: list[Obj] = []
    if service.metrics:
        groups.append({"name": f"{name}-requests", "interval": INTERVAL, "rules": list(_recorded(scope, name, service))})
        groups.append({"name": f"{name}-objectives", "rules": list(_objectives(scope, name, service))})
    groups.append(
        {
            "name": f"{name}-pods",
            "rules": [*_pods(scope, name, service), *runtime_alerts.alerts(scope, name, service), *_jobs(scope, name, service)],
        }
    )
    spec = {"groups": groups}
    return {"apiVersion": API, "kind": "PrometheusRule", "metadata": meta(scope, name, name, SERVICE), "spec": spec}


def store_rules(scope: Scope, name: str) -> Obj | None:
    """The rules of a store that runs here."""
    store = scope.app.stores[name]
    if not monitored(scope) or store.host:
        return None
    spec = {
        "groups": [
            {"name": f"{name}-store", "rules": [*_store(scope, name, bool(store.storage)), *database_alerts.alerts(scope, name)]}
        ]
    }
    return {"apiVersion": API, "kind": "PrometheusRule", "metadata": meta(scope, name, name, STORE), "spec": spec}


def _alert(title: str, expr: str, wait: str, severity: str, summary: str, description: str, runbook: str, **labels: str) -> Obj:
    return {
        "alert": title,
        "expr": expr,
        "for": wait,
        "labels": {"severity": severity, **labels},
        "annotations": {"summary": summary, "description": description, "runbook": runbook},
    }


def number(value: float) -> str:
    """A number as PromQL and people write it: 0.0144, 0.3, 100."""
    return f"{value:.10f}".rstrip("0").rstrip(".")


def _chosen(name: str) -> str:
    """What selects the pods of a service, whether a Deployment or a Rollout made them."""
    return f"{NAME}={name},{COMPONENT}={SERVICE}"


# -- requests ------------------------------------------------------------------------------------------------------------


def _recorded(scope: Scope, name: str, service: Service) -> Iterator[Obj]:
    """Requests, failures and slow answers a second. Failures are there, as 0, whenever requests are."""
    metrics, at = service.metrics or Metrics(), target(scope, name)
    counter, status = metrics.requests or "http_requests_total", metrics.status or "status"
    histogram = metrics.latency or "http_request_duration_seconds"
    by, requests = "sum by (namespace, job)", f"service:requests:rate5m{{{at}}}"
    yield {"record": "service:requests:rate5m", "expr": f"{by} (rate({counter}{{{at}}}[5m]))"}
    failed = f'{by} (rate({counter}{{{at},{status}=~"5.."}}[5m]))'
    yield {"record": "service:requests_failed:rate5m", "expr": f"{failed} or 0 * {requests}"}
    buckets = f"sum by (namespace, job, le) (rate({histogram}_bucket{{{at}}}[5m]))"
    yield {"record": "service:latency_bucket:rate5m", "expr": buckets}
    if service.slo and service.slo.latency:
        every = f"{by} (rate({histogram}_count{{{at}}}[5m]))"
        quick = f"{by} (rate({histogram}_bucket{{{at},{bucket(service.slo.latency)}}}[5m]))"
        yield {"record": "service:latency_count:rate5m", "expr": every}
        yield {"record": "service:requests_slow:rate5m", "expr": f"{every} - {quick}"}


def bucket(seconds: float) -> str:
    """The matcher of the bucket that ends at so many seconds; clients write whole ones as `1` or as `1.0`."""
    text = number(seconds)
    return f'le="{text}"' if "." in text else f'le=~"{text}([.]0)?"'


def _objectives(scope: Scope, name: str, service: Service) -> Iterator[Obj]:
    metrics, slo, at = service.metrics or Metrics(), service.slo, target(scope, name)
    counter = metrics.requests or "http_requests_total"
    if slo is None:
        share = f"service:requests_failed:rate5m{{{at}}} / service:requests:rate5m{{{at}}} > 0.05"
        enough = f"sum_over_time(service:requests:rate5m{{{at}}}[10m]) * {STEP} >= 60"
        yield _alert(
            "RequestsFail",
            f"{share}\nand {enough}",
            "5m",
            "critical",
            f"{name} fails requests",
            f"{{{{ $value | humanizePercentage }}}} of the requests to {name} failed with 5xx over five minutes.",
            f"{KUBECTL} logs -l {_chosen(name)} --since=10m; was there a release?",
        )
    else:
        kept = slo.availability or 99.9
        yield from _burn(
            scope, name, "Errors", "service:requests_failed:rate5m", "service:requests:rate5m", kept, "fail with 5xx"
        )
    if slo and slo.latency:
        kept, limit = slo.percentile or 99.0, number(slo.latency)
        slow, every = "service:requests_slow:rate5m", "service:latency_count:rate5m"
        yield from _burn(scope, name, "Latency", slow, every, kept, f"take longer than {limit} s")
        histogram = metrics.latency or "http_request_duration_seconds"
        absent = f"absent({histogram}_bucket{{{at},{bucket(slo.latency)}}})\nand on () count(up{{{at}}} == 1) > 0"
        yield _alert(
            "LatencyUnmeasured",
            absent,
            "30m",
            "warning",
            f"the latency objective of {name} cannot be measured",
            f"{{{{ $value }}}} targets of {name} lack it: {histogram} has no bucket that ends at {limit} s.",
            f"add {limit} to the buckets of {histogram} in {name}, or set the objective to a bucket that is there",
        )
    yield _alert(
        "RequestsUnmeasured",
        f"absent({counter}{{{at}}})\nand on () count(up{{{at}}} == 1) > 0",
        "30m",
        "warning",
        f"nothing is known of the requests to {name}",
        f"{name} answers Prometheus, and in {{{{ $value }}}} of its targets there is no {counter}.",
        "say in the app file what the counter is called: `metrics: {requests: …}`",
    )
    yield _alert(
        "TargetsAbsent",
        f"absent(up{{{at}}} == 1)",
        "5m",
        "critical",
        f"Prometheus reaches no pod of {name}",
        f"{{{{ $value }}}} service without a target that is up: {name} is down, or its metrics are out of reach.",
        f"kubectl -n {scope.app.namespace} get pods,endpointslices,networkpolicies -l app.kubernetes.io/name={name}",
    )


def _burn(scope: Scope, name: str, what: str, bad: str, every: str, kept: float, words: str) -> Iterator[Obj]:
    """The four alerts of one objective. A budget so large that no share of failures could burn it so fast has fewer."""
    budget, at = (100 - kept) / 100, target(scope, name)
    for long, hours, short, factor, severity in BURN_RATES:
        threshold = round(budget * factor, 10)
        if threshold >= 1:
            continue
        least = ceil(round(FEW / threshold, 6))
        ratio = f"sum_over_time({bad}{{{at}}}[%s]) / (sum_over_time({every}{{{at}}}[%s]) > 0) > {number(threshold)}"
        expr = f"{ratio % (long, long)}\nand {ratio % (short, short)}"
        expr += f"\nand sum_over_time({every}{{{at}}}[{long}]) * {STEP} >= {least}"
        yield _alert(
            f"{what}BurnBudget",
            expr,
            "2m",
            severity,
            f"{name} uses up its {what.lower()} budget{f' {number(factor)} times too fast' if factor > 1 else ''}",
            f"{{{{ $value | humanizePercentage }}}} of the requests to {name} {words}, over {long}; "
            f"{number(round(100 - kept, 6))}% over 30 days were promised.",
            f"{KUBECTL} logs -l {_chosen(name)} --since={hours}h; was there a release?",
            window=long,
        )


# -- pods ----------------------------------------------------------------------------------------------------------------


def _pods(scope: Scope, name: str, service: Service) -> Iterator[Obj]:
    namespace = f'namespace="{scope.app.namespace}"'
    # one dash between the hashes: the pods of `api-gateway`, and of the jobs of `api`, are none of those of `api`
    pods = f'{namespace},pod=~"{name}-[a-z0-9]+-[a-z0-9]+"'
    main = f'{pods},container="{name}"'
    describe = f"{KUBECTL} describe pod {{{{ $labels.pod }}}}"
    reasons = "CrashLoopBackOff|ImagePullBackOff|ErrImagePull|InvalidImageName|CreateContainerConfigError|CreateContainerError"
    yield _alert(
        "PodsCannotStart",
        f'max_over_time(kube_pod_container_status_waiting_reason{{{pods},reason=~"{reasons}"}}[5m]) >= 1',
        "5m",
        "critical",
        f"a pod of {name} does not start",
        "{{ $labels.pod }} waits with {{ $labels.reason }} ({{ $value }} container).",
        f"{KUBECTL} logs {{{{ $labels.pod }}}} --previous; {describe}",
    )
    restarts = f"increase(kube_pod_container_status_restarts_total{{{main}}}"
    yield _alert(
        "PodsRestart",
        f"{restarts}[1h]) > 3",
        "0m",
        "warning",
        f"a pod of {name} starts again and again",
        "{{ $labels.pod }} was started {{ $value | humanize }} times in an hour.",
        f"{KUBECTL} logs {{{{ $labels.pod }}}} --previous",
    )
    killed = f'kube_pod_container_status_last_terminated_reason{{{main},reason="OOMKilled"}}'
    yield _alert(
        "OutOfMemory",
        f"{restarts}[10m]) > 0\nand on (namespace, pod, container) {killed} == 1",
        "0m",
        "warning",
        f"{name} ran out of memory",
        "{{ $labels.pod }} was killed at its memory limit, {{ $value | humanize }} times in ten minutes.",
        f"give {name} a larger `size`, or find what it keeps",
    )
    used, limit = (
        f"container_memory_working_set_bytes{{{main}}}",
        f'kube_pod_container_resource_limits{{{main},resource="memory"}}',
    )
    by = "max by (namespace, pod, container)"
    yield _alert(
        "MemoryNearLimit",
        f"{by} ({used})\n/ {by} ({limit}) > 0.9",
        "10m",
        "warning",
        f"{name} is near its memory limit",
        "{{ $labels.pod }} uses {{ $value | humanizePercentage }} of its memory limit.",
        f"{KUBECTL} top pod --containers; at 100% it is killed",
    )
    if scope.app.profile(name).limits.cpu:
        summed = "sum by (namespace, pod, container)"
        throttled = f"increase(container_cpu_cfs_throttled_periods_total{{{main}}}[5m])"
        yield _alert(
            "CpuThrottled",
            f"{summed} ({throttled})\n/ {summed} (increase(container_cpu_cfs_periods_total{{{main}}}[5m])) > 0.25",
            "15m",
            "warning",
            f"{name} is slowed down by its CPU limit",
            "{{ $labels.pod }} had to wait in {{ $value | humanizePercentage }} of its CPU periods.",
            f"raise or remove the CPU limit in the `size` of {name}",
        )
    yield _alert(
        "PodsUnschedulable",
        f"sum by (namespace) (kube_pod_status_unschedulable{{{pods}}}) > 0",
        "10m",
        "warning",
        f"no node takes a pod of {name}",
        f"{{{{ $value }}}} pods of {name} find no node.",
        f"{KUBECTL} get events --field-selector reason=FailedScheduling",
    )
    yield _stuck(scope, name, service)
    if service.scale and (service.scale.max or 1) > (service.scale.min or 1):
        yield from _scaling(scope, name)


def _stuck(scope: Scope, name: str, service: Service) -> Obj:
    """A release that does not get on. Argo's own series may carry our namespace as `exported_namespace`."""
    namespace = f'namespace="{scope.app.namespace}"'
    if service.canary and scope.app.platform.rollouts == "argo-rollouts":
        kind, phase = "rollout", f'name="{name}",phase=~"Degraded|Error|InvalidSpec|Timeout"'
        expr = f"rollout_info{{{namespace},{phase}}} == 1\nor rollout_info{{exported_{namespace},{phase}}} == 1"
        look = f"{KUBECTL_EXPORTED} describe rollout {name}; {KUBECTL_EXPORTED} get analysisruns"
    else:
        kind, at = "deployment", f'{namespace},deployment="{name}"'
        expr = f'kube_deployment_status_condition{{{at},condition="Progressing",status="false"}} == 1'
        expr += f"\nor kube_deployment_status_replicas_available{{{at}}} < kube_deployment_spec_replicas{{{at}}}"
        look = f"{KUBECTL} rollout status deploy/{name}; {KUBECTL} get pods -l app.kubernetes.io/name={name}"
    summary = f"the {kind} of {name} is stuck"
    return _alert(
        "RolloutStuck", expr, "15m", "critical", summary, f"{summary}: its state is {{{{ $value }}}} since 15 minutes.", look
    )


def _scaling(scope: Scope, name: str) -> Iterator[Obj]:
    at = f'namespace="{scope.app.namespace}",horizontalpodautoscaler="{name}"'  # KEDA's HPA has that name, too
    status, spec = "kube_horizontalpodautoscaler_status", "kube_horizontalpodautoscaler_spec"
    yield _alert(
        "AutoscalerAtMax",
        f"{status}_desired_replicas{{{at}}} >= {spec}_max_replicas{{{at}}}",
        "15m",
        "warning",
        f"{name} cannot grow any further",
        f"{name} has been at its most, {{{{ $value }}}} replicas, for 15 minutes.",
        f"raise `scale.max` of {name}, and see whether the quota has room",
    )
    yield _alert(
        "AutoscalerBlind",
        f'{status}_condition{{{at},condition="ScalingActive",status="false"}} == 1',
        "15m",
        "warning",
        f"the autoscaler of {name} sees nothing",
        "its metrics cannot be read ({{ $value }} autoscaler).",
        f"{KUBECTL} describe hpa {name}",
    )


def _jobs(scope: Scope, name: str, service: Service) -> Iterator[Obj]:
    namespace = f'namespace="{scope.app.namespace}"'
    jobs = [rf"{name}-migrate-[0-9a-f]+"] if service.migrate else []
    jobs += [rf"{name}-{title}-[0-9]+" for title in service.jobs or {}]
    if jobs:
        yield _alert(
            "JobFailed",
            f'kube_job_failed{{{namespace},job_name=~"{"|".join(jobs)}",condition="true"}} == 1',
            "0m",
            "warning",
            f"a job of {name} failed",
            "{{ $labels.job_name }} failed and is not tried again ({{ $value }} job).",
            f"{KUBECTL} logs job/{{{{ $labels.job_name }}}}",
        )
    for title in service.jobs or {}:
        yield _alert(
            "JobMissed",
            f'time() - kube_cronjob_next_schedule_time{{{namespace},cronjob="{name}-{title}"}} > 900',
            "5m",
            "warning",
            f"{name}-{title} was not started",
            f"{name}-{title} was due {{{{ $value | humanizeDuration }}}} ago.",
            f"{KUBECTL} describe cronjob {name}-{title}",
        )
    if certificate := gateway.certificate_of(scope, name):
        where, title = certificate
        left = (
            f'certmanager_certificate_expiration_timestamp_seconds{{%snamespace="{where}",name="{title}"}} - time() < 14 * 86400'
        )
        yield _alert(
            "CertificateExpires",
            f"{left % ''}\nor {left % 'exported_'}",
            "1h",
            "warning",
            f"the certificate of {name} runs out",
            f"{title} is good for another {{{{ $value | humanizeDuration }}}}, and was not renewed.",
            f"{KUBECTL_EXPORTED} describe certificate {title}",
        )


def _store(scope: Scope, name: str, keeps: bool) -> Iterator[Obj]:
    namespace = f'namespace="{scope.app.namespace}"'
    pods = f'{namespace},pod=~"{name}-[0-9]+"'
    yield _alert(
        "StoreDown",
        f'sum by (namespace) (kube_pod_status_ready{{{pods},condition="true"}}) < 1\nor absent(kube_pod_status_ready{{{pods}}})',
        "2m",
        "critical",
        f"{name} does not answer",
        f"{{{{ $value }}}} is what is left of {name}: no pod of it is ready.",
        f"{KUBECTL} describe pod -l app.kubernetes.io/name={name}",
    )
    yield _alert(
        "StoreRestarts",
        f"increase(kube_pod_container_status_restarts_total{{{pods}}}[1h]) > 1",
        "0m",
        "warning",
        f"{name} starts again and again",
        "{{ $labels.pod }} was started {{ $value | humanize }} times in an hour.",
        f"{KUBECTL} logs {{{{ $labels.pod }}}} --previous",
    )
    if not keeps:
        return
    claims = f'{namespace},persistentvolumeclaim=~"(data-)?{re.escape(name)}-[0-9]+(-wal)?"'
    free = f"kubelet_volume_stats_available_bytes{{{claims}}}\n/ kubelet_volume_stats_capacity_bytes{{{claims}}}"
    filling = f"predict_linear(kubelet_volume_stats_available_bytes{{{claims}}}[6h], 4 * 86400) < 0"
    for title, expr, severity in (
        ("VolumeFull", f"{free} < 0.05", "critical"),
        ("VolumeFills", f"{free} < 0.2\nand {filling}", "warning"),
    ):
        yield _alert(
            title,
            expr,
            "10m",
            severity,
            f"the volume of {name} {'is full' if severity == 'critical' else 'fills up'}",
            "{{ $labels.persistentvolumeclaim }} has {{ $value | humanizePercentage }} left.",
            f"raise `storage` of {name}; the storage class must allow expansion",
        )
