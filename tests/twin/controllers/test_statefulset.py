from __future__ import annotations

from fake_cluster import Cluster

from seatrial.world.objects import Obj, labels_of, name_of

SETS, CLAIMS = "statefulsets.apps", "persistentvolumeclaims"


def stateful_set(replicas: int = 3, **spec: object) -> str:
    more = "".join(f"\n  {key}: {value}" for key, value in spec.items())
    return f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  replicas: {replicas}
  serviceName: db
  selector: {{matchLabels: {{app: db}}}}
  template: {template("v1")}{more}
"""


def template(image: str) -> Obj:
    return {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def is_done(cluster: Cluster) -> bool:
    status, found = cluster.status(SETS, "db"), cluster.get(SETS, "db")
    counts = [status.get(part, 0) for part in ("replicas", "readyReplicas", "updatedReplicas", "currentReplicas")]
    seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    return seen and counts == [found["spec"]["replicas"]] * 4 and status["currentRevision"] == status["updateRevision"]


def happenings(cluster: Cluster) -> list[str]:
    """From now on: pods as they are made, deleted and become ready, in order."""
    seen: list[str] = []

    def note(change: object) -> None:
        kind, pod, old = change.type, change.object, change.old  # type: ignore[attr-defined]
        conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
        before = {each["type"]: each["status"] for each in (old or pod)["status"].get("conditions", ())}
        if kind == "ADDED":
            seen.append(f"+{name_of(pod)}")
        elif kind == "DELETED":
            seen.append(f"-{name_of(pod)}")
        elif conditions.get("Ready") == "True" and before.get("Ready") != "True":
            seen.append(f"{name_of(pod)} ready")

    cluster.store.subscribe("pods", note)
    return seen


def images(cluster: Cluster) -> dict[str, str]:
    return {name_of(pod): pod["spec"]["containers"][0]["image"] for pod in cluster.list("pods")}


def test_pods_come_one_after_another_each_when_the_one_before_is_ready(cluster: Cluster) -> None:
    seen = happenings(cluster)
    cluster.apply(stateful_set())
    cluster.until(lambda: is_done(cluster))
    assert seen == ["+db-0", "db-0 ready", "+db-1", "db-1 ready", "+db-2", "db-2 ready"]
    revision = cluster.status(SETS, "db")["updateRevision"]
    pod = cluster.get("pods", "db-1")
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-1", "db")
    assert labels_of(pod) == {
        "app": "db",
        "apps.kubernetes.io/pod-index": "1",
        "statefulset.kubernetes.io/pod-name": "db-1",
        "controller-revision-hash": revision,
    }
    assert cluster.events("SuccessfulCreate")[0] == "create Pod db-0 in StatefulSet db successful"


def test_in_parallel_they_come_at_once(cluster: Cluster) -> None:
    seen = happenings(cluster)
    cluster.apply(stateful_set(podManagementPolicy="Parallel"))
    cluster.until(lambda: is_done(cluster))
    assert seen[:3] == ["+db-0", "+db-1", "+db-2"]


def test_an_update_goes_from_the_highest_ordinal_and_waits_for_each(cluster: Cluster) -> None:
    cluster.apply(stateful_set())
    cluster.until(lambda: is_done(cluster))
    seen = happenings(cluster)
    cluster.change(SETS, "db", spec__template=template("v2"))
    cluster.run(0.1)
    assert not is_done(cluster)
    cluster.until(lambda: is_done(cluster))
    assert seen == [step for ordinal in (2, 1, 0) for step in (f"-db-{ordinal}", f"+db-{ordinal}", f"db-{ordinal} ready")]
    assert set(images(cluster).values()) == {"v2"}
    assert len(cluster.list("controllerrevisions.apps")) == 2


def test_a_partition_keeps_the_lower_ordinals_as_they_are(cluster: Cluster) -> None:
    cluster.apply(stateful_set(updateStrategy="{type: RollingUpdate, rollingUpdate: {partition: 2}}"))
    cluster.until(lambda: is_done(cluster))
    cluster.change(SETS, "db", spec__template=template("v2"))
    cluster.run(20)
    assert images(cluster) == {"db-0": "v1", "db-1": "v1", "db-2": "v2"}
    cluster.registry.delete("pods", "default", "db-0")
    cluster.run(10)
    assert images(cluster)["db-0"] == "v1", "a pod below the partition comes back in its old version"


def test_on_delete_only_deleted_pods_are_updated(cluster: Cluster) -> None:
    cluster.apply(stateful_set(2, updateStrategy="{type: OnDelete}"))
    cluster.until(lambda: is_done(cluster))
    cluster.change(SETS, "db", spec__template=template("v2"))
    cluster.registry.delete("pods", "default", "db-0")
    cluster.run(20)
    assert images(cluster) == {"db-0": "v2", "db-1": "v1"}


def test_scaling_down_takes_the_highest_ordinal_first(cluster: Cluster) -> None:
    cluster.apply(stateful_set())
    cluster.until(lambda: is_done(cluster))
    seen = happenings(cluster)
    cluster.change(SETS, "db", spec__replicas=1)
    cluster.until(lambda: is_done(cluster))
    assert seen == ["-db-2", "-db-1"]


def test_going_back_to_an_old_template_takes_its_revision_up_again(cluster: Cluster) -> None:
    cluster.apply(stateful_set(1))
    cluster.until(lambda: is_done(cluster))
    first = cluster.status(SETS, "db")["updateRevision"]
    for image in ("v2", "v1"):
        cluster.change(SETS, "db", spec__template=template(image))
        cluster.run(0.1)
        cluster.until(lambda: is_done(cluster))
    assert cluster.status(SETS, "db")["updateRevision"] == first
    assert cluster.get("controllerrevisions.apps", first)["revision"] == 3


def test_each_pod_has_claims_that_outlive_it(cluster: Cluster) -> None:
    claim = "[{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]"
    cluster.apply(stateful_set(2, volumeClaimTemplates=claim))
    cluster.until(lambda: is_done(cluster))
    assert [name_of(each) for each in cluster.list(CLAIMS)] == ["data-db-0", "data-db-1"]
    volumes = cluster.get("pods", "db-1")["spec"]["volumes"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}} in volumes
    cluster.change(SETS, "db", spec__replicas=0)
    cluster.run(10)
    assert len(cluster.list(CLAIMS)) == 2


def test_claims_go_with_the_set_and_with_scaling_where_its_policy_says_so(cluster: Cluster) -> None:
    claim = "[{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]"
    policy = "{whenDeleted: Delete, whenScaled: Delete}"
    cluster.apply(stateful_set(2, volumeClaimTemplates=claim, persistentVolumeClaimRetentionPolicy=policy))
    cluster.until(lambda: is_done(cluster))
    cluster.change(SETS, "db", spec__replicas=1)
    cluster.run(10)
    assert [name_of(each) for each in cluster.list(CLAIMS)] == ["data-db-0"]
    cluster.registry.delete(SETS, "default", "db", propagation="Background")
    cluster.run(10)
    assert cluster.list(CLAIMS) == []
