"""When probes run, and what their results do to a container."""

import pytest
from quay import Quay, container, running, true

from seatrial.twin.kubelet.probes import port_number

HTTP = {"httpGet": {"port": 80, "path": "/ok"}}


@pytest.fixture
def quay():
    return Quay()


def restarted(times):
    return lambda status: running()(status) and status["containerStatuses"][0]["restartCount"] == times


def started(status):
    return running()(status) and status["containerStatuses"][0]["started"]


def ready_at(quay, behaviour, **probe):
    quay.pod("p", container(readinessProbe={**HTTP, **probe}), does={"c": behaviour})
    quay.run(100)
    return quay.first(true("Ready"))


# The container runs from 0.5 s on. Its first probe comes with the status that shows it running, the next ones every
# period from there.


@pytest.mark.parametrize(
    ("behaviour", "probe", "at"),
    [
        ("ready_after=0", {"periodSeconds": 1}, 0.5),
        ("ready_after=2.2", {"periodSeconds": 1}, 3.5),
        ("ready_after=0", {"periodSeconds": 5, "initialDelaySeconds": 3}, 5.5),
        ("ready_after=0", {"periodSeconds": 1, "initialDelaySeconds": 3}, 3.5),
        ("ready_after=0", {"periodSeconds": 2, "successThreshold": 3}, 4.5),
        ("ready_after=0", {}, 0.5),
        ("ready_after=1", {}, 10.5),
    ],
)
def test_a_container_is_ready_at_the_first_probe_that_finds_it_so(quay, behaviour, probe, at):
    assert ready_at(quay, behaviour, **probe) == at


def test_the_initial_delay_counts_from_the_start_in_whole_seconds(quay):
    assert ready_at(quay, "start_seconds=0.9", periodSeconds=1, initialDelaySeconds=1) == pytest.approx(1.9)


def test_a_container_that_falls_ill_is_unready_after_three_failures_and_ready_again_after_one_success(quay):
    probe = {**HTTP, "periodSeconds": 2}
    quay.pod("p", container(readinessProbe=probe), does={"c": "sick_after=10"})
    quay.run(60)
    turns = [(at, true("Ready")(status)) for at, status in quay.statuses["p"]]
    # probes at 10.5, 12.5, 14.5 fail
    assert (14.5, False) in turns
    assert quay.container()["restartCount"] == 0
    assert quay.events("Unhealthy")[0].startswith('Unhealthy: Readiness probe failed: Get "http://10.128.0.1:80/ok": dial tcp')


def test_a_liveness_probe_that_fails_often_enough_restarts_the_container(quay):
    probe = {**HTTP, "periodSeconds": 2, "failureThreshold": 2}
    quay.pod("p", container(livenessProbe=probe), does={"c": "sick_after=9"})
    quay.run(20)
    # the beat began with the pod: 2, 4, …; 10 and 12 fail
    assert quay.first(restarted(1)) == 12.5
    assert quay.events("Killing")[0] == "Killing: Container c failed liveness probe, will be restarted"


def test_the_first_restart_for_ill_health_is_free_and_the_third_waits(quay):
    """As recorded (liveness-restarts-1): back-off counts runs that had ended before the sync that restarts."""
    probe = {"tcpSocket": {"port": 9}, "periodSeconds": 2, "failureThreshold": 2}
    quay.pod("p", container(livenessProbe=probe, ports=[{"containerPort": 80}]))
    quay.run(30)
    assert [quay.first(restarted(times)) for times in (1, 2, 3)] == [4.5, 8.5, 22.5]


def test_a_liveness_probe_can_bring_its_own_grace(quay):
    probe = {**HTTP, "periodSeconds": 1, "failureThreshold": 1, "terminationGracePeriodSeconds": 3}
    quay.pod("p", container("c", "sleep", "1000", livenessProbe=probe), does={"c": "sick_after=4.2,term_after=inf"})
    quay.run(20)
    # fails at 5, killed at 8, runs again half a second later
    assert quay.first(restarted(1)) == 8.5


def test_a_startup_probe_holds_the_others_back(quay):
    startup = {**HTTP, "periodSeconds": 2, "failureThreshold": 30}
    liveness = {**HTTP, "periodSeconds": 1, "failureThreshold": 1}
    spec = container(startupProbe=startup, livenessProbe=liveness, readinessProbe={**HTTP, "periodSeconds": 1})
    quay.pod("p", spec, does={"c": "ready_after=9"})
    quay.run(30)
    assert quay.container()["restartCount"] == 0
    assert quay.first(started) == quay.first(true("Ready")) == 10


def test_a_startup_probe_that_never_succeeds_restarts_the_container(quay):
    quay.pod("p", container(startupProbe={**HTTP, "periodSeconds": 2, "failureThreshold": 3}), does={"c": "ready_after=60"})
    quay.run(7)
    assert quay.container()["restartCount"] == 1
    assert quay.events("Killing") == ["Killing: Container c failed startup probe, will be restarted"]


def test_after_a_restart_the_probes_begin_anew(quay):
    startup = {**HTTP, "periodSeconds": 1, "failureThreshold": 30}
    quay.pod(
        "p",
        container(startupProbe=startup, readinessProbe=HTTP),
        does={"c": "ready_after=3,exits_after=10,exit_code=1,good_after=1"},
    )
    quay.run(11.5)
    assert (quay.container()["started"], quay.container()["ready"]) == (False, False)
    quay.run(20)
    assert (quay.container()["started"], quay.container()["ready"]) == (True, True)


@pytest.mark.parametrize(("command", "ready"), [(["true"], True), (["false"], False), (["sh", "-c", "exit 3"], False)])
def test_a_command_probes_by_its_exit_code(quay, command, ready):
    quay.pod("p", container(readinessProbe={"exec": {"command": command}, "periodSeconds": 1}))
    quay.run(5)
    assert quay.container()["ready"] is ready


def test_a_command_that_takes_too_long_fails(quay):
    quay.pod("p", container(readinessProbe={"exec": {"command": ["sleep", "3"]}, "periodSeconds": 5, "timeoutSeconds": 2}))
    quay.run(4)
    assert quay.events("Unhealthy") == ['Unhealthy: Readiness probe failed: command timed out: "sleep 3" timed out after 2s']


def test_a_probe_on_a_port_that_nobody_listens_on_fails(quay):
    spec = container(readinessProbe={"tcpSocket": {"port": 81}, "periodSeconds": 1}, ports=[{"containerPort": 80}])
    quay.pod("p", spec)
    quay.run(5)
    assert quay.container()["ready"] is False


def test_a_port_may_be_named():
    spec = {"ports": [{"name": "http", "containerPort": 8080}]}
    assert [port_number(port, spec) for port in ("http", 9, "9", "other")] == [8080, 9, 9, 0]


def test_a_port_by_a_name_that_the_container_does_not_have_is_never_asked(quay):
    """So it never becomes ready, and is never killed either: an error of the prober says nothing of the container."""
    probe = {"httpGet": {"port": "web", "path": "/ok"}, "periodSeconds": 1}
    quay.pod("p", container(readinessProbe=probe, livenessProbe=probe, ports=[{"name": "http", "containerPort": 80}]))
    quay.run(30)
    assert quay.first(true("Ready")) is None and quay.container()["restartCount"] == 0
    words = 'Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing "web": invalid syntax'
    assert any(words in event for event in quay.events("Unhealthy"))


def test_while_a_pod_ends_only_readiness_is_still_asked(quay):
    probe = {**HTTP, "periodSeconds": 1, "failureThreshold": 1}
    quay.pod("p", container(readinessProbe=probe, livenessProbe=probe), does={"c": "sick_after=6,term_after=8"})
    quay.run(5)
    quay.delete()
    quay.run(12)
    assert quay.condition("Ready")["status"] == "False"
    assert quay.container()["restartCount"] == 0
    assert quay.events("Killing") == ["Killing: Stopping container c"]


def test_a_gRPC_probe_of_a_simulated_server_says_whether_it_serves(quay):
    probe = {"grpc": {"port": 50051}, "periodSeconds": 1}
    quay.pod("p", container(readinessProbe=probe, ports=[{"containerPort": 50051}]), does={"c": "ready_after=1.2"})
    quay.run(5)
    assert quay.first(true("Ready")) == 2.5
    assert quay.events("Unhealthy") == [
        'Unhealthy: Readiness probe failed: service unhealthy (responded with "NOT_SERVING") (x2)'
    ]


def test_a_gRPC_probe_of_a_port_where_nobody_listens_takes_its_time(quay):
    probe = {"grpc": {"port": 1}, "periodSeconds": 10, "timeoutSeconds": 2}
    quay.pod("p", container(readinessProbe=probe, ports=[{"containerPort": 50051}]))
    quay.run(2.4)
    assert quay.events("Unhealthy") == []
    quay.run(2.6)
    address = quay.status()["podIP"]
    said = f'timeout: failed to connect service "{address}:1" within 2s: context deadline exceeded'
    assert quay.events("Unhealthy") == [f"Unhealthy: Readiness probe failed: {said}"]
