"""The terms of pod affinity, in a form that the many pods of a template share: they are counted, not compared one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from seatrial.world import selectors
from seatrial.world.objects import Obj, labels_of
from seatrial.world.scheduling.shelf import Store

REQUIRED, PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
NEAR, AWAY = "podAffinity", "podAntiAffinity"

#: A required affinity of a running pod is worth this much to one that would join it (hardPodAffinityWeight).
HARD_WEIGHT = 1


@dataclass(frozen=True, slots=True)
class Term:
    """Pods that are meant, and the label of nodes by which near and far are told. `weight` is negative for a dislike.

    Selectors are kept as JSON: equal ones are one.
    """

    key: str
    selector: bytes
    namespaces: frozenset[str]
    namespace_selector: bytes = b""
    weight: int = 0

    def matches(self, namespace: str, labels: Mapping[str, str], store: Store) -> bool:
        return selectors.matches(_parsed(self.selector), labels) and self.covers(namespace, store)

    def covers(self, namespace: str, store: Store) -> bool:
        if namespace in self.namespaces:
            return True
        if not self.namespace_selector:
            return False
        found = store.get("namespaces", "", namespace)
        return found is not None and selectors.matches(_parsed(self.namespace_selector), labels_of(found))

    def all_namespaces(self, store: Store) -> Iterable[str]:
        """The namespaces that are meant."""
        if not self.namespace_selector:
            return self.namespaces
        every = (namespace["metadata"]["name"] for namespace in store.list("namespaces"))
        return {*self.namespaces, *(name for name in every if self.covers(name, store))}

    @property
    def label_selector(self) -> Obj | None:
        return _parsed(self.selector)


@lru_cache(maxsize=4096)
def _parsed(selector: bytes) -> Obj | None:
    found: Obj | None = orjson.loads(selector)
    return found


@dataclass(frozen=True, slots=True)
class PodTerms:
    """What a pod demands and wishes of its neighbours."""

    near: tuple[Term, ...] = ()
    away: tuple[Term, ...] = ()
    wishes: tuple[Term, ...] = ()

    @property
    def for_others(self) -> tuple[Term, ...]:
        """What its running somewhere is worth to pods that match: its wishes, and its own demand for them."""
        return (*self.wishes, *(Term(t.key, t.selector, t.namespaces, t.namespace_selector, HARD_WEIGHT) for t in self.near))


NONE = PodTerms()


def terms_of(affinity: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> PodTerms:
    near, away = affinity.get(NEAR) or {}, affinity.get(AWAY) or {}
    if not near and not away:
        return NONE
    return PodTerms(
        tuple(_term(said, 0, namespace, labels) for said in near.get(REQUIRED) or ()),
        tuple(_term(said, 0, namespace, labels) for said in away.get(REQUIRED) or ()),
        tuple(
            _term(said["podAffinityTerm"], sign * said["weight"], namespace, labels)
            for side, sign in ((near, 1), (away, -1))
            for said in side.get(PREFERRED) or ()
        ),
    )


def _term(said: Obj, weight: int, namespace: str, labels: Mapping[str, str]) -> Term:
    selector = said.get("labelSelector")
    if selector is not None:
        rules = [
            {"key": key, "operator": operator, "values": [labels[key]]}
            for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
            for key in said.get(field) or ()
            if key in labels
        ]
        if rules:
            selector = {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *rules]}
    chosen, named = said.get("namespaceSelector"), said.get("namespaces") or ()
    namespaces = frozenset(named) if named or chosen is not None else frozenset((namespace,))
    return Term(said["topologyKey"], _json(selector), namespaces, b"" if chosen is None else _json(chosen), weight)


def _json(selector: Mapping[str, Any] | None) -> bytes:
    return orjson.dumps(selector, option=orjson.OPT_SORT_KEYS)
