# ruff: noqa: E501 - a line of the table is one saying
"""API versions that went, or will go, and what to write instead: one table, for what is written and for what is released."""

from __future__ import annotations

from typing import NamedTuple


class Gone(NamedTuple):
    """`since` is the first Kubernetes version without it, None for custom resources. `same`: the new version has the old form."""

    since: tuple[int, int] | None
    now: str
    same: bool = True
    rule: str = "api-removed"


def _table() -> dict[tuple[str, str], Gone]:
    """(apiVersion, kind) -> what became of it (the deprecation guide of Kubernetes; the operators' release notes)."""
    rows: list[tuple[str, str, tuple[int, int] | None, str, bool, str]] = [
        ("extensions/v1beta1", "Deployment DaemonSet ReplicaSet", (1, 16), "apps/v1", False, ""),
        ("extensions/v1beta1", "NetworkPolicy", (1, 16), "networking.k8s.io/v1", True, ""),
        ("extensions/v1beta1", "PodSecurityPolicy", (1, 16), "", False, ""),
        ("extensions/v1beta1", "Ingress", (1, 22), "networking.k8s.io/v1", False, ""),
        ("apps/v1beta1", "Deployment StatefulSet", (1, 16), "apps/v1", False, ""),
        ("apps/v1beta2", "Deployment StatefulSet DaemonSet ReplicaSet", (1, 16), "apps/v1", False, ""),
        ("networking.k8s.io/v1beta1", "Ingress", (1, 22), "networking.k8s.io/v1", False, ""),
        ("networking.k8s.io/v1beta1", "IngressClass", (1, 22), "networking.k8s.io/v1", True, ""),
        ("rbac.authorization.k8s.io/v1beta1", "Role ClusterRole RoleBinding ClusterRoleBinding", (1, 22), "rbac.authorization.k8s.io/v1", True, ""),
        ("rbac.authorization.k8s.io/v1alpha1", "Role ClusterRole RoleBinding ClusterRoleBinding", (1, 22), "rbac.authorization.k8s.io/v1", True, ""),
        ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", (1, 22), "apiextensions.k8s.io/v1", False, ""),
        ("admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration ValidatingWebhookConfiguration", (1, 22), "admissionregistration.k8s.io/v1", False, ""),
        ("apiregistration.k8s.io/v1beta1", "APIService", (1, 22), "apiregistration.k8s.io/v1", True, ""),
        ("certificates.k8s.io/v1beta1", "CertificateSigningRequest", (1, 22), "certificates.k8s.io/v1", False, ""),
        ("coordination.k8s.io/v1beta1", "Lease", (1, 22), "coordination.k8s.io/v1", True, ""),
        ("scheduling.k8s.io/v1beta1", "PriorityClass", (1, 22), "scheduling.k8s.io/v1", True, ""),
        ("storage.k8s.io/v1beta1", "CSIDriver CSINode StorageClass VolumeAttachment", (1, 22), "storage.k8s.io/v1", True, ""),
        ("storage.k8s.io/v1beta1", "CSIStorageCapacity", (1, 27), "storage.k8s.io/v1", True, ""),
        ("batch/v1beta1", "CronJob", (1, 25), "batch/v1", True, ""),
        ("batch/v2alpha1", "CronJob", (1, 21), "batch/v1", True, ""),
        ("discovery.k8s.io/v1beta1", "EndpointSlice", (1, 25), "discovery.k8s.io/v1", False, ""),
        ("events.k8s.io/v1beta1", "Event", (1, 25), "events.k8s.io/v1", False, ""),
        ("policy/v1beta1", "PodDisruptionBudget", (1, 25), "policy/v1", True, ""),
        ("policy/v1beta1", "PodSecurityPolicy", (1, 25), "", False, ""),
        ("node.k8s.io/v1beta1", "RuntimeClass", (1, 25), "node.k8s.io/v1", True, ""),
        ("autoscaling/v2beta1", "HorizontalPodAutoscaler", (1, 25), "autoscaling/v2", False, ""),
        ("autoscaling/v2beta2", "HorizontalPodAutoscaler", (1, 26), "autoscaling/v2", True, ""),
        ("flowcontrol.apiserver.k8s.io/v1beta1", "FlowSchema PriorityLevelConfiguration", (1, 26), "flowcontrol.apiserver.k8s.io/v1", False, ""),
        ("flowcontrol.apiserver.k8s.io/v1beta2", "FlowSchema PriorityLevelConfiguration", (1, 29), "flowcontrol.apiserver.k8s.io/v1", False, ""),
        ("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema PriorityLevelConfiguration", (1, 32), "flowcontrol.apiserver.k8s.io/v1", False, ""),
        ("networking.istio.io/v1alpha3", "VirtualService DestinationRule Gateway ServiceEntry Sidecar", None, "networking.istio.io/v1", True, "api-deprecated"),
        ("networking.istio.io/v1beta1", "VirtualService DestinationRule Gateway ServiceEntry Sidecar", None, "networking.istio.io/v1", True, "api-deprecated"),
        ("security.istio.io/v1beta1", "PeerAuthentication AuthorizationPolicy RequestAuthentication", None, "security.istio.io/v1", True, "api-deprecated"),
        ("external-secrets.io/v1beta1", "ExternalSecret ClusterExternalSecret SecretStore ClusterSecretStore", None, "external-secrets.io/v1", True, "api-operator-gone"),
        ("external-secrets.io/v1alpha1", "ExternalSecret SecretStore ClusterSecretStore", None, "external-secrets.io/v1", False, "api-operator-gone"),
        ("cert-manager.io/v1alpha2", "Certificate Issuer ClusterIssuer", None, "cert-manager.io/v1", False, "api-operator-gone"),
        ("cert-manager.io/v1alpha3", "Certificate Issuer ClusterIssuer", None, "cert-manager.io/v1", False, "api-operator-gone"),
        ("cert-manager.io/v1beta1", "Certificate Issuer ClusterIssuer", None, "cert-manager.io/v1", False, "api-operator-gone"),
        ("traefik.containo.us/v1alpha1", "IngressRoute Middleware IngressRouteTCP TLSOption", None, "traefik.io/v1alpha1", True, "api-operator-gone"),
        ("karpenter.sh/v1alpha5", "Provisioner", None, "karpenter.sh/v1 (NodePool)", False, "api-operator-gone"),
        ("karpenter.sh/v1beta1", "NodePool NodeClaim", None, "karpenter.sh/v1", False, "api-operator-gone"),
        ("gateway.networking.k8s.io/v1alpha2", "Gateway GatewayClass HTTPRoute", None, "gateway.networking.k8s.io/v1", False, "api-operator-gone"),
        ("gateway.networking.k8s.io/v1beta1", "Gateway GatewayClass HTTPRoute", None, "gateway.networking.k8s.io/v1", True, "api-deprecated"),
        ("helm.toolkit.fluxcd.io/v2beta1", "HelmRelease", None, "helm.toolkit.fluxcd.io/v2", False, "api-operator-gone"),
        ("helm.toolkit.fluxcd.io/v2beta2", "HelmRelease", None, "helm.toolkit.fluxcd.io/v2", False, "api-operator-gone"),
        ("kustomize.toolkit.fluxcd.io/v1beta1", "Kustomization", None, "kustomize.toolkit.fluxcd.io/v1", False, "api-operator-gone"),
        ("kustomize.toolkit.fluxcd.io/v1beta2", "Kustomization", None, "kustomize.toolkit.fluxcd.io/v1", True, "api-operator-gone"),
        ("source.toolkit.fluxcd.io/v1beta1", "GitRepository HelmRepository OCIRepository", None, "source.toolkit.fluxcd.io/v1", False, "api-operator-gone"),
        ("source.toolkit.fluxcd.io/v1beta2", "GitRepository HelmRepository OCIRepository", None, "source.toolkit.fluxcd.io/v1", True, "api-operator-gone"),
        ("v1", "ComponentStatus", None, "", False, "api-deprecated"),
        ("v1", "Endpoints", None, "discovery.k8s.io/v1 (EndpointSlice)", False, "api-deprecated"),
    ]  # fmt: skip
    return {
        (version, kind): Gone(since, now, same, rule or "api-removed")
        for version, kinds, since, now, same, rule in rows
        for kind in kinds.split()
    }


GONE = _table()
