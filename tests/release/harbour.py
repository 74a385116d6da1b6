# ruff: noqa: E501 - rows of tables
"""A target of a release made of YAML: what is wanted, what is live, and what else the cluster has; no cluster is asked."""

from __future__ import annotations

from typing import Any

import yaml

from seatrial.cluster.api import Resource, Served
from seatrial.release.diff import compare
from seatrial.release.plan import Change, Plan
from seatrial.release.preflight import Target, check
from seatrial.rules.finding import Finding
from seatrial.twin.registry.resources import builtin_resources
from seatrial.world.objects import Obj, annotations_of, ref_of

NAMESPACE = "shop"
CUSTOM = (
    Resource("argoproj.io", "v1alpha1", "Rollout", "rollouts", True),
    Resource("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", True),
    Resource("external-secrets.io", "v1", "ExternalSecret", "externalsecrets", True),
)
#: Kinds that a target has listed, by their resource ids.
LISTED = {
    "ResourceQuota": "resourcequotas", "LimitRange": "limitranges", "Node": "nodes", "Pod": "pods",
    "PriorityClass": "priorityclasses.scheduling.k8s.io", "StorageClass": "storageclasses.storage.k8s.io",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations.admissionregistration.k8s.io",
}  # fmt: skip
_CLUSTER = frozenset(
    {
        "Node",
        "PriorityClass",
        "StorageClass",
        "PersistentVolume",
        "Namespace",
        "ValidatingWebhookConfiguration",
        "CustomResourceDefinition",
    }
)


def served(*groups: str) -> Served:
    """What Kubernetes itself serves, and some custom resources."""
    found = [Resource(r.group, r.version, r.kind, r.plural, r.namespaced, tuple(r.verbs)) for r in builtin_resources()]
    resources = {(r.api_version, r.kind): r for r in (*found, *CUSTOM)}
    return Served("v1.36.2", resources, frozenset({r.api_version for r in resources.values()} | set(groups)))


def objects(text: str) -> list[Obj]:
    """YAML documents, each in the namespace where its kind has one."""
    found = []
    for obj in yaml.safe_load_all(text):
        if obj:
            where = {} if obj["kind"] in _CLUSTER else {"namespace": NAMESPACE}
            found.append({**obj, "metadata": {**where, **obj["metadata"]}})
    return found


def target(wanted: str, live: str = "", cluster: str = "", *, groups: tuple[str, ...] = (), **more: Any) -> Target:
    """`wanted` are the objects of the release (hooks by their annotation), `live` those of it that are there, `cluster` the rest."""
    everything, there, rest = objects(wanted), {ref_of(obj): obj for obj in objects(live)}, objects(cluster)
    hooks = tuple(obj for obj in everything if "helm.sh/hook" in annotations_of(obj))
    kept = tuple(obj for obj in everything if obj not in hooks)
    changes = []
    for obj in kept:
        before = there.get(ref_of(obj))
        fields = tuple(compare(before, obj)) if before else ()
        if before is None or fields:
            changes.append(Change("change" if before else "add", ref_of(obj), fields, more.get("refused", "")))
    gone = [Change("remove", ref) for ref in there if ref not in {ref_of(obj) for obj in everything}]
    plan = Plan("shop", NAMESPACE, kept, hooks, there, (*changes, *gone), before=frozenset(there))
    lists: dict[str, list[Obj]] = {resource: [] for resource in LISTED.values()}
    for obj in rest:
        if obj["kind"] in LISTED:
            lists[LISTED[obj["kind"]]].append(obj)
    named = more.pop("named", {ref_of(obj): obj for obj in rest})
    more.pop("refused", None)
    namespace = next((obj for obj in rest if obj["kind"] == "Namespace"), {"metadata": {"name": NAMESPACE}})
    return Target(
        served(*groups), plan, namespace=namespace, lists={**lists, **more.pop("lists", {})}, named=_Asked(named), **more
    )


class _Asked(dict[Any, Any]):
    """Everything was asked for: what is not there is None."""

    def __contains__(self, key: object) -> bool:
        return True


def findings(at: Target, *rules: str) -> list[Finding]:
    """What a preflight finds, of some rules only where any are given."""
    return [one for one in check(at)[1] if not rules or one.rule in rules]


def rows(at: Target, title: str) -> dict[str, tuple[str, ...]]:
    """A table of a preflight by its first column (the second for quotas, which are named first)."""
    table = next(one for one in check(at)[0] if one.title.startswith(title))
    start = 1 if table.columns[0] == "quota" else 0
    return {row[start]: row[start + 1 :] for row in table.rows}


def deployment(
    name: str = "web", *, replicas: int = 3, image: str = "web:1", cpu: str = "", spec: str = "", pod: str = "", more: str = ""
) -> str:
    """A Deployment; `spec`, `pod` and `more` are added to its spec, its pod's and its container's as YAML flow items."""
    resources = f", resources: {{requests: {{cpu: {cpu}}}}}" if cpu else ""
    return (
        f"\n---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{replicas: {replicas}, "
        f"selector: {{matchLabels: {{app: {name}}}}}{', ' + spec if spec else ''}, template: {{metadata: {{labels: {{app: {name}}}}}, "
        f"spec: {{{pod + ', ' if pod else ''}containers: [{{name: c, image: '{image}'{resources}{', ' + more if more else ''}}}]}}}}}}}}\n"
    )


def quota(name: str = "team", used: str = "{}", spec: str = "", **hard: str) -> str:
    """A ResourceQuota; underscores of its resources are dots or slashes."""
    amounts = ", ".join(f"{key.replace('__', '/').replace('_', '.')}: '{value}'" for key, value in hard.items())
    more = f", {spec}" if spec else ""
    return (
        f"\n---\n{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: {name}}}, spec: {{hard: {{{amounts}}}{more}}}, "
        f"status: {{hard: {{{amounts}}}, used: {used}}}}}\n"
    )


def node(name: str, cpu: str = "4", memory: str = "16Gi", pods: str = "110", labels: str = "", taints: str = "") -> str:
    size = f"{{cpu: '{cpu}', memory: {memory}, pods: '{pods}'}}"
    more = f", {labels}" if labels else ""
    return (
        f"\n---\n{{apiVersion: v1, kind: Node, metadata: {{name: {name}, labels: {{kubernetes.io/hostname: {name}{more}}}}}, "
        f"spec: {{taints: [{taints}]}}, status: {{allocatable: {size}, capacity: {size}}}}}\n"
    )


def running(name: str, app: str, on: str, cpu: str = "1", namespace: str = NAMESPACE, priority: int = 0) -> str:
    """A pod of a workload that runs on a node."""
    owner = f"[{{apiVersion: apps/v1, kind: ReplicaSet, name: {app}-1, uid: u, controller: true}}]"
    return (
        f"\n---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, uid: {name}, namespace: {namespace}, labels: {{app: {app}}}, "
        f"ownerReferences: {owner}}}, spec: {{nodeName: {on}, priority: {priority}, containers: [{{name: c, resources: {{requests: {{cpu: '{cpu}'}}}}}}]}}}}\n"
    )
