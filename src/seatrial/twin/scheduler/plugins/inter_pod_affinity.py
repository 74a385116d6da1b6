"""InterPodAffinity: near to these pods, away from those, as a demand or a preference (framework/plugins/interpodaffinity)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seatrial.twin.scheduler.framework import (
    MOST,
    NODE_ADDED,
    NODE_CHANGED,
    POD_ADDED,
    POD_CHANGED,
    POD_GONE,
    Cycle,
    Plugin,
)
from seatrial.twin.scheduler.state import NodeInfo, PodInfo
from seatrial.twin.store import Store
from seatrial.world import selectors
from seatrial.world.objects import Obj, labels_of

REQUIRED, PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"

_AFFINITY = "node(s) didn't match pod affinity rules"
_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
_EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"

Pair = tuple[str, str]  # topology key and value


@dataclass(frozen=True, slots=True)
class Term:
    """A pod affinity term, made ready for a pod: `namespaces` None means all."""

    key: str
    selector: Obj | None
    namespaces: frozenset[str] | None
    weight: int = 0

    def matches(self, pod: PodInfo) -> bool:
        return (self.namespaces is None or pod.namespace in self.namespaces) and selectors.matches(self.selector, pod.labels)


def terms_of(pod: PodInfo, kind: str, when: str, store: Store) -> list[Term]:
    """The terms of podAffinity or podAntiAffinity, with their weights where they are preferences."""
    said = (pod.affinity.get(kind) or {}).get(when) or ()
    return [_term(one["podAffinityTerm"] if when == PREFERRED else one, one.get("weight", 0), pod, store) for one in said]


def _term(said: Obj, weight: int, pod: PodInfo, store: Store) -> Term:
    selector = said.get("labelSelector")
    if selector is not None:
        rules = [
            {"key": key, "operator": operator, "values": [pod.labels[key]]}
            for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
            for key in said.get(field) or ()
            if key in pod.labels
        ]
        if rules:
            selector = {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *rules]}
    return Term(said["topologyKey"], selector, _namespaces(said, pod, store), weight)


def _namespaces(said: Obj, pod: PodInfo, store: Store) -> frozenset[str] | None:
    chosen = said.get("namespaceSelector")
    named = said.get("namespaces") or ()
    if chosen is None:
        return frozenset(named or (pod.namespace,))
    if not chosen:
        return None
    found = (n["metadata"]["name"] for n in store.list("namespaces") if selectors.matches(chosen, labels_of(n)))
    return frozenset((*named, *found))


class InterPodAffinity(Plugin):
    name = "InterPodAffinity"
    weight = 2
    wakes_on = frozenset({NODE_ADDED, NODE_CHANGED, POD_ADDED, POD_CHANGED, POD_GONE})

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        pod = cycle.pod
        near = terms_of(pod, "podAffinity", REQUIRED, cycle.store)
        away = terms_of(pod, "podAntiAffinity", REQUIRED, cycle.store)
        if not near and not away and not cycle.state.avoiding:
            return nodes
        avoided = _avoided_by_others(cycle) if cycle.state.avoiding else {}
        near_counts = _pairs_matching_all(cycle, near)
        away_counts = _pairs(cycle, away)
        lonely = not near_counts and all(term.matches(pod) for term in near)
        kept = []
        for node in nodes:
            if near and not self._near_enough(node, near, near_counts, lonely):
                self.refuse(cycle, node, _AFFINITY, resolvable=False)
            elif any(away_counts.get((term.key, node.labels.get(term.key, "")), 0) for term in away if term.key in node.labels):
                self.refuse(cycle, node, _ANTI_AFFINITY)
            elif any(avoided.get(pair, 0) for pair in node.labels.items()) if avoided else False:
                self.refuse(cycle, node, _EXISTING)
            else:
                kept.append(node)
        return kept

    @staticmethod
    def _near_enough(node: NodeInfo, near: Sequence[Term], counts: dict[Pair, int], lonely: bool) -> bool:
        if any(term.key not in node.labels for term in near):
            return False
        return lonely or all(counts.get((term.key, node.labels[term.key]), 0) for term in near)

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int] | None:
        pod = cycle.pod
        wishes = [(term, term.weight) for term in terms_of(pod, "podAffinity", PREFERRED, cycle.store)]
        wishes += [(term, -term.weight) for term in terms_of(pod, "podAntiAffinity", PREFERRED, cycle.store)]
        if not wishes and not cycle.state.with_affinity:
            return None
        weights = _weights(cycle, wishes)
        if not weights:
            return None
        sums = [sum(weights.get(pair, 0) for pair in node.labels.items()) for node in nodes]
        lowest, highest = min(sums), max(sums)
        if highest == lowest:
            return [0] * len(sums)
        return [int(MOST * ((value - lowest) / (highest - lowest))) for value in sums]


def _avoided_by_others(cycle: Cycle) -> dict[Pair, int]:
    """Where pods that run already do not want this one."""
    found: dict[Pair, int] = {}
    for node in cycle.state.nodes.values():
        for other in node.avoiding.values():
            for term in terms_of(other, "podAntiAffinity", REQUIRED, cycle.store):
                value = node.labels.get(term.key)
                if value is not None and term.matches(cycle.pod):
                    found[term.key, value] = found.get((term.key, value), 0) + 1
    return found


def _pairs_matching_all(cycle: Cycle, terms: Sequence[Term]) -> dict[Pair, int]:
    """Where the pods are that match every term, for each term's topology."""
    found: dict[Pair, int] = {}
    if not terms:
        return found
    for node in cycle.state.nodes.values():
        number = sum(all(term.matches(other) for term in terms) for other in node.pods.values())
        if number:
            _count(found, terms, node, number)
    return found


def _pairs(cycle: Cycle, terms: Sequence[Term]) -> dict[Pair, int]:
    """Where the pods are that match one of the terms, each for its own topology."""
    found: dict[Pair, int] = {}
    for node in cycle.state.nodes.values() if terms else ():
        for term in terms:
            if term.key in node.labels:
                number = sum(term.matches(other) for other in node.pods.values())
                if number:
                    _count(found, (term,), node, number)
    return found


def _count(found: dict[Pair, int], terms: Iterable[Term], node: NodeInfo, number: int) -> None:
    for term in terms:
        value = node.labels.get(term.key)
        if value is not None:
            found[term.key, value] = found.get((term.key, value), 0) + number


def _weights(cycle: Cycle, wishes: Sequence[tuple[Term, int]]) -> dict[Pair, int]:
    """What each topology is worth: by the pod's wishes, and by those of the pods that run there (scoring.go)."""
    found: dict[Pair, int] = {}

    def add(term: Term, node: NodeInfo, weight: int) -> None:
        value = node.labels.get(term.key)
        if value is not None and weight:
            found[term.key, value] = found.get((term.key, value), 0) + weight

    for node in cycle.state.nodes.values():
        for other in node.pods.values() if wishes else ():
            for term, weight in wishes:
                if term.matches(other):
                    add(term, node, weight)
        for other in node.with_affinity.values():
            for kind, when, sign in _THEIRS:
                for term in terms_of(other, kind, when, cycle.store):
                    if term.matches(cycle.pod):
                        add(term, node, sign * (term.weight if when == PREFERRED else _HARD_WEIGHT))
    return found


#: A required affinity of a running pod counts this much for one that would join it (hardPodAffinityWeight).
_HARD_WEIGHT = 1
_THEIRS = (("podAffinity", REQUIRED, 1), ("podAffinity", PREFERRED, 1), ("podAntiAffinity", PREFERRED, -1))
