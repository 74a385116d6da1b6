"""The Node object of a kubelet: what it offers, what it says of itself, and the Lease by which it shows that it lives.

Follows pkg/kubelet/kubelet_node_status.go and pkg/kubelet/nodestatus/setters.go.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.twin.clock import micro_timestamp, timestamp
from seatrial.twin.kubelet import signals
from seatrial.world import quantity
from seatrial.world.objects import Obj

#: The version the twin behaves like.
KUBELET_VERSION = "v1.36.2"

#: Seconds a node's Lease is good for, and after how many it is renewed (nodelifecycle, --node-lease-duration-seconds).
LEASE_SECONDS, LEASE_RENEWAL = 40, 10.0
LEASE_NAMESPACE = "kube-node-lease"

#: The largest cluster that Kubernetes is made for.
MOST_NODES = 5000


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to make: its size in Kubernetes quantities, where it stands, and who may run there.

    `cpu` and `memory` "" mean the machine's own. `reserved` is what the node keeps for itself (capacity minus allocatable).
    """

    name: str
    cpu: str = ""
    memory: str = ""
    pods: int = 110
    storage: str = "100Gi"
    zone: str = ""
    region: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Obj] = ()
    unschedulable: bool = False
    resources: Mapping[str, str] = field(default_factory=dict)  # further ones: nvidia.com/gpu, hugepages-2Mi
    reserved: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    eviction_hard: Mapping[str, str] = field(default_factory=lambda: signals.DEFAULT_HARD)  # by signal: 100Mi, 10%
    eviction_soft: Mapping[str, str] = field(default_factory=dict)  # likewise
    eviction_soft_grace: Mapping[str, float] = field(default_factory=dict)  # seconds, by signal
    eviction_minimum_reclaim: Mapping[str, str] = field(default_factory=dict)
    eviction_max_pod_grace: float = 0.0  # seconds

    @property
    def eviction(self) -> signals.Settings:
        return signals.Settings(
            self.eviction_hard,
            self.eviction_soft,
            self.eviction_soft_grace,
            self.eviction_minimum_reclaim,
            self.eviction_max_pod_grace,
        )


def this_machine(name: str, address: str = "127.0.0.1") -> NodeSpec:
    """The node that stands for this machine, with its CPUs and memory."""
    return NodeSpec(name, address=address)


def machine_cpus() -> int:
    """The CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def capacity_of(spec: NodeSpec) -> dict[str, str]:
    return {
        "cpu": quantity.canonical(spec.cpu or machine_cpus()),
        "ephemeral-storage": quantity.canonical(spec.storage),
        "memory": quantity.canonical(spec.memory or f"{machine_memory() // 1024}Ki"),
        "pods": str(spec.pods),
        **{name: quantity.canonical(amount) for name, amount in spec.resources.items()},
    }


def allocatable_of(spec: NodeSpec) -> dict[str, str]:
    amounts = capacity_of(spec)
    for name, kept in spec.reserved.items():
        amounts[name] = quantity.subtract(amounts[name], kept)
    return amounts


def node_labels(spec: NodeSpec) -> dict[str, str]:
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    labels = {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
    }
    if spec.zone:
        labels["topology.kubernetes.io/zone"] = spec.zone
    if spec.region:
        labels["topology.kubernetes.io/region"] = spec.region
    return labels | dict(spec.labels)


def _said(pressures: Collection[str]) -> Iterator[tuple[str, str, str, str]]:
    """type, status, reason and message of a node's conditions (nodestatus/setters.go)."""
    for pressure in signals.PRESSURES:
        pressed = pressure in pressures
        yield pressure, str(pressed), *signals.WORDS[pressure, pressed]
    yield "Ready", "True", "KubeletReady", "kubelet is posting ready status"


def node_object(spec: NodeSpec, address: str, runtime: str, now: float) -> Obj:
    """The Node as a kubelet registers it."""
    node: Obj = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name, "labels": node_labels(spec), "annotations": _ANNOTATIONS.copy()},
        "spec": {},
        "status": node_status(spec, address, runtime, now, {}),
    }
    if spec.taints:
        node["spec"]["taints"] = [dict(taint) for taint in spec.taints]
    if spec.unschedulable:
        node["spec"]["unschedulable"] = True
    return node


_ANNOTATIONS = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}


def node_status(
    spec: NodeSpec, address: str, runtime: str, now: float, old: Mapping[str, Obj], pressures: Collection[str] = ()
) -> Obj:
    """A node's status when it is ready; `old` holds its conditions by type, whose times of transition are kept."""
    conditions = []
    for type_, status, reason, message in _said(pressures):
        before = old.get(type_)
        same = before is not None and before.get("status") == status
        conditions.append(
            {
                "type": type_,
                "status": status,
                "lastHeartbeatTime": timestamp(now),
                "lastTransitionTime": before["lastTransitionTime"] if same and before else timestamp(now),
                "reason": reason,
                "message": message,
            }
        )
    return {
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": spec.name}],
        "allocatable": allocatable_of(spec),
        "capacity": capacity_of(spec),
        "conditions": conditions,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": _node_info(spec, runtime),
    }


def _node_info(spec: NodeSpec, runtime: str) -> Obj:
    identity = f"{abs(hash_name(spec.name)):032x}"
    return {
        "architecture": "arm64" if platform.machine() == "aarch64" else "amd64",
        "bootID": identity,
        "containerRuntimeVersion": f"{runtime}://1.0",
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": KUBELET_VERSION,
        "machineID": identity,
        "operatingSystem": "linux",
        "osImage": "Seatrial",
        "systemUUID": identity,
    }


def hash_name(name: str) -> int:
    """A number that stands for a name, the same in every process."""
    return int.from_bytes(name.encode().ljust(16, b"\0")[:16], "big")


def lease_object(node_name: str, node_uid: str, now: float) -> Obj:
    owner = {"apiVersion": "v1", "kind": "Node", "name": node_name, "uid": node_uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": node_name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": node_name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": micro_timestamp(now)},
    }
