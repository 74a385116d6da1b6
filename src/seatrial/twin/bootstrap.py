"""What every cluster holds from its first moment: namespaces, priority and storage classes, the `kubernetes` Service, roles.

Names and contents are Kubernetes' own (plugin/pkg/auth/authorizer/rbac/bootstrappolicy, pkg/registry/scheduling/rest); the
storage and ingress classes are those a fresh development cluster has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj, name_of, namespace_of

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")

_RBAC = "rbac.authorization.k8s.io"

#: Resources by API group, as the roles for users speak of them.
_WORKLOADS = {
    "": "configmaps endpoints events limitranges persistentvolumeclaims pods pods/log pods/status replicationcontrollers"
    " replicationcontrollers/scale resourcequotas serviceaccounts services services/status",
    "apps": "controllerrevisions daemonsets deployments deployments/scale replicasets replicasets/scale"
    " statefulsets statefulsets/scale",
    "autoscaling": "horizontalpodautoscalers",
    "batch": "cronjobs jobs",
    "discovery.k8s.io": "endpointslices",
    "networking.k8s.io": "ingresses networkpolicies",
    "policy": "poddisruptionbudgets",
}
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_HEALTH)

_MAY_MOVE = "must run in the cluster, but can be moved to another node if necessary."
_MAY_NOT_MOVE = "must not be moved from their current node."


def bootstrap(registry: Registry, api_port: int = 0) -> None:
    """Create what is missing of the first objects; what is there, from an earlier life, stays as it is.

    `api_port`: where on loopback the API is served, for the endpoints of the `kubernetes` Service; 0 leaves them out.
    """
    for resource, obj in first_objects(registry.addresses.first, api_port):
        if registry.find(resource, namespace_of(obj), name_of(obj)) is None:
            try:
                registry.create(resource, obj)
            except ApiError as error:
                raise RuntimeError(f"the cluster cannot begin: {resource} {name_of(obj)}: {error}") from error


def first_objects(kubernetes_ip: str, api_port: int) -> Iterator[tuple[str, Obj]]:
    """The first objects, with their resources, in the order in which they are made."""
    for name in NAMESPACES:
        yield "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    yield from _classes()
    yield "services", _kubernetes_service(kubernetes_ip)
    if api_port:
        yield "endpointslices.discovery.k8s.io", _kubernetes_endpoints(api_port)
    yield from _roles()


def _classes() -> Iterator[tuple[str, Obj]]:
    for name, value, about in (
        ("system-cluster-critical", 2_000_000_000, _MAY_MOVE),
        ("system-node-critical", 2_000_001_000, _MAY_NOT_MOVE),
    ):
        priority: Obj = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "preemptionPolicy": "PreemptLowerPriority",
            "description": f"Used for system critical pods that {about}",
        }
        yield "priorityclasses.scheduling.k8s.io", priority
    yield (
        "storageclasses.storage.k8s.io",
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "seatrial.dev/folder",
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": True,
        },
    )
    yield (
        "ingressclasses.networking.k8s.io",
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "nginx", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "k8s.io/ingress-nginx"},
        },
    )


def _kubernetes_service(address: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "type": "ClusterIP",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
    }


def _kubernetes_endpoints(port: int) -> Obj:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def _roles() -> Iterator[tuple[str, Obj]]:
    roles = {
        "cluster-admin": [_rule(["*"], ["*"], ["*"]), {"nonResourceURLs": ["*"], "verbs": ["*"]}],
        "admin": [*_rules((*_READ, *_WRITE)), _secrets((*_READ, *_WRITE)), _own_access(), *_exec()],
        "edit": [*_rules((*_READ, *_WRITE)), _secrets((*_READ, *_WRITE)), *_exec()],
        "view": _rules(_READ),
        "system:discovery": [{"nonResourceURLs": list(_DISCOVERY), "verbs": ["get"]}],
        "system:public-info-viewer": [{"nonResourceURLs": list(_HEALTH), "verbs": ["get"]}],
        "system:basic-user": [
            _rule(["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
            _rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
        ],
    }
    for name, rules in roles.items():
        yield (
            f"clusterroles.{_RBAC}",
            {
                "apiVersion": f"{_RBAC}/v1",
                "kind": "ClusterRole",
                "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
                "rules": rules,
            },
        )
    for role, groups in {
        "cluster-admin": ("system:masters",),
        "system:discovery": ("system:authenticated",),
        "system:public-info-viewer": ("system:authenticated", "system:unauthenticated"),
        "system:basic-user": ("system:authenticated",),
    }.items():
        yield f"clusterrolebindings.{_RBAC}", _binding(role, groups)


def _binding(role: str, groups: Sequence[str]) -> Obj:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": group} for group in groups],
    }


def _rule(groups: Sequence[str], resources: Sequence[str], verbs: Sequence[str]) -> Obj:
    return {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)}


def _rules(verbs: Sequence[str]) -> list[Obj]:
    return [_rule([group], resources.split(), verbs) for group, resources in _WORKLOADS.items()]


def _secrets(verbs: Sequence[str]) -> Obj:
    return _rule([""], ["secrets"], verbs)


def _exec() -> list[Obj]:
    return [
        _rule([""], ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy"], [*_READ, *_WRITE]),
        _rule([""], ["pods/eviction", "serviceaccounts/token"], ["create"]),
    ]


def _own_access() -> Obj:
    return _rule([_RBAC], ["rolebindings", "roles"], [*_READ, *_WRITE])
