# ruff: noqa: E501 - what the scheduler says is one line
"""Pods that fit on no node, in the words of the scheduler."""

from __future__ import annotations

from seatrial.rules.alive.examples.shapes import Example, ago, pod, quoted, runs, stream, thing

_PREEMPTION = "no new claims to deallocate, preemption: 0/{n} nodes are available: {n} {victims}."
_NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NOBODY = {"autoscaler": ""}


def _node(name: str = "node-1", cpu: str = "4", labels: str = "{kubernetes.io/arch: amd64}", spec: str = "") -> str:
    return thing(
        "v1",
        "Node",
        name,
        f'{spec}\nstatus:\n  allocatable: {{cpu: {quoted(cpu)}, memory: 16Gi, pods: "110"}}\n  conditions:\n    - {{type: Ready, status: "True"}}',
        namespace="",
        meta=f"labels: {labels}",
        age=86400,
    )


def _waits(container: str, words: str, *documents: str, nodes: int = 1, spec: str = "", victims: str = _NOT_HELPFUL) -> str:
    message = quoted(f"0/{nodes} nodes are available: {words}. {_PREEMPTION.format(n=nodes, victims=victims)}")
    condition = (
        f'- {{type: PodScheduled, status: "False", reason: Unschedulable, lastTransitionTime: {ago(180)}, message: {message}}}'
    )
    return stream(pod(container, phase="Pending", node="", spec=spec, conditions=condition, age=180), *documents)


def _up(container: str, *documents: str, spec: str = "", node: str = "node-1") -> str:
    return stream(pod(container, runs(), ready=True, spec=spec, node=node), *documents)


_CPU = 'resources:\n  requests: {cpu: "%s"}'
_TAINTED = "spec:\n  taints:\n    - {key: dedicated, value: batch, effect: NoSchedule}"
_TOLERATES = "tolerations:\n  - {key: dedicated, value: batch, effect: NoSchedule}"
_SPREAD = "topologySpreadConstraints:\n  - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: %s, labelSelector: {matchLabels: {app: api}}}"
_ZONED = "{topology.kubernetes.io/zone: a}"
_HOST_PORT = "ports:\n  - {containerPort: 8080, hostPort: 80}"
_EDGE = pod(
    f"image: registry.example/edge:2.1.0\n{_HOST_PORT}", runs(), ready=True, name="edge-9k4tz", meta="labels: {app: edge}"
)
_CLAIMED = "volumes:\n  - name: data\n    persistentVolumeClaim: {claimName: data}"

_BOUND = thing(
    "v1",
    "PersistentVolumeClaim",
    "data",
    "spec:\n  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 20Gi}}\n  storageClassName: standard\n  volumeName: pvc-6d0c2b1a\nstatus: {phase: Bound}",
)
_UNBOUND = thing(
    "v1",
    "PersistentVolumeClaim",
    "data",
    "spec:\n  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 20Gi}}\n  storageClassName: standard\nstatus: {phase: Pending}",
)

EXAMPLES = {
    "unschedulable-resources": Example(_waits(_CPU % "8", "1 Insufficient cpu", _node()), _up(_CPU % "2", _node()), facts=_NOBODY),
    "unschedulable-taint": Example(
        _waits("", "1 node(s) had untolerated taint(s)", _node(spec=_TAINTED)), _up("", _node(spec=_TAINTED), spec=_TOLERATES), facts=_NOBODY
    ),
    "unschedulable-affinity": Example(
        _waits("", "1 node(s) didn't match Pod's node affinity/selector", _node(), spec="nodeSelector: {kubernetes.io/arch: arm64}"),
        _up("", _node(), spec="nodeSelector: {kubernetes.io/arch: amd64}"),
        facts=_NOBODY,
    ),
    "unschedulable-spread": Example(
        _waits("", "1 node(s) didn't match pod topology spread constraints (missing required label)", _node(), spec=_SPREAD % "DoNotSchedule"),
        _up("", _node(labels=_ZONED), spec=_SPREAD % "DoNotSchedule"),
        facts=_NOBODY,
    ),
    "unschedulable-port": Example(
        stream(_EDGE, _waits(_HOST_PORT, "1 node(s) didn't have free ports for the requested pod ports", _node(), victims="No preemption victims found for incoming pod")),
        stream(_EDGE, _up("ports:\n  - {containerPort: 8080}", _node())),
        facts=_NOBODY,
    ),
    "unschedulable-volume": Example(
        _waits("", "pod has unbound immediate PersistentVolumeClaims", _UNBOUND, spec=_CLAIMED), _up("", _BOUND, spec=_CLAIMED)
    ),
    "unschedulable": Example(
        _waits("", "1 node(s) didn't match the requested resource claims", _node()), _up("", _node()), facts=_NOBODY
    ),
}  # fmt: skip
