from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
import yaml

from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.errors import ApiError
from seatrial.twin.kubelet.simulated import SimulatedRuntime
from seatrial.twin.operators import OPERATORS, UnknownOperator, load
from seatrial.twin.operators.keda.triggers import TriggerError, cron_is_on, metrics_for
from seatrial.world.objects import Obj, annotations_of, clone, dig

SCALED_OBJECTS, AUTOSCALERS = "scaledobjects.keda.sh", "horizontalpodautoscalers.autoscaling"

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: web, resources: {requests: {cpu: 100m}}}]}
"""


class Twin:
    """A cluster with KEDA and a Deployment `web`; `outside` gives external metrics their values by name."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.outside: dict[str, float] = {}
        runtime = SimulatedRuntime(self.clock)
        self.cluster = Cluster(self.clock, runtime, seed=1, leases=False, operators=["keda"], values=self._values)
        self.cluster.start()
        self.registry = self.cluster.registry
        self.run(1)
        self.apply(DEPLOYMENT)
        self.run(10)

    def _values(self, namespace: str, metric: Obj) -> Sequence[float] | None:
        value = self.outside.get(dig(metric, "external.metric.name"))
        return None if value is None else [value]

    def apply(self, text: str) -> Obj:
        obj = yaml.safe_load(text)
        resource = self.registry.resources.of_kind(obj["apiVersion"], obj["kind"])
        assert resource is not None
        return self.registry.create(resource.id, obj)

    def scaled(self, triggers: str, name: str = "web", annotations: str = "{}", **spec: object) -> Obj:
        given = {"scaleTargetRef": {"name": "web"}, "triggers": yaml.safe_load(triggers), **spec}
        metadata = {"name": name, "namespace": "default", "annotations": yaml.safe_load(annotations)}
        obj = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": given}
        return self.registry.create(SCALED_OBJECTS, clone(obj))

    def annotate(self, name: str, **annotations: str | None) -> None:
        obj = clone(self.get(SCALED_OBJECTS, name))
        merged = annotations_of(obj) | annotations
        obj["metadata"]["annotations"] = {key: value for key, value in merged.items() if value is not None}
        self.registry.update(SCALED_OBJECTS, obj)

    def run(self, seconds: float) -> None:
        self.clock.run_for(seconds)

    def until(self, happened: Callable[[], bool], within: float) -> float:
        begin = self.clock.now()
        assert happened() or self.clock.run_for(within, happened), "it did not happen"
        return self.clock.now() - begin

    def get(self, resource: str, name: str) -> Obj:
        return self.registry.get(resource, "default", name)

    def find(self, resource: str, name: str) -> Obj | None:
        return self.registry.find(resource, "default", name)

    def replicas(self) -> int:
        return int(self.get("deployments.apps", "web")["spec"]["replicas"])

    def condition(self, type_: str, name: str = "web") -> str:
        for each in self.get(SCALED_OBJECTS, name)["status"]["conditions"]:
            if each["type"] == type_:
                return f"{each['status']} {each.get('reason', '')}".strip()
        return ""

    def events(self, reason: str) -> list[str]:
        return [each["message"] for each in self.registry.list("events") if each["reason"] == reason]


@pytest.fixture
def twin() -> Twin:
    return Twin()


PROMETHEUS = """
- type: prometheus
  metadata: {serverAddress: http://prometheus, query: q, threshold: '100', activationThreshold: '5'}
"""
CPU = "[{type: cpu, metricType: Utilization, metadata: {value: '60'}}]"
OFFICE_HOURS = """
- type: cron
  metadata: {timezone: Europe/Berlin, start: 0 8 * * *, end: 0 18 * * *, desiredReplicas: '4'}
"""


# switching on


def test_without_the_operator_nobody_knows_a_scaled_object():
    cluster = Cluster(VirtualClock(), SimulatedRuntime(VirtualClock()), seed=1)
    cluster.start()
    assert cluster.registry.resources.of_kind("keda.sh/v1alpha1", "ScaledObject") is None


def test_an_operator_nobody_wrote_is_named_with_those_there_are():
    with pytest.raises(UnknownOperator, match="there is no operator 'keta'; there are keda"):
        load("keta")


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_operator_is_found_under_its_name(name: str):
    assert load(name).name == name


def test_a_cluster_that_has_the_definitions_already_takes_them_as_they_are_now(tmp_path):
    for _ in range(2):
        clock = VirtualClock()
        cluster = Cluster(clock, SimulatedRuntime(clock), seed=1, store_path=tmp_path / "state.db", operators=["keda"])
        cluster.start()
        clock.run_for(1)
        assert cluster.registry.resources.of_kind("keda.sh/v1alpha1", "ScaledObject") is not None
        cluster.stop()


# the autoscaler


def test_a_scaled_object_has_an_autoscaler_of_its_own(twin: Twin):
    twin.scaled(CPU, minReplicaCount=2, maxReplicaCount=6)
    twin.run(1)
    hpa = twin.get(AUTOSCALERS, "keda-hpa-web")
    assert hpa["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (2, 6)
    target = {"type": "Utilization", "averageUtilization": 60}
    assert hpa["spec"]["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    assert hpa["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "keda-operator"
    owner = hpa["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("ScaledObject", "web", True)


def test_an_external_trigger_becomes_an_external_metric_of_its_place_and_type(twin: Twin):
    twin.scaled(PROMETHEUS)
    twin.run(1)
    metric = twin.get(AUTOSCALERS, "keda-hpa-web")["spec"]["metrics"][0]
    assert metric["external"] == {
        "metric": {"name": "s0-prometheus", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "web"}}},
        "target": {"type": "AverageValue", "averageValue": "100"},
    }


def test_the_status_says_what_keda_says(twin: Twin):
    twin.outside["s0-prometheus"] = 50
    twin.scaled(PROMETHEUS)
    twin.run(1)
    found = twin.get(SCALED_OBJECTS, "web")
    status = found["status"]
    assert found["metadata"]["finalizers"] == ["finalizer.keda.sh"]
    assert found["metadata"]["labels"] == {"scaledobject.keda.sh/name": "web"}
    assert status["scaleTargetKind"] == "apps/v1.Deployment"
    assert status["scaleTargetGVKR"] == {"group": "apps", "version": "v1", "kind": "Deployment", "resource": "deployments"}
    assert status["originalReplicaCount"] == 2
    assert status["externalMetricNames"] == ["s0-prometheus"]
    assert (status["hpaName"], status["triggersTypes"]) == ("keda-hpa-web", "prometheus")
    assert [twin.condition(each) for each in ("Ready", "Active", "Fallback", "Paused")] == [
        "True ScaledObjectReady",
        "True ScalerActive",
        "False NoFallbackFound",
        "False",
    ]


def test_a_changed_scaled_object_changes_its_autoscaler(twin: Twin):
    twin.scaled(CPU, minReplicaCount=2)
    twin.run(1)
    obj = clone(twin.get(SCALED_OBJECTS, "web"))
    obj["spec"]["maxReplicaCount"] = 7
    twin.registry.update(SCALED_OBJECTS, obj)
    twin.run(1)
    assert twin.get(AUTOSCALERS, "keda-hpa-web")["spec"]["maxReplicas"] == 7


def test_an_autoscaler_that_somebody_deletes_or_changes_is_put_right(twin: Twin):
    twin.scaled(CPU, minReplicaCount=2, maxReplicaCount=5)
    twin.run(1)
    twin.registry.delete(AUTOSCALERS, "default", "keda-hpa-web")
    twin.run(1)
    hpa = clone(twin.get(AUTOSCALERS, "keda-hpa-web"))
    hpa["spec"]["maxReplicas"] = 50
    twin.registry.update(AUTOSCALERS, hpa)
    twin.run(1)
    assert twin.get(AUTOSCALERS, "keda-hpa-web")["spec"]["maxReplicas"] == 5


def test_an_autoscaler_under_another_name_replaces_the_one_before(twin: Twin):
    twin.scaled(CPU, minReplicaCount=2)
    twin.run(1)
    obj = clone(twin.get(SCALED_OBJECTS, "web"))
    obj["spec"]["advanced"] = {"horizontalPodAutoscalerConfig": {"name": "mine"}}
    twin.registry.update(SCALED_OBJECTS, obj)
    twin.run(1)
    assert [each["metadata"]["name"] for each in twin.registry.list(AUTOSCALERS)] == ["mine"]
    assert twin.get(SCALED_OBJECTS, "web")["status"]["hpaName"] == "mine"


# scaling


def test_the_autoscaler_follows_the_value_of_the_trigger(twin: Twin):
    twin.outside["s0-prometheus"] = 450
    twin.scaled(PROMETHEUS, maxReplicaCount=10)
    twin.until(lambda: twin.replicas() == 5, 40)
    twin.outside["s0-prometheus"] = 2000
    twin.until(lambda: twin.replicas() == 10, 120)


def test_an_annotation_gives_a_trigger_its_value(twin: Twin):
    twin.outside.clear()
    twin.scaled(PROMETHEUS, annotations="{sim.seatrial.dev/s0-prometheus: '390'}")
    twin.until(lambda: twin.replicas() == 4, 40)


def test_it_goes_to_zero_when_the_cooldown_is_over_and_comes_back_when_a_trigger_is_active(twin: Twin):
    twin.outside["s0-prometheus"] = 50
    twin.scaled(PROMETHEUS, cooldownPeriod=60, pollingInterval=10)
    twin.run(30)
    twin.outside["s0-prometheus"] = 5  # not more than the activation threshold
    twin.run(20)
    assert twin.condition("Active") == "False ScalerCooldown"
    took = twin.until(lambda: twin.replicas() == 0, 120)
    assert 40 <= 20 + took <= 80
    twin.run(11)
    assert twin.condition("Active") == "False ScalerNotActive"
    assert twin.events("KEDAScaleTargetDeactivated") == ["Deactivated apps/v1.Deployment default/web from 2 to 0"]
    twin.outside["s0-prometheus"] = 250
    assert twin.until(lambda: twin.replicas() == 1, 60) <= 10
    assert twin.events("KEDAScaleTargetActivated") == [
        "Scaled apps/v1.Deployment default/web from 0 to 1, triggered by s0-prometheus"
    ]
    twin.until(lambda: twin.replicas() == 3, 60)


def test_idle_replicas_stand_by_below_the_lowest_number(twin: Twin):
    twin.outside["s0-prometheus"] = 0
    twin.scaled(PROMETHEUS, idleReplicaCount=1, minReplicaCount=3, cooldownPeriod=10, pollingInterval=5)
    twin.until(lambda: twin.replicas() == 1, 30)
    twin.outside["s0-prometheus"] = 60
    twin.until(lambda: twin.replicas() == 3, 10)


def test_fewer_replicas_than_the_lowest_number_are_filled_up(twin: Twin):
    twin.outside["s0-prometheus"] = 0
    twin.scaled(PROMETHEUS, minReplicaCount=3)
    twin.until(lambda: twin.replicas() == 3, 5)


def test_a_cron_trigger_holds_its_replicas_from_start_to_end(twin: Twin):
    twin.scaled(OFFICE_HOURS, cooldownPeriod=60)  # the clock begins at midnight UTC, an hour later in Berlin
    twin.until(lambda: twin.replicas() == 0, 120)
    took = twin.until(lambda: twin.replicas() == 4, 9 * 3600)
    assert datetime.fromtimestamp(twin.clock.now(), UTC).hour == 7
    assert took > 6 * 3600
    twin.until(lambda: twin.replicas() == 0, 11 * 3600)
    assert datetime.fromtimestamp(twin.clock.now(), UTC).hour == 17


@pytest.mark.parametrize(
    ("moment", "on"),
    [("2026-03-02T07:59:00+00:00", False), ("2026-03-02T08:01:00+00:00", True), ("2026-03-02T18:00:00+00:00", False)],
)
def test_cron_is_on_between_its_start_and_its_end(moment: str, on: bool):
    metadata = {"timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *"}
    assert cron_is_on(metadata, datetime.fromisoformat(moment).timestamp()) is on


def test_a_workload_trigger_counts_pods(twin: Twin):
    twin.scaled("[{type: kubernetes-workload, metadata: {podSelector: 'app=worker', value: '2'}}]", cooldownPeriod=10)
    twin.until(lambda: twin.replicas() == 0, 60)
    twin.apply(DEPLOYMENT.replace("web", "worker").replace("replicas: 2", "replicas: 6"))
    twin.until(lambda: twin.replicas() == 3, 90)


# failing


def test_a_trigger_without_a_value_is_said_to_fail_and_nothing_is_scaled(twin: Twin):
    twin.scaled(PROMETHEUS)
    twin.run(60)
    assert twin.condition("Ready") == "False TriggerError"
    assert twin.replicas() == 2
    assert twin.events("KEDAScalerFailed")


def test_the_fallback_stands_in_when_a_trigger_has_failed_often_enough(twin: Twin):
    twin.scaled(PROMETHEUS, fallback={"failureThreshold": 3, "replicas": 6}, pollingInterval=10, maxReplicaCount=10)
    twin.run(1)
    assert twin.get(SCALED_OBJECTS, "web")["status"]["health"] == {"s0-prometheus": {"numberOfFailures": 1, "status": "Failing"}}
    twin.until(lambda: twin.replicas() == 6, 60)
    twin.run(10)
    assert twin.condition("Fallback") == "True FallbackExists"
    twin.outside["s0-prometheus"] = 500
    twin.run(20)
    assert twin.condition("Fallback") == "False NoFallbackFound"
    assert twin.get(SCALED_OBJECTS, "web")["status"]["health"] == {"s0-prometheus": {"numberOfFailures": 0, "status": "Happy"}}


def test_a_target_that_is_not_there_is_told_and_found_when_it_comes(twin: Twin):
    twin.registry.delete("deployments.apps", "default", "web", propagation="Background")
    twin.run(5)
    twin.outside["s0-prometheus"] = 50
    twin.scaled(PROMETHEUS)
    twin.run(1)
    assert twin.condition("Ready") == "False ScaledObjectCheckFailed"
    ready = next(each for each in twin.get(SCALED_OBJECTS, "web")["status"]["conditions"] if each["type"] == "Ready")
    expected = 'ScaledObject doesn\'t have correct scaleTargetRef specification: deployments.apps "web" not found'
    assert ready["message"] == expected
    twin.apply(DEPLOYMENT)
    twin.until(lambda: twin.condition("Ready") == "True ScaledObjectReady", 30)
    assert twin.find(AUTOSCALERS, "keda-hpa-web")


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ("{start: 0 8 * * *, end: 0 8 * * *, desiredReplicas: '1'}", "start and end can not have exactly same time input"),
        ("{start: nonsense, end: 0 8 * * *, desiredReplicas: '1'}", "error parsing start schedule"),
        ("{start: 0 8 * * *, end: 0 9 * * *}", "no desiredReplicas specified"),
    ],
)
def test_a_cron_trigger_that_makes_no_sense_is_refused_with_a_reason(metadata: str, why: str):
    trigger = {"type": "cron", "metadata": yaml.safe_load(metadata)}
    scaled_object = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"triggers": [trigger]}}
    with pytest.raises(TriggerError, match=why):
        metrics_for(scaled_object)


# pausing


def test_paused_there_is_no_autoscaler_and_nothing_moves(twin: Twin):
    twin.outside["s0-prometheus"] = 450
    twin.scaled(PROMETHEUS)
    twin.until(lambda: twin.replicas() == 5, 40)
    twin.annotate("web", **{"autoscaling.keda.sh/paused": "true"})
    twin.outside["s0-prometheus"] = 900
    twin.run(60)
    assert (twin.find(AUTOSCALERS, "keda-hpa-web"), twin.replicas()) == (None, 5)
    assert twin.condition("Paused") == "True ScaledObjectPaused"
    twin.annotate("web", **{"autoscaling.keda.sh/paused": None})
    twin.until(lambda: twin.replicas() == 9, 60)
    assert twin.condition("Paused") == "False ScaledObjectUnpaused"


def test_paused_at_a_number_the_target_has_that_number(twin: Twin):
    twin.outside["s0-prometheus"] = 450
    twin.scaled(PROMETHEUS, annotations="{autoscaling.keda.sh/paused-replicas: '1'}")
    twin.run(5)
    assert twin.replicas() == 1
    assert twin.get(SCALED_OBJECTS, "web")["status"]["pausedReplicaCount"] == 1


def test_scaling_in_can_be_paused_alone(twin: Twin):
    twin.outside["s0-prometheus"] = 0
    twin.scaled(PROMETHEUS, cooldownPeriod=10, annotations="{autoscaling.keda.sh/paused-scale-in: 'true'}")
    twin.run(400)
    assert twin.replicas() == 2
    assert twin.get(AUTOSCALERS, "keda-hpa-web")["spec"]["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"


# the end


def test_deleted_it_takes_its_autoscaler_along_and_restores_what_there_was(twin: Twin):
    twin.outside["s0-prometheus"] = 450
    twin.scaled(PROMETHEUS, advanced={"restoreToOriginalReplicaCount": True})
    twin.until(lambda: twin.replicas() == 5, 40)
    twin.registry.delete(SCALED_OBJECTS, "default", "web")
    twin.run(5)
    assert twin.find(SCALED_OBJECTS, "web") is None
    assert twin.find(AUTOSCALERS, "keda-hpa-web") is None
    assert twin.replicas() == 2


# what the webhook refuses


def refused(twin: Twin, triggers: str, **spec: object) -> str:
    with pytest.raises(ApiError) as error:
        twin.scaled(triggers, **spec)
    assert error.value.code == 403
    return error.value.message.removeprefix('admission webhook "vscaledobject.kb.io" denied the request: ')


def test_a_workload_with_an_autoscaler_of_its_own_is_left_to_it(twin: Twin):
    twin.apply(
        """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: other, namespace: default}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
"""
    )
    words = "the workload 'web' of type 'apps/v1.Deployment' is already managed by the hpa 'other'"
    assert refused(twin, PROMETHEUS) == words


def test_a_workload_has_one_scaled_object(twin: Twin):
    twin.scaled(PROMETHEUS)
    words = "the workload 'web' of type 'apps/v1.Deployment' is already managed by the ScaledObject 'web'"
    assert refused(twin, PROMETHEUS, name="second") == words


@pytest.mark.parametrize(
    ("triggers", "spec", "words"),
    [
        (PROMETHEUS, {"minReplicaCount": 5, "maxReplicaCount": 3}, "MinReplicaCount=5 must be less than MaxReplicaCount=3"),
        (PROMETHEUS, {"minReplicaCount": 2, "idleReplicaCount": 2}, "IdleReplicaCount=2 must be less than MinReplicaCount=2"),
        (CPU, {}, "scaledobject has only cpu/memory triggers AND minReplica is 0 (scale to zero doesn't work in this case)"),
        (
            CPU.replace("cpu", "memory"),
            {"minReplicaCount": 1},
            "the scaledobject has a memory trigger but the container c doesn't have the memory request defined",
        ),
        (PROMETHEUS, {"fallback": {"failureThreshold": -1, "replicas": 1}}, "FailureThreshold=-1 & Replicas=1"),
        ("[]", {}, "no triggers defined in the ScaledObject/ScaledJob"),
    ],
)
def test_what_cannot_work_is_refused(twin: Twin, triggers: str, spec: dict[str, object], words: str):
    assert refused(twin, triggers, **spec).startswith(words)


def test_what_the_schema_does_not_allow_is_refused_by_the_api_server(twin: Twin):
    with pytest.raises(ApiError, match=r"spec\.pollingInterval in body must be of type integer") as error:
        twin.scaled(PROMETHEUS, pollingInterval="soon")
    assert error.value.code == 422
