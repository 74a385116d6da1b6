"""What `up` says of an application that is coming up."""

from seatrial.up.progress import Picture


def picture(*objects):
    seen = Picture()
    for obj in objects:
        seen.see("ADDED", obj)
    return seen


def deployment(name="api", generation=1, **status):
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "uid": f"uid-{name}", "generation": generation},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, **status},
    }


def owner(kind, name):
    return [{"kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}]


def replicaset(name="api-7d", of="api"):
    return {"kind": "ReplicaSet", "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": owner("Deployment", of)}}


def pod(name="api-7d-x", of="api-7d", conditions=(), **container):
    status = {"conditions": [{"type": t, "status": s, "message": m} for t, s, m in conditions]}
    if container:
        status["containerStatuses"] = [{"name": "api", "restartCount": 0, **container}]
    return {"kind": "Pod", "metadata": {"name": name, "ownerReferences": owner("ReplicaSet", of)}, "status": status}


def warning(about, message, when="2026-01-01T00:00:00Z", reason="Failed"):
    return {
        "kind": "Event",
        "metadata": {"name": f"{about}.{when}.{len(message)}"},
        "type": "Warning",
        "reason": reason,
        "involvedObject": {"name": about},
        "message": message,
        "lastTimestamp": when,
    }


ALL_UP = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


def only_row(*objects):
    rows = picture(*objects).rows()
    assert len(rows) == 1
    return rows[0]


def test_a_deployment_with_all_replicas_new_and_available_is_ready():
    row = only_row(deployment(**ALL_UP))
    assert (row.state, row.ready, row.total) == ("ready", 1, 1)


def test_a_change_that_the_controller_has_not_seen_yet_is_not_ready():
    assert only_row(deployment(generation=2, **ALL_UP)).state != "ready"


def test_old_pods_that_still_run_keep_a_deployment_from_ready():
    assert (
        only_row(deployment(replicas=1, updatedReplicas=1, availableReplicas=1) | {"status": {**ALL_UP, "replicas": 2}}).state
        != "ready"
    )


def test_a_crash_loop_says_the_exit_code_the_restarts_and_where_to_look():
    crashing = pod(
        state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        lastState={"terminated": {"exitCode": 3, "reason": "Error"}},
        restartCount=2,
    )
    row = only_row_of_deployment(crashing)
    assert row.state == "failed"
    assert row.why == "exited with 3, restarted 2 times: kubectl logs api-7d-x --previous"


def test_a_container_that_keeps_crashing_is_failed_between_two_crashes_too():
    running = pod(state={"running": {}}, lastState={"terminated": {"exitCode": 1}}, restartCount=2, ready=False)
    assert only_row_of_deployment(running).state == "failed"


def test_a_container_that_crashed_once_may_still_come_up():
    running = pod(state={"running": {}}, lastState={"terminated": {"exitCode": 1}}, restartCount=1, ready=False)
    assert only_row_of_deployment(running).state == "starting"


def test_an_image_that_cannot_be_pulled_is_quoted():
    row = only_row_of_deployment(pod(state={"waiting": {"reason": "ErrImagePull", "message": "no such host"}}))
    assert (row.state, row.why) == ("failed", "ErrImagePull: no such host")


def test_a_pod_that_fits_nowhere_waits_with_the_schedulers_words():
    row = only_row_of_deployment(pod(conditions=[("PodScheduled", "False", "0/1 nodes are available: 1 Insufficient cpu.")]))
    assert (row.state, row.why) == ("waiting", "not scheduled: 0/1 nodes are available: 1 Insufficient cpu.")


def test_a_running_container_that_is_not_ready_yet_is_starting():
    row = only_row_of_deployment(pod(state={"running": {}}))
    assert (row.state, row.why) == ("starting", "not ready yet")


def test_the_last_warning_explains_pods_that_are_not_even_created():
    row = only_row(
        deployment(),
        replicaset(),
        warning("api-7d", "exceeded quota: small", "2026-01-01T00:00:02Z"),
        warning("api-7d", "older", "2026-01-01T00:00:01Z"),
    )
    assert (row.state, row.why) == ("waiting", "exceeded quota: small")


def only_row_of_deployment(*pods):
    return only_row(deployment(), replicaset(), *pods)


def job(name="api-migrate", conditions=(), **more):
    metadata = {"name": name, "uid": f"uid-{name}", **more}
    return {"kind": "Job", "metadata": metadata, "spec": {}, "status": {"conditions": list(conditions)}}


def test_a_complete_job_is_done_and_a_failed_one_says_why():
    assert only_row(job(conditions=[{"type": "Complete", "status": "True"}])).state == "done"
    failed = only_row(job(conditions=[{"type": "Failed", "status": "True", "message": "backoff limit"}]))
    assert (failed.state, failed.why) == ("failed", "backoff limit")


def test_a_job_of_a_cronjob_is_not_part_of_coming_up():
    assert picture(job(ownerReferences=owner("CronJob", "report"))).rows() == []


def test_stores_come_before_jobs_and_jobs_before_services():
    store = {**deployment("db", **ALL_UP), "kind": "StatefulSet"}
    rows = picture(deployment("web"), job(), store).rows()
    assert [row.name for row in rows] == ["db", "api-migrate", "web"]


def test_a_workload_waits_for_what_it_calls_and_is_not_ready_itself():
    seen = picture(deployment("api"), deployment("db"), deployment("cache", **ALL_UP))
    why = {row.name: row.why for row in seen.rows({"api": ["db", "cache"], "web": ["api"]})}
    assert why == {"api": "waits for db", "db": "", "cache": ""}


def test_a_probe_that_fails_is_quoted_and_what_went_before_forgotten():
    before = warning("api-7d-x", "PVC is not bound", reason="FailedMount")
    probe = warning("api-7d-x", "Readiness probe failed: 503", reason="Unhealthy")
    row = only_row(deployment(), replicaset(), pod(state={"running": {}}), probe, before)
    assert row.why == "not ready yet: Readiness probe failed: 503"


def test_what_is_deleted_is_forgotten():
    seen = picture(deployment())
    seen.see("DELETED", deployment())
    assert seen.rows() == []


def test_a_command_that_is_not_there_is_told_instead_of_an_exit_code():
    ended = {
        "terminated": {
            "exitCode": 128,
            "reason": "StartError",
            "message": 'runc create failed: error during container init: exec: "nosuch": not found',
        }
    }
    row = only_row_of_deployment(pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ended, restartCount=1))
    assert (row.state, row.why) == ("failed", 'cannot be started, restarted once: exec: "nosuch": not found')
    row = only_row_of_deployment(pod(state=ended), warning("api-7d-x", "Back-off restarting failed container api in pod"))
    assert row.why == 'cannot be started: exec: "nosuch": not found'


def test_the_first_crash_is_told_by_its_exit_code():
    ended = {"terminated": {"exitCode": 3, "reason": "Error"}}
    row = only_row_of_deployment(pod(state=ended), warning("api-7d-x", "Back-off restarting failed container api in pod"))
    assert (row.state, row.why) == ("starting", "exited with 3")
