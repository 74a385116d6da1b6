"""The seconds that a diagnosis proves a probe with are those in which a kubelet kills, played in virtual time."""

import pytest

from seatrial.rules.alive.examples import EXAMPLES, world_of
from seatrial.rules.alive.pods import seconds_between
from seatrial.rules.alive.probes import budget, seconds_given
from seatrial.rules.looking import found
from seatrial.twin.clock import VirtualClock
from seatrial.twin.cluster import Cluster
from seatrial.twin.kubelet.node import NodeSpec
from seatrial.twin.kubelet.profiles import Profile
from seatrial.twin.kubelet.simulated import SimulatedRuntime

PROBES = {
    "30 + 3 × 10 = 60": {"initialDelaySeconds": 30},
    "5 + 3 × 10 = 35": {"initialDelaySeconds": 5},
    "0 + 6 × 5 = 30": {"periodSeconds": 5, "failureThreshold": 6},
    "12 + 1 × 20 = 32": {"initialDelaySeconds": 12, "periodSeconds": 20, "failureThreshold": 1},
}


@pytest.mark.parametrize("kind", ["liveness", "startup"])
def test_a_kubelet_kills_in_the_last_of_the_periods_that_are_named(kind):
    clock = VirtualClock()
    runtime = SimulatedRuntime(clock, lambda image, spec: Profile(ready_after=1e9))
    cluster = Cluster(clock, runtime, [NodeSpec("node-a", cpu="4", memory="16Gi")], seed=1, track_fields=False)
    cluster.start()
    clock.run_for(1)
    asked = {f"p{number}": {**probe, "httpGet": {"path": "/", "port": 80}} for number, probe in enumerate(PROBES.values())}
    for name, probe in asked.items():
        container = {"name": "api", "image": "nginx:1.27", f"{kind}Probe": probe}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [container]},
        }
        cluster.registry.create("pods", pod)
    clock.run_for(120)
    events = cluster.registry.list("events")
    cluster.stop()
    for (words, _), (name, probe) in zip(PROBES.items(), asked.items(), strict=True):
        mine = [each for each in events if each["involvedObject"]["name"] == name]
        started, killed = (
            next(each["firstTimestamp"] for each in mine if each["reason"] == reason) for reason in ("Started", "Killing")
        )
        took, given = seconds_between(started, killed), seconds_given(probe)
        assert words in budget(probe, kind)
        assert given - probe.get("periodSeconds", 10) - 1 <= took <= given + 1, (words, took)


def test_the_proof_and_what_would_be_enough_are_in_numbers():
    example = EXAMPLES["probe-kills"]
    (told,) = [one for one in found(world_of(example, example.wrong), live=True) if one.rule == "probe-kills"]
    facts = " | ".join(fact.text for fact in told.evidence)
    assert "killed after 5 + 3 × 10 = 35 s without success" in facts
    assert "pods of this workload start in 41 s, killed after 35 s: too late" in facts
    assert "its last run lasted 65 s, up to 30 s of it after SIGTERM" in facts
    assert told.fix == "It takes 41 s to start: give it a startupProbe with failureThreshold: 9 and periodSeconds: 10 (90 s)."
