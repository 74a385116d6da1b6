"""What every cluster has before anybody uses it: namespaces, the `kubernetes` Service, priority classes, roles.

The lists are those of pkg/controlplane and scheduling.  Calling it on a store that has been in use adds what is missing
and touches nothing else.
"""

from __future__ import annotations

from seatrial.twin.rbac import policy
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def bootstrap(registry: Registry, port: int = 443, address: str = "127.0.0.1") -> None:
    """Create what is missing; `address` and `port`: where the API server listens."""
    for name in NAMESPACES:
        _ensure(registry, "namespaces", _object("v1", "Namespace", name))
    policy.install(registry)
    for name, value in (("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)):
        more = {"value": value, "description": "Used for system critical pods."}
        _ensure(registry, "priorityclasses.scheduling.k8s.io", {**_object("scheduling.k8s.io/v1", "PriorityClass", name), **more})
    _kubernetes(registry, port, address)


def _kubernetes(registry: Registry, port: int, address: str) -> None:
    """The Service by which pods find the API server, and its slice, which follows the server's port."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}]
    service = _object("v1", "Service", "kubernetes", "default", labels)
    spec = {"type": "ClusterIP", "clusterIP": registry.addresses.first, "ports": ports}
    _ensure(registry, "services", {**service, "spec": spec})
    owner = {"kubernetes.io/service-name": "kubernetes"}
    slice_ = _object("discovery.k8s.io/v1", "EndpointSlice", "kubernetes", "default", owner)
    slice_ |= {
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
    resource = "endpointslices.discovery.k8s.io"
    if registry.find(resource, "default", "kubernetes") is None:
        registry.create(resource, slice_)
    else:
        registry.update(resource, slice_)


def _ensure(registry: Registry, resource: str, obj: Obj) -> None:
    metadata = obj["metadata"]
    if registry.find(resource, metadata.get("namespace", ""), metadata["name"]) is None:
        registry.create(resource, obj)


def _object(api_version: str, kind: str, name: str, namespace: str = "", labels: dict[str, str] | None = None) -> Obj:
    metadata: Obj = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
