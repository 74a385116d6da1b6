"""A patch is offered where its finding goes with it and none comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seatrial.rules.finding import Finding
from seatrial.rules.mending import mend
from seatrial.world.objects import Ref, ref_of
from seatrial.world.world import World


def thing(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}, "data": data}


def patch(name: str, key: str, value: str) -> list[dict[str, Any]]:
    ref = {"group": "", "kind": "ConfigMap", "namespace": "n", "name": name}
    return [{"ref": ref, "operations": [{"op": "replace", "path": f"/data/{key}", "value": value}]}]


#: What a value that is wrong is to become; `worse` is wrong in its own way.
MENDS = {"bad": "good", "useless": "useless", "brings": "worse", "hides": "bad", "hides twice": "hides"}


def find(world: World) -> Iterator[Finding]:
    for obj in world:
        name = obj["metadata"]["name"]
        for key, value in obj["data"].items():
            if value in MENDS:
                yield Finding(value, "error", f"{name}.{key} is {value}", (ref_of(obj),), patch=patch(name, key, MENDS[value]))
            if value == "worse":
                yield Finding("worse", "error", f"{name}.{key} is worse", (ref_of(obj),))


def test_good_patches_are_made_and_the_others_are_refused_with_the_reason() -> None:
    world = World([thing("a", x="bad"), thing("b", x="useless"), thing("c", x="bad", y="brings"), thing("d", x="fine")])
    mended = mend(world, list(find(world)), find)
    assert [one.title for one in mended.done] == ["a.x is bad", "c.x is bad"]
    assert [(one.title, why) for one, why in mended.refused] == [
        ("b.x is useless", "the finding stays after its patch"),
        ("c.y is brings", "the patch would bring worse"),
    ]
    assert mended.world.get(Ref("", "ConfigMap", "n", "c"))["data"] == {"x": "good", "y": "brings"}  # type: ignore[index]
    assert world.get(Ref("", "ConfigMap", "n", "a"))["data"] == {"x": "bad"}, "the world it was tried on is a copy"  # type: ignore[index]


def test_what_a_patch_brings_to_light_is_mended_with_it_where_it_has_a_patch_and_is_welcome() -> None:
    world = World([thing("a", x="hides"), thing("b", x="bad")])
    mended = mend(world, list(find(world)), find, lambda one: True)
    assert [one.title for one in mended.done] == ["a.x is hides", "a.x is bad", "b.x is bad"]
    assert mended.world.get(Ref("", "ConfigMap", "n", "a"))["data"] == {"x": "good"}  # type: ignore[index]

    mended = mend(world, list(find(world)), find, lambda one: one.rule != "bad")
    assert [(one.title, why) for one, why in mended.refused] == [("a.x is hides", "the patch would bring bad")]
    assert [one.title for one in mended.done] == ["b.x is bad"]


def test_what_hides_more_than_one_fault_is_left() -> None:
    world = World([thing("a", x="hides twice")])
    mended = mend(world, list(find(world)), find, lambda one: True)
    assert [(one.title, why) for one, why in mended.refused] == [("a.x is hides twice", "the patch would bring hides")]
    assert mended.world.get(Ref("", "ConfigMap", "n", "a"))["data"] == {"x": "hides twice"}  # type: ignore[index]


def test_a_thousand_good_patches_cost_three_looks() -> None:
    looks = 0

    def counted(world: World) -> list[Finding]:
        nonlocal looks
        looks += 1
        return list(find(world))

    world = World([thing(f"t{number}", x="bad") for number in range(50)])
    assert len(mend(world, list(find(world)), counted).done) == 50
    assert looks == 3, "before, after, and once more for what is left"


def test_patches_of_one_place_come_one_after_the_other() -> None:
    """Each is made for what the one before it left, or the second would undo the first."""

    def both(world: World) -> Iterator[Finding]:
        (obj,) = world
        for key in ("x", "y"):
            if key not in obj["data"]:
                operation = {"op": "replace", "path": "/data", "value": {**obj["data"], key: "1"}}
                ref = {"group": "", "kind": "ConfigMap", "namespace": "n", "name": "a"}
                yield Finding(f"no-{key}", "error", key, (ref_of(obj),), patch=[{"ref": ref, "operations": [operation]}])

    mended = mend(World([thing("a")]), list(both(World([thing("a")]))), both)
    assert [one.rule for one in mended.done] == ["no-x", "no-y"]
    (after,) = mended.world
    assert after["data"] == {"x": "1", "y": "1"}


def test_a_patch_of_what_is_not_there_is_refused() -> None:
    def lost(_: World) -> list[Finding]:
        return [Finding("bad", "error", "a.x is bad", (Ref("", "ConfigMap", "n", "a"),), patch=patch("z", "x", "good"))]

    mended = mend(World([thing("a", x="bad")]), lost(World()), lost)
    assert not mended.done and "which is not there" in mended.refused[0][1]


def items(world: World) -> Iterator[Finding]:
    (obj,) = world
    ref = {"group": "", "kind": "ConfigMap", "namespace": "n", "name": "a"}
    for place, value in enumerate(obj["data"]):
        if value == "bad":
            operation = {"op": "remove", "path": f"/data/{place}"}
            yield Finding("bad", "error", "a has a bad item", (ref_of(obj),), patch=[{"ref": ref, "operations": [operation]}])


def test_items_go_out_of_a_list_one_by_one() -> None:
    """The places of those behind one that goes are others then; and findings of the same words are still several."""
    world = World([{**thing("a"), "data": ["bad", "good", "bad", "bad", "fine"]}])
    mended = mend(world, list(items(world)), items)
    assert len(mended.done) == 3 and not mended.refused
    assert [obj["data"] for obj in mended.world] == [["good", "fine"]]
