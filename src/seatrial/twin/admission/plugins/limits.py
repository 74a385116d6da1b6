"""LimitRanger: containers get the requests and limits of a namespace's LimitRange, and are held to its bounds.

plugin/pkg/admission/limitranger/admission.go; what is added and refused is `world.admission.limits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.twin.admission.plugins.refusal import forbidden
from seatrial.world.admission.limits import complete, refusals
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

_CHECKED = ("pods", "persistentvolumeclaims")


def admit(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource != "pods" or old is not None:
        return
    for limit_range in _ranges(registry, obj):
        complete(obj, limit_range)


def check(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource not in _CHECKED or (resource == "pods" and old is not None) or obj["metadata"].get("deletionTimestamp"):
        return
    found = refusals(resource, obj, _ranges(registry, obj))
    if found:
        raise forbidden(registry, resource, obj, found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def _ranges(registry: Registry, obj: Obj) -> list[Obj]:
    return registry.list("limitranges", obj["metadata"].get("namespace", ""))
