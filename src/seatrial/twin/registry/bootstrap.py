"""What every cluster has before anybody uses it: namespaces, the `kubernetes` Service, priority classes, roles.

The lists are those of pkg/controlplane, plugin/pkg/auth/authorizer/rbac/bootstrappolicy and scheduling.  Calling it on a
store that has been in use adds what is missing and touches nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_RBAC = "rbac.authorization.k8s.io"
_DEFAULTS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")

#: What the roles view, edit and admin reach, by group.
_VISIBLE = {
    "": (
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers"
        " replicationcontrollers/scale serviceaccounts services services/status bindings events limitranges"
        " namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status namespaces"
    ),
    "apps": (
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets"
        " replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status"
    ),
    "autoscaling": "horizontalpodautoscalers horizontalpodautoscalers/status",
    "batch": "cronjobs cronjobs/status jobs jobs/status",
    "discovery.k8s.io": "endpointslices",
    "networking.k8s.io": "ingresses ingresses/status networkpolicies",
    "policy": "poddisruptionbudgets poddisruptionbudgets/status",
}
_EDITABLE = {
    "": (
        "pods pods/attach pods/exec pods/portforward pods/proxy pods/eviction configmaps events persistentvolumeclaims"
        " replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy"
    ),
    "apps": (
        "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale"
        " statefulsets statefulsets/scale"
    ),
    "autoscaling": "horizontalpodautoscalers",
    "batch": "cronjobs jobs",
    "networking.k8s.io": "ingresses networkpolicies",
    "policy": "poddisruptionbudgets",
    "coordination.k8s.io": "leases",
}


def bootstrap(registry: Registry, port: int = 443, address: str = "127.0.0.1") -> None:
    """Create what is missing; `address` and `port`: where the API server listens."""
    for name in NAMESPACES:
        _ensure(registry, "namespaces", _object("v1", "Namespace", name))
    for role, rules in _cluster_roles():
        _ensure(registry, f"clusterroles.{_RBAC}", {**_rbac("ClusterRole", role), "rules": rules})
    _bind(registry, "cluster-admin", "system:masters")
    for role in ("system:discovery", "system:basic-user"):
        _bind(registry, role, "system:authenticated")
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


def _rbac(kind: str, name: str) -> Obj:
    return _object(f"{_RBAC}/v1", kind, name, "", _DEFAULTS)


def _bind(registry: Registry, role: str, group: str) -> None:
    binding = _rbac("ClusterRoleBinding", role)
    binding["roleRef"] = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role}
    binding["subjects"] = [{"apiGroup": _RBAC, "kind": "Group", "name": group}]
    _ensure(registry, f"clusterrolebindings.{_RBAC}", binding)


def _cluster_roles() -> Iterator[tuple[str, list[Obj]]]:
    everything = [_rule("*", ["*"], ["*"]), {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    yield "cluster-admin", everything
    yield "view", list(_rules(_VISIBLE, _READ))
    edit = [*_rules(_VISIBLE, _READ), _rule("", ["secrets"], _READ), *_rules(_EDITABLE, _WRITE)]
    yield "edit", edit
    local = ["roles", "rolebindings"]
    yield (
        "admin",
        [
            *edit,
            _rule(_RBAC, local, (*_READ, *_WRITE)),
            _rule("authorization.k8s.io", ["localsubjectaccessreviews"], ("create",)),
        ],
    )
    paths = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ]
    yield "system:discovery", [{"nonResourceURLs": paths, "verbs": ["get"]}]
    own = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    yield (
        "system:basic-user",
        [_rule("authorization.k8s.io", own, ("create",)), _rule("authentication.k8s.io", ["selfsubjectreviews"], ("create",))],
    )


def _rules(reach: dict[str, str], verbs: Iterable[str]) -> Iterator[Obj]:
    verbs = tuple(verbs)
    for group, resources in reach.items():
        yield _rule(group, resources.split(), verbs)


def _rule(group: str, resources: Iterable[str], verbs: Iterable[str]) -> Obj:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
