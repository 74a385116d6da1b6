"""Amounts of resources: of containers, pods, quotas and limit ranges (pkg/apis/core/validation, pkg/apis/core/helper)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from seatrial.world import quantity
from seatrial.world.admission.causes import NEGATIVE, Causes
from seatrial.world.admission.validation import names
from seatrial.world.objects import Obj

HUGE = "hugepages-"
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_QUOTA = frozenset({
    *_COMPUTE, *(f"{side}.{name}" for side in ("requests", "limits") for name in _COMPUTE),
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "persistentvolumeclaims", "configmaps",
    "services.nodeports", "services.loadbalancers", "requests.storage",
})  # fmt: skip
_STANDARD = _QUOTA | {"storage"}
_INTEGERS = frozenset({
    "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
})  # fmt: skip
Amounts = Mapping[str, Any]
NameCheck = Callable[[str, str, Causes], None]


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    if is_native(name) or name.startswith("requests."):
        return False
    return not names.qualified(f"requests.{name}")


def may_overcommit(name: str) -> bool:
    return is_native(name) and not name.startswith(HUGE)


def is_integer(name: str) -> bool:
    return name in _INTEGERS or is_extended(name)


# names


def _is_standard(name: str) -> bool:
    return name in _STANDARD or name.startswith((HUGE, f"requests.{HUGE}"))


def resource_name(name: str, field: str, causes: Causes) -> bool:
    """Check a name; whether it was good."""
    reasons = names.qualified(name)
    if not reasons and "/" not in name and not _is_standard(name):
        reasons = ("must be a standard resource type or fully qualified",)
    causes.each(field, name, reasons)
    return not reasons


def container_resource(name: str, field: str, causes: Causes) -> None:
    if name in ("cpu", "memory"):
        return
    resource_name(name, field, causes)
    if "/" not in name:
        if name not in _COMPUTE and not name.startswith(HUGE):
            causes.invalid(field, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        causes.invalid(field, name, "doesn't follow extended resource name standard")


def pod_resource(name: str, field: str, causes: Causes) -> None:
    if resource_name(name, field, causes) and name not in ("cpu", "memory") and not name.startswith(HUGE):
        causes.unsupported(field, name, ("cpu", "memory"))


def quota_resource(name: str, field: str, causes: Causes) -> None:
    resource_name(name, field, causes)
    if "/" not in name and name not in _QUOTA and not name.startswith((HUGE, f"requests.{HUGE}")):
        causes.invalid(field, name, "must be a standard resource for quota")


def is_quota_resource(name: str) -> bool:
    return name in _QUOTA or name.startswith((HUGE, f"requests.{HUGE}"))


# amounts


@lru_cache(maxsize=4096)
def value_of(text: str | int | float) -> Fraction:
    """The value of an amount; 0 for what is none, which decoding has refused already."""
    try:
        return quantity.parse(text)
    except ValueError:
        return Fraction(0)


def amount(name: str, text: Any, field: str, causes: Causes) -> None:
    """Not negative, and whole where only whole numbers make sense."""
    value = value_of(text)
    if value < 0:
        causes.invalid(field, str(text), NEGATIVE)
    if value.denominator != 1 and is_integer(name):
        causes.invalid(field, str(text), "must be an integer")


def amounts(listed: Amounts, field: str, check: NameCheck, causes: Causes) -> None:
    for name in sorted(listed):
        check(name, f"{field}[{name}]", causes)
        amount(name, listed[name], f"{field}[{name}]", causes)


def requirements(resources: Obj, field: str, causes: Causes, claims: Iterable[str] = (), check: NameCheck | None = None) -> None:
    """The limits and requests of a container, or with `check=pod_resource` of a pod (validateResourceRequirements)."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    name_check = check or container_resource
    for name in sorted(limits):
        at = f"{field}.limits[{name}]"
        name_check(name, at, causes)
        amount(name, limits[name], at, causes)
        _huge_page(name, limits[name], at, causes)
    for name in sorted(requests):
        at = f"{field}.requests[{name}]"
        name_check(name, at, causes)
        amount(name, requests[name], at, causes)
        _within_limit(name, requests[name], limits, field, causes)
        _huge_page(name, requests[name], at, causes)
    everything = {*limits, *requests}
    if any(name.startswith(HUGE) for name in everything) and not everything & {"cpu", "memory"}:
        causes.forbidden(field, "HugePages require cpu or memory")
    if resources.get("claims"):
        _claims(resources["claims"], f"{field}.claims", sorted(claims), causes)


def _within_limit(name: str, request: Any, limits: Amounts, field: str, causes: Causes) -> None:
    if name in limits:
        asked, most = value_of(request), value_of(limits[name])
        if asked != most and not may_overcommit(name):
            causes.invalid(f"{field}.requests", str(request), f"must be equal to {name} limit of {limits[name]}")
        elif asked > most:
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            causes.invalid(f"{field}.requests", str(request), why)
    elif not may_overcommit(name):
        causes.required(f"{field}.limits", "Limit must be set for non overcommitable resources")


def _huge_page(name: str, text: Any, field: str, causes: Causes) -> None:
    if name.startswith(HUGE):
        page = value_of(name.removeprefix(HUGE))
        if page and (value_of(text) / page).denominator != 1:
            causes.invalid(field, str(text), f"{text} is not positive integer multiple of {name}")


def _claims(claims: list[Obj], field: str, known: list[str], causes: Causes) -> None:
    seen: set[str] = set()
    for number, claim in enumerate(claims):
        name, at = claim.get("name", ""), f"{field}[{number}]"
        if not name:
            causes.required(at)
            continue
        key = f"{name}/{claim['request']}" if claim.get("request") else name
        if key in seen or name in seen:
            causes.duplicate(at, key)
        seen.add(key)
        if name not in known:
            empty = "which is empty" if not known else ""
            listed = f": {', '.join(known)}" if known else f" {empty}"
            causes.not_found(at, name, f"must be one of the names in pod.spec.resourceClaims{listed}")
