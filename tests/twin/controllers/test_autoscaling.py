from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from fake_cluster import Cluster

from seatrial.twin.controllers import all_controllers, hpa_behaviour
from seatrial.twin.controllers.hpa_behaviour import Memory
from seatrial.twin.controllers.hpa_metrics import Tolerance
from seatrial.twin.kubelet.runtime import Usage
from seatrial.world.objects import Obj

AUTOSCALERS = "horizontalpodautoscalers.autoscaling"


class Load:
    """`cores` is what the whole application uses, shared by its pods; `per_pod` what each of them uses, if set."""

    def __init__(self) -> None:
        self.cores, self.per_pod = 0.0, None
        self.memory = 0
        self.outside: Sequence[float] | None = None
        self.count: Callable[[], int] = lambda: 1

    def usage(self, namespace: str, pod: str) -> dict[str, Usage] | None:
        if self.cores < 0:
            return None
        return {"c": Usage(self.cores / max(1, self.count()), self.memory)}

    def values(self, namespace: str, metric: Obj) -> Sequence[float] | None:
        return self.outside


@pytest.fixture
def load() -> Load:
    return Load()


@pytest.fixture
def scaled(load: Load) -> Cluster:
    """Two pods of a Deployment with a request of 100m."""
    cluster = Cluster(lambda context: all_controllers(context, usage=load.usage, values=load.values))
    load.count = lambda: sum(
        1 for pod in cluster.list("pods") if any(c["type"] == "Ready" for c in pod["status"].get("conditions", ()))
    )
    cluster.apply(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: v1, resources: {requests: {cpu: 100m, memory: 64Mi}}}]}
"""
    )
    cluster.run(400)  # beyond the time in which CPU counts as that of a start
    return cluster


CPU = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}"


def autoscale(cluster: Cluster, metrics: str = CPU, least: int = 1, most: int = 10, behavior: str = "") -> None:
    more = f", behavior: {behavior}" if behavior else ""
    target = "{apiVersion: apps/v1, kind: Deployment, name: web}"
    cluster.apply(
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: "
        f"{{scaleTargetRef: {target}, minReplicas: {least}, maxReplicas: {most}, metrics: [{metrics}]{more}}}}}"
    )


def replicas(cluster: Cluster) -> int:
    return int(cluster.get("deployments.apps", "web")["spec"]["replicas"])


def conditions(cluster: Cluster) -> list[str]:
    found = cluster.status(AUTOSCALERS, "web").get("conditions") or ()
    return [f"{each['type']} {each['status']} {each['reason']}" for each in found]


def test_replicas_follow_the_ratio_of_use_to_target(scaled: Cluster, load: Load) -> None:
    load.cores = 0.15  # 75 % of what two pods request; the target is 50 %
    autoscale(scaled)
    scaled.run(16)
    assert replicas(scaled) == 3
    status = scaled.status(AUTOSCALERS, "web")
    assert (status["currentReplicas"], status["desiredReplicas"]) == (2, 3)
    current = {"averageUtilization": 75, "averageValue": "75m"}
    assert status["currentMetrics"] == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    assert conditions(scaled) == [
        "AbleToScale True SucceededRescale",
        "ScalingActive True ValidMetricFound",
        "ScalingLimited False DesiredWithinRange",
    ]
    assert scaled.message(AUTOSCALERS, "web", "AbleToScale") == ("the HPA controller was able to update the target scale to 3")
    words = "cpu resource utilization (percentage of request)"
    assert scaled.events("SuccessfulRescale") == [f"New size: 3; reason: {words} above target"]


@pytest.mark.parametrize(("cores", "expected"), [(0.109, 2), (0.091, 2), (0.112, 3)])
def test_a_tenth_more_or_less_changes_nothing(scaled: Cluster, load: Load, cores: float, expected: int) -> None:
    load.cores = cores
    autoscale(scaled)
    scaled.run(16)
    assert replicas(scaled) == expected


def test_down_waits_for_the_highest_recommendation_of_five_minutes(scaled: Cluster, load: Load) -> None:
    load.cores = 0.2
    autoscale(scaled)
    scaled.run(31)
    assert replicas(scaled) == 4
    load.cores = 0.04
    scaled.run(200)
    assert replicas(scaled) == 4
    assert conditions(scaled)[0] == "AbleToScale True ScaleDownStabilized"
    scaled.run(150)
    assert replicas(scaled) == 1


def test_up_goes_no_faster_than_double_or_four(scaled: Cluster, load: Load) -> None:
    load.cores = 5
    autoscale(scaled, most=100)
    seen = []
    for _ in range(4):
        scaled.run(15)
        seen.append(replicas(scaled))
    assert seen == [4, 8, 16, 32]
    assert conditions(scaled)[2] == "ScalingLimited True ScaleUpLimit"


def test_bounds_hold_and_are_told(scaled: Cluster, load: Load) -> None:
    load.cores = 5
    autoscale(scaled, most=3)
    scaled.run(16)
    assert replicas(scaled) == 3
    assert conditions(scaled)[2] == "ScalingLimited True TooManyReplicas"


def test_what_is_outside_the_bounds_is_brought_back_without_asking_metrics(scaled: Cluster, load: Load) -> None:
    load.cores = -1
    autoscale(scaled, least=5)
    scaled.run(16)
    assert replicas(scaled) == 5
    assert scaled.events("SuccessfulRescale") == ["New size: 5; reason: Current number of replicas below Spec.MinReplicas"]


def test_without_metrics_nothing_moves_and_the_reason_is_told(scaled: Cluster, load: Load) -> None:
    load.cores = -1
    autoscale(scaled)
    scaled.run(16)
    assert replicas(scaled) == 2
    assert conditions(scaled) == ["AbleToScale True SucceededGetScale", "ScalingActive False FailedGetResourceMetric"]
    assert scaled.message(AUTOSCALERS, "web", "ScalingActive") == (
        "the HPA was unable to compute the replica count: failed to get cpu utilization: "
        "unable to get metrics for resource cpu: no metrics returned from resource metrics API"
    )


def test_a_container_without_a_request_is_named(scaled: Cluster, load: Load) -> None:
    template = scaled.get("deployments.apps", "web")["spec"]["template"]
    container = {**template["spec"]["containers"][0], "resources": {}}
    bare = {**template, "spec": {**template["spec"], "containers": [container]}}
    scaled.change("deployments.apps", "web", spec__template=bare)
    scaled.run(10)
    autoscale(scaled)
    scaled.run(16)
    assert "missing request for cpu in container c of Pod web-" in scaled.message(AUTOSCALERS, "web", "ScalingActive")


def test_pods_that_start_up_hold_the_growth_back(scaled: Cluster, load: Load) -> None:
    load.cores = 0.16
    autoscale(scaled)
    scaled.change("deployments.apps", "web", spec__replicas=3)
    scaled.kubelet.ready = 1e9  # new pods do not become ready
    scaled.run(16)
    # Two pods use 80 % of their requests; with the unready one counted as using nothing that is 53 %: within the tolerance.
    assert replicas(scaled) == 3


def test_the_metric_that_asks_for_most_decides(scaled: Cluster, load: Load) -> None:
    load.cores, load.memory = 0.1, 60 << 20
    target = "target: {type: AverageValue, averageValue: 20Mi}"
    memory = f"{{name: memory, container: c, {target}}}"
    autoscale(scaled, f"{CPU}, {{type: ContainerResource, containerResource: {memory}}}")
    scaled.run(16)
    assert replicas(scaled) == 4, "memory asks for 6, and no more than 4 are allowed at once"
    assert scaled.events("SuccessfulRescale") == ["New size: 4; reason: memory container resource above target"]


def test_values_from_outside_the_cluster(scaled: Cluster, load: Load) -> None:
    load.outside = [90.0]
    autoscale(scaled, "{type: External, external: {metric: {name: queue}, target: {type: AverageValue, averageValue: '30'}}}")
    scaled.run(16)
    assert replicas(scaled) == 3
    load.outside = None
    scaled.run(16)
    assert conditions(scaled)[1] == "ScalingActive False FailedGetExternalMetric"


def test_an_absent_target_is_told(scaled: Cluster) -> None:
    autoscale(scaled)
    scaled.registry.delete("deployments.apps", "default", "web")
    scaled.run(16)
    assert conditions(scaled) == ["AbleToScale False FailedGetScale"]
    assert 'deployments.apps "web" not found' in scaled.message(AUTOSCALERS, "web", "AbleToScale")


def test_a_target_scaled_to_nothing_is_left_alone(scaled: Cluster) -> None:
    scaled.change("deployments.apps", "web", spec__replicas=0)
    autoscale(scaled)
    scaled.run(16)
    assert replicas(scaled) == 0
    assert conditions(scaled)[1] == "ScalingActive False ScalingDisabled"


# behaviour

PODS_A_MINUTE = {"type": "Pods", "value": 2, "periodSeconds": 60}


def follow(wanted: Sequence[int], behaviour: dict[str, Obj], start: int = 10) -> list[int]:
    """The replicas, looked at every 15 seconds, for what the metrics want at each."""
    memory, current, now, seen = Memory(), start, 1000.0, []
    memory.recommendations.append((now, start))
    for each in wanted:
        now += 15
        after = hpa_behaviour.normalise(each, current, 1, 100, behaviour, memory, now).replicas
        if after != current:
            memory.note_scaling(current, after, now)
        current = after
        seen.append(current)
    return seen


def test_a_policy_counts_what_was_done_in_its_period() -> None:
    down = {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [PODS_A_MINUTE]}}
    assert follow([1] * 9, down) == [8, 8, 8, 8, 6, 6, 6, 6, 4]


def test_the_larger_or_the_smaller_of_policies_is_chosen_or_none() -> None:
    policies = [PODS_A_MINUTE, {"type": "Percent", "value": 50, "periodSeconds": 60}]
    for select, expected in (("Max", 5), ("Min", 8), ("Disabled", 10)):
        rules: Obj = {"stabilizationWindowSeconds": 0, "policies": policies, "selectPolicy": select}
        assert follow([1], {"scaleDown": rules}) == [expected]


def test_a_window_upwards_takes_the_lowest_recommendation_of_it() -> None:
    assert follow([20, 20, 12, 20, 20], {"scaleUp": {"stabilizationWindowSeconds": 45}}) == [10, 10, 12, 12, 12]


def test_without_policies_of_its_own_a_behaviour_has_those_of_kubernetes() -> None:
    assert follow([100, 100, 1], {"scaleDown": {"stabilizationWindowSeconds": 0}}, start=3) == [7, 14, 1]


def test_tolerance_can_be_set_for_each_direction() -> None:
    tolerance = hpa_behaviour.tolerance_of({"scaleUp": {"tolerance": "0.05"}, "scaleDown": {}})
    assert tolerance == Tolerance(up=0.05, down=0.1)
    assert [tolerance.holds(ratio) for ratio in (1.05, 1.06, 0.9, 0.89)] == [True, False, True, False]
