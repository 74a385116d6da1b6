from __future__ import annotations

import pytest
from fake_cluster import Cluster

from seatrial.twin import errors
from seatrial.world.objects import name_of

BUDGETS = "poddisruptionbudgets.policy"
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 5
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: v1}]}
"""


def budget(cluster: Cluster, spec: str) -> None:
    text = "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {selector: "
    cluster.apply(text + f"{{matchLabels: {{app: web}}}}, {spec}}}}}")


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ("minAvailable: 3", 3, 2),
        ("minAvailable: 50%", 3, 2),
        ("maxUnavailable: 1", 4, 1),
        ("maxUnavailable: 50%", 2, 3),
        ("maxUnavailable: 30%", 3, 2),
        ("minAvailable: 100%", 5, 0),
    ],
)
def test_what_may_go_follows_from_what_must_stay_and_percentages_round_up(
    cluster: Cluster, spec: str, desired: int, allowed: int
) -> None:
    budget(cluster, spec)
    cluster.apply(WEB)
    cluster.run(5)
    status = cluster.status(BUDGETS, "web")
    counts = [status[part] for part in ("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed")]
    assert counts == [5, 5, desired, allowed]
    expected = "True SufficientPods" if allowed else "False InsufficientPods"
    assert cluster.condition(BUDGETS, "web", "DisruptionAllowed") == expected


def test_a_budget_without_pods_allows_nothing_and_says_so(cluster: Cluster) -> None:
    budget(cluster, "minAvailable: 0")
    cluster.run(1)
    assert cluster.status(BUDGETS, "web")["disruptionsAllowed"] == 0
    assert cluster.events("NoPods") == ["No matching pods found"]


def test_an_eviction_is_charged_until_its_pod_is_replaced(cluster: Cluster) -> None:
    budget(cluster, "maxUnavailable: 1")
    cluster.apply(WEB)
    cluster.run(5)
    first, second = (name_of(pod) for pod in cluster.list("pods")[:2])
    cluster.registry.evict("default", first)
    with pytest.raises(errors.ApiError, match="would violate the pod's disruption budget"):
        cluster.registry.evict("default", second)
    cluster.run(5)
    assert cluster.status(BUDGETS, "web")["disruptionsAllowed"] == 1
    assert "disruptedPods" not in cluster.status(BUDGETS, "web")
    cluster.registry.evict("default", second)


def test_more_replicas_raise_what_a_percentage_means(cluster: Cluster) -> None:
    budget(cluster, "minAvailable: 50%")
    cluster.apply(WEB)
    cluster.run(5)
    cluster.change("deployments.apps", "web", spec__replicas=9)
    cluster.run(5)
    assert cluster.status(BUDGETS, "web")["desiredHealthy"] == 5


def test_pods_that_nobody_scales_make_the_number_unknown(cluster: Cluster) -> None:
    budget(cluster, "maxUnavailable: 1")
    cluster.apply(
        "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {metadata: {labels: {app: web}}, "
        "spec: {restartPolicy: Never, containers: [{name: c, image: v1}]}}}}"
    )
    cluster.run(5)
    assert cluster.condition(BUDGETS, "web", "DisruptionAllowed") == "False SyncFailed"
    assert cluster.message(BUDGETS, "web", "DisruptionAllowed") == "jobs.batch does not implement the scale subresource"
    assert cluster.status(BUDGETS, "web")["disruptionsAllowed"] == 0
