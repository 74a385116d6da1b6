"""The quick answer and the careful one agree, and what is refused is what the decoder refuses."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from any_objects import recorded_answers, some_objects
from seatrial.world import schema

JUNK: tuple[Any, ...] = ("x", 5, -1.5, True, [], ["x"], {}, {"a": 1}, 10**12)


def shape_of(obj: dict[str, Any]) -> schema.Shape:
    shape = schema.shape_of(obj["apiVersion"], obj["kind"])
    assert shape is not None
    return shape


def without_nulls(value: Any) -> Any:
    """A null fits everywhere, which the quick answer leaves to the careful one."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def test_everything_that_a_server_answered_fits() -> None:
    for obj in recorded_answers():
        assert list(schema.misfits(obj, shape_of(obj))) == []
        assert schema.fits(shape_of(obj))(without_nulls(obj))


@settings(max_examples=25, deadline=None)
@given(some_objects())
def test_what_was_drawn_to_fit_does(obj: dict[str, Any]) -> None:
    assert schema.fits(shape_of(obj))(without_nulls(obj))
    assert not list(schema.misfits(obj, shape_of(obj)))


def places(obj: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [obj[key] for key in obj if key not in ("apiVersion", "kind")]
    while waiting:
        node = waiting.pop()
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            found.append((node, key))
            waiting.append(node[key])
    return found


@settings(max_examples=40, deadline=None)
@given(some_objects(), st.integers(0, 10**6))
def test_of_a_spoiled_object_all_three_say_the_same(obj: dict[str, Any], seed: int) -> None:
    dice, spoiled = random.Random(seed), without_nulls(obj)
    chosen = places(spoiled)
    for node, key in dice.sample(chosen, min(2, len(chosen))):
        node[key] = deepcopy(dice.choice(JUNK))
        if isinstance(node, dict) and dice.random() < 0.3:
            node["surprise"] = node.pop(key)
    misfits = list(schema.misfits(spoiled, shape_of(obj)))
    assert schema.fits(shape_of(obj))(spoiled) == (not misfits)
    assert bool(schema.check(spoiled)) == bool(misfits), "the decoder says so too"


def test_a_misfit_names_its_place_and_what_should_be_there() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "a", "imge": "b", "tty": 1}]},
    }
    name, tty = schema.misfits(pod, shape_of(pod))
    assert (name.path, name.unknown, name.shape.type) == (("spec", "containers", 0, "imge"), True, "api.core.v1.Container")
    assert (tty.path, tty.unknown, tty.shape.type) == (("spec", "containers", 0, "tty"), False, "bool")


def test_a_group_that_only_begins_like_a_built_in_one_is_somebody_elses() -> None:
    assert schema.shape_of("apps.example.com/v1", "Deployment") is None
    assert schema.shape_of("networking.istio.io/v1", "Ingress") is None
    assert schema.kinds()["batch/v1"] == {"Job", "CronJob"}
