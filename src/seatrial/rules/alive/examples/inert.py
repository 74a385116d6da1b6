# ruff: noqa: E501 - objects on one line
"""Objects that do nothing and say nothing, rules of Prometheus that fail among them; one example each."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import UP, Example, pod, stream, thing

_NODE = 'status:\n  conditions: [{type: Ready, status: "True"}]'


def _cron(suspend: str) -> str:
    return thing(
        "batch/v1",
        "CronJob",
        "report",
        f'spec:\n  schedule: "0 6 * * *"\n  suspend: {suspend}\n  jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never}}}}}}}}',
    )


def _deployment(paused: str, updated: int) -> str:
    body = f"spec:\n  replicas: 2\n  paused: {paused}\n  selector: {{matchLabels: {{app: api}}}}\n  template: {{metadata: {{labels: {{app: api}}}}}}"
    return thing("apps/v1", "Deployment", "api", f"{body}\nstatus: {{replicas: 2, updatedReplicas: {updated}}}")


def _set(label: str, wanted: int) -> str:
    body = f"spec:\n  selector: {{matchLabels: {{app: agent}}}}\n  template: {{metadata: {{labels: {{app: agent}}}}, spec: {{nodeSelector: {{disk: {label}}}}}}}"
    numbers = f"currentNumberScheduled: {wanted}, numberMisscheduled: 0, desiredNumberScheduled: {wanted}, numberReady: {wanted}"
    return thing("apps/v1", "DaemonSet", "agent", f"{body}\nstatus: {{{numbers}, observedGeneration: 1}}")


def _budget(app: str) -> str:
    return thing(
        "policy/v1", "PodDisruptionBudget", "api", f"spec:\n  maxUnavailable: 1\n  selector: {{matchLabels: {{app: {app}}}}}"
    )


def _hook(policy: str) -> str:
    return thing(
        "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "guard",
        f"webhooks:\n  - name: guard.example.com\n    admissionReviewVersions: [v1]\n    sideEffects: None\n    failurePolicy: {policy}\n"
        "    clientConfig: {service: {name: guard, namespace: shop, path: /check}}\n"
        '    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]',
        namespace="",
    )  # fmt: skip


_STATEFUL = thing(
    "apps/v1",
    "StatefulSet",
    "db",
    "spec:\n  serviceName: %s\n  selector: {matchLabels: {app: db}}\n  template: {metadata: {labels: {app: db}}}",
)
_HEADLESS = thing("v1", "Service", "db", "spec:\n  clusterIP: None\n  ports: [{port: 5432}]")
_WORKER = thing("v1", "Node", "node-1", _NODE, namespace="", meta="labels: {disk: ssd}")

_RSS = 'container_memory_rss{container="api"}'
_ALERT = thing(
    "monitoring.coreos.com/v1", "PrometheusRule", "api",
    f"spec:\n  groups:\n    - name: api\n      rules:\n        - alert: Memory\n          expr: '{_RSS} / on (namespace) group_left () %s > 0.9'",
)  # fmt: skip

EXAMPLES = {
    "alert-refused": Example(_ALERT % _RSS, _ALERT % f"sum by (namespace) ({_RSS})"),
    "inert-cronjob": Example(_cron("true"), _cron("false")),
    "inert-paused": Example(_deployment("true", 0), _deployment("false", 2)),
    "inert-daemonset": Example(stream(_WORKER, _set("sdd", 0)), stream(_WORKER, _set("ssd", 1))),
    "inert-scheduler": Example(
        pod(phase="Pending", node="", spec="schedulerName: packing"), pod(phase="Pending", node="", spec="schedulerName: default-scheduler")
    ),
    "inert-budget": Example(stream(UP, _budget("apis")), stream(UP, _budget("api"))),
    "inert-headless": Example(stream(_HEADLESS, _STATEFUL % "db-headless"), stream(_HEADLESS, _STATEFUL % "db")),
    "inert-webhook": Example(stream(UP, _hook("Fail")), stream(UP, _hook("Ignore"))),
}  # fmt: skip
