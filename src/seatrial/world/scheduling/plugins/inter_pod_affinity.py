"""InterPodAffinity: near to these pods, away from those, as a demand or a preference (framework/plugins/interpodaffinity)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

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
from seatrial.world.scheduling.selection import Selection
from seatrial.world.scheduling.state import NodeInfo
from seatrial.world.scheduling.terms import Term

_AFFINITY = "node(s) didn't match pod affinity rules"
_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
_EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"

Pair = tuple[str, str]  # a label of nodes and its value


class InterPodAffinity(Plugin):
    name = "InterPodAffinity"
    weight = 2
    wakes_on = frozenset({NODE_ADDED, NODE_CHANGED, POD_ADDED, POD_CHANGED, POD_GONE})

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        pod = cycle.pod
        near, away = pod.terms.near, pod.terms.away
        if not near and not away and not cycle.state.avoided:
            return nodes
        avoided = _avoided_by_others(cycle)
        near_counts = _all_matching(cycle, near) if near else Counter()
        away_counts = _matching(cycle, away)
        lonely = not near_counts and all(term.matches(pod.namespace, pod.labels, cycle.store) for term in near)
        kept = []
        for node in nodes:
            if near and not _near_enough(node, near, near_counts, lonely):
                self.refuse(cycle, node, _AFFINITY, resolvable=False)
            elif away and any((term.key, node.labels.get(term.key)) in away_counts for term in away):
                self.refuse(cycle, node, _ANTI_AFFINITY)
            elif avoided and any(pair in avoided for pair in node.labels.items()):
                self.refuse(cycle, node, _EXISTING)
            else:
                kept.append(node)
        return kept

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int] | None:
        worth = _worth(cycle)
        if not worth:
            return None
        sums = [sum(worth.get(pair, 0) for pair in node.labels.items()) for node in nodes]
        lowest, highest = min(sums), max(sums)
        if highest == lowest:
            return [0] * len(sums)
        return [int(MOST * ((value - lowest) / (highest - lowest))) for value in sums]


def _near_enough(node: NodeInfo, near: Sequence[Term], counts: Mapping[Pair, int], lonely: bool) -> bool:
    if any(term.key not in node.labels for term in near):
        return False
    return lonely or all((term.key, node.labels[term.key]) in counts for term in near)


def _avoided_by_others(cycle: Cycle) -> Counter[Pair]:
    """Where pods run that do not want this one near."""
    pod, found = cycle.pod, Counter[Pair]()
    for term, numbers in cycle.state.avoided.items():
        if term.matches(pod.namespace, pod.labels, cycle.store):
            _add(found, cycle, term, numbers)
    return found


def _matching(cycle: Cycle, terms: Sequence[Term]) -> Counter[Pair]:
    """Where the pods are that match one of the terms, each for its own label of nodes."""
    found = Counter[Pair]()
    for term in terms:
        _add(found, cycle, term, _numbers(cycle, term))
    return found


def _all_matching(cycle: Cycle, terms: Sequence[Term]) -> Counter[Pair]:
    """Where the pods are that match every term."""
    if len(terms) == 1:
        return _matching(cycle, terms)
    found = Counter[Pair]()
    for node in cycle.state.nodes.values():
        number = sum(all(t.matches(p.namespace, p.labels, cycle.store) for t in terms) for p in node.pods.values())
        for term in terms if number else ():
            _add(found, cycle, term, {node.name: number})
    return found


def _numbers(cycle: Cycle, term: Term) -> Mapping[str, int]:
    """How many pods a term means, by node."""
    total = Counter[str]()
    for namespace in term.all_namespaces(cycle.store):
        selection = Selection.of(namespace, term.label_selector, everyone=True)
        total.update(cycle.state.matching(selection))
    return total


def _add(found: Counter[Pair], cycle: Cycle, term: Term, numbers: Mapping[str, int], factor: int = 1) -> None:
    for name, number in numbers.items():
        node = cycle.state.nodes.get(name)
        value = node.labels.get(term.key) if node is not None else None
        if value is not None:
            found[term.key, value] += number * factor


def _worth(cycle: Cycle) -> Counter[Pair]:
    """What each place is worth: by the pod's own wishes, and by those of the pods that run there (scoring.go)."""
    pod, found = cycle.pod, Counter[Pair]()
    for term in pod.terms.wishes:
        _add(found, cycle, term, _numbers(cycle, term), term.weight)
    for term, numbers in cycle.state.wished.items():
        if term.matches(pod.namespace, pod.labels, cycle.store):
            _add(found, cycle, term, numbers, term.weight)
    return found
