from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from fake_cluster import Cluster

from seatrial.twin.controllers.cronjob import moments
from seatrial.world.objects import name_of


def cron(schedule: str, image: str = "succeeds", **spec: object) -> str:
    more = "".join(f"\n  {key}: {value}" for key, value in spec.items())
    return f"""
apiVersion: batch/v1
kind: CronJob
metadata: {{name: report}}
spec:
  schedule: "{schedule}"
  jobTemplate:
    metadata: {{labels: {{team: shop}}}}
    spec:
      template:
        spec: {{restartPolicy: Never, containers: [{{name: c, image: {image}}}]}}{more}
"""


def jobs(cluster: Cluster) -> list[str]:
    return [name_of(job) for job in cluster.list("jobs.batch")]


def test_a_job_starts_at_each_moment_and_is_called_after_it(cluster: Cluster) -> None:
    cluster.apply(cron("*/5 * * * *"))
    cluster.run(11 * 60)
    minutes = 1_767_225_600 // 60
    assert jobs(cluster) == [f"report-{minutes + 5}", f"report-{minutes + 10}"]
    job = cluster.get("jobs.batch", f"report-{minutes + 5}")
    assert job["metadata"]["labels"]["team"] == "shop"
    assert job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-01-01T00:05:00Z"
    status = cluster.status("cronjobs.batch", "report")
    assert status["lastScheduleTime"] == "2026-01-01T00:10:00Z"
    assert status["lastSuccessfulTime"] > status["lastScheduleTime"]
    assert "active" not in status
    assert cluster.events("SawCompletedJob")[0] == f"Saw completed job: report-{minutes + 5}, condition: Complete"


def test_three_successes_and_one_failure_are_kept(cluster: Cluster) -> None:
    cluster.apply(cron("* * * * *"))
    cluster.run(8 * 60 + 10)
    assert len(jobs(cluster)) == 3
    cluster.registry.delete("cronjobs.batch", "default", "report", propagation="Background")
    cluster.run(5)
    assert jobs(cluster) == []


@pytest.mark.parametrize(("policy", "expected"), [("Allow", 3), ("Forbid", 1), ("Replace", 1)])
def test_a_job_that_still_runs_is_joined_kept_or_replaced(cluster: Cluster, policy: str, expected: int) -> None:
    cluster.apply(cron("* * * * *", "runs-on", concurrencyPolicy=policy))
    cluster.run(3 * 60 + 5)
    assert len(jobs(cluster)) == expected
    first = f"report-{1_767_225_600 // 60 + 1}"
    assert (first in jobs(cluster)) == (policy != "Replace")
    assert len(cluster.status("cronjobs.batch", "report")["active"]) == expected
    if policy == "Forbid":
        words = "Not starting job because prior execution is running and concurrency policy is Forbid"
        assert words in cluster.events("JobAlreadyActive")


def test_a_suspended_cron_job_starts_nothing_and_then_only_the_latest_it_missed(cluster: Cluster) -> None:
    cluster.apply(cron("*/5 * * * *", suspend="true"))
    cluster.run(31 * 60)
    assert jobs(cluster) == []
    cluster.change("cronjobs.batch", "report", spec__suspend=False)
    cluster.run(1)
    assert jobs(cluster) == [f"report-{1_767_225_600 // 60 + 30}"]


def test_what_is_later_than_its_starting_deadline_is_missed(cluster: Cluster) -> None:
    cluster.apply(cron("*/30 * * * *", suspend="true", startingDeadlineSeconds=60))
    cluster.run(32 * 60)
    cluster.change("cronjobs.batch", "report", spec__suspend=False)
    cluster.run(1)
    assert jobs(cluster) == []


def test_schedules_follow_their_time_zone_through_the_change_of_clocks() -> None:
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp()
    found = [datetime.fromtimestamp(each, UTC).hour for each in islice(moments("0 9 * * *", zone, start), 3)]
    assert found == [8, 7, 7]


@pytest.mark.parametrize(
    ("schedule", "first"),
    [("@hourly", 3600), ("@daily", 86400), ("@every 90s", 90), ("0 0 1 ? *", 31 * 86400), ("*/10 * * * *", 600)],
)
def test_nicknames_and_question_marks_are_understood(schedule: str, first: int) -> None:
    assert next(moments(schedule, UTC, 1_767_225_600)) - 1_767_225_600 == first
