"""What the external triggers of a ScaledObject say, with what its fallback says when they cannot be read (KEDA, pkg/fallback).

Every reading, whether the autoscaler asks or the operator's own loop, counts towards the fallback's failure threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seatrial.twin.context import Context
from seatrial.twin.controllers.hpa_metrics import Values
from seatrial.twin.controllers.pods import is_ready, phase_of
from seatrial.twin.errors import ApiError
from seatrial.twin.operators.keda.triggers import Reading, Trigger, Unavailable, external_of, read
from seatrial.twin.operators.keda.webhook import target_of
from seatrial.world import quantity, selectors
from seatrial.world.objects import Obj, dig, labels_of, namespace_of

#: Behaviours of a fallback: (replicas now, replicas it names) -> replicas.
_BEHAVIOURS = {
    "static": lambda now, named: named,
    "currentReplicas": lambda now, named: now,
    "currentReplicasIfHigher": lambda now, named: max(now, named),
    "currentReplicasIfLower": lambda now, named: min(now, named),
}


@dataclass(slots=True)
class State:
    """Whether any trigger is `active`, which ones, what failed, and whether a fallback stands in."""

    active: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    falling_back: bool = False


class Readings:
    """Reads the triggers of one ScaledObject; `health` is what becomes of its status.health."""

    def __init__(self, context: Context, scaled_object: Obj, outside: Values | None) -> None:
        self._context, self._object, self._outside = context, scaled_object, outside
        self._fallback: dict[str, Any] | None = scaled_object["spec"].get("fallback")
        self.health: dict[str, Obj] = dict(dig(scaled_object, "status.health") or {})

    def state(self) -> State:
        """All triggers, read once."""
        state = State()
        for trigger in external_of(self._object):
            try:
                reading, fallen = self.reading(trigger)
            except Unavailable as error:
                state.errors.append(str(error))
                continue
            state.falling_back |= fallen
            if reading.active or fallen:
                state.active.append(trigger.name)
        return state

    def reading(self, trigger: Trigger) -> tuple[Reading, bool]:
        """What a trigger says, and whether it is the fallback that says it. Raises Unavailable."""
        try:
            reading = read(trigger, self._object, self._context, self._outside)
        except Unavailable:
            if self._fallback is None or not self._fails(trigger, self._fallback):
                raise
            value = self._fallen_back(trigger, self._fallback)
            if value is None:
                raise
            return Reading(value, True), True
        if self._fallback is not None:
            self.health[trigger.name] = {"numberOfFailures": 0, "status": "Happy"}
        return reading, False

    @property
    def exceeded(self) -> bool:
        """Whether a trigger has failed more often than the fallback allows."""
        most = (self._fallback or {}).get("failureThreshold", 0)
        found = self.health.values()
        return any(each.get("status") == "Failing" and each.get("numberOfFailures", 0) > most for each in found)

    def _fails(self, trigger: Trigger, fallback: Obj) -> bool:
        """Count a failure; whether it is one too many."""
        failures = self.health.get(trigger.name, {}).get("numberOfFailures", 0) + 1
        self.health[trigger.name] = {"numberOfFailures": failures, "status": "Failing"}
        return bool(failures > fallback["failureThreshold"])

    def _fallen_back(self, trigger: Trigger, fallback: Obj) -> float | None:
        """The value that makes the autoscaler want the replicas of the fallback."""
        target = trigger.metric["external"]["target"]
        replicas = float(_BEHAVIOURS[fallback.get("behavior", "static")](self._replicas(), fallback["replicas"]))
        if target["type"] == "Value":
            ready = self._ready()
            if not ready:
                return None
            replicas /= ready
        return float(quantity.parse(target.get("averageValue") or target["value"])) * replicas

    def _scale(self) -> Obj:
        api_version, kind, name = target_of(self._object)
        served = self._context.registry.resources.of_kind(api_version, kind)
        try:
            return self._context.registry.scale(served.id, namespace_of(self._object), name) if served else {}
        except ApiError:
            return {}

    def _replicas(self) -> int:
        return int(dig(self._scale(), "spec.replicas", 0))

    def _ready(self) -> int:
        selector = dig(self._scale(), "status.selector", "")
        if not selector:
            return 0
        matches = selectors.parse(selector)
        pods = self._context.store.list("pods", namespace_of(self._object))
        return sum(1 for pod in pods if matches(labels_of(pod)) and phase_of(pod) == "Running" and is_ready(pod))
