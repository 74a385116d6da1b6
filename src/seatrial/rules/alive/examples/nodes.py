# ruff: noqa: E501 - what a kubelet says is one line
"""Nodes that are unwell, pods that had to go, and what does not end."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import NOW, Example, ago, event, pod, quoted, runs, stream, thing

DAY = 86400
_HEALTHY = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("KubeletReady", "kubelet is posting ready status"),
}


def _node(spec: str = "", **bad: tuple[str, str, str]) -> str:
    """A node; `bad` are conditions that are not as they should be: status, reason, message."""
    rows = []
    for kind, (reason, message) in _HEALTHY.items():
        status, why, words = bad.pop(kind, ("True" if kind == "Ready" else "False", reason, message))
        rows.append(f'    - {{type: {kind}, status: "{status}", reason: {why}, message: {words}}}')
    rows += [
        f'    - {{type: {kind}, status: "{status}", reason: {why}, message: {words}}}'
        for kind, (status, why, words) in bad.items()
    ]
    return thing(
        "v1",
        "Node",
        "node-1",
        f"{spec}\nstatus:\n  nodeInfo: {{kubeletVersion: v1.36.2}}\n  conditions:\n" + "\n".join(rows),
        namespace="",
        age=30 * DAY,
    )


def _evicted(message: str, container: str = "") -> str:
    return pod(container, phase="Failed", status=f"reason: Evicted\nmessage: {quoted(message)}", age=1200)


_DISK = "The node was low on resource: ephemeral-storage. Threshold quantity: 10737418240, available: 9412Mi. Container api was using 31Gi, request is 0, has larger consumption of ephemeral-storage. "
_LIMIT = "resources:\n  requests: {ephemeral-storage: 1Gi}\n  limits: {ephemeral-storage: 4Gi}"
_WELL = stream(_node(), pod(_LIMIT, runs(), ready=True))


def _namespace(phase: str, meta: str = "", conditions: str = "") -> str:
    return thing(
        "v1",
        "Namespace",
        "shop-pr-217",
        f"spec: {{finalizers: [kubernetes]}}\nstatus:\n  phase: {phase}{conditions}",
        namespace="",
        meta=meta,
        age=9 * DAY,
    )


_REMAINING = (
    '\n  conditions:\n    - {type: NamespaceContentRemaining, status: "True", reason: SomeResourcesRemain, message: "Some resources are remaining: queues.messaging.example has 2 resource instances"}'
    '\n    - {type: NamespaceFinalizersRemaining, status: "True", reason: SomeFinalizersRemain, message: "Some content in the namespace has finalizers remaining: messaging.example/release in 2 resource instances"}'
)


def _job(spec: str, seconds: float) -> str:
    return thing(
        "batch/v1",
        "Job",
        "reindex",
        f"spec:\n  completions: 1\n{spec}  template: {{spec: {{restartPolicy: Never, containers: [{{name: reindex, image: registry.example/reindex:1.4.2}}]}}}}\nstatus: {{active: 1, startTime: {ago(seconds)}}}",
        age=seconds,
    )


def _record(state: str, seconds: float, revision: int = 7) -> str:
    labels = f"labels: {{owner: helm, name: shop, version: '{revision}', status: {state}, modifiedAt: '{NOW.timestamp() - seconds:.0f}'}}"
    return thing("v1", "Secret", f"sh.helm.release.v1.shop.v{revision}", "type: helm.sh/release.v1", meta=labels, age=seconds)


def _certificate(
    days: float,
    ready: str = '{type: Ready, status: "True", reason: Ready, message: Certificate is up to date and has not expired}',
) -> str:
    return thing(
        "cert-manager.io/v1", "Certificate", "shop",
        f"spec: {{secretName: shop-tls, dnsNames: [shop.example.com], issuerRef: {{kind: ClusterIssuer, name: letsencrypt}}}}\nstatus:\n  notAfter: {ago(-days * DAY)}\n  conditions:\n    - {ready}",
        age=60 * DAY,
    )  # fmt: skip


_FULL = 'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "5b1f0c": plugin type="bridge" failed (add): failed to allocate for range 0: no IP addresses available in range set: 10.244.3.1-10.244.3.254'

EXAMPLES = {
    "pod-sandbox": Example(stream(pod(phase="Pending"), event("FailedCreatePodSandBox", _FULL, count=7)), pod(state=runs(), ready=True)),
    "node-not-ready": Example(
        _node(Ready=("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")), _node()
    ),
    "node-disk-pressure": Example(
        stream(_node(DiskPressure=("True", "KubeletHasDiskPressure", "kubelet has disk pressure")), _evicted(_DISK)), _WELL, see=("Node", "Pod")
    ),
    "node-memory-pressure": Example(
        _node(MemoryPressure=("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available")), _node()
    ),
    "node-pid-pressure": Example(
        _node(PIDPressure=("True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available")), _node()
    ),
    "node-network": Example(
        _node(NetworkUnavailable=("True", "NoRouteCreated", "RouteController failed to create a route")),
        _node(NetworkUnavailable=("False", "RouteCreated", "RouteController created a route")),
    ),
    "node-cordoned": Example(_node("spec: {unschedulable: true}"), _node()),
    "evicted": Example(_evicted(_DISK), pod(_LIMIT, runs(), ready=True)),
    "evicted-preempted": Example(
        event("Preempted", "Preempted by pod 0b7c1f1e-54a9-4d0c-9a53-2f8d1c6e7b90 on node node-1", "kind: Pod, name: report-5d9f8c7b6-q4n8s", before=60),
        event("Scheduled", "Successfully assigned shop/report-5d9f8c7b6-q4n8s to node-2", "kind: Pod, name: report-5d9f8c7b6-q4n8s", before=60, kind="Normal"),
        see=("Event",),
    ),
    "namespace-stuck": Example(_namespace("Terminating", f"deletionTimestamp: {ago(3600)}", _REMAINING), _namespace("Active")),
    "pod-stuck": Example(
        pod(state=runs(3600, ready=False), age=3700, meta=f"labels: {{app: api}}, deletionTimestamp: {ago(1500)}, deletionGracePeriodSeconds: 30"),
        pod(state=runs(3600), ready=True, age=3700),
    ),
    "job-forever": Example(_job("", 3 * DAY), _job("  activeDeadlineSeconds: 7200\n", 1800)),
    "helm-stuck": Example(stream(_record("superseded", 90000, 5), _record("deployed", 80000, 6), _record("pending-upgrade", 2400)), _record("deployed", 2400)),
    "certificate-expired": Example(_certificate(-2), _certificate(60)),
    "certificate-expires": Example(_certificate(5), _certificate(60)),
    "certificate-not-issued": Example(
        _certificate(60, '{type: Ready, status: "False", reason: DoesNotExist, message: Issuing certificate as Secret does not exist}'), _certificate(60)
    ),
}  # fmt: skip
