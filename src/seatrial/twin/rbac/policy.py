"""The roles and bindings that every cluster begins with (plugin/pkg/auth/authorizer/rbac/bootstrappolicy).

`admin`, `edit` and `view` are aggregated: a ClusterRole with their label adds to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from seatrial.twin.rbac.aggregation import gathered
from seatrial.twin.rbac.grants import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES
from seatrial.twin.rbac.rules import EVERYTHING, GROUP
from seatrial.world.objects import Obj, clone

if TYPE_CHECKING:
    from seatrial.twin.registry.registry import Registry

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
#: What only those may see who may edit: it leads into containers, or to what they must keep to themselves.
_INSIDE = "pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy"

#: What whoever is authenticated may ask for, and what anybody may.
_DISCOVERY = (
    "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
    "/healthz /livez /readyz /version /version/",
)

#: role, and the groups it is bound to
_BOUND = (
    ("cluster-admin", ("system:masters",)),
    ("system:discovery", ("system:authenticated",)),
    ("system:basic-user", ("system:authenticated",)),
    ("system:public-info-viewer", ("system:authenticated", "system:unauthenticated")),
)


def install(registry: Registry) -> None:
    """Create the roles and bindings that are missing."""
    roles = list(_cluster_roles())
    for role in roles:
        if role.get("aggregationRule"):  # as its controller will have it, so that it holds from the first request on
            role["rules"] = gathered(role, roles)
    for role in roles:
        _ensure(registry, CLUSTER_ROLES, role)
    for name, groups in _BOUND:
        binding = _object("ClusterRoleBinding", name)
        binding["roleRef"] = {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}
        binding["subjects"] = [{"apiGroup": GROUP, "kind": "Group", "name": group} for group in groups]
        _ensure(registry, CLUSTER_ROLE_BINDINGS, binding)


def _ensure(registry: Registry, resource: str, obj: Obj) -> None:
    if registry.find(resource, "", obj["metadata"]["name"]) is None:
        registry.create(resource, obj)


def _cluster_roles() -> Iterator[Obj]:
    yield _role("cluster-admin", EVERYTHING)
    permissions = _rule(GROUP, ["roles", "rolebindings"], (*_READ, *_WRITE))
    reviews = _rule("authorization.k8s.io", ["localsubjectaccessreviews"], ("create",))
    yield _role("system:aggregate-to-admin", [permissions, reviews], into="admin")
    secrets = _rule("", _INSIDE.split(), _READ)
    tokens = [_rule("", ["serviceaccounts"], ("impersonate",)), _rule("", ["serviceaccounts/token"], ("create",))]
    yield _role("system:aggregate-to-edit", [secrets, *_rules(_EDITABLE, _WRITE), *tokens], into="edit")
    yield _role("system:aggregate-to-view", _rules(_VISIBLE, _READ), into="view")
    metrics = _rule("metrics.k8s.io", ["pods", "nodes"], _READ)  # which the metrics server brings
    yield _role("system:aggregated-metrics-reader", [metrics], into="view")
    everybody, anybody = ([{"nonResourceURLs": paths.split(), "verbs": ["get"]}] for paths in _DISCOVERY)
    yield _role("system:discovery", everybody)
    yield _role("system:public-info-viewer", anybody)
    own = _rule("authorization.k8s.io", ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ("create",))
    yield _role("system:basic-user", [own, _rule("authentication.k8s.io", ["selfsubjectreviews"], ("create",))])
    yield _aggregated("view", into="edit")  # each before the one that it is part of
    yield _aggregated("edit", into="admin")
    yield _aggregated("admin")


def _role(name: str, rules: Iterable[Obj], into: str = "") -> Obj:
    return {**_object("ClusterRole", name, into), "rules": [clone(rule) for rule in rules]}


def _aggregated(name: str, into: str = "") -> Obj:
    selector = {"matchLabels": {_into(name): "true"}}
    return {**_object("ClusterRole", name, into), "aggregationRule": {"clusterRoleSelectors": [selector]}}


def _into(role: str) -> str:
    """The label of what is part of an aggregated role."""
    return f"{GROUP}/aggregate-to-{role}"


def _object(kind: str, name: str, into: str = "") -> Obj:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults", **({_into(into): "true"} if into else {})}
    metadata = {"name": name, "labels": labels, "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}


def _rules(reach: dict[str, str], verbs: Iterable[str]) -> Iterator[Obj]:
    verbs = tuple(verbs)
    for group, resources in reach.items():
        yield _rule(group, resources.split(), verbs)


def _rule(group: str, resources: Iterable[str], verbs: Iterable[str]) -> Obj:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
