"""The triggers of a ScaledObject: the metric of the HorizontalPodAutoscaler that each becomes, and what it measures now.

Names, thresholds and defaults are those of KEDA's scalers (pkg/scalers, one file a type).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from seatrial.twin.context import Context
from seatrial.twin.controllers.cronjob import moments
from seatrial.twin.controllers.hpa_metrics import Values
from seatrial.twin.controllers.pods import is_finished
from seatrial.world import quantity, selectors
from seatrial.world.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of

RESOURCES = ("cpu", "memory")
OWNER = "scaledobject.keda.sh/name"
COMPOSITE = "composite-metric"
#: Annotations with this prefix give the value of an external metric by its name.
GIVEN = "sim.seatrial.dev/"


class TriggerError(Exception):
    """What is wrong with a trigger as it is written."""


class Unavailable(Exception):  # noqa: N818
    """A trigger's value cannot be told now."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """`metric` is its entry in spec.metrics of the autoscaler; `activation` the value above which an external one is active."""

    type: str
    metadata: dict[str, str]
    metric: Obj
    activation: float = 0.0

    @property
    def name(self) -> str:
        """The name of the external metric; "" for what the autoscaler measures itself."""
        return str(dig(self.metric, "external.metric.name", ""))


@dataclass(frozen=True, slots=True)
class Reading:
    value: float
    active: bool


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a type of trigger says what it wants.

    `name` is the external metric's, with metadata in braces; `target` and `activation` are keys of the metadata, the first
    that is there counts; `default` is the target where none is given, "" where one must be.
    """

    name: str
    target: tuple[str, ...]
    default: str = ""
    activation: tuple[str, ...] = ()


_KINDS = {
    "aws-sqs-queue": _Kind("aws-sqs-{queueURL}", ("queueLength",), "5", ("activationQueueLength",)),
    "azure-queue": _Kind("azure-queue-{queueName}", ("queueLength",), "5", ("activationQueueLength",)),
    "azure-servicebus": _Kind("azure-servicebus-{queueName}", ("messageCount",), "5", ("activationMessageCount",)),
    "datadog": _Kind("datadog", ("targetValue", "queryValue"), "", ("activationQueryValue",)),
    "gcp-pubsub": _Kind("gcp-ps-{subscriptionName}", ("value", "subscriptionSize"), "10", ("activationValue",)),
    "kafka": _Kind("kafka-{topic}", ("lagThreshold",), "10", ("activationLagThreshold",)),
    "kubernetes-workload": _Kind("workload-{namespace}", ("value",), "", ("activationValue",)),
    "loki": _Kind("loki", ("threshold",), "", ("activationThreshold",)),
    "metrics-api": _Kind("metric-api-{valueLocation}", ("targetValue",), "", ("activationTargetValue",)),
    "mysql": _Kind("mysql-{dbName}", ("queryValue",), "", ("activationQueryValue",)),
    "nats-jetstream": _Kind("nats-jetstream-{stream}", ("lagThreshold",), "10", ("activationLagThreshold",)),
    "postgresql": _Kind("postgresql", ("targetQueryValue",), "", ("activationTargetQueryValue",)),
    "prometheus": _Kind("prometheus", ("threshold",), "", ("activationThreshold",)),
    "rabbitmq": _Kind("rabbitmq-{queueName}", ("value", "queueLength"), "20", ("activationValue",)),
    "redis": _Kind("redis-{listName}", ("listLength",), "5", ("activationListLength",)),
    "redis-streams": _Kind(
        "redis-streams-{stream}", ("lagCount", "streamLength", "pendingEntriesCount"), "5", ("activationLagCount",)
    ),
}
#: Types that are not listed: named by their type, with the keys that most of them use.
_ANY_TARGET = ("threshold", "targetValue", "value", "targetMetricValue", "queueLength", "targetQueueLength", "lagThreshold")
_ANY_ACTIVATION = ("activationThreshold", "activationTargetValue", "activationValue", "activationQueueLength")


def triggers_of(scaled_object: Obj) -> list[Trigger]:
    """The triggers in the order of the spec. Raises TriggerError."""
    return [_trigger(number, said, scaled_object) for number, said in enumerate(scaled_object["spec"]["triggers"])]


def composite_of(scaled_object: Obj) -> Trigger | None:
    """The one external metric that `scalingModifiers` make of all."""
    said = dig(scaled_object, "spec.advanced.scalingModifiers") or {}
    if not said:
        return None
    target = _number(said.get("target", ""), "scalingModifiers.target")
    activation = _number(said.get("activationTarget") or "0", "scalingModifiers.activationTarget")
    metric = _external(COMPOSITE, said.get("metricType") or "AverageValue", target, scaled_object)
    return Trigger(COMPOSITE, {}, metric, activation)


def metrics_for(scaled_object: Obj) -> list[Obj]:
    """spec.metrics of the autoscaler. Raises TriggerError."""
    triggers, composite = triggers_of(scaled_object), composite_of(scaled_object)
    if composite is not None:
        triggers = [*(trigger for trigger in triggers if not trigger.name), composite]
    return sorted((trigger.metric for trigger in triggers), key=lambda metric: str(metric["type"]))


def external_of(scaled_object: Obj) -> list[Trigger]:
    """What the operator measures itself: the external triggers, or what a formula makes of them. Raises TriggerError."""
    composite = composite_of(scaled_object)
    return [composite] if composite is not None else [each for each in triggers_of(scaled_object) if each.name]


# from the spec to a metric


def _trigger(number: int, said: Obj, scaled_object: Obj) -> Trigger:
    type_, metadata, wanted = said["type"], said.get("metadata") or {}, said.get("metricType") or ""
    if type_ in RESOURCES:
        return Trigger(type_, metadata, _resource(type_, metadata, wanted or metadata.get("type", "")))
    if wanted == "Utilization":
        raise TriggerError("error getting scaler metric type: 'Utilization' metric type is unsupported for external metrics")
    if type_ == "cron":
        name, target, activation = _cron_name(metadata), 1.0, 0.0
    else:
        name, target, activation = _read(type_, metadata, namespace_of(scaled_object))
    metric = _external(f"s{number}-{_plain(name)}", wanted or "AverageValue", target, scaled_object)
    return Trigger(type_, metadata, metric, activation)


def _resource(name: str, metadata: dict[str, str], wanted: str) -> Obj:
    value = metadata.get("value", "")
    if wanted == "Utilization":
        target: Obj = {"type": wanted, "averageUtilization": int(_number(value, f"{name} value"))}
    elif wanted == "AverageValue":
        _quantity(value, f"{name} value")
        target = {"type": wanted, "averageValue": value}
    else:
        what = f"unknown metric type: {wanted}, allowed values are 'Utilization' or 'AverageValue'"
        raise TriggerError(f"error parsing {name} metadata: {what}")
    container = metadata.get("containerName")
    if container:
        source = {"name": name, "container": container, "target": target}
        return {"type": "ContainerResource", "containerResource": source}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def _external(name: str, type_: str, target: float, scaled_object: Obj) -> Obj:
    amount = quantity.render_millis(round(target * 1000))
    key = "averageValue" if type_ == "AverageValue" else "value"
    metric = {"name": name, "selector": {"matchLabels": {OWNER: name_of(scaled_object)}}}
    return {"type": "External", "external": {"metric": metric, "target": {"type": type_, key: amount}}}


def _read(type_: str, metadata: dict[str, str], namespace: str) -> tuple[str, float, float]:
    """(name, target, activation) of an external trigger."""
    kind = _KINDS.get(type_) or _Kind(type_, _ANY_TARGET, "5", _ANY_ACTIVATION)
    target = next((metadata[key] for key in kind.target if metadata.get(key)), kind.default)
    if not target:
        raise TriggerError(f'error parsing {type_} metadata: missing required parameter "{kind.target[0]}" in [triggerMetadata]')
    activation = next((metadata[key] for key in kind.activation if metadata.get(key)), "0")
    name = kind.name.format_map(_Absent(metadata, namespace=namespace))
    return name, _number(target, kind.target[0]), _number(activation, "activation value")


class _Absent(dict[str, str]):
    """Metadata in which what is missing is empty; of a queue's address its last part is the name."""

    def __init__(self, metadata: dict[str, str], **more: str) -> None:
        super().__init__(metadata | more)

    def __missing__(self, key: str) -> str:
        return ""

    def __getitem__(self, key: str) -> str:
        value = self.get(key, "")
        return value.rpartition("/")[2] if key == "queueURL" else value


def _plain(name: str) -> str:
    for sign in "/.:%()":
        name = name.replace(sign, "-")
    return name


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise TriggerError(f'error parsing {what}: unable to convert "{text}" to a number') from None


def _quantity(text: str, what: str) -> None:
    try:
        quantity.parse(text)
    except ValueError as error:
        raise TriggerError(f"error parsing {what}: {error}") from None


# cron


def _cron_name(metadata: dict[str, str]) -> str:
    """The name of a cron trigger's metric, after what is wrong with it was looked for."""
    start, end = metadata.get("start", ""), metadata.get("end", "")
    for key, schedule in (("start", start), ("end", end)):
        try:
            next(moments(schedule, UTC, 0.0), None)
        except ValueError as error:
            raise TriggerError(f"error parsing cron metadata: error parsing {key} schedule: {error}") from None
    if start == end:
        raise TriggerError("error parsing cron metadata: start and end can not have exactly same time input")
    if not int(_number(metadata.get("desiredReplicas") or "0", "desiredReplicas")):
        raise TriggerError("error parsing cron metadata: no desiredReplicas specified")
    signs = {" ": "", "*": "x", "/": "Sl", "?": "Qm", ",": "Cm"}
    words = ("".join(signs.get(letter, letter) for letter in schedule) for schedule in (start, end))
    return "-".join(("cron", metadata.get("timezone", ""), *words))


def cron_is_on(metadata: dict[str, str], now: float) -> bool:
    """Between a start and an end: the next end comes before the next start. Raises Unavailable for an unknown time zone."""
    try:
        zone: tzinfo = ZoneInfo(metadata.get("timezone") or "UTC")
    except (KeyError, ValueError, OSError):
        raise Unavailable(f"unable to load timezone: unknown time zone {metadata.get('timezone')}") from None
    start, end = (next(moments(metadata[key], zone, now), None) for key in ("start", "end"))
    return end is not None and (start is None or end <= start)


def _cron(trigger: Trigger, scaled_object: Obj, context: Context) -> Reading:
    on = cron_is_on(trigger.metadata, context.clock.now())
    return Reading(float(trigger.metadata["desiredReplicas"]) if on else 0.0, on)


# what is measured


def _workload(trigger: Trigger, scaled_object: Obj, context: Context) -> Reading:
    """How many pods of the namespace match, on the way or running."""
    matches = selectors.parse(trigger.metadata.get("podSelector", ""))
    pods = [pod for pod in context.store.list("pods", namespace_of(scaled_object)) if matches(labels_of(pod))]
    count = float(sum(1 for pod in pods if not is_finished(pod)))
    return Reading(count, count > trigger.activation)


_EVALUATED: dict[str, Callable[[Trigger, Obj, Context], Reading]] = {"cron": _cron, "kubernetes-workload": _workload}


def read(trigger: Trigger, scaled_object: Obj, context: Context, outside: Values | None) -> Reading:
    """What an external trigger measures now. Raises Unavailable."""
    evaluated = _EVALUATED.get(trigger.type)
    if evaluated is not None:
        return evaluated(trigger, scaled_object, context)
    given = annotations_of(scaled_object).get(GIVEN + trigger.name)
    values: Sequence[float] | None = None
    if given is not None:
        try:
            values = [float(quantity.parse(given))]
        except ValueError:
            raise Unavailable(f"{GIVEN}{trigger.name} is no number: {given}") from None
    elif outside is not None:
        values = outside(namespace_of(scaled_object), trigger.metric)
    if not values:
        raise Unavailable(f"nothing gives a value to the {trigger.type} trigger {trigger.name}")
    return Reading(sum(values), sum(values) > trigger.activation)
