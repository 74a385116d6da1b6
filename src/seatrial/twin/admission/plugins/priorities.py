"""Priority: turns a pod's priority class into its number, and lets only one class be the default.

plugin/pkg/admission/priority/admission.go. The two system classes exist even before they are stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.twin.admission.plugins.refusal import forbidden
from seatrial.world.objects import Obj

if TYPE_CHECKING:
    from seatrial.twin.registry.options import Options
    from seatrial.twin.registry.registry import Registry

CLASSES = "priorityclasses.scheduling.k8s.io"
#: Above every priority that a user may give (pkg/apis/scheduling/types.go).
SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_PREEMPT = "PreemptLowerPriority"


def admit(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource == "pods":
        if old is None:
            _prioritise(registry, obj)
        else:
            for key in ("priority", "preemptionPolicy"):
                if obj["spec"].get(key) is None and old["spec"].get(key) is not None:
                    obj["spec"][key] = old["spec"][key]


def check(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    if resource != CLASSES or not obj.get("globalDefault"):
        return
    present = _default_class(registry)
    if present is not None and (old is None or present["metadata"]["name"] != obj["metadata"]["name"]):
        name = present["metadata"]["name"]
        why = f"PriorityClass {name} is already marked as default. Only one default can exist"
        raise forbidden(registry, resource, obj, why)


def _prioritise(registry: Registry, pod: Obj) -> None:
    spec = pod["spec"]
    value, policy = _computed(registry, pod)
    for key, computed, what in (
        ("priority", value, "integer value of priority"),
        ("preemptionPolicy", policy, "string value of PreemptionPolicy"),
    ):
        given: Any = spec.get(key)
        if given is not None and given != computed:
            why = (
                f"the {what} ({given}) must not be provided in pod spec; priority admission controller computed {computed}"
                " from the given PriorityClass name"
            )
            raise forbidden(registry, "pods", pod, why)
        spec[key] = computed


def _computed(registry: Registry, pod: Obj) -> tuple[int, str]:
    spec = pod["spec"]
    name = spec.get("priorityClassName")
    if not name:
        chosen = _default_class(registry)
        if chosen is None:
            return 0, _PREEMPT
        spec["priorityClassName"] = chosen["metadata"]["name"]
        return chosen.get("value", 0), chosen.get("preemptionPolicy") or _PREEMPT
    found = registry.find(CLASSES, "", name)
    if found is not None:
        return found.get("value", 0), found.get("preemptionPolicy") or _PREEMPT
    if name in SYSTEM_CLASSES:
        return SYSTEM_CLASSES[name], _PREEMPT
    raise forbidden(registry, "pods", pod, f"no PriorityClass with name {name} was found")


def _default_class(registry: Registry) -> Obj | None:
    marked = [one for one in registry.list(CLASSES) if one.get("globalDefault")]
    return min(marked, key=lambda one: int(one.get("value", 0)), default=None)
