"""Defaults of the horizontal pod autoscaler (pkg/apis/autoscaling/v2/defaults.go)."""

from __future__ import annotations

from seatrial.world.admission.defaulting.fill import struct, unset
from seatrial.world.objects import Obj, clone

#: Share of the requested CPU at which an autoscaler without metrics aims, in percent.
DEFAULT_CPU = 80

_UP: Obj = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Obj = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def autoscaler(obj: Obj) -> None:
    spec = struct(obj, "spec")
    unset(spec, (("minReplicas", 1),))
    struct(spec, "scaleTargetRef")
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": DEFAULT_CPU}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        for direction, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
            unset(struct(behavior, direction), clone(rules).items())


def autoscaler_v1(obj: Obj) -> None:
    spec = struct(obj, "spec")
    unset(spec, (("minReplicas", 1),))
    struct(spec, "scaleTargetRef")
