"""Numbers that may be percentages, as in maxSurge, maxUnavailable and minAvailable (apimachinery, util/intstr)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor
from typing import Any


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """An absolute number, or a percentage of `total` rounded up or down. Raises ValueError for any other text."""
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError(f"invalid value for IntOrString: invalid type: string is not a percentage: {value!r}")
    share = int(value[:-1]) * total / 100
    return ceil(share) if up else floor(share)


def fenceposts(update: Mapping[str, Any], replicas: int) -> tuple[int, int]:
    """(surge, unavailable) of a rolling update; they are never both 0 (pkg/controller/deployment/util ResolveFenceposts)."""
    surge = scaled(update.get("maxSurge", "25%"), replicas, up=True)
    unavailable = scaled(update.get("maxUnavailable", "25%"), replicas, up=False)
    return surge, unavailable or (0 if surge else 1)
