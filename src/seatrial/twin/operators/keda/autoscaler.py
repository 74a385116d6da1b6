"""The HorizontalPodAutoscaler that a ScaledObject has (KEDA, controllers/keda/hpa.go)."""

from __future__ import annotations

from seatrial.twin.controllers.ownership import owner_reference
from seatrial.twin.operators.keda.triggers import metrics_for
from seatrial.world.objects import Obj, annotations_of, clone, dig, labels_of, name_of, namespace_of

AUTOSCALERS = "horizontalpodautoscalers.autoscaling"
VERSION = "2.18.3"
#: Replicas of an autoscaler whose ScaledObject says nothing.
LEAST, MOST = 1, 100
LONGEST_LABEL = 63

PAUSED_IN, PAUSED_OUT = "autoscaling.keda.sh/paused-scale-in", "autoscaling.keda.sh/paused-scale-out"
_EXCLUDED = "scaledobject.keda.sh/hpa-excluded-labels"


def is_set(scaled_object: Obj, annotation: str) -> bool:
    """Whether an annotation is there and not false; what is no boolean counts as true."""
    value = annotations_of(scaled_object).get(annotation)
    return value is not None and value not in ("0", "f", "F", "false", "FALSE", "False")


def autoscaler_name(scaled_object: Obj) -> str:
    given = dig(scaled_object, "spec.advanced.horizontalPodAutoscalerConfig.name")
    return str(given or f"keda-hpa-{name_of(scaled_object)}")


def least_replicas(scaled_object: Obj) -> int:
    return scaled_object["spec"].get("minReplicaCount") or LEAST


def most_replicas(scaled_object: Obj) -> int:
    return int(dig(scaled_object, "spec.maxReplicaCount", MOST))


def autoscaler_of(scaled_object: Obj, api_version: str, kind: str) -> Obj:
    """The autoscaler as it should be; `api_version` and `kind` are those of its target. Raises TriggerError."""
    spec: Obj = {
        "scaleTargetRef": {"apiVersion": api_version, "kind": kind, "name": scaled_object["spec"]["scaleTargetRef"]["name"]},
        "minReplicas": least_replicas(scaled_object),
        "maxReplicas": most_replicas(scaled_object),
        "metrics": metrics_for(scaled_object),
    }
    behaviour = _behaviour(scaled_object)
    if behaviour:
        spec["behavior"] = behaviour
    metadata = {
        "name": autoscaler_name(scaled_object),
        "namespace": namespace_of(scaled_object),
        "labels": _labels(scaled_object),
        "ownerReferences": [owner_reference(scaled_object)],
    }
    if annotations_of(scaled_object):
        metadata["annotations"] = annotations_of(scaled_object)
    return clone({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec})


def _labels(scaled_object: Obj) -> dict[str, str]:
    name = autoscaler_name(scaled_object)
    while len(name) > LONGEST_LABEL or not name[-1].isalnum():
        name = name[:LONGEST_LABEL] if len(name) > LONGEST_LABEL else name[:-1]
    excluded = annotations_of(scaled_object).get(_EXCLUDED, "").split(",")
    own = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/version": VERSION,
        "app.kubernetes.io/part-of": name_of(scaled_object),
        "app.kubernetes.io/managed-by": "keda-operator",
    }
    return own | {key: value for key, value in labels_of(scaled_object).items() if key not in excluded}


def _behaviour(scaled_object: Obj) -> Obj:
    """spec.behavior, with the direction switched off that an annotation pauses."""
    behaviour = dict(dig(scaled_object, "spec.advanced.horizontalPodAutoscalerConfig.behavior") or {})
    for annotation, direction in ((PAUSED_IN, "scaleDown"), (PAUSED_OUT, "scaleUp")):
        if is_set(scaled_object, annotation):
            behaviour[direction] = {**(behaviour.get(direction) or {}), "selectPolicy": "Disabled"}
    return behaviour
