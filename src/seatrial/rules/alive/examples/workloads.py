# ruff: noqa: E501 - what controllers say is one line
"""Rollouts, jobs and analyses that have failed; autoscalers and budgets that are in the way."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import Example, ago, end, pod, quoted, stream, thing

_SPEC = "spec:\n  replicas: 2\n  progressDeadlineSeconds: 300\n  selector: {matchLabels: {app: api}}\n  template:\n    metadata: {labels: {app: api}}\n    spec:\n      containers:\n        - name: api\n          image: registry.example/api:1.4.2\n          readinessProbe: {httpGet: {path: /ready, port: 8080}}"


def _condition(kind: str, status: str, reason: str, message: str) -> str:
    return f'- {{type: {kind}, status: "{status}", reason: {reason}, message: {quoted(message)}, lastTransitionTime: {ago(120)}}}'


def _deployment(ready: int, *conditions: str, requests: str = "{cpu: 500m}") -> str:
    said = "\n    ".join(conditions)
    asked = f"\n          resources: {{requests: {requests}}}" if requests else ""
    return thing(
        "apps/v1",
        "Deployment",
        "api",
        f"{_SPEC}{asked}\nstatus:\n  replicas: 2\n  updatedReplicas: 2\n  readyReplicas: {ready}\n  conditions:\n    {said}",
        meta="uid: d-1",
    )


_PROGRESS = _condition(
    "Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "api-7d4b9c6f5" has timed out progressing.'
)
_DONE = _condition("Progressing", "True", "NewReplicaSetAvailable", 'ReplicaSet "api-7d4b9c6f5" has successfully progressed.')


def _job(spec: str, status: str) -> str:
    return thing(
        "batch/v1",
        "Job",
        "migrate",
        f"spec:\n  {spec}\n  template: {{spec: {{restartPolicy: Never, containers: [{{name: api, image: registry.example/api:1.4.2}}]}}}}\nstatus:\n  startTime: {ago(200)}\n{status}",
        meta="uid: j-1",
    )


def _jobs_pod(phase: str, state: str) -> str:
    owned = "ownerReferences: [{apiVersion: batch/v1, kind: Job, name: migrate, uid: j-1, controller: true}]"
    return pod(state=state, spec="restartPolicy: Never", phase=phase, name="migrate-6k2vx", meta=owned)


_OVER = _condition("Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods")
_LATE = _condition("Failed", "True", "DeadlineExceeded", "Job was active longer than specified deadline")
_BROKEN = _condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")


def _state(text: str) -> str:
    return f"containerStatuses:\n  - name: api\n    ready: false\n    restartCount: 0\n    state: {{{text}}}"


def _analysis(phase: str, value: str, message: str = "") -> str:
    said = f"\n  message: {quoted(message)}" if message else ""
    return thing(
        "argoproj.io/v1alpha1", "AnalysisRun", "api-7d4b9c6f5-2",
        "spec:\n  metrics:\n    - {name: success-rate, successCondition: 'result[0] >= 0.99', failureLimit: 1, interval: 1m, count: 5}\n"
        f"status:\n  phase: {phase}{said}\n  metricResults:\n    - name: success-rate\n      phase: {phase}\n      measurements: [{{phase: {phase}, value: '[{value}]'}}]",
    )  # fmt: skip


def _database(*conditions: str) -> str:
    said = "\n    ".join(conditions)
    return thing(
        "source.toolkit.fluxcd.io/v1",
        "OCIRepository",
        "api",
        f"spec: {{url: 'oci://registry.example/charts/api', interval: 5m, ref: {{tag: 1.4.2}}}}\nstatus:\n  conditions:\n    {said}",
    )


def _hpa(metric: str, *conditions: str, most: int = 10, now: str = "") -> str:
    said = "\n    ".join(conditions)
    return thing(
        "autoscaling/v2", "HorizontalPodAutoscaler", "api",
        f"spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: api}}\n  minReplicas: 2\n  maxReplicas: {most}\n  metrics:\n    - {{type: Resource, resource: {{name: {metric}, target: {{type: Utilization, averageUtilization: 70}}}}}}\n"
        f"status:\n  currentReplicas: 2\n  desiredReplicas: 2\n{now}  conditions:\n    {said}",
    )  # fmt: skip


_ABLE = _condition("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
_ACTIVE = _condition(
    "ScalingActive",
    "True",
    "ValidMetricFound",
    "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)",
)
_BLIND = _condition(
    "ScalingActive",
    "False",
    "FailedGetResourceMetric",
    "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)",
)
_UNSET = _condition(
    "ScalingActive",
    "False",
    "FailedGetResourceMetric",
    "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in container api of Pod api-7d4b9c6f5-x2kqp",
)
_GONE = _condition(
    "AbleToScale",
    "False",
    "FailedGetScale",
    'the HPA controller was unable to get the target\'s current scale: deployments.apps "api" not found',
)
_FULL = _condition(
    "ScalingLimited", "True", "TooManyReplicas", "the desired replica count is more than the maximum replica count"
)
_WITHIN = _condition("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range")
_WELL = _deployment(2, _DONE)


def _measured(percent: int) -> str:
    return f"  currentMetrics:\n    - {{type: Resource, resource: {{name: cpu, current: {{averageUtilization: {percent}, averageValue: {percent * 5}m}}}}}}\n"


def _budget(minimum: str, wanted: int, allowed: int) -> str:
    return thing(
        "policy/v1",
        "PodDisruptionBudget",
        "api",
        f"spec:\n  minAvailable: {minimum}\n  selector: {{matchLabels: {{app: api}}}}\nstatus: {{observedGeneration: 1, expectedPods: 2, currentHealthy: 2, desiredHealthy: {wanted}, disruptionsAllowed: {allowed}}}",
    )


EXAMPLES = {
    "deadline-exceeded": Example(_deployment(1, _PROGRESS), _WELL),
    "job-failed": Example(
        stream(_job("backoffLimit: 3", f"  failed: 4\n  conditions:\n    {_BROKEN}"), _jobs_pod("Failed", _state(end(1)))),
        stream(_job("backoffLimit: 3", f"  succeeded: 1\n  conditions:\n    {_OVER}"), _jobs_pod("Succeeded", _state(end(0)))),
        see=("Job", "Pod"),
        log="INFO applying 0042_orders\nERROR: column \"total\" of relation \"orders\" already exists",
    ),
    "job-deadline": Example(
        _job("activeDeadlineSeconds: 120", f"  failed: 1\n  conditions:\n    {_LATE}"),
        _job("activeDeadlineSeconds: 900", f"  succeeded: 1\n  conditions:\n    {_OVER}"),
    ),
    "analysis-failed": Example(
        _analysis("Failed", "0.94", 'Metric "success-rate" assessed Failed due to failed (2) > failureLimit (1)'), _analysis("Successful", "0.998")
    ),
    "condition-failed": Example(
        _database(_condition("Stalled", "True", "URLInvalid", "URL validation failed: registry.example/charts/api: invalid reference")),
        _database(_condition("Ready", "True", "Succeeded", "stored artifact for digest '1.4.2@sha256:3b1b3ac9'")),
    ),
    "hpa-no-metrics": Example(stream(_WELL, _hpa("cpu", _ABLE, _BLIND)), stream(_WELL, _hpa("cpu", _ABLE, _ACTIVE, _WITHIN, now=_measured(40)))),
    "hpa-no-request": Example(stream(_deployment(2, _DONE, requests=""), _hpa("cpu", _ABLE, _UNSET)), stream(_WELL, _hpa("cpu", _ABLE, _ACTIVE, _WITHIN, now=_measured(40)))),
    "hpa-target-missing": Example(_hpa("cpu", _GONE), stream(_WELL, _hpa("cpu", _ABLE, _ACTIVE, _WITHIN, now=_measured(40)))),
    "hpa-at-maximum": Example(
        stream(_WELL, _hpa("cpu", _ABLE, _ACTIVE, _FULL, most=2, now=_measured(180))),
        stream(_WELL, _hpa("cpu", _ABLE, _ACTIVE, _WITHIN, now=_measured(65))),
    ),
    "budget-allows-none": Example(stream(_WELL, _budget("2", 2, 0)), stream(_WELL, _budget("1", 1, 1))),
}  # fmt: skip
