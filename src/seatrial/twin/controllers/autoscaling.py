"""The HorizontalPodAutoscaler controller (v2): every 15 seconds, as many replicas as the metrics ask for and the rules allow.

It follows pkg/controller/podautoscaler/horizontal.go. What the metrics ask for is in `hpa_metrics`, how fast the
replicas may follow in `hpa_behaviour`.
"""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.twin.clock import timestamp
from seatrial.twin.context import Context
from seatrial.twin.controllers import hpa_behaviour, hpa_metrics
from seatrial.twin.controllers.base import OPTIONS, Watch, own_key
from seatrial.twin.controllers.hpa_behaviour import Memory
from seatrial.twin.controllers.hpa_metrics import Proposal, Target, Unmeasured, Usage, Values
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.controllers.pods import select_pods
from seatrial.twin.errors import ApiError
from seatrial.twin.store import Key
from seatrial.world.objects import Obj, dig, name_of, namespace_of

AUTOSCALERS = "horizontalpodautoscalers.autoscaling"
COMPONENT = "horizontal-pod-autoscaler"
PERIOD = 15.0  # seconds (--horizontal-pod-autoscaler-sync-period)


class HorizontalController:
    """`usage` measures pods, `values` gives the metrics of type Pods, Object and External; either may be missing."""

    name = "horizontal-pod-autoscaler"

    def __init__(self, context: Context, usage: Usage | None = None, values: Values | None = None) -> None:
        self._context, self._registry, self._usage, self._values = context, context.registry, usage, values
        self._memories: dict[str, Memory] = {}  # by the autoscaler's uid
        self.watches: Sequence[Watch] = (Watch(AUTOSCALERS, own_key, delay=PERIOD),)

    def reconcile(self, key: Key) -> float | None:
        found = self._registry.find(AUTOSCALERS, *key)
        if found is None or is_deleting(found):
            return None
        memory = self._memories.setdefault(found["metadata"]["uid"], Memory())
        _Sync(self._context, found, memory, self._usage, self._values).run()
        return PERIOD


class _Sync:
    """One look at one autoscaler. `_status` is what will be written."""

    def __init__(self, context: Context, hpa: Obj, memory: Memory, usage: Usage | None, values: Values | None) -> None:
        self._context, self._registry, self._hpa, self._memory = context, context.registry, hpa, memory
        self._usage, self._values = usage, values
        self._spec: Obj = hpa["spec"]
        self._now = context.clock.now()
        self._status: Obj = dict(hpa.get("status") or {})
        self._least: int = self._spec.get("minReplicas", 1)
        self._most: int = self._spec["maxReplicas"]

    def run(self) -> None:
        try:
            resource, target, scale = self._target()
        except ApiError as error:
            self._tell("Warning", "FailedGetScale", error.message)
            why = f"the HPA controller was unable to get the target's current scale: {error.message}"
            self._condition("AbleToScale", "False", "FailedGetScale", why)
            self._write()
            return
        words = "the HPA controller was able to get the target's current scale"
        self._condition("AbleToScale", "True", "SucceededGetScale", words)
        current = scale["spec"].get("replicas", 0)
        if not self._memory.recommendations:
            self._memory.recommendations.append((self._now, current))
        self._scale_to(resource, target, scale, current)
        self._write()

    def _target(self) -> tuple[str, Obj, Obj]:
        """(resource id, object, its Scale). Raises ApiError."""
        reference, namespace = self._spec["scaleTargetRef"], namespace_of(self._hpa)
        served = self._registry.resources.of_kind(reference.get("apiVersion", "v1"), reference["kind"])
        if served is None:
            kind, version = reference["kind"], reference.get("apiVersion", "")
            raise ApiError(404, "NotFound", f'no matches for kind "{kind}" in version "{version}"')
        target = self._registry.get(served.id, namespace, reference["name"])
        return served.id, target, self._registry.scale(served.id, namespace, reference["name"])

    def _scale_to(self, resource: str, target: Obj, scale: Obj, current: int) -> None:
        wanted, why = current, ""
        if current == 0 and self._least != 0:
            words = "scaling is disabled since the replica count of the target is zero"
            self._condition("ScalingActive", "False", "ScalingDisabled", words)
            wanted = 0
        elif current > self._most:
            wanted, why = self._most, "Current number of replicas above Spec.MaxReplicas"
        elif current < self._least:
            wanted, why = self._least, "Current number of replicas below Spec.MinReplicas"
        else:
            best = self._ask_metrics(scale, current)
            if best is None:
                self._status["currentReplicas"] = current
                return
            why = f"{best.name} above target" if best.replicas > current else "All metrics below target"
            wanted = self._normalised(best.replicas, current)
        if wanted != current:
            if not self._rescale(resource, target, current, wanted, why):
                return
            self._status["lastScaleTime"] = timestamp(self._now)
        self._status["currentReplicas"], self._status["desiredReplicas"] = current, wanted

    def _rescale(self, resource: str, target: Obj, current: int, wanted: int, why: str) -> bool:
        try:
            self._registry.set_scale(resource, namespace_of(target), name_of(target), wanted, OPTIONS)
        except ApiError as error:
            self._tell("Warning", "FailedRescale", f"New size: {wanted}; reason: {why}; error: {error.message}")
            words = f"the HPA controller was unable to update the target scale: {error.message}"
            self._condition("AbleToScale", "False", "FailedUpdateScale", words)
            return False
        words = f"the HPA controller was able to update the target scale to {wanted}"
        self._condition("AbleToScale", "True", "SucceededRescale", words)
        self._tell("Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {why}")
        self._memory.note_scaling(current, wanted, self._now)
        return True

    def _normalised(self, wanted: int, current: int) -> int:
        behaviour = self._spec.get("behavior")
        verdict = hpa_behaviour.normalise(wanted, current, self._least, self._most, behaviour, self._memory, self._now)
        self._condition("AbleToScale", "True", verdict.stable, hpa_behaviour.STABLE[verdict.stable])
        limited = "False" if verdict.limit == "DesiredWithinRange" else "True"
        self._condition("ScalingLimited", limited, verdict.limit, hpa_behaviour.LIMITS[verdict.limit])
        return verdict.replicas

    # metrics (computeReplicasForMetrics)

    def _ask_metrics(self, scale: Obj, current: int) -> Proposal | None:
        """What the metric says that asks for most; None when none can be used, or some cannot and the others would shrink."""
        selector = self._selector()
        if selector is None:
            words = "the HPA target's scale is missing a selector"
            self._tell("Warning", "SelectorRequired", "selector is required")
            self._condition("ScalingActive", "False", "InvalidSelector", words)
            return None
        target = Target(
            namespace_of(self._hpa),
            current,
            select_pods(self._context, namespace_of(self._hpa), selector),
            self._now,
            hpa_behaviour.tolerance_of(self._spec.get("behavior") or {}),
            self._usage,
            self._values,
        )
        metrics = self._spec.get("metrics") or []
        found, failures, statuses = list[Proposal](), list[Unmeasured](), list[Obj]()
        for metric in metrics:
            try:
                found.append(hpa_metrics.propose(metric, target))
                statuses.append(found[-1].status)
            except Unmeasured as failure:
                failures.append(failure)
                self._tell("Warning", failure.reason, str(failure))
        best = max(found, key=lambda each: each.replicas, default=None)
        if best is None or (failures and best.replicas < current):
            self._note_failure(failures, len(metrics))
            return None
        words = f"the HPA was able to successfully calculate a replica count from {best.name}"
        self._condition("ScalingActive", "True", "ValidMetricFound", words)
        self._status["currentMetrics"] = statuses
        return best

    def _note_failure(self, failures: Sequence[Unmeasured], metrics: int) -> None:
        if not failures:
            return
        first = failures[0]
        self._condition("ScalingActive", "False", first.reason, f"the HPA was unable to compute the replica count: {first}")
        words = f"invalid metrics ({len(failures)} invalid out of {metrics}), first error is: {first}"
        self._tell("Warning", "FailedComputeMetricsReplicas", words)

    def _selector(self) -> Obj | None:
        """The selector of the target's pods."""
        reference = self._spec["scaleTargetRef"]
        served = self._registry.resources.of_kind(reference.get("apiVersion", "v1"), reference["kind"])
        target = self._registry.find(served.id, namespace_of(self._hpa), reference["name"]) if served else None
        paths = self._registry.scale_paths(served.id) if served else None
        selector = dig(target, paths.selector if paths is not None else "spec.selector")
        if isinstance(selector, str):
            pairs = (term.split("=", 1) for term in selector.replace("==", "=").split(",") if "=" in term)
            return {"matchLabels": {key.strip(): value.strip() for key, value in pairs}}
        if isinstance(selector, dict) and "matchLabels" not in selector and "matchExpressions" not in selector:
            return {"matchLabels": selector} if selector else None
        return selector or None

    # status

    def _condition(self, type_: str, status: str, reason: str, message: str) -> None:
        """Set a condition in its place; its time is that of the last change of status (setConditionInList)."""
        conditions = list(self._status.get("conditions") or ())
        at = next((number for number, each in enumerate(conditions) if each["type"] == type_), None)
        since = timestamp(self._now)
        if at is not None and conditions[at]["status"] == status:
            since = conditions[at]["lastTransitionTime"]
        new = {"type": type_, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
        if at is None:
            conditions.append(new)
        else:
            conditions[at] = new
        self._status["conditions"] = conditions

    def _write(self) -> None:
        self._status.setdefault("desiredReplicas", 0)
        self._status.setdefault("currentMetrics", None)
        if self._status != (self._hpa.get("status") or {}):
            written = {**self._hpa, "metadata": {**self._hpa["metadata"]}, "status": self._status}
            self._registry.update_status(AUTOSCALERS, written, OPTIONS)

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self._context.events.emit(self._hpa, type_, reason, message, COMPONENT)
