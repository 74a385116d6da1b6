"""The ScaledObject controller: keeps the autoscaler as the spec has it, and wakes and rests the workload.

What it does to a changed ScaledObject follows KEDA's controllers/keda/scaledobject_controller.go, what it does every
`pollingInterval` pkg/scaling/executor/scale_scaledobjects.go: between the lowest number of replicas and none, which no
autoscaler crosses, the operator scales.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.context import Context
from seatrial.twin.controllers.base import Watch, own_key
from seatrial.twin.controllers.hpa_metrics import Values
from seatrial.twin.controllers.ownership import is_deleting
from seatrial.twin.errors import ApiError
from seatrial.twin.operators import Parts
from seatrial.twin.operators.keda import webhook
from seatrial.twin.operators.keda.autoscaler import (
    AUTOSCALERS,
    PAUSED_IN,
    PAUSED_OUT,
    autoscaler_name,
    autoscaler_of,
    is_set,
    least_replicas,
)
from seatrial.twin.operators.keda.readings import Readings, State
from seatrial.twin.operators.keda.triggers import (
    COMPOSITE,
    OWNER,
    RESOURCES,
    TriggerError,
    Unavailable,
    composite_of,
    external_of,
    triggers_of,
)
from seatrial.twin.operators.keda.webhook import SCALED_OBJECTS, kind_of, replica_bounds, target_of, trigger_rules
from seatrial.twin.registry.options import Options
from seatrial.twin.store import Change, Key
from seatrial.world.objects import Obj, annotations_of, controller_of, dig, labels_of, name_of, namespace_of

COMPONENT = "keda-operator"
OPTIONS = Options(
    user="system:serviceaccount:keda:keda-operator",
    groups=("system:serviceaccounts", "system:serviceaccounts:keda", "system:authenticated"),
    manager="keda",
)
FINALIZER = "finalizer.keda.sh"
PAUSED, PAUSED_AT = "autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"
FORCED = "autoscaling.keda.sh/force-activation"
#: Seconds where the ScaledObject says nothing (pkg/scaling/executor/scale_executor.go, apis/keda/v1alpha1).
POLLING, COOLDOWN = 30.0, 300.0

READY = ("ScaledObjectReady", "ScaledObject is defined correctly and is ready for scaling")
_PAUSED = ("ScaledObjectPaused", "ScaledObject is paused")
_NO_FALLBACK = ("NoFallbackFound", "No fallbacks are active on this scaled object")
_FALLBACK = ("FallbackExists", "At least one trigger is falling back on this scaled object")
_INACTIVE = "Scaling is not performed because triggers are not active"


def make(context: Context, outside: Values | None) -> Parts:
    controller = ScaledObjectController(context, outside)
    return Parts((controller,), (webhook.check,), controller.values)


class Flaw(Exception):  # noqa: N818
    """Why a ScaledObject cannot be followed: `summary` opens the message of its condition, `error` ends it."""

    def __init__(self, summary: str, error: Exception | str) -> None:
        super().__init__(f"{summary}: {error}")
        self.error = error


class ScaledObjectController:
    name = "scaledobject"

    def __init__(self, context: Context, outside: Values | None = None) -> None:
        self._context, self._outside = context, outside
        self._polls: dict[str, tuple[int, float]] = {}  # by uid: the generation that is polled, and when next
        self.watches: Sequence[Watch] = (Watch(SCALED_OBJECTS, own_key), Watch(AUTOSCALERS, _owner_of_changed))

    def reconcile(self, key: Key) -> float | None:
        found = self._context.registry.find(SCALED_OBJECTS, *key)
        if found is None:
            return None
        look = _Look(self._context, found, self._outside)
        if is_deleting(found):
            self._polls.pop(found["metadata"]["uid"], None)
            look.finalize()
            return None
        return look.run(self._polls)

    def values(self, namespace: str, metric: Obj) -> Sequence[float] | None:
        """KEDA's metrics API: the value of an external metric that belongs to a ScaledObject."""
        name = dig(metric, "external.metric.selector.matchLabels", {}).get(OWNER)
        found = self._context.registry.find(SCALED_OBJECTS, namespace, name) if name else None
        if found is None:
            return None
        readings = Readings(self._context, found, self._outside)
        try:
            wanted = [each for each in external_of(found) if each.name == metric["external"]["metric"]["name"]]
            return [readings.reading(trigger)[0].value for trigger in wanted] or None
        except (Unavailable, TriggerError):
            return None
        finally:
            _keep_health(self._context, found, readings)


def _owner_of_changed(change: Change) -> Iterable[Key]:
    """The ScaledObject of an autoscaler whose spec, labels or annotations changed, or which is gone."""
    new, old = change.object, change.old
    owner = controller_of(new)
    if owner is None or owner["kind"] != "ScaledObject":
        return ()
    if change.type == "MODIFIED" and old is not None and _face(new) == _face(old):
        return ()
    return ((namespace_of(new), owner["name"]),)


def _face(hpa: Obj) -> tuple[Obj, dict[str, str], dict[str, str]]:
    return hpa["spec"], labels_of(hpa), annotations_of(hpa)


def _keep_health(context: Context, scaled_object: Obj, readings: Readings) -> None:
    """Write what reading did to the failures that were counted."""
    status = dict(scaled_object.get("status") or {})
    if scaled_object["spec"].get("fallback") is None or readings.health == (status.get("health") or {}):
        return
    status["health"] = readings.health
    status["conditions"] = _with(status.get("conditions") or [], "Fallback", *_fallback_condition(readings))
    written = {**scaled_object, "metadata": dict(scaled_object["metadata"]), "status": status}
    context.registry.update_status(SCALED_OBJECTS, written, OPTIONS)


def _fallback_condition(readings: Readings) -> tuple[str, str, str]:
    return ("True", *_FALLBACK) if readings.exceeded else ("False", *_NO_FALLBACK)


def _with(conditions: Sequence[Obj], type_: str, status: str, reason: str, message: str) -> list[Obj]:
    new = {"type": type_, "status": status, "reason": reason, "message": message}
    if any(each["type"] == type_ for each in conditions):
        return [new if each["type"] == type_ else each for each in conditions]
    return [*conditions, new]


class _Look:
    """One look at one ScaledObject. `_status` is what will be written."""

    def __init__(self, context: Context, scaled_object: Obj, outside: Values | None) -> None:
        self._context, self._registry, self._outside = context, context.registry, outside
        self._object = scaled_object
        self._namespace = namespace_of(scaled_object)
        self._now = context.clock.now()
        self._status: Obj = {}

    def run(self, polls: dict[str, tuple[int, float]]) -> float | None:
        """Bring everything to the spec; returns the seconds until the next poll. Raises ApiError for what may pass."""
        self._mark()
        self._status = dict(self._object.get("status") or {})
        if not self._status.get("conditions"):
            unknown = [{"type": each, "status": "Unknown"} for each in ("Ready", "Active", "Fallback")]
            self._status["conditions"] = [*unknown, {"type": "Paused", "status": "False"}]
        failed: Exception | str | None = None
        again = None
        try:
            again = self._follow(polls)
        except Flaw as flaw:
            failed = flaw.error
            self._condition("Ready", "False", "ScaledObjectCheckFailed", str(flaw))
            self._condition("Active", "Unknown", "UnknownState", "ScaledObject check failed")
            self._tell("Warning", "ScaledObjectCheckFailed", str(flaw))
        if self._object["spec"].get("fallback") is None:
            self._condition("Fallback", "False", *_NO_FALLBACK)
        self._write()
        if failed is not None:
            raise failed if isinstance(failed, ApiError) else ApiError(422, "Invalid", str(failed))
        return again

    def _mark(self) -> None:
        """The finalizer, and the label by which the metrics API knows whose metric it is asked for."""
        metadata = dict(self._object["metadata"])
        if FINALIZER in (metadata.get("finalizers") or ()) and labels_of(self._object).get(OWNER) == metadata["name"]:
            return
        others = [each for each in metadata.get("finalizers") or () if each != FINALIZER]
        metadata["finalizers"] = [*others, FINALIZER]
        metadata["labels"] = {**labels_of(self._object), OWNER: metadata["name"]}
        self._object = self._registry.update(SCALED_OBJECTS, {**self._object, "metadata": metadata}, OPTIONS)

    def _follow(self, polls: dict[str, tuple[int, float]]) -> float | None:
        uid, generation = self._object["metadata"]["uid"], self._object["metadata"].get("generation", 0)
        if PAUSED_AT in annotations_of(self._object) or is_set(self._object, PAUSED):
            polls.pop(uid, None)
            self._pause()
            return None
        self._note_pause()
        self._check_target()
        for problem, summary in (
            (replica_bounds(self._object), "ScaledObject doesn't have correct Idle/Min/Max Replica Counts specification"),
            (trigger_rules(self._object), "ScaledObject doesn't have correct triggers specification"),
        ):
            if problem is not None:
                raise Flaw(summary, problem)
        self._note_triggers()
        created = self._ensure_autoscaler()
        was_ready = self._condition_status("Ready") == "True"
        if not was_ready and self._condition_reason("Ready") not in ("TriggerError", "PartialTriggerError"):
            self._condition("Ready", "True", *READY)
            self._tell("Normal", "ScaledObjectReady", "ScaledObject is ready for scaling")
        known, due = polls.get(uid, (-1, 0.0))
        if created or known != generation:
            if known == -1:
                self._tell("Normal", "KEDAScalersStarted", "Started scalers watch")
            due = self._now
        if due <= self._now:
            self._poll()
            due = self._now + self._object["spec"].get("pollingInterval", POLLING)
        polls[uid] = generation, due
        return max(0.0, due - self._now)

    # pausing

    def _pause(self) -> None:
        """No autoscaler, no polls, and the replicas that the annotation names."""
        if self._condition_status("Paused") != "True":
            self._tell("Normal", "ScaledObjectPaused", _PAUSED[1])
        self._condition("Paused", "True", *_PAUSED)
        name = self._status.get("hpaName") or autoscaler_name(self._object)
        found = self._registry.find(AUTOSCALERS, self._namespace, name)
        if found is not None:
            self._registry.delete(AUTOSCALERS, self._namespace, name, propagation="Background", options=OPTIONS)
        wanted = annotations_of(self._object).get(PAUSED_AT)
        if wanted is not None:
            try:
                replicas = int(wanted)
            except ValueError:
                raise Flaw("failed to scale target to paused replica count", f'"{wanted}" is no number') from None
            self._check_target()
            if self._replicas() != replicas:
                self._scale_to(replicas)
            self._status["pausedReplicaCount"] = replicas
        self._condition("Ready", "True", READY[0], _PAUSED[1])

    def _note_pause(self) -> None:
        paused = self._condition_status("Paused") == "True"
        if is_set(self._object, PAUSED_IN) or is_set(self._object, PAUSED_OUT):
            self._condition("Paused", "True", *_PAUSED)
            if not paused:
                self._tell("Normal", "ScaledObjectPaused", _PAUSED[1])
        elif paused:
            words = "pause annotation removed for ScaledObject"
            self._condition("Paused", "False", "ScaledObjectUnpaused", words)
            self._tell("Normal", "ScaledObjectUnpaused", words)
            self._status.pop("pausedReplicaCount", None)

    # the target

    def _resource(self) -> str:
        """The resource id of what is scaled. Raises Flaw."""
        api_version, kind, _ = target_of(self._object)
        served = self._registry.resources.of_kind(api_version, kind)
        if served is None:
            summary = "ScaledObject doesn't have correct scaleTargetRef specification"
            raise Flaw(summary, f'no matches for kind "{kind}" in version "{api_version}"')
        return served.id

    def _check_target(self) -> None:
        """The target is there and can be scaled; what it is goes into the status. Raises Flaw."""
        summary, resource = "ScaledObject doesn't have correct scaleTargetRef specification", self._resource()
        api_version, kind, name = target_of(self._object)
        served = self._registry.resources.stored(resource)
        try:
            self._registry.get(resource, self._namespace, name)
        except ApiError as error:
            self._tell("Warning", "ScaledObjectCheckFailed", "Target resource doesn't exist")
            raise Flaw(summary, error) from None
        if "scale" not in served.subresources:
            self._tell("Warning", "ScaledObjectCheckFailed", "Target resource doesn't expose /scale subresource")
            raise Flaw(summary, "the server could not find the requested resource")
        group, _, version = api_version.rpartition("/")
        self._status["scaleTargetKind"] = kind_of(self._object)
        self._status["scaleTargetGVKR"] = {"group": group, "kind": kind, "resource": served.plural, "version": version}
        self._status.setdefault("originalReplicaCount", self._replicas())

    def _replicas(self) -> int:
        scale = self._registry.scale(self._resource(), self._namespace, target_of(self._object)[2])
        return int(scale["spec"].get("replicas", 0))

    def _scale_to(self, replicas: int) -> None:
        self._registry.set_scale(self._resource(), self._namespace, target_of(self._object)[2], replicas, OPTIONS)

    # the autoscaler

    def _note_triggers(self) -> None:
        triggers = self._object["spec"]["triggers"]
        names = (dig(trigger, "authenticationRef.name") for trigger in triggers)
        self._status["triggersTypes"] = ",".join(dict.fromkeys(trigger["type"] for trigger in triggers))
        self._status["authenticationsTypes"] = ",".join(dict.fromkeys(name for name in names if name))

    def _ensure_autoscaler(self) -> bool:
        """Create the autoscaler or bring it to the spec; whether it is new. Raises Flaw."""
        try:
            self._note_metrics()
            api_version, kind, _ = target_of(self._object)
            wanted = autoscaler_of(self._object, api_version, kind)
            return self._put_autoscaler(wanted)
        except (ApiError, TriggerError) as error:
            raise Flaw("failed to ensure HPA is correctly created for ScaledObject", error) from None

    def _put_autoscaler(self, wanted: Obj) -> bool:
        name, before = name_of(wanted), self._status.get("hpaName")
        if before and before != name and self._registry.find(AUTOSCALERS, self._namespace, before) is not None:
            self._registry.delete(AUTOSCALERS, self._namespace, before, propagation="Background", options=OPTIONS)
        self._status["hpaName"] = name
        found = self._registry.find(AUTOSCALERS, self._namespace, name)
        if found is None:
            self._registry.create(AUTOSCALERS, wanted, OPTIONS)
            return True
        metadata = {key: value for key, value in found["metadata"].items() if key != "annotations"}
        self._registry.update(AUTOSCALERS, {**found, "metadata": metadata | wanted["metadata"], "spec": wanted["spec"]}, OPTIONS)
        return False

    def _note_metrics(self) -> None:
        triggers, status = triggers_of(self._object), self._status
        external = [trigger.name for trigger in triggers if trigger.name]
        resources = [trigger.type for trigger in triggers if trigger.metric["type"] == "Resource"]
        health = {name: each for name, each in (status.get("health") or {}).items() if name in (*external, COMPOSITE)}
        composite = COMPOSITE if composite_of(self._object) is not None else ""
        for key, value in (
            ("externalMetricNames", external),
            ("resourceMetricNames", resources),
            ("compositeScalerName", composite),
            ("health", health),
        ):
            status.pop(key, None)
            if value:
                status[key] = value

    # between nothing and the lowest number of replicas

    def _poll(self) -> None:
        readings = Readings(self._context, self._object, self._outside)
        was_falling = self._condition_status("Fallback") == "True"
        state = readings.state()
        if self._object["spec"].get("fallback") is not None:
            self._status["health"] = readings.health
            self._condition("Fallback", *_fallback_condition(readings))
        if state.falling_back != was_falling:
            reason = "ScaledObjectFallbackActivated" if state.falling_back else "ScaledObjectFallbackDeactivated"
            words = "ScaledObject fallback is active" if state.falling_back else "ScaledObject fallback is no longer active"
            self._tell("Normal", reason, words)
        for error in state.errors:
            self._tell("Warning", "KEDAScalerFailed", error)
        self._condition("Ready", "True", *READY)
        only_resources = all(trigger["type"] in RESOURCES for trigger in self._object["spec"]["triggers"])
        if state.active or (only_resources and not state.errors) or is_set(self._object, FORCED):
            self._wake(state)
        else:
            self._rest(state)

    def _wake(self, state: State) -> None:
        spec, now = self._object["spec"], self._replicas()
        forced = is_set(self._object, FORCED)
        why = "activation is being forced by annotation" if forced else "triggers are active"
        self._condition("Active", "True", "ScalerActive", f"Scaling is performed because {why}")
        idle = spec.get("idleReplicaCount") is not None and now < spec.get("minReplicaCount", 0)
        if now == 0 or idle:
            self._activate(now, "forced activation annotation" if forced else "", state.active)
        elif state.errors:
            words = "Some triggers defined in ScaledObject are not working correctly"
            self._condition("Ready", "Unknown", "PartialTriggerError", words)
        else:
            self._status["lastActiveTime"] = timestamp(self._now)

    def _activate(self, now: int, forced: str, active: Sequence[str]) -> None:
        if is_set(self._object, PAUSED_OUT):
            return
        replicas, what = least_replicas(self._object), self._called()
        try:
            self._scale_to(replicas)
        except ApiError:
            self._tell("Warning", "KEDAScaleTargetActivationFailed", f"Failed to scale {what} from {now} to {replicas}")
            return
        why = f"caused by {forced}" if forced else f"triggered by {';'.join(active)}"
        self._tell("Normal", "KEDAScaleTargetActivated", f"Scaled {what} from {now} to {replicas}, {why}")
        self._status["lastActiveTime"] = timestamp(self._now)

    def _rest(self, state: State) -> None:
        spec, now = self._object["spec"], self._replicas()
        least, idle = spec.get("minReplicaCount", 0), spec.get("idleReplicaCount")
        self._condition("Active", "False", "ScalerNotActive", _INACTIVE)
        fallback = spec.get("fallback")
        if state.errors and fallback is not None and fallback["replicas"]:
            return  # the fallback will have its replicas once enough has failed: none now would keep it from them
        if state.errors and fallback is None:
            self._condition("Ready", "False", "TriggerError", "Triggers defined in ScaledObject are not working correctly")
        elif (idle is not None and now > idle) or (now > 0 and least == 0):
            self._deactivate(now, idle if idle is not None else least)
        elif idle is None and now < least:
            self._scale_to(least)

    def _deactivate(self, now: int, replicas: int) -> None:
        if is_set(self._object, PAUSED_IN):
            return
        spec, last = self._object["spec"], self._status.get("lastActiveTime")
        since = seconds_of(last or self._object["metadata"]["creationTimestamp"])
        patience = spec.get("cooldownPeriod", COOLDOWN) if last else spec.get("initialCooldownPeriod", 0.0)
        if not since + patience < self._now:
            self._condition("Active", "False", "ScalerCooldown", "Scaler cooling down because triggers are not active")
            return
        what = self._called()
        try:
            self._scale_to(replicas)
        except ApiError:
            self._tell("Warning", "KEDAScaleTargetDeactivationFailed", f"Failed to deactivate {what} from {now} to {replicas}")
            return
        self._tell("Normal", "KEDAScaleTargetDeactivated", f"Deactivated {what} from {now} to {replicas}")

    def _called(self) -> str:
        return f"{kind_of(self._object)} {self._namespace}/{target_of(self._object)[2]}"

    # the end

    def finalize(self) -> None:
        """Give the target its replicas back where that is wanted, and let the ScaledObject go."""
        metadata = dict(self._object["metadata"])
        left = [each for each in metadata.get("finalizers") or () if each != FINALIZER]
        if left == (metadata.get("finalizers") or []):
            return
        original = dig(self._object, "status.originalReplicaCount")
        if dig(self._object, "spec.advanced.restoreToOriginalReplicaCount") and original is not None:
            try:
                self._scale_to(original)
            except (ApiError, Flaw):
                pass  # the target is gone as well
        self._tell("Warning", "ScaledObjectDeleted", "ScaledObject was deleted")
        metadata["finalizers"] = left
        self._registry.update(SCALED_OBJECTS, {**self._object, "metadata": metadata}, OPTIONS)

    # status

    def _condition(self, type_: str, status: str, reason: str, message: str) -> None:
        self._status["conditions"] = _with(self._status["conditions"], type_, status, reason, message)

    def _condition_of(self, type_: str) -> Obj:
        return next((each for each in self._status["conditions"] if each["type"] == type_), {})

    def _condition_status(self, type_: str) -> str:
        return str(self._condition_of(type_).get("status", ""))

    def _condition_reason(self, type_: str) -> str:
        return str(self._condition_of(type_).get("reason", ""))

    def _write(self) -> None:
        if self._status != (self._object.get("status") or {}):
            written = {**self._object, "metadata": dict(self._object["metadata"]), "status": self._status}
            self._registry.update_status(SCALED_OBJECTS, written, OPTIONS)

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self._context.events.emit(self._object, type_, reason, message, COMPONENT)
