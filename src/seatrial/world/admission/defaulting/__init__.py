"""Defaulting: completes an object in place as the API server does, dispatching by apiVersion and kind.

What the registry gives an object (uid, times, generation, cluster IPs, node ports, the first status) is not here, and
what depends on other objects (service accounts, limit ranges, priorities) is in `plugins`. Besides defaults in the
strict sense this writes the empty structs that Go's encoding always writes (`resources: {}`), so that what we store is
what a server would answer with.
"""

from __future__ import annotations

from collections.abc import Callable

from seatrial.world.admission.defaulting import access, core, pods, scaling, workloads
from seatrial.world.objects import Obj

#: (apiVersion, kind) -> the function that completes an object of that kind.
TABLE: dict[tuple[str, str], Callable[[Obj], None]] = {
    ("v1", "Pod"): pods.pod,
    ("v1", "PodTemplate"): pods.pod_template,
    ("v1", "Service"): core.service,
    ("v1", "ReplicationController"): core.replication_controller,
    ("v1", "Secret"): core.secret,
    ("v1", "Namespace"): core.namespace,
    ("v1", "PersistentVolume"): core.persistent_volume,
    ("v1", "PersistentVolumeClaim"): core.persistent_volume_claim,
    ("v1", "LimitRange"): core.limit_range,
    ("v1", "ResourceQuota"): core.resource_quota,
    ("v1", "Endpoints"): core.endpoints,
    ("v1", "Node"): core.node,
    ("v1", "Event"): core.event,
    ("events.k8s.io/v1", "Event"): core.new_event,
    ("discovery.k8s.io/v1", "EndpointSlice"): core.endpoint_slice,
    ("apps/v1", "Deployment"): workloads.deployment,
    ("apps/v1", "ReplicaSet"): workloads.replica_set,
    ("apps/v1", "StatefulSet"): workloads.stateful_set,
    ("apps/v1", "DaemonSet"): workloads.daemon_set,
    ("batch/v1", "Job"): workloads.job,
    ("batch/v1", "CronJob"): workloads.cron_job,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): scaling.autoscaler_v1,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): scaling.autoscaler,
    ("networking.k8s.io/v1", "NetworkPolicy"): core.network_policy,
    ("networking.k8s.io/v1", "IngressClass"): core.ingress_class,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): access.binding,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): access.binding,
    ("scheduling.k8s.io/v1", "PriorityClass"): access.priority_class,
    ("storage.k8s.io/v1", "StorageClass"): access.storage_class,
    ("storage.k8s.io/v1", "CSIDriver"): access.csi_driver,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): access.custom_resource_definition,
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): access.webhooks,
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): access.webhooks,
    ("apiregistration.k8s.io/v1", "APIService"): access.api_service,
}


def default(obj: Obj) -> None:
    """Complete an object in place; idempotent, and nothing for a kind without defaults."""
    complete = TABLE.get((obj.get("apiVersion", ""), obj.get("kind", "")))
    if complete is not None:
        complete(obj)
