# ruff: noqa: E501 - what admission says is one line
"""Pods that the API server refuses to their controller, in its words."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import Example, ago, quoted, stream, thing

_FORBIDDEN = 'pods "api-7d4b9c6f5-l8w2n" is forbidden: '
_OWNED = "ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: api, uid: d-1, controller: true}]"


def _deployment(pod: str) -> str:
    spec = f"spec:\n  replicas: 2\n  selector: {{matchLabels: {{app: api}}}}\n  template:\n    metadata: {{labels: {{app: api}}}}\n    spec: {{{pod}}}"
    return thing("apps/v1", "Deployment", "api", spec, meta="uid: d-1")


def _set(status: str) -> str:
    return thing(
        "apps/v1", "ReplicaSet", "api-7d4b9c6f5", f"spec: {{replicas: 2}}\nstatus:\n{status}", meta=f"uid: r-1, {_OWNED}"
    )


def _wrong(words: str, *documents: str, pod: str = "containers: [{name: api, image: registry.example/api:1.4.2}]") -> str:
    condition = (
        f'{{type: ReplicaFailure, status: "True", reason: FailedCreate, message: {quoted(words)}, lastTransitionTime: {ago(90)}}}'
    )
    return stream(_deployment(pod), _set(f"  replicas: 0\n  conditions:\n    - {condition}"), *documents)


def _right(*documents: str, pod: str = "containers: [{name: api, image: registry.example/api:1.4.2}]") -> str:
    return stream(_deployment(pod), _set("  replicas: 2\n  readyReplicas: 2"), *documents)


def _quota(used: str, hard: str = "4") -> str:
    return thing(
        "v1",
        "ResourceQuota",
        "team",
        f'spec:\n  hard: {{limits.cpu: "{hard}"}}\nstatus:\n  hard: {{limits.cpu: "{hard}"}}\n  used: {{limits.cpu: "{used}"}}',
    )


def _asks(what: str, more: str = "") -> str:
    return f"containers: [{{name: api, image: registry.example/api:1.4.2{what}}}]{more}"


def _level(name: str) -> str:
    return thing(
        "v1",
        "Namespace",
        "shop",
        "status: {phase: Active}",
        namespace="",
        meta=f"labels: {{pod-security.kubernetes.io/enforce: {name}}}",
    )


_ONE_CPU, _LIMITED = _asks(', resources: {limits: {cpu: "1"}}'), _asks(", resources: {limits: {memory: %s}}")
_RANGE = thing("v1", "LimitRange", "team", "spec:\n  limits:\n    - {type: Container, max: {memory: 1Gi}}")
_ROOT = _asks(", securityContext: {privileged: true}")
_HOOK = thing(
    "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "images",
    "webhooks:\n  - name: signed.images.example\n    failurePolicy: Fail\n    clientConfig: {service: {name: images, namespace: policy, path: /validate}}", namespace="",
)  # fmt: skip

_DEFAULTS = thing("v1", "LimitRange", "team", 'spec:\n  limits:\n    - {type: Container, default: {cpu: "1"}}')
_REQUESTS = _asks(', resources: {requests: {cpu: "%d"}}')
_POOL = thing(
    "v1",
    "Namespace",
    "shop",
    "status: {phase: Active}",
    namespace="",
    meta="annotations: {scheduler.alpha.kubernetes.io/node-selector: pool=shop}",
)

EXAMPLES = {
    "refused-quota": Example(
        _wrong(_FORBIDDEN + "exceeded quota: team, requested: limits.cpu=1, used: limits.cpu=4, limited: limits.cpu=4", _quota("4"), pod=_ONE_CPU),
        _right(_quota("4", "6"), pod=_ONE_CPU),
    ),
    "refused-quota-unset": Example(
        _wrong(_FORBIDDEN + "failed quota: team: must specify limits.cpu for: api", _quota("1")), _right(_quota("3"), pod=_ONE_CPU)
    ),
    "refused-limit-range": Example(
        _wrong(_FORBIDDEN + "maximum memory usage per Container is 1Gi, but limit is 2Gi", _RANGE, pod=_LIMITED % "2Gi"),
        _right(_RANGE, pod=_LIMITED % "1Gi"),
    ),
    "refused-pod-security": Example(
        _wrong(_FORBIDDEN + 'violates PodSecurity "baseline:latest": privileged (container "api" must not set securityContext.privileged=true)', _level("baseline"), pod=_ROOT),
        _right(_level("baseline")),
    ),
    "refused-service-account": Example(
        _wrong('pods "api-7d4b9c6f5-" is forbidden: error looking up service account shop/api: serviceaccount "api" not found', pod=_asks("", ", serviceAccountName: api")),
        _right(thing("v1", "ServiceAccount", "api"), pod=_asks("", ", serviceAccountName: api")),
    ),
    "refused-priority-class": Example(
        _wrong('pods "api-7d4b9c6f5-" is forbidden: no PriorityClass with name urgent was found', pod=_asks("", ", priorityClassName: urgent")),
        _right(thing("scheduling.k8s.io/v1", "PriorityClass", "urgent", "value: 1000", namespace=""), pod=_asks("", ", priorityClassName: urgent")),
    ),
    "refused-webhook": Example(
        _wrong('admission webhook "signed.images.example" denied the request: image registry.example/api:1.4.2 is not signed', _HOOK),
        _right(_HOOK, pod="containers: [{name: api, image: registry.example/api:1.4.3}]"),
    ),
    "refused-webhook-down": Example(
        _wrong('Internal error occurred: failed calling webhook "signed.images.example": failed to call webhook: Post "https://images.policy.svc:443/validate?timeout=10s": dial tcp 10.96.201.9:443: connect: connection refused', _HOOK),
        _right(_HOOK),
    ),
    "refused-invalid": Example(
        _wrong('Pod "api-7d4b9c6f5-l8w2n" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1', _DEFAULTS, pod=_REQUESTS % 2),
        _right(_DEFAULTS, pod=_REQUESTS % 1),
    ),
    "refused": Example(
        _wrong(_FORBIDDEN + "pod node label selector conflicts with its namespace node label selector", _POOL, pod=_asks("", ", nodeSelector: {pool: batch}")),
        _right(_POOL, pod=_asks("", ", nodeSelector: {pool: shop}")),
    ),
}  # fmt: skip
