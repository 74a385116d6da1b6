"""A saved world tells when it was seen by the last moment in it."""

from seatrial.world.moments import latest
from seatrial.world.world import World


def test_the_last_moment_of_events_conditions_and_containers_counts():
    ended = {"name": "c", "lastState": {"terminated": {"finishedAt": "2026-01-01T00:00:07Z"}}}
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "n"}}
    pod["status"] = {"conditions": [{"lastTransitionTime": "2026-01-01T00:00:05Z"}], "containerStatuses": [ended]}
    event = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": "e", "namespace": "n"},
        "lastTimestamp": "2026-01-01T00:00:06Z",
    }
    assert latest(World([pod, event])) == 1767225607.0


def test_what_is_no_time_is_passed_over():
    odd = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p"},
        "status": {"conditions": [{"lastTransitionTime": "soon"}, 3]},
    }
    assert latest(World([odd, {"kind": "Event", "apiVersion": "v1", "metadata": {"name": "e"}}])) is None
