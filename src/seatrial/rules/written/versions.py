# ruff: noqa: E501 - a line of the table is one saying
"""API versions that a Kubernetes version no longer serves, or soon will not; and those of operators that have moved on.

The target version is the world's fact `version` (`1.31`); where nobody knows it, the newest that Seatrial knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.telling import put, tell
from seatrial.world.objects import Obj
from seatrial.world.world import World

RULES = (
    Rule("api-removed", "error", "has an API version that the cluster does not serve", "It is refused (`no matches for kind`): the release stops there; what runs already can no longer be changed by it.",
         "Move to the version that is named; where the form changed with it, change that too.",
         manifest("policy/v1beta1", "PodDisruptionBudget", "spec: {maxUnavailable: 1, selector: {matchLabels: {app: api}}}"),
         manifest("policy/v1", "PodDisruptionBudget", "spec: {maxUnavailable: 1, selector: {matchLabels: {app: api}}}")),
    Rule("api-deprecated", "note", "has an API version that will go", "A coming version of Kubernetes or of the operator no longer serves it.",
         "Move to the version that is named.",
         manifest("networking.istio.io/v1beta1", "VirtualService", "spec: {hosts: [api], http: [{route: [{destination: {host: api}}]}]}"),
         manifest("networking.istio.io/v1", "VirtualService", "spec: {hosts: [api], http: [{route: [{destination: {host: api}}]}]}")),
    Rule("api-operator-gone", "warning", "has an API version that current versions of its operator do not serve", "After the operator's next upgrade it can neither be applied nor read.",
         "Move to the version that is named.",
         manifest("external-secrets.io/v1beta1", "ExternalSecret", "spec: {refreshInterval: 1h, secretStoreRef: {name: aws, kind: ClusterSecretStore}, data: [{secretKey: a, remoteRef: {key: b}}]}"),
         manifest("external-secrets.io/v1", "ExternalSecret", "spec: {refreshInterval: 1h, secretStoreRef: {name: aws, kind: ClusterSecretStore}, data: [{secretKey: a, remoteRef: {key: b}}]}")),
)  # fmt: skip

NEWEST = (1, 36)
#: Groups that `helm template` does not know without a cluster: charts that ask for them fall back to what is long gone.
UNKNOWN_TO_HELM = frozenset({"apiregistration.k8s.io", "apiextensions.k8s.io"})


@dataclass(frozen=True, slots=True)
class Gone:
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
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


def target(world: World) -> tuple[int, int]:
    """The Kubernetes version that a world is for."""
    found = _VERSION.match(str(world.facts.get("version", "")))
    return (int(found[1]), int(found[2])) if found else NEWEST


@check(*{kind for _, kind in GONE}, rules=RULES)
def api_version(world: World, obj: Obj) -> Iterator[Finding]:
    """An object's apiVersion against the target."""
    written = str(obj.get("apiVersion", ""))
    gone = GONE.get((written, str(obj.get("kind", ""))))
    if gone is None:
        return
    ops = [put(obj, ("apiVersion",), gone.now)] if gone.same else []
    words = f"apiVersion: {written}; use {gone.now or 'Pod Security labels of namespaces'}"
    if gone.since is None:
        yield tell(world, gone.rule, obj, ("apiVersion",), words, ops=ops)
        return
    now = target(world)
    where = f"gone since Kubernetes {gone.since[0]}.{gone.since[1]}, the target is {now[0]}.{now[1]}"
    rule = "api-removed" if now >= gone.since else "api-deprecated"
    offline = rule == "api-removed" and written.partition("/")[0] in UNKNOWN_TO_HELM
    details = {"removed": f"{gone.since[0]}.{gone.since[1]}"}
    severity: Severity | None = "warning" if offline else None
    yield tell(world, rule, obj, ("apiVersion",), f"{words}; {where}", ops=ops, severity=severity, details=details)
