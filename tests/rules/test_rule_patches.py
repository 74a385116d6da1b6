"""Patches: built from the path of a field, tried on a copy, joined where several bring the same parent."""

import pytest

from seatrial.rules.patching import applied, patch_of, patched, put, take
from seatrial.world.objects import ref_of
from seatrial.world.world import World


def pod(**container):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", **container}]},
    }


AT = ("spec", "containers", 0, "securityContext")


def test_a_field_is_set_with_the_mappings_above_it_where_they_are_missing():
    operation = put(pod(), (*AT, "capabilities", "drop"), ["ALL"])
    assert operation == {"op": "add", "path": "/spec/containers/0/securityContext", "value": {"capabilities": {"drop": ["ALL"]}}}
    assert put(pod(image="a"), ("spec", "containers", 0, "image"), "b")["op"] == "replace"


def test_what_is_no_mapping_gives_way_to_one():
    mended = patched(pod(securityContext="none"), [put(pod(securityContext="none"), (*AT, "runAsNonRoot"), True)])
    assert mended["spec"]["containers"][0]["securityContext"] == {"runAsNonRoot": True}


def test_two_patches_that_bring_the_same_parent_leave_each_other_whole():
    one, other = put(pod(), (*AT, "runAsNonRoot"), True), put(pod(), (*AT, "seccompProfile", "type"), "RuntimeDefault")
    (part,) = patch_of(ref_of(pod()), [one, other])
    assert len(part["operations"]) == 1, "for JSON Patch the second would take the place of the first"
    mended = patched(pod(), part["operations"])
    assert mended["spec"]["containers"][0]["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_keys_with_slashes_are_escaped_on_the_way_and_back():
    labelled = {**pod(), "metadata": {"name": "web", "labels": {"a/b~c": "x"}}}
    assert patched(labelled, [take(("metadata", "labels", "a/b~c"))])["metadata"]["labels"] == {}


def test_a_world_stays_as_it_is_when_a_patch_is_tried_on_it():
    world = World([pod(image="a")])
    patch = patch_of(ref_of(pod()), [put(pod(image="a"), ("spec", "containers", 0, "image"), "b")])
    tried = applied(world, patch)
    assert next(iter(tried))["spec"]["containers"][0]["image"] == "b"
    assert next(iter(world))["spec"]["containers"][0]["image"] == "a"


def test_a_patch_for_what_is_not_there_says_so():
    with pytest.raises(ValueError, match="does not fit Pod web"):
        patched(pod(), [{"op": "remove", "path": "/spec/volumes/0"}])
    with pytest.raises(ValueError, match="which is not there"):
        applied(World(), patch_of(ref_of(pod()), []))
