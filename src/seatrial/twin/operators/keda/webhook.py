"""What KEDA's admission webhook refuses of a ScaledObject (apis/keda/v1alpha1/scaledobject_webhook.go)."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.twin.errors import ApiError
from seatrial.twin.operators.keda.autoscaler import AUTOSCALERS, MOST, autoscaler_name
from seatrial.twin.operators.keda.triggers import RESOURCES
from seatrial.twin.registry.options import Options
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj, annotations_of, dig, name_of, namespace_of

SCALED_OBJECTS = "scaledobjects.keda.sh"
WEBHOOK = "vscaledobject.kb.io"
#: Of an autoscaler: "false" keeps the webhook from looking at it.
_OWNERSHIP = "validations.keda.sh/hpa-ownership"
#: Of a ScaledObject: "true" lets it take an autoscaler over that it names.
_TRANSFER = "scaledobject.keda.sh/transfer-hpa-ownership"

_Refusal = str | None


def check(registry: Registry, resource: str, obj: Obj, old: Obj | None, options: Options) -> None:
    """Refuse a ScaledObject that cannot work or that is in another's way. Raises ApiError (403)."""
    if resource != SCALED_OBJECTS or (old is not None and _is_unchanged(obj, old)):
        return
    denied = f'admission webhook "{WEBHOOK}" denied the request'
    for refuse in _RULES:
        try:
            why = refuse(registry, obj, options)
        except ApiError as error:  # what it looked for is not there
            raise ApiError(error.code, error.reason, f"{denied}: {error.message}", error.details) from None
        if why is not None:
            raise ApiError(403, "Forbidden", f"{denied}: {why}")


def _is_unchanged(obj: Obj, old: Obj) -> bool:
    """Status and finalizers are no concern of the webhook."""
    return bool(obj.get("spec") == old.get("spec") and annotations_of(obj) == annotations_of(old))


def target_of(scaled_object: Obj) -> tuple[str, str, str]:
    """(apiVersion, kind, name) of what is scaled; a Deployment unless it says otherwise (gvkr.go)."""
    reference = scaled_object["spec"]["scaleTargetRef"]
    return reference.get("apiVersion") or "apps/v1", reference.get("kind") or "Deployment", reference["name"]


def kind_of(scaled_object: Obj) -> str:
    """The kind of what is scaled as KEDA writes it: `apps/v1.Deployment`."""
    api_version, kind, _ = target_of(scaled_object)
    return f"{api_version}.{kind}"


def replica_bounds(scaled_object: Obj) -> _Refusal:
    """What is wrong with the replica counts (CheckReplicaCountBoundsAreValid); None when nothing is."""
    spec = scaled_object["spec"]
    least = max(1, spec["minReplicaCount"]) if spec.get("minReplicaCount") is not None else 0
    most, idle = spec.get("maxReplicaCount", MOST), spec.get("idleReplicaCount")
    if least > most:
        return f"MinReplicaCount={least} must be less than MaxReplicaCount={most}"
    if idle is not None and idle >= least:
        return f"IdleReplicaCount={idle} must be less than MinReplicaCount={least}"
    return None


def trigger_rules(scaled_object: Obj) -> _Refusal:
    """What is wrong with the triggers as a set (ValidateTriggers); None when nothing is."""
    triggers, names = scaled_object["spec"]["triggers"], set[str]()
    if not triggers:
        return "no triggers defined in the ScaledObject/ScaledJob"
    for trigger in triggers:
        if trigger.get("useCachedMetrics") and trigger["type"] in (*RESOURCES, "cron"):
            return f'property "useCachedMetrics" is not supported for "{trigger["type"]}" scaler'
        name = trigger.get("name")
        if name and name in names:
            return f'triggerName "{name}" is defined multiple times in the ScaledObject/ScaledJob, but it must be unique'
        names.add(name or "")
    return None


# the rules


def _scaled_objects(registry: Registry, obj: Obj, options: Options) -> _Refusal:
    """Nobody else scales the workload, or has the autoscaler."""
    _, _, workload = target_of(obj)
    for other in registry.list(SCALED_OBJECTS, namespace_of(obj)):
        if name_of(other) == name_of(obj):
            continue
        if target_of(other)[2] == workload and kind_of(other) == kind_of(obj):
            return f"the workload '{workload}' of type '{kind_of(obj)}' is already managed by the ScaledObject '{name_of(other)}'"
        if autoscaler_name(other) == autoscaler_name(obj):
            return f"the HPA '{autoscaler_name(obj)}' is already managed by the ScaledObject '{name_of(other)}'"
    return None


def _resource_triggers(registry: Registry, obj: Obj, options: Options) -> _Refusal:
    """Triggers of CPU and memory need requests to measure against, and cannot wake what sleeps."""
    triggers = obj["spec"]["triggers"]
    resources = [trigger for trigger in triggers if trigger["type"] in RESOURCES]
    if options.dry_run or not resources:
        return None
    api_version, kind, name = target_of(obj)
    if (api_version, kind) not in (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")):
        return None
    workload = registry.get(f"{kind.lower()}s.apps", namespace_of(obj), name)
    for trigger in resources:
        why = _without_request(registry, workload, trigger)
        if why is not None:
            return why
    if len(resources) == len(triggers) and not obj["spec"].get("minReplicaCount"):
        words = "scaledobject has only cpu/memory triggers AND minReplica is 0"
        return f"{words} (scale to zero doesn't work in this case)"
    return None


def _without_request(registry: Registry, workload: Obj, trigger: Obj) -> _Refusal:
    resource, wanted = trigger["type"], (trigger.get("metadata") or {}).get("containerName", "")
    for container in workload["spec"]["template"]["spec"]["containers"]:
        if wanted and container["name"] != wanted:
            continue
        said = container.get("resources") or {}
        amounts = (said.get("requests") or {}) | (said.get("limits") or {})
        if resource not in amounts and not _has_default(registry, namespace_of(workload), resource):
            words = f"the scaledobject has a {resource} trigger but the container {container['name']}"
            return f"{words} doesn't have the {resource} request defined"
    return None


def _has_default(registry: Registry, namespace: str, resource: str) -> bool:
    """Whether a LimitRange gives containers without a request one."""
    for limits in registry.list("limitranges", namespace):
        for limit in limits["spec"]["limits"]:
            given = (limit.get("default") or {}) | (limit.get("defaultRequest") or {})
            if limit["type"] == "Container" and resource in given:
                return True
    return False


def _autoscalers(registry: Registry, obj: Obj, options: Options) -> _Refusal:
    """No autoscaler of somebody else is at work on the workload."""
    api_version, kind, workload = target_of(obj)
    for hpa in registry.list(AUTOSCALERS, namespace_of(obj)):
        reference = hpa["spec"]["scaleTargetRef"]
        same = (reference.get("apiVersion"), reference["kind"], reference["name"]) == (api_version, kind, workload)
        owners = hpa["metadata"].get("ownerReferences") or ()
        owned = any(owner["kind"] == "ScaledObject" and owner["name"] == name_of(obj) for owner in owners)
        if not same or owned or annotations_of(hpa).get(_OWNERSHIP) == "false":
            continue
        if annotations_of(obj).get(_TRANSFER) != "true":
            return f"the workload '{workload}' of type '{kind_of(obj)}' is already managed by the hpa '{name_of(hpa)}'"
        if dig(obj, "spec.advanced.horizontalPodAutoscalerConfig.name") != name_of(hpa):
            words = f"the existing hpa '{name_of(hpa)}' for workload '{workload}' of type '{kind_of(obj)}'"
            return f"{words} must be specified by name in advanced settings to enable ownership transfer"
    return None


def _fallback(registry: Registry, obj: Obj, options: Options) -> _Refusal:
    fallback = obj["spec"].get("fallback")
    if fallback is None:
        return None
    threshold, replicas = fallback["failureThreshold"], fallback["replicas"]
    if threshold < 0 or replicas < 0:
        return f"FailureThreshold={threshold} & Replicas={replicas} must both be greater than or equal to 0"
    external = any(trigger["type"] not in RESOURCES for trigger in obj["spec"]["triggers"])
    if not external and not dig(obj, "spec.advanced.scalingModifiers"):
        words = "at least one trigger (that is not cpu or memory) has to have the `AverageValue` type"
        return f"{words} for the fallback to be enabled"
    return None


_RULES: tuple[Callable[[Registry, Obj, Options], _Refusal], ...] = (
    _scaled_objects,
    _resource_triggers,
    _autoscalers,
    lambda _registry, obj, _options: replica_bounds(obj),
    _fallback,
    lambda _registry, obj, _options: trigger_rules(obj),
)
