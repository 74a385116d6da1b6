# ruff: noqa: E501 - rows of tables
"""No false alarm where things mend themselves, and a verdict that follows the weights it is given."""

from __future__ import annotations

from typing import Any

import pytest
from stage import Profiles, deployment, objects, release

from seatrial.release.verdict import Weights
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.runtime import ContainerSpec

READY = {"readinessProbe": {"tcpSocket": {"port": 80}, "initialDelaySeconds": 6, "periodSeconds": 2}}
NEXT = {**READY, "image": "web:2"}
SLOW = {
    "ports": [{"containerPort": 80}],
    "startupProbe": {"tcpSocket": {"port": 80}, "failureThreshold": 30, "periodSeconds": 5},
    **READY,
}
JOB = "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {metadata: {}, spec: {restartPolicy: %s, containers: [{name: c, image: 'j:1'}]}}}}"
STATEFUL = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, spec: {serviceName: s, replicas: 3, selector: {matchLabels: {app: s}}, template: {metadata: {labels: {app: s}}, spec: {containers: [{name: c, image: 's:%d'}]}}}}"
DAEMON = "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d}, spec: {selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: 'd:%d'}]}}}}"


def only(which: int, profile: Profile) -> Profiles:
    """Of all pods in the order in which they start, only one behaves so."""
    seen: list[str] = []

    def profiles(image: str, spec: ContainerSpec | None) -> Profile | None:
        if spec is None:
            return None
        if spec.pod_uid not in seen:
            seen.append(spec.pod_uid)
        return profile if seen.index(spec.pod_uid) == which else None

    return profiles


def pulls(error: str, times: int) -> Profiles:
    """Images whose first few pulls fail; what is on the node already is not asked for."""
    asked = [0]

    def profiles(image: str, spec: ContainerSpec | None) -> Profile | None:
        if spec is not None or image != "web:2":
            return None
        asked[0] += 1
        return Profile(
            pull_seconds=1, pull_error=error if asked[0] <= 2 * times else ""
        )  # asked whether it is there, then pulled

    return profiles


def attempts(bad: int) -> Profiles:
    """Containers that end with a failure at first, and well later; of a job by its pods, else by restarts."""
    seen: list[str] = []

    def profiles(image: str, spec: ContainerSpec | None) -> Profile | None:
        if spec is None or image == "web:1":
            return None
        if spec.pod_uid not in seen:
            seen.append(spec.pod_uid)
        return Profile(exits_after=1, exit_code=int(seen.index(spec.pod_uid) + spec.attempt < bad))

    return profiles


def everywhere(profile: Profile) -> Profiles:
    return lambda image, spec: profile if spec is not None else None


FLAKY = Profile(exits_after=3, exit_code=1, good_after=3)
WITH_INIT = deployment(pod={"initContainers": [{"name": "i", "image": "i:1"}]}, container=READY)

#: what mends itself -> old, new, what containers do.
MENDS: dict[str, tuple[list[Any], list[Any], Profiles | None]] = {
    "one pod of twelve is restarted": ([], [deployment(replicas=12, container=READY)], only(3, Profile(exits_after=3, exit_code=1, good_after=1))),
    "one pod of twelve is restarted three times": ([], [deployment(replicas=12, container=READY)], only(3, FLAKY)),
    "one pod of an upgrade is restarted": ([deployment(replicas=12, container=READY)], [deployment(replicas=12, container=NEXT)], only(14, FLAKY)),
    "every pod is restarted once": ([], [deployment(replicas=4, profile="exits_after=3,exit_code=1,good_after=1", container=READY)], None),
    "a pull that times out twice": ([], [deployment(replicas=3, container=NEXT)], pulls("dial tcp: i/o timeout", 2)),
    "a registry that asks for patience": ([deployment(replicas=3, container=READY)], [deployment(replicas=3, container=NEXT)], pulls("toomanyrequests", 3)),
    "a slow start": ([], [deployment(profile="ready_after=90", container=SLOW)], None),
    "a slow start on a port that is not declared": (
        [], [deployment(container={**SLOW, "ports": [{"containerPort": 8080}]})], everywhere(Profile(ready_after=40, ports=frozenset({80})))),
    "an init container that tries again": ([], [deployment("db", profile="ready_after=25", container=READY), WITH_INIT], attempts(2)),
    "a job that tries again": ([], objects(JOB % "Never"), attempts(2)),
    "a job whose container is restarted": ([], objects(JOB % "OnFailure"), attempts(3)),
    "pods in order, slow to stop": (objects(STATEFUL % 1), objects(STATEFUL % 2), everywhere(Profile(ready_after=20, term_after=10))),
    "daemons, slow to stop": (objects(DAEMON % 1), objects(DAEMON % 2), everywhere(Profile(term_after=10))),
    "room only when the old ones are gone": (
        [deployment(replicas=4, container={**READY, "resources": {"requests": {"cpu": "1"}}}, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}})],
        [deployment(replicas=4, container={**NEXT, "resources": {"requests": {"cpu": "1"}}}, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}})],
        everywhere(Profile(term_after=25))),
    "recreated on a full node": (
        [deployment(replicas=4, container={**READY, "resources": {"requests": {"cpu": "1"}}}, strategy={"type": "Recreate"})],
        [deployment(replicas=4, container={**NEXT, "resources": {"requests": {"cpu": "1"}}}, strategy={"type": "Recreate"})],
        everywhere(Profile(term_after=25))),
}  # fmt: skip


@pytest.mark.parametrize("what", MENDS)
def test_what_mends_itself_raises_no_alarm(what: str) -> None:
    old, new, profiles = MENDS[what]
    bench = release(old, new, 300, profiles=profiles)
    assert bench.verdict.state == "succeeded", bench.verdict


def test_what_was_broken_before_is_said_to_have_been() -> None:
    broken = deployment("bad", profile="exits_after=3,exit_code=1", container=READY)
    words = "it was like this before the release"
    for changed, told in ((broken, True), (deployment("bad", profile="exits_after=2,exit_code=1", container=READY), False)):
        bench = release([broken, deployment(container=READY)], [changed, deployment(container=NEXT)], 300)
        assert bench.verdict.state == "doomed"
        assert any(fact.text.startswith(words) for fact in bench.verdict.findings[0].evidence) is told


def crashing(pods: int, replicas: int = 6) -> Profiles:
    """So many of all pods crash, and never stop crashing."""
    seen: list[str] = []

    def profiles(image: str, spec: ContainerSpec | None) -> Profile | None:
        if spec is None:
            return None
        if spec.pod_uid not in seen:
            seen.append(spec.pod_uid)
        return Profile(exits_after=3, exit_code=1) if seen.index(spec.pod_uid) % replicas < pods else None

    return profiles


def seconds(pods: int, *settings: str) -> float:
    """When the crash of so many of six pods is known for good; infinite if it is not in ten minutes."""
    weights = Weights().with_settings(settings)
    bench = release([], [deployment(replicas=6, container=READY)], 600, weights, crashing(pods))
    return bench.at if bench.verdict.state == "doomed" else float("inf")


def test_the_share_of_the_pods_decides_how_soon_a_crash_counts() -> None:
    assert seconds(6) < 10
    assert 10 < seconds(3) < 40  # half of them: once more
    assert seconds(1) > 60  # one: only when it does not stop
    assert seconds(1, "share=10%") < 40
    assert seconds(3, "share=80%") > 60


def test_repetitions_can_be_asked_for() -> None:
    assert seconds(6) < seconds(6, "crashes=3") < seconds(6, "crashes=4")
    assert seconds(1, "stubborn=3") < seconds(1) < seconds(1, "stubborn=7")


def test_what_may_pass_by_itself_gets_more_time_while_the_old_version_serves() -> None:
    dark = {"profile": "pull_seconds=1,pull_error=dial tcp: i/o timeout"}
    first = release([], [deployment(**dark)], 200)
    upgrade = release([deployment(container={"image": "web:0"})], [deployment(**dark)], 200)
    assert 30 <= first.at < 45
    assert 90 <= upgrade.at < 105
    quick = release([], [deployment(**dark)], 200, Weights().with_settings(["patience=5s"]))
    assert quick.at < 15


@pytest.mark.parametrize("text", ["shar=1", "share", "share=130%", "crashes=0", "crashes=two", "patience=soon"])
def test_a_weight_that_cannot_be_read_is_told_by_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=f"^'{text}'"):
        Weights().with_settings([text])


def test_weights_are_set_as_people_write_them() -> None:
    weights = Weights().with_settings(["share=30%", "crashes=3", "patience=2m", "patience-serving=300"])
    assert (weights.share, weights.crashes, weights.patience, weights.patience_serving) == (0.3, 3, 120.0, 300.0)
    assert weights.probes == Weights().probes
