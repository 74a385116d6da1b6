"""The table of selectors: which kinds choose pods (by their templates' labels), Services or other objects, and in which
namespaces.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from seatrial.world.objects import Ref


class Select(NamedTuple):
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


#: What can be selected: its name and its labels.
Labelled = tuple[Ref, dict[str, str]]


class Shelves:
    """What can be selected, by each pair of its labels and by namespace: the same labels are in many namespaces, and one
    namespace may hold thousands.
    """

    def __init__(self, things: Iterable[Labelled]) -> None:
        self._by_space: dict[str, list[Labelled]] = defaultdict(list)
        self._by_label: dict[tuple[str, str], dict[str, list[Labelled]]] = defaultdict(lambda: defaultdict(list))
        for thing in things:
            space = thing[0].namespace
            self._by_space[space].append(thing)
            for key, value in thing[1].items():
                self._by_label[key, str(value)][space].append(thing)

    def near(self, pairs: Mapping[str, object], space: str) -> list[Labelled]:
        """The things that have one of the pairs, the rarest; of a namespace and of none, or of all where `space` is ""."""
        found = [_shelf(self._by_label.get((key, str(value)), {}), space) for key, value in pairs.items()]
        return min(found, key=len) if found else _shelf(self._by_space, space)


def _shelf(spaces: Mapping[str, list[Labelled]], space: str) -> list[Labelled]:
    if not space:
        return [thing for things in spaces.values() for thing in things]
    return [*spaces.get(space, ()), *spaces.get("", ())]
