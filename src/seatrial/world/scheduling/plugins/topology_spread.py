"""PodTopologySpread: even numbers of matching pods over zones, nodes or any other label of nodes.

Follows framework/plugins/podtopologyspread, with the default constraints that count for pods which bring none: at most three
more on one node and five more in one zone than elsewhere, as a preference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from seatrial.world.objects import Obj
from seatrial.world.scheduling.framework import (
    MOST,
    NODE_ADDED,
    NODE_CHANGED,
    POD_ADDED,
    POD_CHANGED,
    POD_GONE,
    Cycle,
    Plugin,
)
from seatrial.world.scheduling.plugins.node_affinity import allows, required_terms
from seatrial.world.scheduling.plugins.node_basics import tolerated
from seatrial.world.scheduling.selection import Selection, default_selection
from seatrial.world.scheduling.state import ZONE, NodeInfo, PodInfo

HOSTNAME = "kubernetes.io/hostname"

_WORDS = "node(s) didn't match pod topology spread constraints"


@dataclass(frozen=True, slots=True)
class Constraint:
    key: str
    max_skew: int
    selection: Selection
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


class PodTopologySpread(Plugin):
    name = "PodTopologySpread"
    weight = 2
    wakes_on = frozenset({NODE_ADDED, NODE_CHANGED, POD_ADDED, POD_CHANGED, POD_GONE})

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        constraints = _constraints(cycle.pod, "DoNotSchedule")
        if not constraints:
            return nodes
        counts = [_hard_counts(cycle, constraints, constraint) for constraint in constraints]
        least = [_least(found, constraint) for found, constraint in zip(counts, constraints, strict=True)]
        own = [constraint.selection.matches(cycle.pod.namespace, cycle.pod.labels) for constraint in constraints]
        kept = []
        for node in nodes:
            for constraint, found, minimum, self_match in zip(constraints, counts, least, own, strict=True):
                value = node.labels.get(constraint.key)
                if value is None:
                    self.refuse(cycle, node, f"{_WORDS} (missing required label)", resolvable=False)
                    break
                if found.get(value, 0) + self_match - minimum > constraint.max_skew:
                    self.refuse(cycle, node, _WORDS)
                    break
            else:
                kept.append(node)
        return kept

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int] | None:
        constraints, demand_labels = _constraints(cycle.pod, "ScheduleAnyway"), True
        if not cycle.pod.spec.get("topologySpreadConstraints"):
            constraints, demand_labels = _defaults(cycle), False
        if not constraints:
            return None
        partly = demand_labels and not _labelled_everywhere(cycle, constraints)
        ignored = {node.name for node in nodes if partly and not _labelled(node, constraints)}
        costs = _costs(cycle, constraints, nodes, ignored, demand_labels)
        counted = [cost for cost in costs if cost is not None]
        lowest, highest = min(counted, default=0), max(counted, default=0)
        if highest == 0:
            return [0 if cost is None else MOST for cost in costs]
        return [0 if cost is None else MOST * (highest + lowest - cost) // highest for cost in costs]


def _constraints(pod: PodInfo, action: str) -> list[Constraint]:
    found = []
    for said in pod.spec.get("topologySpreadConstraints") or ():
        if said.get("whenUnsatisfiable", "DoNotSchedule") == action:
            found.append(
                Constraint(
                    said["topologyKey"],
                    said["maxSkew"],
                    Selection.of(pod.namespace, _selector(said, pod)),
                    said.get("minDomains") or 1,
                    said.get("nodeAffinityPolicy", "Honor") == "Honor",
                    said.get("nodeTaintsPolicy", "Ignore") == "Honor",
                )
            )
    return found


def _selector(said: Obj, pod: PodInfo) -> Obj | None:
    """The constraint's selector, narrowed to the pod's own values of `matchLabelKeys`."""
    selector: Obj | None = said.get("labelSelector")
    keys = [key for key in said.get("matchLabelKeys") or () if key in pod.labels]
    if not keys or selector is None:
        return selector
    rules = [{"key": key, "operator": "In", "values": [pod.labels[key]]} for key in keys]
    return {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *rules]}


def _defaults(cycle: Cycle) -> list[Constraint]:
    selection = default_selection(cycle.store, cycle.pod)
    if selection is None:
        return []
    return [Constraint(HOSTNAME, 3, selection), Constraint(ZONE, 5, selection)]


def _labelled(node: NodeInfo, constraints: Sequence[Constraint]) -> bool:
    return all(constraint.key in node.labels for constraint in constraints)


def _labelled_everywhere(cycle: Cycle, constraints: Sequence[Constraint]) -> bool:
    return all(cycle.state.every_node_has(constraint.key) for constraint in constraints)


def _counts(cycle: Cycle, constraint: Constraint, node: NodeInfo) -> bool:
    """Whether what runs on a node counts for a constraint, by its policies for affinity and taints."""
    if constraint.honor_affinity and not allows(cycle.pod.spec, node.name, node.labels):
        return False
    if constraint.honor_taints:
        tolerations = cycle.pod.spec.get("tolerations") or ()
        hard = (taint for taint in node.taints if taint.get("effect") in ("NoSchedule", "NoExecute"))
        return all(tolerated(tolerations, taint) for taint in hard)
    return True


# what must hold


def _hard_counts(cycle: Cycle, constraints: Sequence[Constraint], constraint: Constraint) -> Mapping[str, int]:
    """Matching pods by the value of the constraint's label, over the nodes that have the labels of all constraints."""
    key, nodes = constraint.key, cycle.state.nodes.values()
    if _counts_everywhere(cycle, constraint) and (len(constraints) == 1 or _labelled_everywhere(cycle, constraints)):
        known = cycle.state.matching_in(constraint.selection, key)
        return {value: known.get(value, 0) for value in {node.labels[key] for node in nodes if key in node.labels}}
    matching = cycle.state.matching(constraint.selection)
    found: dict[str, int] = {}
    for node in nodes:
        if _labelled(node, constraints) and _counts(cycle, constraint, node):
            value = node.labels[key]
            found[value] = found.get(value, 0) + matching.get(node.name, 0)
    return found


def _least(found: Mapping[str, int], constraint: Constraint) -> int:
    return 0 if len(found) < constraint.min_domains else min(found.values(), default=0)


# what would be nice


def _costs(
    cycle: Cycle, constraints: Sequence[Constraint], nodes: Sequence[NodeInfo], ignored: set[str], demand_labels: bool
) -> list[int | None]:
    """How crowded each node's domains are with matching pods; None for nodes that lack a label."""
    totals = [0.0] * len(nodes)
    for constraint in constraints:
        key, skew = constraint.key, constraint.max_skew - 1
        if key == HOSTNAME:
            numbers = cycle.state.matching(constraint.selection)
            weight = log(len(nodes) - len(ignored) + 2)
            totals = [total + numbers.get(node.name, 0) * weight + skew for total, node in zip(totals, nodes, strict=True)]
            continue
        numbers = _soft_counts(cycle, constraints, constraint, nodes, ignored, demand_labels)
        cost = {value: number * log(len(numbers) + 2) + skew for value, number in numbers.items()}
        totals = [total + cost.get(node.labels.get(key, ""), 0.0) for total, node in zip(totals, nodes, strict=True)]
    if not ignored:
        return [int(total + 0.5) for total in totals]  # rounded as Go's math.Round does
    return [None if node.name in ignored else int(total + 0.5) for node, total in zip(nodes, totals, strict=True)]


def _soft_counts(
    cycle: Cycle,
    constraints: Sequence[Constraint],
    constraint: Constraint,
    nodes: Sequence[NodeInfo],
    ignored: set[str],
    demand_labels: bool,
) -> Mapping[str, int]:
    """Matching pods in each domain that one of the nodes belongs to, counted over the whole cluster."""
    key, selection = constraint.key, constraint.selection
    values = {node.labels[key] for node in nodes if key in node.labels and node.name not in ignored}
    free = not demand_labels or len(constraints) == 1 or _labelled_everywhere(cycle, constraints)
    if free and _counts_everywhere(cycle, constraint):
        known = cycle.state.matching_in(selection, key)
        return {value: known.get(value, 0) for value in values}
    found = dict.fromkeys(values, 0)
    for name, number in cycle.state.matching(selection).items():
        node = cycle.state.nodes.get(name)
        if node is None or (value := node.labels.get(key)) not in found:
            continue
        if demand_labels and not _labelled(node, constraints):
            continue
        if _counts(cycle, constraint, node):
            found[value] += number
    return found


def _counts_everywhere(cycle: Cycle, constraint: Constraint) -> bool:
    """Whether no policy of the constraint can leave a node out for this pod."""
    spec = cycle.pod.spec
    chooses = constraint.honor_affinity and (spec.get("nodeSelector") or required_terms(spec) is not None)
    return not chooses and not constraint.honor_taints
