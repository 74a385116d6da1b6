"""What a pod asks for as a whole: the effective requests and limits over its containers, init containers and overhead.

The formula is that of component-helpers/resource/helpers.go: containers and restartable init containers (sidecars) add
up, an ordinary init container counts alone with the sidecars started before it, and the larger of the two wins.
Pod-level resources replace the sum, overhead comes on top. Amounts stay quantities in their text form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.world import quantity

Amounts = dict[str, str]

#: What may be given for the pod as a whole, besides huge pages.
POD_LEVEL = ("cpu", "memory")


def requests(spec: Mapping[str, Any]) -> Amounts:
    """The requests of a pod spec, by resource."""
    return _effective(spec, "requests")


def limits(spec: Mapping[str, Any]) -> Amounts:
    """The limits of a pod spec, by resource; overhead counts only where there is a limit."""
    return _effective(spec, "limits")


def add(into: Amounts, more: Mapping[str, Any]) -> None:
    for name, amount in more.items():
        into[name] = quantity.add(into[name], str(amount)) if name in into else str(amount)


def _effective(spec: Mapping[str, Any], side: str) -> Amounts:
    total: Amounts = {}
    for container in spec.get("containers") or ():
        add(total, _of(container, side))
    _with_init_containers(total, spec.get("initContainers") or (), side)
    for name, amount in ((spec.get("resources") or {}).get(side) or {}).items():
        if name in POD_LEVEL or name.startswith("hugepages-"):
            total[name] = str(amount)
    for name, amount in (spec.get("overhead") or {}).items():
        if side == "requests" or name in total:
            add(total, {name: amount})
    return total


def _with_init_containers(total: Amounts, containers: Iterable[Mapping[str, Any]], side: str) -> None:
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in containers:
        own = _of(container, side)
        if container.get("restartPolicy") == "Always":
            add(total, own)
            add(sidecars, own)
            _raise(peak, sidecars)
        else:
            now = dict(sidecars)
            add(now, own)
            _raise(peak, now)
    _raise(total, peak)


def _raise(total: Amounts, other: Amounts) -> None:
    for name, amount in other.items():
        if name not in total or quantity.parse(amount) > quantity.parse(total[name]):
            total[name] = amount


def _of(container: Mapping[str, Any], side: str) -> Mapping[str, Any]:
    return (container.get("resources") or {}).get(side) or {}
