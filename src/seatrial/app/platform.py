"""What the cluster offers: the operators, controllers and services that decide which objects an app becomes."""

from __future__ import annotations

from typing import Literal

from seatrial.app.parts import Part
from seatrial.app.values import (
    AgeKey,
    Count,
    GatewayName,
    Identity,
    LabelKey,
    LabelValue,
    Name,
    Namespace,
    NodeLabel,
    Region,
    Text,
    Url,
)


class Platform(Part):
    """What the cluster offers, and hence which objects are rendered."""

    ingress: Literal["nginx", "traefik", "gateway", "istio", "none"] | None = None
    """What lets the world in: an Ingress controller (default nginx), the Gateway API, or Istio's gateway."""
    gateway: GatewayName | None = None
    """The Gateway that is there already, as `namespace/name`; without it one is rendered for the app."""
    gatewayClass: Name | None = None  # noqa: N815
    """The class of the Gateway that is rendered, with `ingress: gateway` (default istio with the mesh, else nginx)."""
    issuer: Name | None = None
    """The ClusterIssuer of cert-manager that certifies the hosts."""
    mesh: Literal["istio", "none"] | None = None
    """The service mesh: with Istio all calls are encrypted and known by who makes them (default none)."""
    rollouts: Literal["argo-rollouts", "none"] | None = None
    """What rolls services that have a `canary` (default none)."""
    gitops: Literal["argocd", "flux", "none"] | None = None
    """What applies the objects, where it is not Helm: migrations become its hooks (default none)."""
    secrets: Literal["kubernetes", "external-secrets", "csi", "sops", "existing"] | None = None
    """Where secret values come from: with the release (default), from a store by External Secrets or the Secrets Store CSI
    driver, from files encrypted by SOPS, or they are there already."""
    secretStore: Name | None = None  # noqa: N815
    """The ClusterSecretStore of External Secrets (default: the app's name); not wanted where `secretProvider` is given."""
    secretProvider: Literal["aws", "gcp", "azure", "vault"] | None = None  # noqa: N815
    """Who keeps the secrets. With External Secrets, the app gets a SecretStore of its own for it; the CSI driver needs it."""
    secretVault: Text | None = None  # noqa: N815
    """Where they are: the region of AWS, the project of Google, the URL of Azure's key vault or of Vault."""
    secretPrefix: Text | None = None  # noqa: N815
    """What their names there begin with (default `<app>/<environment>`)."""
    secretIdentity: Identity | None = None  # noqa: N815
    """Who may read them there, where that is not left to External Secrets itself or to each service's `identity`."""
    secretCredentials: Name | None = None  # noqa: N815
    """The Secret of the namespace with the keys by which External Secrets asks, where that is not an identity of a cloud."""
    secretTenant: Text | None = None  # noqa: N815
    """The tenant of Azure's key vault."""
    age: tuple[AgeKey, ...] | None = None
    """The public keys of age for which SOPS encrypts the files of secrets."""
    autoscaling: Literal["hpa", "keda", "none"] | None = None
    """What scales services (default hpa)."""
    recommendations: Literal["vpa", "none"] | None = None
    """What recommends requests: a VerticalPodAutoscaler that changes nothing (default none)."""
    monitoring: Literal["prometheus-operator", "none"] | None = None
    """What reads the metrics (default none)."""
    monitoringNamespace: Namespace | None = None  # noqa: N815
    """The namespace it runs in (default monitoring)."""
    monitoringLabels: dict[LabelKey, LabelValue] | None = None  # noqa: N815
    """The labels by which it finds monitors and rules, such as `release: monitoring`."""
    prometheus: Url | None = None
    """Where Prometheus answers queries (default http://prometheus-operated.<monitoringNamespace>:9090)."""
    dashboards: bool | None = None
    """Whether a dashboard for Grafana is rendered, as a ConfigMap that its sidecar finds (default: no)."""
    telemetry: Literal["opentelemetry", "opentelemetry-operator", "none"] | None = None
    """What takes traces: a collector of the app's own, by itself or through its operator (default none)."""
    otlp: Url | None = None
    """The collector that is there already, by its OTLP endpoint; then none is rendered."""
    postgres: Literal["statefulset", "cloudnative-pg"] | None = None
    """What runs a PostgreSQL that nobody else runs (default a StatefulSet of one)."""
    storageClass: Name | None = None  # noqa: N815
    """The class of the stores' volumes (default: the cluster's default)."""
    region: Region | None = None
    """The region of the cloud."""
    zones: Count | None = None
    """How many zones the nodes are in. From two on, replicas are spread over them as a rule and not only as a wish."""
    nodes: dict[LabelKey, NodeLabel] | None = None
    """The labels of the nodes on which the app may run; `true` for any value, `false` for nodes without such a label."""
