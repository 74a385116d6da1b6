from __future__ import annotations

import pytest
from fake_cluster import Cluster

from seatrial.twin.controllers.job_pods import Failures, format_indexes, parse_indexes
from seatrial.world.objects import Obj, name_of


def job(image: str, **spec: object) -> str:
    more = "".join(f"\n  {key}: {value}" for key, value in spec.items())
    return f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: j}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: c, image: {image}}}]{more}
"""


def conditions(cluster: Cluster) -> list[str]:
    return [f"{each['type']} {each['reason']}" for each in cluster.status("jobs.batch", "j").get("conditions") or ()]


def finish(cluster: Cluster) -> Obj:
    cluster.until(lambda: any(end in " ".join(conditions(cluster)) for end in ("Complete ", "Failed ")), within=2000)
    return cluster.status("jobs.batch", "j")


def test_a_job_that_succeeds_says_when_and_why_it_is_complete(cluster: Cluster) -> None:
    cluster.apply(job("succeeds", parallelism=1, completions=2))
    status = finish(cluster)
    assert conditions(cluster) == ["SuccessCriteriaMet CompletionsReached", "Complete CompletionsReached"]
    assert cluster.message("jobs.batch", "j", "Complete") == "Reached expected number of succeeded pods"
    assert status["succeeded"] == 2
    assert status["completionTime"] > status["startTime"]
    assert (status["ready"], status["terminating"], status["uncountedTerminatedPods"]) == (0, 0, {})
    assert cluster.events("Completed") == ["Job completed"]


def test_a_failing_job_backs_off_ten_seconds_doubling_and_fails_past_its_limit(cluster: Cluster) -> None:
    made: list[float] = []
    cluster.store.subscribe("pods", lambda change: made.append(cluster.clock.now()) if change.type == "ADDED" else None)
    begin = cluster.clock.now()
    cluster.apply(job("fails", parallelism=1, completions=1, backoffLimit=2))
    finish(cluster)
    # Each pod ends 1.51 s after its start; times of ends are whole seconds (rollouts/golden/job-backoff.json).
    assert [at - begin for at in made] == pytest.approx([0, 11, 32], abs=0.1)
    assert conditions(cluster) == ["FailureTarget BackoffLimitExceeded", "Failed BackoffLimitExceeded"]
    assert cluster.message("jobs.batch", "j", "Failed") == "Job has reached the specified backoff limit"
    assert cluster.status("jobs.batch", "j")["failed"] == 3


def test_back_off_stops_growing_at_ten_minutes_and_a_success_resets_it() -> None:
    assert [Failures(count, 0.0).wait(0.0) for count in (0, 1, 2, 6, 7, 50)] == [0, 10, 20, 320, 600, 600]
    failures = Failures(3, 100.0)
    done = {"metadata": {"creationTimestamp": "1970-01-01T00:03:00Z"}, "status": {"phase": "Succeeded"}}
    failures.note([done], [])
    assert failures.count == 0


def test_no_more_pods_run_at_once_than_the_parallelism(cluster: Cluster) -> None:
    seen: list[int] = []
    cluster.store.subscribe("jobs.batch", lambda change: seen.append((change.object.get("status") or {}).get("active", 0)))
    cluster.apply(job("succeeds", parallelism=3, completions=7))
    finish(cluster)
    assert max(seen) == 3
    assert len(cluster.list("pods")) == 7


def test_an_indexed_job_runs_each_index_once_and_tells_the_pod_which_it_is(cluster: Cluster) -> None:
    cluster.apply(job("succeeds", parallelism=2, completions=3, completionMode="Indexed"))
    assert finish(cluster)["completedIndexes"] == "0-2"
    pods = sorted(cluster.list("pods"), key=name_of)
    assert [pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in pods] == ["0", "1", "2"]
    assert [pod["spec"]["hostname"] for pod in pods] == ["j-0", "j-1", "j-2"]
    assert [name_of(pod)[:4] for pod in pods] == ["j-0-", "j-1-", "j-2-"]
    (env,) = pods[0]["spec"]["containers"][0]["env"]
    assert env["name"] == "JOB_COMPLETION_INDEX"
    assert env["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/job-completion-index']"


def test_indexes_are_written_as_ranges() -> None:
    assert format_indexes([5, 1, 2, 3]) == "1-3,5"
    assert format_indexes([2, 1]) == "1,2"
    assert parse_indexes("1-3,5") == {1, 2, 3, 5}


def test_a_job_past_its_deadline_fails_and_its_pods_go(cluster: Cluster) -> None:
    cluster.apply(job("runs-on", parallelism=2, completions=2, activeDeadlineSeconds=30))
    begin = cluster.clock.now()
    cluster.until(lambda: conditions(cluster))
    assert cluster.clock.now() - begin == pytest.approx(30, abs=0.1)
    assert conditions(cluster) == ["FailureTarget DeadlineExceeded"], "Failed comes once its pods are gone"
    finish(cluster)
    assert cluster.list("pods") == []


def test_a_suspended_job_has_no_pods_until_it_is_resumed(cluster: Cluster) -> None:
    cluster.apply(job("runs-on", parallelism=2, completions=2, suspend="true"))
    cluster.run(5)
    assert cluster.list("pods") == []
    assert conditions(cluster) == ["Suspended JobSuspended"]
    cluster.change("jobs.batch", "j", spec__suspend=False)
    cluster.run(2)
    assert len(cluster.list("pods")) == 2
    assert cluster.condition("jobs.batch", "j", "Suspended") == "False JobResumed"
    cluster.change("jobs.batch", "j", spec__suspend=True)
    cluster.run(5)
    assert cluster.list("pods") == []
    assert cluster.status("jobs.batch", "j").get("failed", 0) == 0


def test_a_failure_that_the_policy_ignores_does_not_count_and_one_that_it_fails_the_job_for_ends_it(cluster: Cluster) -> None:
    rule = "{action: FailJob, onExitCodes: {operator: In, values: [42]}}"
    cluster.kubelet.exit_code = 42
    cluster.apply(job("fails", parallelism=1, completions=1, backoffLimit=6, podFailurePolicy=f"{{rules: [{rule}]}}"))
    finish(cluster)
    assert conditions(cluster) == ["FailureTarget PodFailurePolicy", "Failed PodFailurePolicy"]
    assert "failed with exit code 42 matching FailJob rule at index 0" in cluster.message("jobs.batch", "j", "Failed")


def test_a_finished_job_goes_after_its_ttl_with_its_pods(cluster: Cluster) -> None:
    cluster.apply(job("succeeds", parallelism=1, completions=1, ttlSecondsAfterFinished=60))
    finish(cluster)
    cluster.run(58)
    assert cluster.find("jobs.batch", "j") is not None
    cluster.run(10)
    assert cluster.find("jobs.batch", "j") is None
    assert cluster.list("pods") == []


def test_the_pods_of_a_deleted_job_go_though_they_were_not_counted(cluster: Cluster) -> None:
    cluster.apply(job("runs-on", parallelism=2, completions=2))
    cluster.run(1)
    assert all("batch.kubernetes.io/job-tracking" in pod["metadata"]["finalizers"] for pod in cluster.list("pods"))
    cluster.registry.delete("jobs.batch", "default", "j", propagation="Background")
    cluster.run(5)
    assert cluster.list("pods") == []


def test_a_pod_deleted_by_somebody_counts_as_a_failure_and_is_replaced(cluster: Cluster) -> None:
    cluster.apply(job("runs-on", parallelism=1, completions=1))
    cluster.run(2)
    (pod,) = cluster.list("pods")
    cluster.registry.delete("pods", "default", name_of(pod))
    cluster.run(20)
    assert cluster.status("jobs.batch", "j")["failed"] == 1
    assert [name_of(each) != name_of(pod) for each in cluster.list("pods")] == [True]


def test_an_index_that_fails_too_often_is_given_up_and_the_others_go_on(cluster: Cluster) -> None:
    spec = {"parallelism": 2, "completions": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1, "backoffLimit": 99}
    cluster.apply(job("fails", **spec))
    status = finish(cluster)
    assert conditions(cluster) == ["FailureTarget FailedIndexes", "Failed FailedIndexes"]
    assert status["failedIndexes"] == "0,1"
    assert status["failed"] == 4
    key = "batch.kubernetes.io/job-index-failure-count"
    assert sorted(pod["metadata"]["annotations"][key] for pod in cluster.list("pods")) == ["0", "0", "1", "1"]


def test_more_failed_indexes_than_allowed_fail_the_job_at_once(cluster: Cluster) -> None:
    spec = {"parallelism": 1, "completions": 5, "completionMode": "Indexed", "backoffLimitPerIndex": 0, "maxFailedIndexes": 1}
    cluster.apply(job("fails", **spec, backoffLimit=99))
    status = finish(cluster)
    assert conditions(cluster)[1] == "Failed MaxFailedIndexesExceeded"
    assert status["failedIndexes"] == "0,1"
