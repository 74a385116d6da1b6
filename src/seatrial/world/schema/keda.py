"""KEDA's CustomResourceDefinitions: ScaledObject with its structural schema, and the authentications that triggers name."""

from __future__ import annotations

from seatrial.world.objects import Obj

GROUP, VERSION = "keda.sh", "v1alpha1"

_STRING: Obj = {"type": "string"}
_TEXTS: Obj = {"type": "array", "items": _STRING}
_COUNT: Obj = {"type": "integer", "format": "int32"}
_FLAG: Obj = {"type": "boolean"}


def _object(*required: str, **properties: Obj) -> Obj:
    found: Obj = {"type": "object", "properties": properties}
    return found | {"required": list(required)} if required else found


def _list(item: Obj) -> Obj:
    return {"type": "array", "items": item}


def _map(item: Obj) -> Obj:
    return {"type": "object", "additionalProperties": item}


def _one_of(*words: str) -> Obj:
    return {"type": "string", "enum": list(words)}


def _rules() -> Obj:
    policy = _object("periodSeconds", "type", "value", periodSeconds=_COUNT, type=_STRING, value=_COUNT)
    tolerance = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    return _object(
        policies={**_list(policy), "x-kubernetes-list-type": "atomic"},
        selectPolicy=_STRING,
        stabilizationWindowSeconds={**_COUNT, "minimum": 0, "maximum": 3600},
        tolerance=tolerance,
    )


def _spec() -> Obj:
    behaviour = _object(scaleDown=_rules(), scaleUp=_rules())
    return _object(
        "scaleTargetRef",
        "triggers",
        scaleTargetRef=_object("name", apiVersion=_STRING, kind=_STRING, name=_STRING, envSourceContainerName=_STRING),
        pollingInterval=_COUNT,
        cooldownPeriod=_COUNT,
        initialCooldownPeriod=_COUNT,
        idleReplicaCount=_COUNT,
        minReplicaCount=_COUNT,
        maxReplicaCount=_COUNT,
        fallback=_object(
            "failureThreshold",
            "replicas",
            failureThreshold=_COUNT,
            replicas=_COUNT,
            behavior={
                **_one_of("static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"),
                "default": "static",
            },
        ),
        advanced=_object(
            horizontalPodAutoscalerConfig=_object(behavior=behaviour, name=_STRING),
            restoreToOriginalReplicaCount=_FLAG,
            scalingModifiers=_object(
                formula=_STRING, target=_STRING, activationTarget=_STRING, metricType=_one_of("AverageValue", "Value")
            ),
        ),
        triggers=_list(
            _object(
                "metadata",
                "type",
                type=_STRING,
                name=_STRING,
                metadata=_map(_STRING),
                metricType=_STRING,
                useCachedMetrics=_FLAG,
                authenticationRef=_object("name", name=_STRING, kind=_STRING),
            )
        ),
    )


def _status() -> Obj:
    return _object(
        scaleTargetKind=_STRING,
        scaleTargetGVKR=_object(
            "group", "kind", "resource", "version", group=_STRING, kind=_STRING, resource=_STRING, version=_STRING
        ),
        originalReplicaCount=_COUNT,
        pausedReplicaCount=_COUNT,
        lastActiveTime={"type": "string", "format": "date-time"},
        externalMetricNames=_TEXTS,
        resourceMetricNames=_TEXTS,
        compositeScalerName=_STRING,
        hpaName=_STRING,
        triggersTypes=_STRING,
        authenticationsTypes=_STRING,
        health=_map(_object(numberOfFailures=_COUNT, status=_STRING)),
        conditions=_list(_object("status", "type", type=_STRING, status=_STRING, reason=_STRING, message=_STRING)),
    )


def _condition(name: str) -> Obj:
    return _column(name, f'.status.conditions[?(@.type=="{name}")].status')


def _column(name: str, path: str, kind: str = "string") -> Obj:
    return {"name": name, "type": kind, "jsonPath": path}


_AGE = _column("Age", ".metadata.creationTimestamp", "date")
_SCALED_OBJECT_COLUMNS = (
    _column("ScaleTargetKind", ".status.scaleTargetKind"),
    _column("ScaleTargetName", ".spec.scaleTargetRef.name"),
    _column("Min", ".spec.minReplicaCount", "integer"),
    _column("Max", ".spec.maxReplicaCount", "integer"),
    _condition("Ready"),
    _condition("Active"),
    _condition("Fallback"),
    _condition("Paused"),
    _column("Triggers", ".status.triggersTypes"),
    _column("Authentications", ".status.authenticationsTypes"),
    _AGE,
)


def _definition(kind: str, short: str, schema: Obj, columns: tuple[Obj, ...], scope: str = "Namespaced") -> Obj:
    plural = f"{kind.lower()}s"
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower(), "shortNames": short.split()}
    top = {"apiVersion": _STRING, "kind": _STRING, "metadata": {"type": "object"}, **schema}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": top}},
        "subresources": {"status": {}},
        "additionalPrinterColumns": list(columns),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "keda-operator"}},
        "spec": {"group": GROUP, "names": names, "scope": scope, "versions": [version]},
    }


def definitions() -> list[Obj]:
    anything: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    opaque = {"spec": anything, "status": anything}
    scaled_object = {"spec": _spec(), "status": _status()}
    return [
        _definition("ScaledObject", "so", scaled_object, _SCALED_OBJECT_COLUMNS),
        _definition("TriggerAuthentication", "ta triggerauth", opaque, (_AGE,)),
        _definition("ClusterTriggerAuthentication", "cta clustertriggerauth", opaque, (_AGE,), "Cluster"),
    ]
