"""JSON patch, JSON merge patch and strategic merge patch give what the reference server gives."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from any_objects import some_objects, two_of_a_kind
from seatrial.twin import errors
from seatrial.twin.merge import json_patch, merge_patch, strategic_merge_patch
from seatrial.world.objects import Obj, dig

_json = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "~/"]), inner, max_size=3),
    max_leaves=8,
)
_objects = st.dictionaries(st.sampled_from(["a", "b", "~/", ""]), _json, max_size=3)


_directives = st.sampled_from(
    [
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "containers",
        "finalizers",
        "name",
    ]
)
_wild = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["delete", "replace", "merge", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_directives, inner, max_size=4),
    max_leaves=8,
)
_specs = st.dictionaries(st.sampled_from(["spec", "metadata", "$patch", "$retainKeys"]), _wild)


class TestMergePatch:
    def test_nulls_delete_objects_merge_and_lists_replace(self) -> None:
        obj = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1, 2]}
        assert merge_patch(obj, {"a": None, "b": {"c": None, "x": 3}, "e": [3]}) == {"b": {"d": 2, "x": 3}, "e": [3]}
        assert obj == {"a": 1, "b": {"c": 1, "d": 2}, "e": [1, 2]}

    def test_nulls_inside_a_new_object_delete_as_well(self) -> None:
        assert merge_patch({}, {"a": {"b": {"c": None}}}) == {"a": {"b": {}}}

    def test_a_patch_that_is_no_object(self) -> None:
        with pytest.raises(errors.ApiError) as refused:
            merge_patch({}, [])
        assert refused.value.code == 400

    @given(two_of_a_kind())
    def test_the_patch_between_two_objects_makes_one_of_the_other(self, pair: tuple[Obj, Obj]) -> None:
        old, new = without_nulls(pair[0]), without_nulls(pair[1])
        assert merge_patch(old, difference(old, new)) == new


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def difference(old: Obj, new: Obj) -> Obj:
    patch: Obj = {key: None for key in old if key not in new}
    for key, item in new.items():
        if isinstance(item, dict) and isinstance(old.get(key), dict):
            patch[key] = difference(old[key], item)
        elif key not in old or old[key] != item:
            patch[key] = item
    return patch


class TestJsonPatch:
    @pytest.mark.parametrize(
        ("operation", "result"),
        [
            ({"op": "add", "path": "/l/-", "value": 3}, {"l": [1, 2, 3], "m": {"a/b": 1}}),
            ({"op": "add", "path": "/l/0", "value": 0}, {"l": [0, 1, 2], "m": {"a/b": 1}}),
            ({"op": "add", "path": "/m/x", "value": None}, {"l": [1, 2], "m": {"a/b": 1, "x": None}}),
            ({"op": "remove", "path": "/m/a~1b"}, {"l": [1, 2], "m": {}}),
            ({"op": "replace", "path": "/l/1", "value": 9}, {"l": [1, 9], "m": {"a/b": 1}}),
            ({"op": "move", "from": "/l/0", "path": "/m/x"}, {"l": [2], "m": {"a/b": 1, "x": 1}}),
            ({"op": "copy", "from": "/l", "path": "/k"}, {"l": [1, 2], "m": {"a/b": 1}, "k": [1, 2]}),
            ({"op": "test", "path": "/l", "value": [1, 2]}, {"l": [1, 2], "m": {"a/b": 1}}),
            ({"op": "test", "path": "/absent", "value": None}, {"l": [1, 2], "m": {"a/b": 1}}),
        ],
    )
    def test_operations(self, operation: Obj, result: Obj) -> None:
        obj = {"l": [1, 2], "m": {"a/b": 1}}
        assert json_patch(obj, [operation]) == result
        assert obj == {"l": [1, 2], "m": {"a/b": 1}}

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "remove", "path": "/absent"},
            {"op": "replace", "path": "/absent", "value": 1},
            {"op": "add", "path": "/absent/x", "value": 1},
            {"op": "add", "path": "/l/7", "value": 1},
            {"op": "add", "path": "/l/one", "value": 1},
            {"op": "test", "path": "/l", "value": []},
            {"op": "move", "from": "/absent", "path": "/x"},
            {"op": "fly", "path": "/l"},
            {"op": "add", "path": "l", "value": 1},
            {"op": "add"},
            {},
            {"op": ["add"], "path": "/l"},
        ],
    )
    def test_operations_that_cannot_be_done(self, operation: Obj) -> None:
        with pytest.raises(errors.ApiError) as refused:
            json_patch({"l": [1, 2]}, [operation])
        assert (refused.value.code, refused.value.reason) == (422, "Invalid")
        assert refused.value.message == "the server rejected our request due to an error in our request"

    def test_an_object_is_no_list_of_operations(self) -> None:
        with pytest.raises(errors.ApiError, match="cannot unmarshal object into Go value of type jsonpatch") as refused:
            json_patch({}, {"op": "add"})
        assert refused.value.code == 400

    def test_too_many_operations(self) -> None:
        with pytest.raises(errors.ApiError, match="allowed maximum operations in a JSON patch is 10000, got 10001") as refused:
            json_patch({}, [{"op": "test", "path": "/x"}] * 10_001)
        assert refused.value.code == 413

    @given(_objects, _objects)
    def test_operations_that_spell_out_a_difference_make_one_object_of_another(self, old: Obj, new: Obj) -> None:
        assert json_patch(old, operations(old, new)) == new

    @given(
        _objects,
        st.lists(
            st.dictionaries(
                st.sampled_from(["op", "path", "from", "value"]), _json | st.sampled_from(["add", "/a", "/a/0", "test", "move"])
            )
        ),
    )
    def test_no_patch_does_more_than_be_refused(self, obj: Obj, patch: list[Obj]) -> None:
        before = json.dumps(obj)
        try:
            json_patch(obj, patch)
        except errors.ApiError as refused:
            assert refused.code == 422
        assert json.dumps(obj) == before


def operations(old: Obj, new: Obj, path: str = "") -> list[Obj]:
    found: list[Obj] = []
    for key in old:
        here = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in new:
            found.append({"op": "remove", "path": here})
        elif isinstance(old[key], dict) and isinstance(new[key], dict):
            found += operations(old[key], new[key], here)
        elif old[key] != new[key] or type(old[key]) is not type(new[key]):
            found.append({"op": "replace", "path": here, "value": new[key]})
    for key in new:
        if key not in old:
            found.append({"op": "add", "path": f"{path}/{key.replace('~', '~0').replace('/', '~1')}", "value": new[key]})
    return found


def pod(*containers: Obj, **spec: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": list(containers), **spec}}


def patched(obj: Obj, **spec: Any) -> Any:
    return strategic_merge_patch(obj, {"spec": spec})["spec"]


def names(items: list[Obj]) -> list[str]:
    return [item["name"] for item in items]


class TestStrategicMergePatch:
    A, B, C = {"name": "a", "image": "1"}, {"name": "b", "image": "1"}, {"name": "c", "image": "1"}

    def test_elements_merge_by_their_key_and_new_ones_come_first(self) -> None:
        after = patched(pod(self.A, self.B), containers=[{"name": "b", "image": "2"}, self.C])
        assert after["containers"] == [self.A, {"name": "b", "image": "2"}, self.C]
        assert names(patched(pod(self.A), containers=[self.C])["containers"]) == ["c", "a"]

    def test_the_order_that_the_patch_asks_for(self) -> None:
        after = patched(
            pod(self.A, self.B, self.C),
            containers=[{"name": "c", "image": "2"}],
            **{"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]},
        )
        assert names(after["containers"]) == ["b", "c", "a"]
        reordered = patched(pod(self.A, self.B), **{"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]})
        assert names(reordered["containers"]) == ["b", "a"]

    def test_elements_are_deleted_by_their_key(self) -> None:
        after = patched(
            pod(self.A, self.B),
            containers=[{"$patch": "delete", "name": "a"}],
            **{"$setElementOrder/containers": [{"name": "b"}]},
        )
        assert after["containers"] == [self.B]

    def test_a_list_is_replaced_on_request(self) -> None:
        assert patched(pod(self.A, self.B), containers=[{"$patch": "replace"}, self.C])["containers"] == [self.C]

    def test_a_map_is_replaced_or_deleted_on_request(self) -> None:
        obj = pod(self.A, securityContext={"runAsUser": 1, "fsGroup": 2})
        replaced = patched(obj, securityContext={"$patch": "replace", "fsGroup": 3})
        assert replaced["securityContext"] == {"fsGroup": 3}
        assert patched(obj, securityContext={"$patch": "delete"})["securityContext"] == {}
        assert patched(obj, securityContext=None) == {"containers": [self.A]}

    def test_atomic_lists_are_replaced_whole(self) -> None:
        before = pod({"name": "a", "args": ["1", "2"]}, tolerations=[{"key": "x"}])
        after = patched(before, containers=[{"name": "a", "args": ["3"]}], tolerations=[{"key": "y"}])
        assert after["containers"][0]["args"] == ["3"]
        assert after["tolerations"] == [{"key": "y"}]

    def test_sets_grow_and_shrink(self) -> None:
        obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"finalizers": ["a", "b"]}}
        grown = strategic_merge_patch(obj, {"metadata": {"finalizers": ["c", "a"]}})
        assert sorted(grown["metadata"]["finalizers"]) == ["a", "b", "c"]
        shrunk = strategic_merge_patch(obj, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})
        assert shrunk["metadata"]["finalizers"] == ["b"]

    def test_retain_keys_drops_what_it_does_not_name(self) -> None:
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment"}
        rolling = {**deployment, "spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
        patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
        assert strategic_merge_patch(rolling, patch)["spec"]["strategy"] == {"type": "Recreate"}

    def test_volumes_swap_their_source_by_retain_keys(self) -> None:
        before = pod(self.A, volumes=[{"name": "v", "emptyDir": {}}])
        after = patched(before, volumes=[{"$retainKeys": ["name", "secret"], "name": "v", "secret": {"secretName": "s"}}])
        assert after["volumes"] == [{"name": "v", "secret": {"secretName": "s"}}]

    def test_ports_merge_by_their_container_port(self) -> None:
        before = pod({"name": "a", "ports": [{"containerPort": 80}]})
        after = patched(
            before, containers=[{"name": "a", "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 81}]}]
        )
        assert after["containers"][0]["ports"] == [{"containerPort": 80, "name": "http"}, {"containerPort": 81}]

    def test_labels_and_nulls_in_what_is_new(self) -> None:
        after = strategic_merge_patch(pod(self.A), {"metadata": {"labels": {"a": "1", "b": None}, "annotations": None}})
        assert after["metadata"] == {"name": "p", "labels": {"a": "1"}}

    def test_set_based_directives_of_a_list_that_is_not_there(self) -> None:
        after = strategic_merge_patch(
            {"apiVersion": "v1", "kind": "Pod", "spec": {}}, {"spec": {"containers": [{"$patch": "delete", "name": "a"}]}}
        )
        assert after["spec"] == {"containers": []}

    @pytest.mark.parametrize(
        ("spec", "code", "words"),
        [
            ({"containers": [{"image": "x"}]}, 500, "map: map[image:x] does not contain declared merge key: name"),
            ({"containers": [{"$patch": "merge", "name": "a"}]}, 500, "merging lists cannot yet be specified in the patch"),
            ({"securityContext": {"$patch": "smash"}}, 500, "unknown patch type: smash in map: map[$patch:smash]"),
            ({"$retainKeys": ["x"], "hostname": "y"}, 400, "invalid patch format of retainKeys"),
            ({"$setElementOrder/containers": "a"}, 400, "invalid patch format of setElementOrder list"),
        ],
    )
    def test_patches_that_make_no_sense(self, spec: Obj, code: int, words: str) -> None:
        with pytest.raises(errors.ApiError) as refused:
            patched(pod(self.A, securityContext={"runAsUser": 1}), **spec)
        assert (refused.value.code, refused.value.message) == (code, words)

    def test_custom_resources_have_no_strategies(self) -> None:
        with pytest.raises(errors.ApiError) as refused:
            strategic_merge_patch({"apiVersion": "example.com/v1", "kind": "Widget"}, {})
        assert refused.value.code == 415

    @given(some_objects())
    def test_a_patch_with_the_object_itself_changes_nothing(self, obj: Obj) -> None:
        plain = without_nulls_anywhere(obj)
        # a strategic merge knows spread constraints by their topologyKey alone, an apply by whenUnsatisfiable as well
        spread = dig(plain, "spec.template.spec.topologySpreadConstraints", [])
        assume(len({one.get("topologyKey") for one in spread}) == len(spread))
        assert strategic_merge_patch(plain, plain) == plain

    @given(some_objects(), _specs)
    def test_no_patch_does_more_than_be_refused(self, obj: Obj, patch: Obj) -> None:
        before = json.dumps([obj, patch])
        try:
            strategic_merge_patch(obj, patch)
        except errors.ApiError as refused:
            assert refused.code in (400, 500)
        assert json.dumps([obj, patch]) == before


def without_nulls_anywhere(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls_anywhere(item) for key, item in value.items() if item is not None}
    return [without_nulls_anywhere(item) for item in value] if isinstance(value, list) else value


def test_copies_that_grow_without_end_are_refused() -> None:
    doubling = [{"op": "copy", "from": "/data", "path": f"/data/{number}"} for number in range(40)]
    obj = {"data": {"a": "x" * 1000}}
    assert len(orjson.dumps(json_patch(obj, doubling[:5]))) == pytest.approx(32_000, rel=0.1)
    with pytest.raises(errors.ApiError) as refused:
        json_patch(obj, doubling)
    assert refused.value.code == 422


def test_a_patch_makes_no_object_that_nothing_could_write() -> None:
    deeper = [{"op": "add", "path": "/a" * level, "value": {}} for level in range(1, 2000)]
    assert json_patch({}, deeper[:2]) == {"a": {"a": {}}}
    with pytest.raises(errors.ApiError) as refused:
        json_patch({}, deeper)
    assert refused.value.code == 422
