"""What the reference graph knows of kinds: their groups, which live outside of namespaces, and which objects are always there."""

from __future__ import annotations

from seatrial.world.objects import Ref

#: Kinds of Kubernetes itself, by group.  Kinds that several groups have are written with their group in the tables.
_BUILT_IN = {
    "": "Pod Service ConfigMap Secret ServiceAccount PersistentVolumeClaim PersistentVolume Namespace Node Endpoints Event "
    "ResourceQuota LimitRange ReplicationController PodTemplate",
    "apps": "Deployment StatefulSet DaemonSet ReplicaSet ControllerRevision",
    "batch": "Job CronJob",
    "autoscaling": "HorizontalPodAutoscaler",
    "networking.k8s.io": "Ingress IngressClass NetworkPolicy",
    "policy": "PodDisruptionBudget",
    "rbac.authorization.k8s.io": "Role RoleBinding ClusterRole ClusterRoleBinding",
    "storage.k8s.io": "StorageClass VolumeAttachment CSIDriver CSINode",
    "scheduling.k8s.io": "PriorityClass",
    "node.k8s.io": "RuntimeClass",
    "coordination.k8s.io": "Lease",
    "discovery.k8s.io": "EndpointSlice",
    "resource.k8s.io": "ResourceClaim ResourceClaimTemplate DeviceClass",
    "admissionregistration.k8s.io": "ValidatingWebhookConfiguration MutatingWebhookConfiguration ValidatingAdmissionPolicy "
    "ValidatingAdmissionPolicyBinding",
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "apiregistration.k8s.io": "APIService",
    "certificates.k8s.io": "CertificateSigningRequest",
}

#: Custom resources that the tables know.
_CUSTOM = {
    "argoproj.io": "Rollout AnalysisTemplate ClusterAnalysisTemplate AnalysisRun Experiment "
    "Application ApplicationSet AppProject",
    "networking.istio.io": "VirtualService DestinationRule ServiceEntry Sidecar",
    "security.istio.io": "PeerAuthentication AuthorizationPolicy RequestAuthentication",
    "telemetry.istio.io": "Telemetry",
    "gateway.networking.k8s.io": "GatewayClass HTTPRoute GRPCRoute TCPRoute TLSRoute UDPRoute ReferenceGrant",
    "keda.sh": "ScaledObject ScaledJob TriggerAuthentication ClusterTriggerAuthentication",
    "external-secrets.io": "ExternalSecret ClusterExternalSecret SecretStore ClusterSecretStore PushSecret",
    "secrets-store.csi.x-k8s.io": "SecretProviderClass",
    "bitnami.com": "SealedSecret",
    "postgresql.cnpg.io": "Pooler ScheduledBackup ImageCatalog ClusterImageCatalog",
    "cert-manager.io": "Certificate Issuer ClusterIssuer",
    "monitoring.coreos.com": "ServiceMonitor PodMonitor PrometheusRule Prometheus Alertmanager AlertmanagerConfig ThanosRuler",
    "autoscaling.k8s.io": "VerticalPodAutoscaler",
    "helm.toolkit.fluxcd.io": "HelmRelease",
    "source.toolkit.fluxcd.io": "GitRepository HelmRepository OCIRepository HelmChart",
    "notification.toolkit.fluxcd.io": "Alert Provider",
    "image.toolkit.fluxcd.io": "ImageRepository ImagePolicy ImageUpdateAutomation",
    "flagger.app": "Canary MetricTemplate",
    "opentelemetry.io": "OpenTelemetryCollector Instrumentation",
    "cilium.io": "CiliumNetworkPolicy CiliumClusterwideNetworkPolicy",
    "secrets.hashicorp.com": "VaultStaticSecret VaultDynamicSecret VaultPKISecret VaultAuth VaultConnection",
}

BUILT_IN_GROUPS = frozenset(_BUILT_IN)

#: kind -> its group, for kinds that can be named without one.
GROUPS = {kind: group for table in (_CUSTOM, _BUILT_IN) for group, kinds in table.items() for kind in kinds.split()}

#: Groups that a kind had once, or that some call it by (Linkerd's `core`), and the one it has now: either names the same object.
FORMER = {
    **{("extensions", kind): GROUPS[kind] for kind in ("Deployment", "DaemonSet", "ReplicaSet", "Ingress", "NetworkPolicy")},
    ("core", "Service"): "",
}  # fmt: skip

_OUTSIDE = (
    "Namespace Node PersistentVolume ClusterRole ClusterRoleBinding StorageClass PriorityClass RuntimeClass IngressClass "
    "VolumeAttachment CSIDriver CSINode DeviceClass ValidatingWebhookConfiguration MutatingWebhookConfiguration "
    "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding CustomResourceDefinition APIService CertificateSigningRequest "
    "ClusterAnalysisTemplate GatewayClass ClusterTriggerAuthentication ClusterExternalSecret ClusterSecretStore ClusterIssuer "
    "ClusterImageCatalog CiliumClusterwideNetworkPolicy ClusterPolicy NodePool NodeClaim EC2NodeClass"
)
#: Kinds whose objects are in no namespace.
CLUSTER_SCOPED = frozenset(_OUTSIDE.split())


def kind_of(text: str) -> tuple[str, str]:
    """(group, kind) of `ConfigMap`, or of `networking.istio.io/Gateway` where several groups have a kind."""
    group, slash, kind = text.rpartition("/")
    return (group, kind) if slash else (GROUPS[text], text)


def known(ref: Ref) -> tuple[str, str]:
    """(group, kind) of an object as the tables have it: of a group that has moved, the one it moved to."""
    return FORMER.get((ref.group, ref.kind), ref.group), ref.kind


def is_cluster_scoped(group: str, kind: str) -> bool:
    """Whether objects of a kind are outside of namespaces, as far as their kind tells."""
    return kind in CLUSTER_SCOPED or (
        group not in BUILT_IN_GROUPS and group not in _CUSTOM and kind.startswith("Cluster") and kind != "Cluster"
    )


#: What Kubernetes makes itself, by (group, kind): names, and prefixes of names.
_ALWAYS: dict[tuple[str, str], tuple[frozenset[str], tuple[str, ...]]] = {
    ("", "ServiceAccount"): (frozenset({"default"}), ()),
    ("", "ConfigMap"): (frozenset({"kube-root-ca.crt"}), ()),
    ("", "Namespace"): (frozenset({"default", "kube-system", "kube-public", "kube-node-lease"}), ()),
    ("rbac.authorization.k8s.io", "ClusterRole"): (frozenset({"cluster-admin", "admin", "edit", "view"}), ("system:",)),
    ("rbac.authorization.k8s.io", "Role"): (frozenset(), ("system:",)),
    ("scheduling.k8s.io", "PriorityClass"): (frozenset({"system-cluster-critical", "system-node-critical"}), ()),
    ("argoproj.io", "AppProject"): (frozenset({"default"}), ()),
}  # fmt: skip


def is_always_there(ref: Ref) -> bool:
    """Whether Kubernetes (or the operator of a kind) makes an object of itself."""
    if (ref.group, ref.kind) == ("", "Service"):
        return ref.name == "kubernetes" and ref.namespace in ("default", "")
    names, prefixes = _ALWAYS.get((ref.group, ref.kind), (frozenset(), ()))
    return ref.name in names or ref.name.startswith(prefixes)
