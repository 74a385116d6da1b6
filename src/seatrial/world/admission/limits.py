"""What limit ranges add to pods, and what they refuse: the bounds of containers, pods and claims, in Kubernetes' words.

plugin/pkg/admission/limitranger/admission.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from seatrial.world import pod_resources, quantity
from seatrial.world.objects import Obj

ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = Mapping[str, Any]
#: (kind of limit, resource, the bound, requests, limits) -> what is wrong, or ""
Rule = Callable[[str, str, str, Amounts, Amounts], str]


def _items(limit_range: Obj) -> list[Obj]:
    return (limit_range.get("spec") or {}).get("limits") or []


# completing


def complete(pod: Obj, limit_range: Obj) -> None:
    """Fill in what a pod leaves open, in place; an annotation says what."""
    defaults: dict[str, Obj] = {"requests": {}, "limits": {}}
    for item in _items(limit_range):
        if item.get("type") == "Container":
            defaults["requests"].update(item.get("defaultRequest") or {})
            defaults["limits"].update(item.get("default") or {})
    notes: list[str] = []
    for kind, label in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(kind) or ():
            notes += _complete_container(container, defaults, label)
    if notes:
        annotations = pod["metadata"].get("annotations") or {}
        pod["metadata"]["annotations"] = {**annotations, ANNOTATION: "LimitRanger plugin set: " + "; ".join(notes)}


def _complete_container(container: Obj, defaults: dict[str, Obj], label: str) -> Iterator[str]:
    resources = container.setdefault("resources", {})
    for side, word in (("requests", "request"), ("limits", "limit")):
        given = resources.get(side) or {}
        added = sorted(name for name in defaults[side] if name not in given)
        if added:
            resources[side] = {**given, **{name: defaults[side][name] for name in added}}
            yield f"{', '.join(added)} {word} for {label} {container['name']}"


# refusing


def _pod_errors(pod: Obj, item: Obj) -> Iterator[str]:
    kind = item.get("type", "")
    if kind == "Container":
        for containers in ("containers", "initContainers"):
            for container in pod["spec"].get(containers) or ():
                resources = container.get("resources") or {}
                yield from _bounds(kind, item, resources.get("requests") or {}, resources.get("limits") or {})
    elif kind == "Pod":
        yield from _bounds(kind, item, pod_resources.requests(pod["spec"]), pod_resources.limits(pod["spec"]))


def _bounds(kind: str, item: Obj, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for key, rule in _RULES:
        for name, bound in sorted((item.get(key) or {}).items()):
            error = rule(kind, name, str(bound), requests, limits)
            if error:
                yield error


def _claim_errors(claim: Obj, item: Obj) -> Iterator[str]:
    if item.get("type") != "PersistentVolumeClaim":
        return
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    for name, bound in sorted((item.get("min") or {}).items()):
        error = _minimum("PersistentVolumeClaim", name, str(bound), requests, {})
        if error:
            yield error
    for name, bound in sorted((item.get("max") or {}).items()):
        said = f"maximum {name} usage per PersistentVolumeClaim is {bound}"
        if name not in requests:
            yield f"{said}.  No request is specified"
        elif _value(requests, name) > quantity.parse(bound):
            yield f"{said}, but request is {requests[name]}"


def _minimum(kind: str, name: str, bound: str, requests: Amounts, limits: Amounts) -> str:
    said = f"minimum {name} usage per {kind} is {bound}"
    if name not in requests:
        return f"{said}.  No request is specified"
    if _value(requests, name) < quantity.parse(bound):
        return f"{said}, but request is {requests[name]}"
    if name in limits and _value(limits, name) < quantity.parse(bound):
        return f"{said}, but limit is {limits[name]}"
    return ""


def _maximum(kind: str, name: str, bound: str, requests: Amounts, limits: Amounts) -> str:
    said = f"maximum {name} usage per {kind} is {bound}"
    if name not in limits:
        return f"{said}.  No limit is specified"
    if _value(limits, name) > quantity.parse(bound):
        return f"{said}, but limit is {limits[name]}"
    if name in requests and _value(requests, name) > quantity.parse(bound):
        return f"{said}, but request is {requests[name]}"
    return ""


def _ratio(kind: str, name: str, bound: str, requests: Amounts, limits: Amounts) -> str:
    said = f"{name} max limit to request ratio per {kind} is {bound}"
    if not _value(requests, name):
        return f"{said}, but no request is specified or request is 0"
    if not _value(limits, name):
        return f"{said}, but no limit is specified or limit is 0"
    ratio = _value(limits, name) / _value(requests, name)
    return f"{said}, but provided ratio is {float(ratio):f}" if ratio > quantity.parse(bound) else ""


def _value(amounts: Amounts, name: str) -> Fraction:
    return quantity.parse(amounts[name]) if name in amounts else Fraction(0)


def refusals(resource: str, obj: Obj, ranges: Iterable[Obj]) -> list[str]:
    """What the limit ranges of its namespace say against an object: the words of the first range that does."""
    inspect = _INSPECT.get(resource)
    for limit_range in ranges if inspect is not None else ():
        found = list(dict.fromkeys(error for item in _items(limit_range) for error in inspect(obj, item))) if inspect else []
        if found:
            return found
    return []


_RULES: tuple[tuple[str, Rule], ...] = (("min", _minimum), ("max", _maximum), ("maxLimitRequestRatio", _ratio))
_INSPECT: dict[str, Callable[[Obj, Obj], Iterator[str]]] = {"pods": _pod_errors, "persistentvolumeclaims": _claim_errors}
