from __future__ import annotations

from typing import Any

import pytest
import yaml
from fake_cluster import Cluster

from seatrial.twin.controllers import all_controllers
from seatrial.world.objects import Obj

COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")


def deployment(replicas: int = 4, image: str = "v1", **spec: Any) -> str:
    made = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(image),
            **spec,
        },
    }
    return yaml.safe_dump(made)


def template(image: str) -> Obj:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def rolling(surge: int | str, unavailable: int | str) -> Obj:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def is_complete(cluster: Cluster) -> bool:
    web = cluster.get("deployments.apps", "web")
    status, replicas = web.get("status") or {}, web["spec"]["replicas"]
    seen = status.get("observedGeneration", 0) >= web["metadata"]["generation"]
    return seen and all(status.get(part, 0) == replicas for part in COUNTS)


def up(cluster: Cluster, text: str) -> None:
    cluster.apply(text)
    cluster.until(lambda: is_complete(cluster))


def roll(cluster: Cluster, image: str) -> float:
    cluster.change("deployments.apps", "web", spec__template=template(image))
    return cluster.until(lambda: is_complete(cluster))


def sizes(cluster: Cluster) -> dict[str, int]:
    """The size of each ReplicaSet by its image."""
    sets = cluster.list("replicasets.apps")
    return {rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs["spec"]["replicas"] for rs in sets}


def test_a_new_deployment_says_what_it_does_and_that_it_is_done(cluster: Cluster) -> None:
    cluster.apply(deployment(3))
    cluster.run(0.1)
    assert cluster.condition("deployments.apps", "web", "Progressing") == "True ReplicaSetUpdated"
    assert cluster.condition("deployments.apps", "web", "Available") == "False MinimumReplicasUnavailable"
    cluster.until(lambda: is_complete(cluster))
    (rs,) = cluster.list("replicasets.apps")
    name = rs["metadata"]["name"]
    assert cluster.condition("deployments.apps", "web", "Available") == "True MinimumReplicasAvailable"
    assert cluster.condition("deployments.apps", "web", "Progressing") == "True NewReplicaSetAvailable"
    assert cluster.message("deployments.apps", "web", "Available") == "Deployment has minimum availability."
    assert cluster.message("deployments.apps", "web", "Progressing") == f'ReplicaSet "{name}" has successfully progressed.'
    assert cluster.get("deployments.apps", "web")["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}
    status = cluster.status("deployments.apps", "web")
    assert {part: value for part, value in status.items() if part != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
    }
    assert cluster.events("ScalingReplicaSet") == [f"Scaled up replica set {name} from 0 to 3"]


def test_the_pod_template_hash_is_in_names_and_selectors_and_spells_no_words(cluster: Cluster) -> None:
    up(cluster, deployment(1))
    (rs,) = cluster.list("replicasets.apps")
    digest = rs["metadata"]["labels"]["pod-template-hash"]
    assert len(digest) == 10
    assert set(digest) <= set("bcdfghjklmnpqrstvwxz2456789")
    assert rs["metadata"]["name"] == f"web-{digest}"
    assert rs["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    (pod,) = cluster.list("pods")
    assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": digest}
    assert pod["metadata"]["name"].startswith(f"web-{digest}-")


def test_a_rolling_update_stays_within_surge_and_unavailable(cluster: Cluster) -> None:
    up(cluster, deployment(8, strategy=rolling(2, 1)))
    seen = cluster.trace("deployments.apps", "web", *COUNTS)
    roll(cluster, "v2")
    assert max(replicas for replicas, *_ in seen) <= 10
    assert min(available for *_, available in seen) >= 7
    assert sizes(cluster) == {"v1": 0, "v2": 8}


def test_surge_without_unavailability_never_drops_below_the_replicas(cluster: Cluster) -> None:
    up(cluster, deployment(4, strategy=rolling(1, 0)))
    seen = cluster.trace("deployments.apps", "web", "replicas", "availableReplicas")
    roll(cluster, "v2")
    assert {replicas for replicas, _ in seen} == {4, 5}
    assert min(available for _, available in seen) == 4


def test_min_ready_seconds_hold_a_rollout_back(cluster: Cluster) -> None:
    up(cluster, deployment(3, strategy=rolling(1, 0), minReadySeconds=5))
    assert roll(cluster, "v2") >= 3 * 5


def test_a_rollout_that_sticks_is_told_after_its_deadline(cluster: Cluster) -> None:
    up(cluster, deployment(4, progressDeadlineSeconds=20))
    cluster.change("deployments.apps", "web", spec__template=template("never-ready"))
    begin = cluster.clock.now()
    cluster.until(lambda: cluster.condition("deployments.apps", "web", "Progressing").startswith("False"))
    assert 19 <= cluster.clock.now() - begin <= 22  # the condition counts in whole seconds
    assert cluster.condition("deployments.apps", "web", "Progressing") == "False ProgressDeadlineExceeded"
    assert cluster.message("deployments.apps", "web", "Progressing").endswith("has timed out progressing.")
    assert cluster.condition("deployments.apps", "web", "Available") == "True MinimumReplicasAvailable"


def test_going_back_to_an_old_template_takes_its_replica_set_up_again_as_the_newest_revision(cluster: Cluster) -> None:
    up(cluster, deployment())
    roll(cluster, "v2")
    roll(cluster, "v1")
    sets = {rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs for rs in cluster.list("replicasets.apps")}
    annotations = sets["v1"]["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["deployment.kubernetes.io/revision-history"] == "1"
    assert cluster.get("deployments.apps", "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert sizes(cluster) == {"v1": 4, "v2": 0}


def test_a_third_version_takes_over_a_rollout_that_is_under_way(cluster: Cluster) -> None:
    up(cluster, deployment())
    cluster.change("deployments.apps", "web", spec__template=template("never-ready"))
    cluster.run(3)
    roll(cluster, "v3")
    assert sizes(cluster) == {"v1": 0, "never-ready": 0, "v3": 4}


def test_old_revisions_beyond_the_limit_go(cluster: Cluster) -> None:
    up(cluster, deployment(1, revisionHistoryLimit=2))
    for image in ("v2", "v3", "v4", "v5"):
        roll(cluster, image)
    cluster.run(1)
    assert sorted(sizes(cluster)) == ["v3", "v4", "v5"]


def test_recreate_starts_the_new_pods_only_when_the_old_ones_have_stopped(cluster: Cluster) -> None:
    up(cluster, deployment(3, strategy={"type": "Recreate"}))
    together: list[int] = []
    cluster.store.subscribe("pods", lambda _: together.append(len({_image(pod) for pod in cluster.list("pods")})))
    roll(cluster, "v2")
    assert max(together) == 1
    assert sizes(cluster) == {"v1": 0, "v2": 3}


def _image(pod: Obj) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def test_a_paused_deployment_makes_no_replica_set_but_scales(cluster: Cluster) -> None:
    up(cluster, deployment(2))
    cluster.change("deployments.apps", "web", spec__paused=True)
    cluster.change("deployments.apps", "web", spec__template=template("v2"))
    cluster.run(1)
    assert sizes(cluster) == {"v1": 2}
    assert cluster.condition("deployments.apps", "web", "Progressing") == "Unknown DeploymentPaused"
    cluster.change("deployments.apps", "web", spec__replicas=5)
    cluster.run(1)
    assert sizes(cluster) == {"v1": 5}
    cluster.change("deployments.apps", "web", spec__paused=None)
    cluster.until(lambda: is_complete(cluster))
    assert sizes(cluster) == {"v1": 0, "v2": 5}


def test_scaling_in_the_middle_of_a_rollout_is_shared_in_proportion(cluster: Cluster) -> None:
    up(cluster, deployment(10, strategy=rolling(3, 2)))
    cluster.change("deployments.apps", "web", spec__template=template("never-ready"))
    cluster.run(5)
    assert sizes(cluster) == {"v1": 8, "never-ready": 5}
    cluster.change("deployments.apps", "web", spec__replicas=15)
    cluster.run(0.1)
    # The example of the Kubernetes documentation: of the 5 more replicas the larger ReplicaSet gets 3.
    assert sizes(cluster) == {"v1": 11, "never-ready": 7}


def test_scaling_down_takes_the_replicas_away(cluster: Cluster) -> None:
    up(cluster, deployment(5))
    cluster.change("deployments.apps", "web", spec__replicas=1)
    cluster.until(lambda: is_complete(cluster))
    assert len([pod for pod in cluster.list("pods") if not pod["metadata"].get("deletionTimestamp")]) == 1


def test_a_label_on_the_deployment_rolls_nothing_and_an_annotation_reaches_the_replica_set(cluster: Cluster) -> None:
    up(cluster, deployment(1))
    cluster.change("deployments.apps", "web", metadata__labels={"tier": "web"})
    cluster.change("deployments.apps", "web", metadata__annotations={"team": "payments"})
    cluster.run(1)
    (rs,) = cluster.list("replicasets.apps")
    assert rs["metadata"]["annotations"]["team"] == "payments"
    assert cluster.get("deployments.apps", "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


def test_a_foreign_replica_set_of_the_same_name_makes_the_hash_another(cluster: Cluster) -> None:
    up(cluster, deployment(1))
    (rs,) = cluster.list("replicasets.apps")
    other = Cluster(all_controllers)
    foreign = yaml.safe_dump({**rs, "metadata": {"name": rs["metadata"]["name"]}, "spec": {**rs["spec"], "replicas": 0}})
    other.apply(foreign.replace("image: v1", "image: else"))
    up(other, deployment(1))
    assert other.status("deployments.apps", "web")["collisionCount"] == 1
    assert len({name["metadata"]["name"] for name in other.list("replicasets.apps")}) == 2


@pytest.mark.parametrize("strategy", [rolling("25%", "25%"), {"type": "Recreate"}])
def test_nothing_is_written_once_a_deployment_is_complete(cluster: Cluster, strategy: Obj) -> None:
    up(cluster, deployment(3, strategy=strategy))
    cluster.run(5)
    version = cluster.store.version
    cluster.run(1000)
    assert cluster.store.version == version
