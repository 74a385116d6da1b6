# ruff: noqa: E501 - what clusters say is one line
"""What a preflight is asked about when one of its rules speaks, and when not: shown in the rules' page, and run as their tests.

Nothing here is loaded for a release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.rules.written.examples import container, manifest, together

#: Seconds since 1970 at which the examples are asked.
NOW = 1767323045.0


@dataclass(frozen=True, slots=True)
class Side:
    """`wanted` are the objects of the release, `live` those of its objects that are there, `cluster` what else the cluster has,
    each as YAML; `said` is what no object says, in words, and `asked` the same as the fields of a `Target`.
    """

    wanted: str
    live: str = ""
    cluster: str = ""
    said: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    wrong: Side
    right: Side


def _deployment(fields: str = "", *, replicas: int | None = 3, spec: str = "", pod: str = "") -> str:
    return container(fields, spec=f"replicas: {replicas}\n{spec}" if replicas is not None else spec, pod=pod)


def _quota(hard: str, used: str) -> str:
    return manifest(
        "v1",
        "ResourceQuota",
        f'spec:\n  hard: {{limits.cpu: "{hard}"}}\nstatus:\n  hard: {{limits.cpu: "{hard}"}}\n  used: {{limits.cpu: "{used}"}}',
        name="team",
    )


def _namespace(meta: str = "") -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n{meta}"


def _node(cpu: str) -> str:
    size = f'{{cpu: "{cpu}", memory: 16Gi, pods: "110"}}'
    return manifest("v1", "Node", f"status:\n  allocatable: {size}", name="node-1", namespace="")


def _hook(name: str, kind: str, body: str, weight: int) -> str:
    head = f'apiVersion: {"batch/v1" if kind == "Job" else "v1"}\nkind: {kind}\nmetadata:\n  name: {name}\n  annotations: {{helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "{weight}"}}\n'
    return head + body


def _service(ports: str) -> str:
    return manifest("v1", "Service", f"spec:\n  selector: {{app: api}}\n  ports: [{ports}]")


def _status(ready: int) -> str:
    return f"status: {{observedGeneration: 1, replicas: 3, updatedReplicas: 3, readyReplicas: {ready}, availableReplicas: {ready}}}\n"


def _selected(labels: str) -> str:
    return _deployment().replace("    matchLabels: {app: api}", f"    matchLabels: {{{labels}}}")


_CPU = 'resources:\n  limits: {cpu: "1"}'
_MEMORY = "resources:\n  limits: {memory: %s}"
_HPA = manifest(
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    "spec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}\n  minReplicas: 3\n  maxReplicas: %d",
)
_RANGE = manifest("v1", "LimitRange", "spec:\n  limits:\n    - {type: Container, max: {memory: 1Gi}}", name="team")
_RESTRICTED = _namespace("  labels: {pod-security.kubernetes.io/enforce: restricted}\n")
_SECURE = "securityContext:\n  allowPrivilegeEscalation: false\n  runAsNonRoot: true\n  capabilities: {drop: [ALL]}\n  seccompProfile: {type: RuntimeDefault}"
_BUDGET = "spec:\n  maxUnavailable: 1\n  selector:\n    matchLabels: {app: api}"
_SETTINGS = manifest("v1", "ConfigMap", "data: {LOG_LEVEL: info}", name="settings")
_FROM = "envFrom:\n  - configMapRef: {name: settings}"
_KEY = "env:\n  - name: LOG_LEVEL\n    valueFrom: {configMapKeyRef: {name: settings, key: %s}}"
_MIGRATE = _hook(
    "migrate",
    "Job",
    "spec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - name: migrate\n          image: registry.example/api:1.4.2\n          envFrom:\n            - configMapRef: {name: settings}\n",
    0,
)
_WEBHOOK = manifest(
    "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration",
    "webhooks:\n  - name: signed.images.example\n    failurePolicy: Fail\n    clientConfig: {service: {name: images, namespace: policy}}\n    rules:\n      - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}",
    name="images", namespace="",
)  # fmt: skip
_SLOW = "startupProbe:\n  httpGet: {path: /healthz, port: 8080}\n  periodSeconds: 10\n  failureThreshold: 60"
_ENDPOINTS = manifest("v1", "Endpoints", "subsets:\n  - addresses: [{ip: 10.0.0.7}]\n    ports: [{port: 5432}]", name="db")
_SLICE = manifest(
    "discovery.k8s.io/v1",
    "EndpointSlice",
    "addressType: IPv4\nendpoints:\n  - addresses: [10.0.0.7]\nports:\n  - {port: 5432}",
    name="db",
)
_OTHERS = "annotations: {meta.helm.sh/release-name: other, meta.helm.sh/release-namespace: shop}"
_OURS = "labels: {app.kubernetes.io/managed-by: Helm}\n  annotations: {meta.helm.sh/release-name: shop, meta.helm.sh/release-namespace: shop}"
_LEASE = manifest(
    "coordination.k8s.io/v1", "Lease",
    'spec: {holderIdentity: anna@ci-1, leaseDurationSeconds: 20, acquireTime: "2026-01-02T02:59:05.000000Z", renewTime: "%s"}',
    name="seatrial-shop\n  annotations: {seatrial.dev/owner: anna, seatrial.dev/host: ci, seatrial.dev/phase: watch}",
)  # fmt: skip
_RECORD = manifest(
    "v1",
    "Secret",
    "type: helm.sh/release.v1",
    name="sh.helm.release.v1.%s.v3\n  labels: {owner: helm, name: %s, version: '3', status: %s}",
)

EXAMPLES = {
    "quota-exceeded": Example(
        Side(_deployment(_CPU), cluster=_quota("4", "2")), Side(_deployment(_CPU), cluster=_quota("6", "2"))
    ),
    "quota-unstated": Example(Side(_deployment(), cluster=_quota("4", "0")), Side(_deployment(_CPU), cluster=_quota("4", "0"))),
    "quota-at-maximum": Example(
        Side(together(_deployment(_CPU), _HPA % 10), cluster=_quota("6", "0")),
        Side(together(_deployment(_CPU), _HPA % 5), cluster=_quota("6", "0")),
    ),
    "limit-range": Example(
        Side(_deployment(_MEMORY % "2Gi"), cluster=_RANGE), Side(_deployment(_MEMORY % "1Gi"), cluster=_RANGE)
    ),
    "pod-security": Example(Side(_deployment(), cluster=_RESTRICTED), Side(_deployment(_SECURE), cluster=_RESTRICTED)),
    "node-room": Example(
        Side(_deployment('resources:\n  requests: {cpu: "8"}'), cluster=_node("4")),
        Side(_deployment('resources:\n  requests: {cpu: "1"}'), cluster=_node("4")),
    ),
    "kind-not-served": Example(
        Side(manifest("policy/v1beta1", "PodDisruptionBudget", _BUDGET)), Side(manifest("policy/v1", "PodDisruptionBudget", _BUDGET))
    ),
    "api-deprecated": Example(Side(_ENDPOINTS), Side(_SLICE)),
    "not-permitted": Example(
        Side(_deployment(), said="A SelfSubjectAccessReview answers that we may not create deployments.", asked={"denied": ("create", "deployments")}),
        Side(_deployment()),
    ),
    "object-refused": Example(
        Side(_service(""), said='In a dry run the cluster says: Service "api" is invalid: spec.ports: Required value.', asked={"refused": 'Service "api" is invalid: spec.ports: Required value'}),
        Side(_service("{port: 80}")),
    ),
    "field-immutable": Example(
        Side(_selected("app: api, tier: backend"), live=_deployment()), Side(_deployment(), live=_deployment())
    ),
    "field-owned": Example(
        Side(_deployment(), live=_deployment(replicas=5), said="spec.replicas is managed by kube-controller-manager, which the HorizontalPodAutoscaler is part of.", asked={"owners": {"spec.replicas": "kube-controller-manager"}}),
        Side(_deployment(replicas=None), live=_deployment(replicas=5)),
    ),
    "not-ours": Example(
        Side(_SETTINGS, live=_SETTINGS.replace("  name: settings", f"  name: settings\n  {_OTHERS}"), said="No revision of the release has held it.", asked={"before": False}),
        Side(_SETTINGS, live=_SETTINGS.replace("  name: settings", f"  name: settings\n  {_OURS}"), asked={"before": False}),
    ),
    "webhook-down": Example(
        Side(_deployment(), cluster=_WEBHOOK, said="No endpoint of Service images in policy is ready.", asked={"endpoints": {("policy", "images"): False}}),
        Side(_deployment(), cluster=_WEBHOOK, said="An endpoint of Service images in policy is ready.", asked={"endpoints": {("policy", "images"): True}}),
    ),
    "reference-missing": Example(Side(_deployment(_FROM)), Side(together(_deployment(_FROM), _SETTINGS))),
    "reference-key-missing": Example(
        Side(together(_deployment(_KEY % "LOGLEVEL"), _SETTINGS)), Side(together(_deployment(_KEY % "LOG_LEVEL"), _SETTINGS))
    ),
    "hook-too-early": Example(
        Side(together(_MIGRATE, _SETTINGS)), Side(together(_MIGRATE, _hook("settings", "ConfigMap", "data: {LOG_LEVEL: info}\n", -5)))
    ),
    "image-latest": Example(Side(_deployment("image: registry.example/api:latest")), Side(_deployment())),
    "image-name": Example(Side(_deployment("image: registry.example/API:1.4.2")), Side(_deployment())),
    "release-pending": Example(
        Side(_SETTINGS, cluster=_RECORD % ("shop", "shop", "pending-upgrade"), asked={"last": "pending-upgrade"}),
        Side(_SETTINGS, cluster=_RECORD % ("shop", "shop", "deployed"), asked={"last": "deployed"}),
    ),
    "release-in-progress": Example(
        Side(_SETTINGS, cluster=_LEASE % "2026-01-02T03:04:00.000000Z", asked={"lock": True}),
        Side(_SETTINGS, cluster=_LEASE % "2026-01-02T03:01:00.000000Z", said="Its owner has not renewed it for three minutes: it is dead.", asked={"lock": True}),
    ),
    "neighbour-pending": Example(
        Side(_SETTINGS, cluster=_RECORD % ("web", "web", "pending-upgrade"), asked={"pending": True}),
        Side(_SETTINGS, cluster=_RECORD % ("web", "web", "deployed")),
    ),
    "not-well-now": Example(
        Side(_deployment(), live=_deployment() + _status(1)), Side(_deployment(), live=_deployment() + _status(3))
    ),
    "namespace-going": Example(
        Side(_SETTINGS, cluster=_namespace('  deletionTimestamp: "2026-01-02T03:00:00Z"\n')), Side(_SETTINGS, cluster=_namespace())
    ),
    "deadline-short": Example(Side(_deployment(_SLOW)), Side(_deployment(_SLOW, spec="progressDeadlineSeconds: 900"))),
}  # fmt: skip

_MIGRATION = manifest(
    "batch/v1",
    "Job",
    "spec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - {name: migrate, image: 'registry.example/api:1.5.0', command: [alembic, upgrade, head]}",
    name="db-migrate",
)
_AT_HOME = {"images": ("registry.example/api:1.4.2",)}

#: Of a return: `wanted` is the manifest of the revision that is returned to, `live` that of the present one.
RETURNS = {
    "rollback-failed": Example(
        Side(_deployment(), said="Helm's revision 1 is failed.", asked=_AT_HOME | {"status": "failed"}),
        Side(_deployment(), said="Helm's revision 1 is superseded.", asked=_AT_HOME),
    ),
    "rollback-missing": Example(Side(_deployment(_FROM), asked=_AT_HOME), Side(_deployment(_FROM), cluster=_SETTINGS, asked=_AT_HOME)),
    "rollback-image": Example(
        Side(_deployment(), said="No node says that it has registry.example/api:1.4.2.", asked={"images": ()}),
        Side(_deployment(), said="A node says that it has registry.example/api:1.4.2.", asked=_AT_HOME),
    ),
    "rollback-migration": Example(
        Side(_deployment(), live=together(_deployment("image: registry.example/api:1.5.0"), _MIGRATION), said="Revision 1 is returned to; the migration came with revision 3.", asked=_AT_HOME),
        Side(_deployment(), live=_deployment("image: registry.example/api:1.5.0"), asked=_AT_HOME),
    ),
}  # fmt: skip
