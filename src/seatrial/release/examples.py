# ruff: noqa: E501 - what clusters say is one line
"""What a release is asked about when one of its rules speaks, and when not: shown in the rules' page, and run as their tests.

Nothing here is loaded for a release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.rules.written.examples import container, lines, manifest, together

#: Seconds since 1970 at which the examples are asked.
NOW = 1767323045.0


@dataclass(frozen=True, slots=True)
class Side:
    """`wanted` are the objects of the release, `live` those of its objects that are there, `cluster` what else the cluster has,
    each as YAML; `said` is what no object says, in words, and `asked` the same as the fields of a `Target`. `given` are the files
    that a release is given, by their names.
    """

    wanted: str = ""
    live: str = ""
    cluster: str = ""
    said: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)


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


def _sealed(value: str, mac: str, *keys: tuple[str, str]) -> str:
    """A secrets file as SOPS leaves it, for the age recipients of `keys`, each with the data key that is encrypted for it."""
    age = "".join(f"    - recipient: {recipient}\n      enc: |\n{lines(enc, 8)}\n" for recipient, enc in keys)
    return (
        f"secrets:\n  PAYMENTS_KEY: {value}\nsops:\n  age:\n{age}  lastmodified: '2026-01-02T03:00:00Z'\n  mac: {mac}\n"
        "  encrypted_regex: ^secrets$\n  mac_only_encrypted: true\n  version: 3.11.0\n"
    )


_CI, _OURS_AGE = (
    "age1smcc29zgclvw44kcr3xy6neyamufxmg5wch2xmqlcmsp8crf4p5sak3z26",
    "age103ajfg0uvp3w82r7d0sl24cpngexgkk2z9vld33tjt875ts3cpxq6avgt2",
)
_SCHEMA = """
{"type": "object",
 "properties": {"replicas": {"type": "integer", "minimum": 1}}}
"""
_HELM_SAYS = """values don't meet the specifications of the schema(s) in the following chart(s):
backend:
- at '/replicas': got string, want integer
"""

#: Of the files of a release, found before there is a plan. `asked` has what Helm says of them.
GIVEN = {
    "values-schema": Example(
        Side(given={"backend/values.schema.json": _SCHEMA, "production.yaml": 'replicas: "3"\n'}, asked={"helm": _HELM_SAYS}),
        Side(given={"backend/values.schema.json": _SCHEMA, "production.yaml": "replicas: 3\n"}, asked={"helm": ""}),
    ),
    "secrets-unreadable": Example(
        Side(said=f"The file is encrypted for CI alone; here is the key of {_OURS_AGE}.", given={"secrets.yaml": _sealed(
            "ENC[AES256_GCM,data:GKWuhLs=,iv:gltmeuFm1vWoqdiedc5muSb2+B9alHxYADnwq98ugz0=,tag:ZpxCzEuBslG0TzMXSS7ccg==,type:str]",
            "ENC[AES256_GCM,data:2PJ+FR6vY8HyIj/WH/Hbh4O8bXlhDR57cgUm3XwlNv6qTi7NVYF3BGpZBUiNco9FcySwkHe7x4ioQWIt75nFs08ROdA58JNbnjDe+4Yq5pFzKCVTyXc38gAh5FlYHeTKcdH5HHKTYvRQzOJfhE0ENfOGdtZ0UZ5/ze+SSKgOpNg=,iv:3fYRNReMM6GLqYDJD7r174JT3YBtcv+890tn4wAx9Os=,tag:wW4mIGdatYR9ukwrbcUWJA==,type:str]",
            (_CI, """
                -----BEGIN AGE ENCRYPTED FILE-----
                YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBhSFRCNnp5OFgzUVdZbFlX
                dzlWdjRJemNTeXo2dzN6RXVmUHpmeS9zM0IwCnlDQ01Pa09JNXlSZFgxTTlBVFZF
                M3lWU0J4S1pCQlNyUEFNOTRTVFl3am8KLT4gfDxHLWdyZWFzZSAua21JVigzbCBL
                IF5zUUwpCm5sTmZnTjN4Z1BrdUE2VjNWZ09YaTU3dUxQNUZkVFBnWUZRZGVkT1dT
                VkdTWTNsUXVhbjd3UklhWXhWRDQ4L0QKa0t6ZEduUnd3VnAyTGkwVHZ5M2xTSzVv
                TXlUdHdaSlY5VkwxYXdVYm1kWnVwbldxNXNrR0d0UkIwajgxd0JJcgp0QQotLS0g
                VTJFWm9EdS9Rek1tQkRXcSsvMnFVQ1M1aVRvN2VySVVqaFRXOUVlSXRXRQqzcY1P
                ghCfDtOPubRjRHNFU+vd4bwoG/vs3DZknpK7+Y0zz8KvL7OCvkQt7Hv4Yzkp31rz
                Ee53a3ODYnhmSOEQ
                -----END AGE ENCRYPTED FILE-----"""),
        )}),
        Side(said="After `sops updatekeys secrets.yaml`, by somebody who has one of the keys, with ours in `.sops.yaml`.", given={"secrets.yaml": _sealed(
            "ENC[AES256_GCM,data:PbAJQ0w=,iv:i475dRwNyThHYtdKYJUXHQQRk8+BReWzLnJ2WM7D+cU=,tag:Kl94qiab4yXvoimgfFLv+Q==,type:str]",
            "ENC[AES256_GCM,data:Q4oqbSN77nn1Yy0+/ss8Yv+h06d8s4/FFIHIUl79jWcpZxtPjOvgGfNBK+zOBo1rOlXY28x/OwjQGFOQcbNVlgt57/Nbwp2Y453uKtNT0LxLLngxLPGtIYLQjmdyt24GDQmqEFwqBqugFgSJqu2JUkYCAVNWdbfap+kD5LzMi4E=,iv:iNB8a1K6Wo8gsk/ReuOTFalzE/xxqqZ/rx2Asp8zCSA=,tag:kwv5lRjhkbqY2posblAtew==,type:str]",
            (_CI, """
                -----BEGIN AGE ENCRYPTED FILE-----
                YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBCVGJWLzVIdVdjczVqdlVD
                NnNKRllwbXpDR3B6cTdNNFhWc05yVEEzdHo4CkRnNE9Mc2krTERLMTI5QTVSSi9t
                L3IzQTFKd1FIZEp1SWpIWloyYlpnc3MKLT4gO2gmJnsrLWdyZWFzZSBwWzp4ajhB
                QyBMVG52L0U9IF9aIDkKZVhwaCthNkNTdwotLS0gYVh3MkQzWERWS2FRd2hGT3Vk
                Ty9zNXNGU1I2ZjZndDlySFRVcVhzVzJMZwr0CC09qZUumTaMKUTQJDZBVfmhf3oN
                096MQnjlkhSlGSVjLF6fbbXKbHerEnkl9nSNq3Do395RA47n54sEu+XR
                -----END AGE ENCRYPTED FILE-----"""),
            (_OURS_AGE, """
                -----BEGIN AGE ENCRYPTED FILE-----
                YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBHdXU2bXBJRUpnZmFMVGhl
                Z1VBaWlrU2pUVDl2U0l2NHdob2dLakpmbFhzCitsaW9weUVXcWQxQ3NDODlBYUcv
                aUg3N3J5UkVTakNrNDU4bVBQOGxFelEKLT4gPy1ncmVhc2UgOG0wKQpwR2wwMzZW
                RWhWckxNWktZR0ZuWjRrL0VlMDJlVUxieWczME4ra0FFcUgyMi82c245U2RYN3dZ
                Ci0tLSBUZFhYM2ZNMjlXNWlXOXVBeGpSREd2MXhab2tFYmZKY0ZVZlRyaUdDOUF3
                CuYGF9GGQQF6xDbUB/qu6YShVsgcIOpmwmIOeCQJGgYCL/dt82zlQBnc6wdLxdgN
                gA1amEX86krTFLjTMHa4F54=
                -----END AGE ENCRYPTED FILE-----"""),
        )}),
    ),
}  # fmt: skip


def _pod(restarts: int, container: str) -> str:
    """The one pod of a StatefulSet, with what is said of its container."""
    return (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: queue-0\n  namespace: shop\n  uid: queue-0\n"
        "  labels: {app: queue, controller-revision-hash: queue-2}\n"
        "  ownerReferences:\n    - {apiVersion: apps/v1, kind: StatefulSet, name: queue, uid: queue, controller: true}\n"
        'spec:\n  containers:\n    - name: queue\nstatus:\n  phase: Running\n  conditions:\n    - {type: Ready, status: "True"}\n'
        f"  containerStatuses:\n    - name: queue\n      restartCount: {restarts}\n      ready: true\n{lines(container, 6)}\n"
    )


def _slice(ports: str) -> str:
    return manifest("discovery.k8s.io/v1", "EndpointSlice",
                    f"  labels: {{kubernetes.io/service-name: api}}\naddressType: IPv4\nendpoints:\n  - addresses: [10.0.0.7]\n    conditions: {{ready: true}}\nports: {ports}", name="api-x7k2p")  # fmt: skip


_STATEFUL = (
    container("", spec="replicas: 1", kind="StatefulSet").replace("name: api", "name: queue").replace("app: api", "app: queue")
)
_UP = manifest("apps/v1", "StatefulSet",
               "  uid: queue\n  generation: 1\nspec: {replicas: 1}\nstatus: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, currentRevision: queue-2, updateRevision: queue-2}",
               name="queue")  # fmt: skip
_LISTENS = _deployment("ports:\n  - {name: http, containerPort: 8080}")
_FRONT = manifest("v1", "Service", "spec:\n  selector: {app: api}\n  ports:\n    - {port: 80, targetPort: %s}")
_OF_HOST = _deployment("env:\n  - {name: DATABASE_HOST, value: %s}")
_RUNS = 'state: {running: {startedAt: "2026-01-02T03:03:00Z"}}'
_ENDED = 'state: {running: {startedAt: "2026-01-02T03:04:00Z"}}\nlastState: {terminated: {exitCode: 137, reason: OOMKilled, finishedAt: "2026-01-02T03:03:59Z"}}'

#: Once it is up: `wanted` is what was released, `live` what is there then, `cluster` what is there some seconds later.
AFTER = {
    "verify-restarted": Example(
        Side(_STATEFUL, live=together(_UP, _pod(0, _RUNS)), cluster=_pod(1, _ENDED), said="Watched for a while after it was up (`--settle 30s`)."),
        Side(_STATEFUL, live=together(_UP, _pod(0, _RUNS)), said="It is as it was when the while (`--settle 30s`) is over."),
    ),
    "verify-endpoints": Example(
        Side(together(_LISTENS, _FRONT % "web"), live=_slice("[]")),
        Side(together(_LISTENS, _FRONT % "http"), live=_slice("[{port: 8080}]")),
    ),
    "verify-smoke": Example(
        Side(_OF_HOST % "db-old", said="`--smoke api:8080/health` is answered with 503.", asked={"smoke": "api:8080/health", "answer": (503, "no connection to db-old")}),
        Side(_OF_HOST % "db", said="`--smoke api:8080/health` is answered with 200.", asked={"smoke": "api:8080/health", "answer": (200, "ok")}),
    ),
}  # fmt: skip

#: What a person types who wants to see it themselves, in the example.
SEE = {
    "quota-exceeded": "kubectl describe quota -n shop",
    "quota-unstated": "kubectl describe quota -n shop",
    "quota-at-maximum": "kubectl describe quota -n shop\nkubectl get hpa -n shop",
    "limit-range": "kubectl describe limitrange -n shop",
    "pod-security": "kubectl get namespace shop -o jsonpath='{.metadata.labels}'",
    "node-room": "kubectl describe nodes | grep -A 12 'Allocated resources'",
    "kind-not-served": "kubectl api-resources --api-group policy",
    "api-deprecated": "kubectl get --raw /metrics | grep apiserver_requested_deprecated_apis",
    "not-permitted": "kubectl auth can-i create deployments -n shop\nkubectl auth can-i --list -n shop",
    "object-refused": "kubectl apply --dry-run=server -f service.yaml",
    "field-immutable": "kubectl apply --dry-run=server -f deployment.yaml",
    "field-owned": "kubectl get deployment api -n shop -o yaml --show-managed-fields",
    "not-ours": "kubectl get configmap settings -n shop -o jsonpath='{.metadata.annotations}'",
    "webhook-down": "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations\nkubectl get endpointslices -n policy -l kubernetes.io/service-name=images",
    "reference-missing": "kubectl get configmap settings -n shop",
    "reference-key-missing": "kubectl describe configmap settings -n shop",
    "hook-too-early": "helm template . | grep -B 8 helm.sh/hook",
    "image-latest": "kubectl get deployment api -n shop -o jsonpath='{.spec.template.spec.containers[*].image}'",
    "image-name": "kubectl get deployment api -n shop -o jsonpath='{.spec.template.spec.containers[*].image}'",
    "release-pending": "helm list -n shop --pending",
    "release-in-progress": "kubectl get lease seatrial-shop -n shop -o yaml",
    "neighbour-pending": "helm list -n shop --pending",
    "not-well-now": "kubectl get deployments,statefulsets,daemonsets -n shop",
    "namespace-going": "kubectl get namespace shop -o yaml",
    "deadline-short": "kubectl get deployment api -n shop -o jsonpath='{.spec.progressDeadlineSeconds}'",
    "rollback-failed": "helm history shop -n shop",
    "rollback-missing": "helm get manifest shop --revision 1 -n shop\nkubectl get configmap settings -n shop",
    "rollback-image": "kubectl get nodes -o jsonpath='{.items[*].status.images[*].names}'",
    "rollback-migration": "helm history shop -n shop\nkubectl get jobs -n shop",
    "values-schema": "helm lint backend --values production.yaml",
    "secrets-unreadable": "sops --decrypt secrets.yaml",
    "verify-restarted": "kubectl get pods -n shop\nkubectl logs queue-0 -n shop --previous",
    "verify-endpoints": "kubectl get endpointslices -n shop -l kubernetes.io/service-name=api\nkubectl describe service api -n shop",
    "verify-smoke": "kubectl get --raw /api/v1/namespaces/shop/services/api:8080/proxy/health",
}
