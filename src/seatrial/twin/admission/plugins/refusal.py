"""The refusal of an admission plugin: `pods "x" is forbidden: …` (apiserver/pkg/admission/errors.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.twin import errors
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.registry import Registry


def forbidden(registry: Registry, resource: str, obj: Obj, why: str) -> errors.ApiError:
    kind = registry.resources.stored(resource)
    metadata = obj.get("metadata") or {}
    name = metadata.get("name") or metadata.get("generateName") or "Unknown"
    return errors.forbidden(kind.group, kind.plural, name, why)
