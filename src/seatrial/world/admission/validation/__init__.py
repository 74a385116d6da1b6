"""Validation: why an object is refused, in Kubernetes' own causes, dispatching by apiVersion and kind.

The shape of an object (types, unknown fields) is `world/schema`'s part; here it has decoded, and is complete. A module a
topic; each function takes an object, the stored one on update, and a list that it adds causes to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from seatrial.world.admission.causes import Cause, Causes
from seatrial.world.admission.validation import (
    batch,
    config,
    extensions,
    meta,
    names,
    networking,
    pods,
    policy,
    rbac,
    scaling,
    services,
    storage,
    workloads,
)
from seatrial.world.objects import Obj

Check = Callable[[Obj, Causes], None]
Change = Callable[[Obj, Obj, Causes], None]  # new, old


class Rules(NamedTuple):
    """How objects of a kind are checked: when new, when changed (default: as when new), and when their status changes.

    `ephemeral`: when the ephemeral containers of a pod change.
    """

    create: Check
    update: Change | None = None
    status: Change | None = None
    name: names.NameRule = names.dns_subdomain
    ephemeral: Change | None = None


_APPS, _BATCH, _NETWORK, _RBAC = "apps/v1", "batch/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"

TABLE: dict[tuple[str, str], Rules] = {
    ("v1", "Pod"): Rules(pods.pod, pods.update, pods.status, ephemeral=pods.ephemeral),
    ("v1", "PodTemplate"): Rules(pods.pod_template),
    ("v1", "Service"): Rules(services.service, services.service_update, name=names.dns_label),
    ("v1", "Endpoints"): Rules(services.endpoints),
    ("v1", "ReplicationController"): Rules(workloads.replication_controller, status=workloads.replicas_status),
    ("v1", "ConfigMap"): Rules(config.config_map, config.config_map_update),
    ("v1", "Secret"): Rules(config.secret, config.secret_update),
    ("v1", "Namespace"): Rules(config.namespace, status=config.namespace_status, name=names.dns_label),
    ("v1", "Node"): Rules(config.node, config.node_update),
    ("v1", "Event"): Rules(config.event, name=config.any_name),
    ("v1", "PersistentVolumeClaim"): Rules(storage.claim, storage.claim_update),
    ("v1", "PersistentVolume"): Rules(storage.volume, storage.volume_update),
    ("v1", "ResourceQuota"): Rules(policy.quota, policy.quota_update, policy.quota_status),
    ("v1", "LimitRange"): Rules(policy.limit_range),
    (_APPS, "Deployment"): Rules(workloads.deployment, workloads.deployment_update, workloads.replicas_status),
    (_APPS, "ReplicaSet"): Rules(workloads.replica_set, workloads.replica_set_update, workloads.replicas_status),
    (_APPS, "StatefulSet"): Rules(
        workloads.stateful_set, workloads.stateful_set_update, workloads.replicas_status, workloads.stateful_set_name
    ),
    (_APPS, "DaemonSet"): Rules(workloads.daemon_set, workloads.daemon_set_update),
    (_BATCH, "Job"): Rules(batch.job, batch.job_update),
    (_BATCH, "CronJob"): Rules(batch.new_cron_job, batch.cron_job_update),
    ("autoscaling/v1", "HorizontalPodAutoscaler"): Rules(scaling.autoscaler),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): Rules(scaling.autoscaler),
    (_NETWORK, "Ingress"): Rules(networking.new_ingress, networking.ingress_update),
    (_NETWORK, "IngressClass"): Rules(networking.ingress_class, networking.ingress_class_update),
    (_NETWORK, "NetworkPolicy"): Rules(networking.network_policy),
    ("policy/v1", "PodDisruptionBudget"): Rules(policy.disruption_budget),
    ("discovery.k8s.io/v1", "EndpointSlice"): Rules(services.endpoint_slice, services.endpoint_slice_update),
    ("scheduling.k8s.io/v1", "PriorityClass"): Rules(policy.priority_class, policy.priority_class_update),
    ("storage.k8s.io/v1", "StorageClass"): Rules(storage.storage_class, storage.storage_class_update),
    ("coordination.k8s.io/v1", "Lease"): Rules(policy.lease),
    (_RBAC, "Role"): Rules(rbac.role, name=names.path_segment),
    (_RBAC, "ClusterRole"): Rules(rbac.cluster_role, name=names.path_segment),
    (_RBAC, "RoleBinding"): Rules(rbac.role_binding, rbac.role_binding_update, name=names.path_segment),
    (_RBAC, "ClusterRoleBinding"): Rules(rbac.cluster_role_binding, rbac.cluster_role_binding_update, name=names.path_segment),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): Rules(extensions.definition, extensions.definition_update),
}
#: Kinds with nothing but metadata to check, among them every custom resource.
_OTHERS = Rules(config.nothing)


def validate(obj: Obj, old: Obj | None = None, subresource: str = "") -> list[Cause]:
    """What is wrong with a complete object, or with the change from `old` to it, in Kubernetes' order; empty when nothing is."""
    rules = TABLE.get((obj.get("apiVersion", ""), obj.get("kind", "")), _OTHERS)
    causes = Causes()
    if old is None:
        meta.check(obj, rules.name, causes)
        rules.create(obj, causes)
    elif subresource == "status":
        if rules.status is not None:
            rules.status(obj, old, causes)
    elif subresource in ("", "ephemeralcontainers", "resize"):
        meta.check_update(obj, old, causes)
        change = {"": rules.update, "ephemeralcontainers": rules.ephemeral}.get(subresource)
        if change is not None:
            change(obj, old, causes)
        else:
            rules.create(obj, causes)
    return causes
