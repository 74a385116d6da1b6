"""ClusterRoles that gather the rules of others (pkg/controller/clusterroleaggregation)."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.world.objects import Obj, labels_of, name_of
from seatrial.world.selectors import matches


def gathered(role: Obj, roles: Iterable[Obj]) -> list[Obj]:
    """The rules of an aggregated ClusterRole: those of all others, by name, that its selectors match, each once."""
    rules: list[Obj] = []
    others = sorted((other for other in roles if name_of(other) != name_of(role)), key=name_of)
    for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        for other in others:
            if matches(selector, labels_of(other)):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules
