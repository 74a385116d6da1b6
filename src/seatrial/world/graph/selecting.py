"""The table of selectors: which kinds choose pods (by their templates' labels), Services or other objects, and in which
namespaces.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Select:
    """One place where a kind selects by labels.

    `plain`: a map of labels, where an empty or missing one selects nothing; else a LabelSelector, where a missing one selects
    nothing and an empty one everything.  `of` is the kind that is selected, `pods` for pod templates.  `namespaces` is a path
    beside it that widens the choice: a LabelSelector over Namespaces (`namespaceSelector` of a peer), or the `any`/`matchNames`
    of a monitor.
    """

    path: str
    relation: str = "selects"
    plain: bool = False
    of: str = "pods"
    namespaces: str = ""


_MONITOR = "spec.namespaceSelector"
_PROMETHEUS = (
    Select("spec.serviceMonitorSelector", "monitors", of="ServiceMonitor", namespaces="serviceMonitorNamespaceSelector"),
    Select("spec.podMonitorSelector", "monitors", of="PodMonitor", namespaces="podMonitorNamespaceSelector"),
    Select("spec.ruleSelector", "monitors", of="PrometheusRule", namespaces="ruleNamespaceSelector"),
)
_ISTIO = (Select("spec.selector.matchLabels", plain=True),)

#: kind -> where it selects.
SELECTS: dict[str, tuple[Select, ...]] = {
    "Service": (Select("spec.selector", plain=True),),
    "PodDisruptionBudget": (Select("spec.selector"),),
    "NetworkPolicy": (
        Select("spec.podSelector"),
        Select("spec.ingress[*].from[*].podSelector", "allows-from", namespaces="namespaceSelector"),
        Select("spec.egress[*].to[*].podSelector", "allows-to", namespaces="namespaceSelector"),
    ),
    "ReplicationController": (Select("spec.selector", "manages", plain=True),),
    "ServiceMonitor": (Select("spec.selector", "monitors", of="Service", namespaces="namespaceSelector"),),
    "PodMonitor": (Select("spec.selector", "monitors", namespaces="namespaceSelector"),),
    "Prometheus": _PROMETHEUS,
    "ThanosRuler": _PROMETHEUS[2:],
    "networking.istio.io/Gateway": (Select("spec.selector", "selects", plain=True, namespaces="*"),),
    "PeerAuthentication": _ISTIO,
    "AuthorizationPolicy": _ISTIO,
    "RequestAuthentication": _ISTIO,
    "Telemetry": _ISTIO,
    "Sidecar": (Select("spec.workloadSelector.labels", plain=True),),
    "DestinationRule": (Select("spec.workloadSelector.matchLabels", plain=True),),
    "CiliumNetworkPolicy": (Select("spec.endpointSelector"),),
}

#: Where a pod's spec selects other pods.
POD = (
    Select("topologySpreadConstraints[*].labelSelector", "spreads"),
    *(
        Select(f"affinity.{kind}.{when}.labelSelector", relation)
        for kind, relation in (("podAffinity", "attracts"), ("podAntiAffinity", "repels"))
        for when in (
            "requiredDuringSchedulingIgnoredDuringExecution[*]",
            "preferredDuringSchedulingIgnoredDuringExecution[*].podAffinityTerm",
        )
    ),
)
