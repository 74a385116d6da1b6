"""What a world answers of one namespace stays right while objects come and go."""

from __future__ import annotations

from seatrial.world.objects import Obj, ref_of
from seatrial.world.world import World


def pod(name: str, namespace: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}}


def test_the_objects_of_a_namespace_are_those_that_are_there_now() -> None:
    world = World([pod("a", "one"), pod("b", "two")])
    assert world.inside("Pod", "one") == [pod("a", "one")] and world.inside("Service", "one") == []
    world.put(pod("c", "one"))
    world.drop(ref_of(pod("a", "one")))
    assert world.inside("Pod", "one") == [pod("c", "one")]
