"""The simulated runtime: profiles from annotations and commands, logs, usage."""

from math import inf
from pathlib import Path

import pytest
from quay import Quay, container

from seatrial.twin.clock import VirtualClock
from seatrial.twin.kubelet.commands.outcome import Outcome
from seatrial.twin.kubelet.profiles import Profile, ProfileError, of_outcome, parse
from seatrial.twin.kubelet.runtime import ContainerSpec
from seatrial.twin.kubelet.simulated import SimulatedRuntime


def test_a_script_as_first_process_does_not_hear_sigterm():
    assert of_outcome(Outcome(9), Profile()).term_after == inf
    assert of_outcome(None, Profile()).term_after == 0


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("", Profile()),
        ("ready_after=1s, exits_after=5, exit_code=1", Profile(ready_after=1, exits_after=5, exit_code=1)),
        ("term_after=never", Profile(term_after=inf)),
        ("memory=64Mi", Profile(memory=((0, 64 << 20),))),
        ("memory=0:10Mi/1m:1Gi", Profile(memory=((0, 10 << 20), (60, 1 << 30)))),
        ("exit_reason=OOMKilled,exit_message=too much", Profile(exit_reason="OOMKilled", exit_message="too much")),
    ],
)
def test_an_annotation_describes_a_profile(text, profile):
    assert parse(text, Profile()) == profile


@pytest.mark.parametrize("text", ["redy_after=1", "ready_after", "ready_after=soon", "exit_code=x", "memory=lots"])
def test_an_annotation_that_cannot_be_read_is_told_apart(text):
    with pytest.raises(ProfileError, match=text.partition("=")[0]):
        parse(text, Profile())


def test_a_wrong_annotation_keeps_the_container_from_running():
    quay = Quay()
    quay.pod(does={"c": "redy_after=1"})
    quay.run(1)
    assert (
        "annotation sim.seatrial.dev/c: 'redy_after=1': expected one of" in quay.container()["lastState"]["terminated"]["message"]
    )


def test_memory_follows_its_points():
    profile = Profile(memory=((0, 100), (10, 200), (20, 200)))
    assert [profile.memory_at(at) for at in (0, 5, 10, 15, 99)] == [100, 150, 200, 200, 200]
    assert profile.memory_passes(150) == 5
    assert profile.memory_passes(200) == inf
    assert profile.memory_passes(50) == 0


def spec(**more):
    return ContainerSpec(pod_uid="u", pod_name="p", namespace="n", name="c", image="i", attempt=0, **more)


def test_profiles_may_be_given_by_image_and_the_annotation_has_the_last_word():
    runtime = SimulatedRuntime(VirtualClock(), lambda image, _spec: Profile(ready_after=7, exit_code=2) if image == "i" else None)
    assert runtime.profile(spec()).ready_after == 7
    told = runtime.profile(spec(annotations={"sim.seatrial.dev/c": "ready_after=1"}))
    assert (told.ready_after, told.exit_code) == (1, 2)


def test_logs_are_kept_in_memory_or_written_as_the_container_runtime_interface_has_them(tmp_path):
    for folder in (None, tmp_path):
        clock = VirtualClock()
        runtime = SimulatedRuntime(clock, log_dir=folder)
        ends = []
        runtime.start(spec(command=("sh", "-c", "echo one; sleep 2; echo two")), ends.append)
        clock.run_for(5)
        assert [each.code for each in ends] == [0]
        path = runtime.log_path("u", "c", 0)
        if folder is None:
            assert path is None
            assert runtime.log_text("u", "c") == "one\ntwo\n"
        else:
            lines = Path(path).read_text().splitlines()
            assert [line.split(" ", 3)[1:] for line in lines] == [["stdout", "F", "one"], ["stdout", "F", "two"]]
            assert lines[1].startswith("2026-01-01T00:00:02")


def test_the_log_of_the_run_before_is_kept_until_the_pod_goes(tmp_path):
    quay = Quay()
    quay.pod("p", container("c", "sh", "-c", "echo once; exit 1"))
    quay.run(5)
    uid = quay.get()["metadata"]["uid"]
    assert quay.runtime.log_text(uid, "c", 0) == quay.runtime.log_text(uid, "c", 1) == "once\n"
    quay.delete()
    quay.run(40)
    assert quay.runtime.log_text(uid, "c", 0) == ""


def test_closing_ends_everything(tmp_path):
    clock = VirtualClock()
    runtime = SimulatedRuntime(clock, log_dir=tmp_path)
    ends = []
    runtime.start(spec(command=("sleep", "5")), ends.append)
    runtime.close()
    clock.run_for(10)
    assert ends == []
    assert runtime.usage("simulated://1") is None
