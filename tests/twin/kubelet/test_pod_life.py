"""A pod from its binding to its end: phases, conditions, restarts, termination."""

from dataclasses import replace
from itertools import pairwise

import pytest
from quay import EXACT, Quay, container, running, true

from seatrial.twin.kubelet.kubelet import Dispatcher, Kubelet
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.runtime import Usage
from seatrial.twin.kubelet.timing import REFERENCE


@pytest.fixture
def quay():
    return Quay()


# from pending to running


def test_a_pod_waits_in_creation_until_its_container_runs_half_a_second_later(quay):
    quay.pod()
    quay.run(0.4)
    assert quay.status()["phase"] == "Pending"
    assert quay.state() == {"waiting": {"reason": "ContainerCreating"}}
    assert quay.conditions() == {
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
        "PodScheduled": "True",
    }
    assert quay.condition("Ready")["reason"] == "ContainersNotReady"
    assert quay.condition("Ready")["message"] == "containers with unready status: [c]"
    quay.run(0.5)
    assert quay.status()["phase"] == "Running"
    assert "startedAt" in quay.state()["running"]
    assert set(quay.conditions().values()) == {"True"}


def test_conditions_stand_in_the_order_of_the_recordings(quay):
    quay.pod()
    quay.run(1)
    assert " ".join(quay.conditions()) == "PodReadyToStartContainers Initialized Ready ContainersReady PodScheduled"


def test_a_running_pod_has_its_addresses_and_its_container_an_id(quay):
    quay.pod()
    quay.run(1)
    status = quay.status()
    assert status["podIP"] == status["podIPs"][0]["ip"]
    assert status["hostIP"] == quay.kubelet.address
    said = quay.container()
    assert said["containerID"].startswith("simulated://")
    assert (said["restartCount"], said["started"], said["ready"], said["lastState"]) == (0, True, True, {})


def test_a_pod_on_the_network_of_its_host_has_the_hosts_address(quay):
    quay.pod(hostNetwork=True)
    quay.run(1)
    assert quay.status()["podIP"] == quay.kubelet.address


def test_nothing_is_written_and_nothing_planned_while_nothing_happens(quay):
    quay.pod("p", container(readinessProbe={"httpGet": {"port": 80}, "periodSeconds": 1}))
    quay.run(10)
    version = quay.registry.store.version
    due = [timer for _, _, timer in quay.clock._heap if not timer.cancelled]
    assert not [timer for timer in due if "kubelet.probes" in timer.callback.__module__]
    quay.run(100)
    renewals = quay.registry.store.version - version
    assert renewals == 9  # of the node's lease, every ten seconds


def test_containers_of_a_pod_start_side_by_side(quay):
    quay.pod("p", container("a"), container("b"))
    quay.run(2)
    assert quay.first(running("a")) == quay.first(running("b")) == 0.5


def at_once_or_settled(**does):
    """A node whose containers are shown as running when they have lived for two tenths of a second."""
    quay = Quay(timing=replace(EXACT, settle=0.2))
    quay.pod(does=does)
    quay.run(3)
    return quay


def test_a_container_that_ends_within_moments_of_its_start_is_never_shown_as_ready():
    quay = at_once_or_settled(c="exits_after=0.1,exit_code=1")
    assert quay.status()["containerStatuses"][0]["restartCount"] > 0
    assert quay.first(true("Ready")) is None
    assert quay.first(running("c")) is None
    assert quay.first(lambda status: any("terminated" in s["state"] for s in status.get("containerStatuses", ()))) == 0.6


def test_one_sync_looks_at_a_quick_end_so_that_the_crash_loop_is_shown_by_the_next_as_ever():
    quay = at_once_or_settled(c="exits_after=0.1,exit_code=1")
    assert quay.container()["lastState"]["terminated"]["exitCode"] == quay.state()["terminated"]["exitCode"] == 1
    quay.run(11.3)
    assert quay.state()["waiting"]["reason"] == "CrashLoopBackOff"


def test_a_container_that_lives_is_shown_as_ready_when_it_has_settled():
    quay = at_once_or_settled(c="exits_after=0.3,exit_code=1")
    assert quay.first(true("Ready")) == 0.7


def test_containers_of_a_pod_settle_side_by_side():
    quay = Quay(timing=replace(EXACT, settle=0.2))
    quay.pod("p", container("a"), container("b"))
    quay.run(2)
    assert quay.first(true("Ready")) == 0.7


def test_the_events_of_a_start_are_kubernetes_own(quay):
    quay.pod()
    quay.run(1)
    assert quay.events() == [
        'Pulled: Container image "app:1" already present on machine and can be accessed by the pod',
        "Created: Container created",
        "Started: Container started",
    ]
    event = quay.registry.list("events", "default")[0]
    assert event["involvedObject"]["fieldPath"] == "spec.containers{c}"
    assert event["source"] == {"component": "kubelet", "host": "node-a"}


def test_the_status_keeps_conditions_that_others_have_written(quay):
    quay.pod()
    quay.run(1)
    pod = quay.get()
    foreign = {"type": "example.com/checked", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {**pod["status"], "conditions": [*pod["status"]["conditions"], foreign]}
    quay.registry.update_status("pods", {**pod, "metadata": dict(pod["metadata"]), "status": status})
    quay.delete(grace=1)
    quay.run(2)
    assert any(true("example.com/checked")(status) for _, status in quay.statuses["p"][-1:])


def test_a_condition_keeps_its_time_until_it_turns(quay):
    quay.pod(
        "p",
        container(readinessProbe={"httpGet": {"port": 80}, "periodSeconds": 5, "failureThreshold": 1}),
        does={"c": "sick_after=20"},
    )
    quay.run(10)
    ready, initialized = quay.condition("Ready"), quay.condition("Initialized")
    quay.run(30)
    assert quay.condition("Ready")["status"] == "False"
    assert quay.condition("Ready")["lastTransitionTime"] > ready["lastTransitionTime"]
    assert quay.condition("Initialized") == initialized


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
    ],
)
def test_the_quality_of_service_follows_from_requests_and_limits(quay, resources, qos):
    quay.pod("p", *(container(f"c{index}", resources=each) for index, each in enumerate(resources)))
    quay.run(1)
    assert quay.status()["qosClass"] == qos


# pods that end by themselves


@pytest.mark.parametrize(
    ("command", "phase", "code", "reason"),
    [
        (("true",), "Succeeded", 0, "Completed"),
        (("false",), "Failed", 1, "Error"),
        (("sh", "-c", "exit 7"), "Failed", 7, "Error"),
    ],
)
def test_a_pod_that_is_never_restarted_ends_as_its_container_does(quay, command, phase, code, reason):
    quay.pod("p", container("c", *command), restartPolicy="Never")
    quay.run(5)
    assert quay.status()["phase"] == phase
    ended = quay.state()["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, reason)
    assert quay.condition("Ready")["reason"] == ("PodCompleted" if phase == "Succeeded" else "PodFailed")
    assert quay.container()["restartCount"] == 0


def test_a_pod_runs_until_its_last_container_has_ended(quay):
    quay.pod("p", container("a", "sleep", "2"), container("b", "sleep", "5"), restartPolicy="Never")
    quay.run(4)
    assert quay.status()["phase"] == "Running"
    quay.run(6)
    assert quay.status()["phase"] == "Succeeded"


def test_on_failure_only_what_failed_is_started_again(quay):
    quay.pod(
        "p",
        container("good", "true"),
        container("bad"),
        does={"bad": "exits_after=1,exit_code=2,good_after=1"},
        restartPolicy="OnFailure",
    )
    quay.run(10)
    assert quay.container("good")["restartCount"] == 0
    assert quay.container("bad")["restartCount"] == 1
    assert quay.status()["phase"] == "Running"


def test_a_pod_past_its_deadline_fails_and_its_containers_are_ended(quay):
    quay.pod(activeDeadlineSeconds=10)
    quay.run(9)
    assert quay.status()["phase"] == "Running"
    quay.run(12)
    status = quay.status()
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert status["message"] == "Pod was active on the node longer than the specified deadline"
    assert "Killing: Stopping container c" in quay.events()


def test_a_container_that_passes_its_memory_limit_is_killed(quay):
    quay.pod(
        "p", container(resources={"limits": {"memory": "100Mi"}}), does={"c": "memory=0:50Mi/10:150Mi"}, restartPolicy="Never"
    )
    quay.run(5)
    assert quay.kubelet.usage("default", "p")["c"] == Usage(0.001, (50 << 20) + (45 << 20))
    quay.run(6)
    ended = quay.state()["terminated"]
    assert (ended["reason"], ended["exitCode"], ended["signal"]) == ("OOMKilled", 137, 9)


# restarts


def restarts(quay, name="p"):
    """When each run of the container began."""
    found, count = [], -1
    for at, status in quay.statuses[name]:
        for said in status.get("containerStatuses", ()):
            if "running" in said["state"] and said["restartCount"] > count:
                count = said["restartCount"]
                found.append(at)
    return found


def test_a_crashing_container_is_started_again_at_once_and_then_ever_later(quay):
    quay.pod(does={"c": "exits_after=1,exit_code=3,start_seconds=0"})
    quay.run(1000)
    waits = [round(later - earlier - 1, 1) for earlier, later in pairwise(restarts(quay))]
    assert waits == [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_a_retry_comes_on_average_a_quarter_later_than_its_back_off():
    quay = Quay(timing=REFERENCE)
    quay.pod(does={"c": "exits_after=1,exit_code=3,start_seconds=0"})
    quay.run(60)
    first, second, third, *_ = restarts(quay)
    assert second - first == pytest.approx(1 + REFERENCE.notice)
    assert third - second == pytest.approx(1 + REFERENCE.notice + (10 - REFERENCE.notice) * 1.25, abs=0.002)


def test_a_run_of_ten_minutes_makes_the_kubelet_forget_the_crashes(quay):
    quay.pod(does={"c": "exits_after=601,exit_code=1,start_seconds=0"})
    quay.run(3000)
    assert restarts(quay)[:4] == [0.0, 601.0, 1202.0, 1803.0]


def test_a_crash_is_told_in_status_and_events(quay):
    quay.pod(does={"c": "exits_after=1,exit_code=3,exit_message=no database"})
    quay.run(4)
    ended = quay.state()["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "no database")
    assert quay.container()["lastState"]["terminated"]["exitCode"] == 3
    assert (quay.container()["restartCount"], quay.container()["ready"], quay.status()["phase"]) == (1, False, "Running")
    uid = quay.get()["metadata"]["uid"]
    assert quay.events("BackOff") == [f"BackOff: Back-off restarting failed container c in pod p_default({uid})"]


def test_the_sync_after_a_crash_shows_the_crash_loop(quay):
    quay.pod(
        "p",
        container(),
        container("other"),
        does={"c": "exits_after=1,exit_code=3", "other": "exits_after=6"},
        restartPolicy="OnFailure",
    )
    quay.run(7)
    uid = quay.get()["metadata"]["uid"]
    assert quay.state() == {
        "waiting": {
            "reason": "CrashLoopBackOff",
            "message": f"back-off 10s restarting failed container=c pod=p_default({uid})",
        }
    }
    assert quay.container()["lastState"]["terminated"]["exitCode"] == 3


def test_a_container_that_cannot_be_run_counts_as_a_crash(quay):
    quay.pod(does={"c": "start_error=exec: no such file"})
    quay.run(5)
    said = quay.container()
    assert said["restartCount"] == 1
    assert said["lastState"]["terminated"]["reason"] == "StartError"
    assert "Failed: Error: exec: no such file (x2)" in quay.events("Failed")


def test_another_image_restarts_the_container_in_place(quay):
    quay.pod()
    quay.run(2)
    pod = quay.get()
    spec = {**pod["spec"], "containers": [{**pod["spec"]["containers"][0], "image": "app:2"}]}
    quay.registry.update("pods", {**pod, "metadata": dict(pod["metadata"]), "spec": spec})
    quay.run(4)
    assert (quay.container()["image"], quay.container()["restartCount"]) == ("app:2", 1)
    assert "Killing: Container c definition changed, will be restarted" in quay.events("Killing")


# init containers and sidecars


def test_init_containers_run_one_after_another_before_the_others(quay):
    quay.pod("p", container(), initContainers=[container("one", "sleep", "2"), container("two", "sleep", "3")])
    quay.run(1)
    assert quay.state("c") == quay.state("two") == {"waiting": {"reason": "PodInitializing"}}
    assert quay.condition("Initialized")["message"] == "containers with incomplete status: [one two]"
    quay.run(10)
    assert [quay.first(running(each)) for each in ("one", "two", "c")] == [0.5, 3.0, 6.5]
    assert quay.state("one")["terminated"]["reason"] == "Completed"
    assert quay.container("one")["ready"] is True
    assert quay.condition("Initialized")["status"] == "True"


def test_a_failing_init_container_is_tried_again_with_back_off_and_holds_the_pod(quay):
    quay.pod("p", container(), initContainers=[container("one")], does={"one": "exits_after=1,exit_code=1,good_after=2"})
    quay.run(5)
    assert quay.status()["phase"] == "Pending"
    assert quay.container("one")["restartCount"] == 1
    quay.run(20)
    assert quay.container("one")["restartCount"] == 2
    assert quay.state("c") == {"waiting": {"reason": "PodInitializing"}}


def test_a_failing_init_container_fails_a_pod_that_is_never_restarted(quay):
    quay.pod("p", container(), initContainers=[container("one", "false")], restartPolicy="Never")
    quay.run(5)
    assert quay.status()["phase"] == "Failed"
    assert quay.first(running("c")) is None


def test_a_sidecar_runs_before_and_beside_the_others_and_is_started_again(quay):
    sidecar = container("proxy", restartPolicy="Always")
    quay.pod("p", container("c", "sleep", "30"), initContainers=[sidecar], does={"proxy": "exits_after=10,good_after=1"})
    quay.run(5)
    assert (quay.first(running("proxy")), quay.first(running("c"))) == (0.5, 1.0)
    quay.run(15)
    assert quay.container("proxy")["restartCount"] == 1
    assert "running" in quay.state("proxy")


def test_a_sidecar_with_a_startup_probe_holds_the_next_until_it_has_started(quay):
    probe = {"httpGet": {"port": 80}, "periodSeconds": 1, "failureThreshold": 30}
    sidecar = container("proxy", restartPolicy="Always", startupProbe=probe)
    quay.pod("p", container(), initContainers=[sidecar], does={"proxy": "ready_after=5"})
    quay.run(4)
    assert quay.condition("Initialized")["status"] == "False"
    quay.run(10)
    assert quay.first(running("c")) == 6.5


def test_a_job_is_done_when_its_container_is_and_its_sidecar_is_ended(quay):
    sidecar = container("proxy", restartPolicy="Always")
    quay.pod("p", container("c", "sleep", "3"), initContainers=[sidecar], restartPolicy="Never")
    quay.run(10)
    assert quay.status()["phase"] == "Succeeded"
    assert "terminated" in quay.state("proxy")
    assert "Killing: Stopping container proxy" in quay.events("Killing")


def test_a_sidecar_that_is_not_ready_makes_its_pod_unready(quay):
    sidecar = container("proxy", restartPolicy="Always", readinessProbe={"httpGet": {"port": 80}, "periodSeconds": 1})
    quay.pod("p", container(), initContainers=[sidecar], does={"proxy": "ready_after=100"})
    quay.run(10)
    assert quay.condition("Ready")["message"] == "containers with unready status: [proxy]"


# termination


def test_a_deleted_pod_is_asked_to_stop_shows_its_end_and_goes():
    quay = Quay(timing=REFERENCE)
    quay.pod(does={"c": "term_after=3"})
    quay.run(5)
    quay.delete()
    quay.run(20)
    ended = [(at, status) for at, status in quay.statuses["p"] if status["phase"] == "Succeeded"]
    assert ended[0][0] == pytest.approx(5 + 3 + REFERENCE.stopped)
    assert ended[0][1]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert quay.gone["p"] == pytest.approx(5 + 3 + REFERENCE.stopped + REFERENCE.gone)
    assert quay.events("Killing") == ["Killing: Stopping container c"]


def test_what_does_not_stop_in_time_is_killed(quay):
    quay.pod("p", container("c", "sleep", "1000"), terminationGracePeriodSeconds=7)
    quay.run(5)
    quay.delete()
    quay.run(20)
    _, last = quay.statuses["p"][-1]
    ended = last["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["signal"], last["phase"]) == (137, 9, "Failed")
    assert quay.gone["p"] == 12


def test_a_pause_before_stopping_counts_towards_the_grace(quay):
    hook = {"preStop": {"sleep": {"seconds": 4}}}
    quay.pod("p", container(lifecycle=hook), does={"c": "term_after=inf"}, terminationGracePeriodSeconds=10)
    quay.run(5)
    quay.delete()
    quay.run(30)
    assert quay.gone["p"] == 15


def test_a_hook_that_takes_all_the_grace_still_leaves_two_seconds(quay):
    hook = {"preStop": {"exec": {"command": ["sleep", "60"]}}}
    quay.pod("p", container(lifecycle=hook), does={"c": "term_after=inf"}, terminationGracePeriodSeconds=10)
    quay.run(5)
    quay.delete()
    quay.run(30)
    assert quay.gone["p"] == 17
    assert "FailedPreStopHook: PreStopHook failed" in quay.events()


def test_containers_stop_side_by_side(quay):
    quay.pod("p", container("a"), container("b"), does={"a": "term_after=4", "b": "term_after=6"})
    quay.run(5)
    quay.delete()
    quay.run(30)
    assert quay.gone["p"] == 11


def test_a_sidecar_stops_after_the_containers_it_serves(quay):
    sidecars = [container("outer", restartPolicy="Always"), container("inner", restartPolicy="Always")]
    does = {"c": "term_after=4", "inner": "term_after=2", "outer": "term_after=1"}
    quay.pod("p", container(), initContainers=sidecars, does=does)
    quay.run(5)
    quay.delete()
    quay.run(30)
    assert quay.gone["p"] == 5 + 4 + 2 + 1


def test_deleting_again_with_less_grace_ends_the_pod_sooner(quay):
    quay.pod("p", container("c", "sleep", "1000"), terminationGracePeriodSeconds=60)
    quay.run(5)
    quay.delete()
    quay.run(10)
    quay.delete(grace=3)
    quay.run(30)
    assert quay.gone["p"] == 13


def test_a_pod_deleted_by_force_goes_at_once_and_its_containers_soon_after(quay):
    quay.pod("p", container("c", "sleep", "1000"))
    quay.run(5)
    running_id = quay.kubelet.container_id("default", "p", "c")
    quay.delete(grace=0)
    quay.run(5.5)
    assert quay.gone["p"] == 5
    assert quay.runtime.usage(running_id) is not None
    quay.run(8)
    assert quay.runtime.usage(running_id) is None
    assert quay.kubelet.workers() == []


def test_a_pod_deleted_before_its_container_ran_ends_as_failed(quay):
    quay.pod(does={"c": "pull_seconds=60"})
    quay.run(5)
    quay.delete()
    quay.run(10)
    _, last = quay.statuses["p"][-1]
    assert last["phase"] == "Failed"
    assert last["containerStatuses"][0]["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert quay.gone["p"] == 5


def test_a_finished_pod_stays_until_it_is_deleted(quay):
    quay.pod("p", container("c", "true"), restartPolicy="Never")
    quay.run(100)
    assert quay.status()["phase"] == "Succeeded"
    quay.delete()
    quay.run(101)
    assert quay.gone["p"] == 100


def test_a_finalizer_keeps_the_object_of_a_pod_that_has_ended(quay):
    quay.pod(finalizers=["example.com/hold"])
    quay.run(5)
    quay.delete()
    quay.run(50)
    assert quay.status()["phase"] == "Succeeded"
    pod = quay.get()
    quay.registry.update("pods", {**pod, "metadata": {**pod["metadata"], "finalizers": []}})
    assert quay.gone["p"] == 50


def test_an_evicted_pod_fails_with_the_reason_and_stays(quay):
    quay.pod(does={"c": "term_after=1"})
    quay.run(5)
    disruption = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": "low on memory"}
    worker = quay.kubelet.worker("default", "p")
    worker.refuse("Evicted", "The node was low on resource: memory.", [disruption], grace=2)
    quay.run(10)
    status = quay.status()
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert quay.condition("DisruptionTarget")["reason"] == "TerminationByKubelet"


# hooks after the start


def test_a_hook_after_the_start_delays_the_status(quay):
    quay.pod("p", container(lifecycle={"postStart": {"exec": {"command": ["sleep", "3"]}}}))
    quay.run(10)
    assert quay.first(running()) == 3.5


def test_a_failing_hook_after_the_start_ends_the_container(quay):
    quay.pod("p", container(lifecycle={"postStart": {"exec": {"command": ["false"]}}}))
    quay.run(0.9)
    assert quay.events("FailedPostStartHook", "Killing") == [
        "FailedPostStartHook: PostStartHook failed",
        "Killing: FailedPostStartHook",
    ]
    assert quay.first(running()) is None


# gates


def test_a_pod_is_ready_only_when_its_gates_are_open(quay):
    quay.pod(readinessGates=[{"conditionType": "example.com/gate"}])
    quay.run(5)
    assert quay.conditions()["ContainersReady"] == "True"
    said = quay.condition("Ready")
    assert (said["status"], said["reason"]) == ("False", "ReadinessGatesNotReady")
    assert said["message"] == 'corresponding condition of pod readiness gate "example.com/gate" does not exist.'
    pod = quay.get()
    gate = {"type": "example.com/gate", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {**pod["status"], "conditions": [*pod["status"]["conditions"], gate]}
    quay.registry.update_status("pods", {**pod, "metadata": dict(pod["metadata"]), "status": status})
    quay.run(6)
    assert quay.conditions()["Ready"] == "True"


# a kubelet that starts anew


def test_a_kubelet_that_comes_back_takes_its_pods_up_and_counts_the_loss_as_a_restart(quay):
    quay.pod(does={"c": "start_seconds=0.5"})
    quay.pod("done", container("c", "true"), restartPolicy="Never")
    quay.run(10)
    old = quay.kubelet
    old.stop()
    dispatcher = Dispatcher(quay.cluster.context)
    Kubelet(quay.cluster.context, quay.runtime, NodeSpec("node-a", cpu="4", memory="8Gi"), dispatcher, timing=old.timing).start()
    quay.run(20)
    said = quay.container()
    assert (said["restartCount"], "running" in said["state"]) == (1, True)
    assert said["lastState"]["terminated"]["reason"] == "Unknown"
    assert (quay.status("done")["phase"], quay.container("c", "done")["restartCount"]) == ("Succeeded", 0)
