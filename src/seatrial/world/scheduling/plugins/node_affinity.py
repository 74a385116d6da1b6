"""NodeAffinity: nodeSelector, required and preferred node affinity (component-helpers/scheduling/corev1/nodeaffinity)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seatrial.world import selectors
from seatrial.world.objects import Obj
from seatrial.world.scheduling.framework import NODE_ADDED, NODE_CHANGED, Cycle, Plugin, normalized
from seatrial.world.scheduling.state import NodeInfo

_WORDS = "node(s) didn't match Pod's node affinity/selector"


def matches_term(term: Obj, name: str, labels: Mapping[str, str]) -> bool:
    """A node selector term: all its expressions and fields; one without any matches nothing."""
    expressions, match_fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not match_fields:
        return False
    if not selectors.matches({"matchExpressions": list(expressions)}, labels):
        return False
    return all(_matches_field(rule, name) for rule in match_fields)


def _matches_field(rule: Obj, name: str) -> bool:
    held = rule["key"] == "metadata.name" and name in (rule.get("values") or ())
    return held if rule["operator"] == "In" else not held


def required_terms(spec: Obj) -> Sequence[Obj] | None:
    """The terms of which one has to match; None where any node will do."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else required.get("nodeSelectorTerms") or ()


def allows(spec: Obj, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a pod spec's selector and required affinity let it onto a node."""
    wanted = spec.get("nodeSelector")
    if wanted and not selectors.matches_labels(wanted, labels):
        return False
    terms = required_terms(spec)
    return terms is None or any(matches_term(term, name, labels) for term in terms)


def named_nodes(spec: Obj) -> set[str] | None:
    """The names of the only nodes that can match, where every term names its node (as DaemonSets do); None otherwise."""
    terms = required_terms(spec)
    if not terms:
        return None
    names: set[str] = set()
    for term in terms:
        found = [set(r["values"]) for r in term.get("matchFields") or () if r["key"] == "metadata.name" and r["operator"] == "In"]
        if not found:
            return None
        names |= set.intersection(*found)
    return names


class NodeAffinity(Plugin):
    name = "NodeAffinity"
    weight = 2
    wakes_on = frozenset({NODE_ADDED, NODE_CHANGED})

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        spec = cycle.pod.spec
        if not spec.get("nodeSelector") and required_terms(spec) is None:
            return nodes
        kept = []
        for node in nodes:
            if allows(spec, node.name, node.labels):
                kept.append(node)
            else:
                self.refuse(cycle, node, _WORDS, resolvable=False)
        return kept

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int] | None:
        preferred = _preferred(cycle.pod.affinity)
        if not preferred:
            return None
        return normalized([sum(_weights(preferred, node)) for node in nodes])


def _preferred(affinity: Obj) -> Sequence[Obj]:
    return (affinity.get("nodeAffinity") or {}).get("preferredDuringSchedulingIgnoredDuringExecution") or ()


def _weights(preferred: Iterable[Obj], node: NodeInfo) -> Iterable[int]:
    return (term["weight"] for term in preferred if matches_term(term["preference"], node.name, node.labels))
