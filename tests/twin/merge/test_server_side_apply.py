"""Server-side apply merges, owns, prunes and refuses as the reference server does."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import assume, given

from any_objects import RECORDINGS, some_objects, two_of_a_kind
from seatrial.twin import errors
from seatrial.twin.merge import apply, structured
from seatrial.twin.merge.compare import compare
from seatrial.twin.merge.fieldset import intersection, sorted_set, union
from seatrial.world import schema
from seatrial.world.objects import Obj, clone

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def session() -> tuple[list[Obj], list[Obj]]:
    """The manifests of the recorded session, by the step that sends them, and what the server said."""
    steps = yaml.safe_load((RECORDINGS / "sessions" / "04-apply-and-conflicts.yaml").read_text())["steps"]
    golden = json.loads((RECORDINGS / "golden" / "04-apply-and-conflicts.json").read_text())
    return [yaml.safe_load(step["stdin"]) if "stdin" in step else {} for step in steps], golden


def stored(obj: Obj) -> Obj:
    """The object as a store would hold it: with a uid."""
    return {**obj, "metadata": {**obj["metadata"], "uid": "1"}}


def owners(obj: Obj) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"]["managedFields"]}


def containers(obj: Obj) -> Any:
    return obj["spec"]["template"]["spec"]["containers"]


def deployment(**spec: Any) -> Obj:
    bare: Obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    return {**bare, "spec": spec} if spec else bare


class TestTheRecordedSession:
    def alice(self) -> Obj:
        sent, _ = session()
        return stored(apply.apply(None, sent[1], manager="alice", now=NOW))

    def bob(self) -> Obj:
        sent, _ = session()
        return apply.apply(self.alice(), sent[3], manager="bob", now=NOW + 1)

    def test_fields_of_others_are_conflicts(self) -> None:
        sent, golden = session()
        with pytest.raises(errors.ApiError) as refused:
            apply.apply(self.alice(), sent[2], manager="bob", now=NOW)
        assert (refused.value.code, refused.value.reason) == (409, "Conflict")
        assert refused.value.message in golden[2]["err"]
        assert refused.value.details == {
            "causes": [
                {"reason": "FieldManagerConflict", "message": 'conflict with "alice"', "field": ".spec.replicas"},
                {
                    "reason": "FieldManagerConflict",
                    "message": 'conflict with "alice"',
                    "field": '.spec.template.spec.containers[name="web"].image',
                },
            ]
        }

    def test_lists_merge_by_their_keys_in_the_recorded_order(self) -> None:
        _, golden = session()
        merged = containers(self.bob())
        env = json.dumps(merged[1]["env"], separators=(",", ":"))
        assert f"{merged[0]['name']} {merged[1]['name']} {env}" == golden[4]["out"]

    def test_the_second_manager_owns_exactly_what_was_recorded(self) -> None:
        _, golden = session()
        assert json.dumps(owners(self.bob())["bob"], separators=(",", ":")) == golden[6]["out"]

    def test_forcing_takes_fields_over_and_prunes_what_is_no_longer_applied(self) -> None:
        sent, golden = session()
        forced = apply.apply(self.bob(), sent[7], manager="bob", now=NOW + 2, force=True)
        (web,) = containers(forced)
        env = json.dumps(web["env"], separators=(",", ":"))
        assert f"{web['name']} {env} {web['image']}" == golden[8]["out"]
        kept = owners(forced)["alice"]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']
        assert "f:image" not in kept


def test_a_conflict_with_an_updater_names_its_version() -> None:
    live = stored(apply.track_update(None, schema.normalise(deployment(replicas=1)), manager="kubectl-create", now=NOW))
    with pytest.raises(errors.ApiError) as refused:
        apply.apply(live, deployment(replicas=2), manager="me", now=NOW)
    assert refused.value.message == ('Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1: .spec.replicas')


def test_the_same_value_can_have_two_owners_and_stays_until_both_let_go() -> None:
    live = stored(apply.apply(None, deployment(replicas=2, paused=True), manager="a", now=NOW))
    live = apply.apply(live, deployment(replicas=2), manager="b", now=NOW)
    live = apply.apply(live, deployment(), manager="a", now=NOW)
    assert live["spec"]["replicas"] == 2
    assert "paused" not in live["spec"]
    assert set(owners(live)) == {"b"}
    live = apply.apply(live, deployment(), manager="b", now=NOW)
    assert "replicas" not in live["spec"]


def test_what_updates_wrote_is_not_pruned() -> None:
    live = stored(apply.apply(None, deployment(replicas=2), manager="a", now=NOW))
    changed = apply.track_update(live, with_spec(live, replicas=5), manager="kubectl-scale", now=NOW)
    live = apply.apply(changed, deployment(), manager="a", now=NOW)
    assert live["spec"]["replicas"] == 5


def with_spec(obj: Obj, **fields: Any) -> Obj:
    new = clone(obj)
    new["spec"].update(fields)
    return new


def test_an_untracked_object_belongs_to_who_came_before_the_first_apply() -> None:
    live = stored(schema.normalise(deployment(replicas=1, paused=True)))
    merged = apply.apply(live, deployment(replicas=1), manager="me", now=NOW)
    assert owners(merged)["before-first-apply"]["f:spec"] == {"f:paused": {}, "f:replicas": {}}
    assert owners(merged)["me"] == {"f:spec": {"f:replicas": {}}}


def test_keys_with_a_default_are_told_apart_by_it() -> None:
    def ports(*listed: Obj) -> Obj:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
        return {**service, "spec": {"ports": list(listed)}}

    live = stored(schema.normalise(ports({"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP", "name": "dns"})))
    merged = apply.apply(live, ports({"port": 53, "name": "tcp"}), manager="me", now=NOW, force=True)
    assert merged["spec"]["ports"] == [
        {"name": "tcp", "protocol": "TCP", "port": 53, "targetPort": 0},
        {"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 0},
    ]
    assert list(owners(merged)["me"]["f:spec"]["f:ports"]) == ['k:{"port":53,"protocol":"TCP"}']


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"replcas": 1}, ".spec.replcas: field not declared in schema"),
        ({"replicas": "two"}, ".spec.replicas: expected numeric (int or float), got two"),
        ({"template": {"spec": {"containers": {}}}}, ".spec.template.spec.containers: expected list, got map[]"),
        (
            {"template": {"spec": {"containers": [{"name": "c"}, {"name": "c"}]}}},
            '.spec.template.spec.containers: duplicate entries for key [name="c"]',
        ),
        (
            {"template": {"spec": {"containers": [{"image": "x"}]}}},
            ".spec.template.spec.containers: element 0: associative list with keys has an element that omits all key "
            'fields ["name"] (and doesn\'t have default values for any key fields)',
        ),
    ],
)
def test_configurations_that_the_schema_does_not_allow(spec: Obj, why: str) -> None:
    with pytest.raises(errors.ApiError) as refused:
        apply.apply(None, deployment(**spec), manager="me", now=NOW)
    assert refused.value.code == 500
    assert refused.value.message == f"failed to create typed patch object (/web; apps/v1, Kind=Deployment): {why}"


def test_managed_fields_cannot_be_applied() -> None:
    config = deployment()
    config["metadata"]["managedFields"] = []
    with pytest.raises(errors.ApiError, match=r"metadata\.managedFields must be nil"):
        apply.apply(None, config, manager="me", now=NOW)


def test_kubectl_takes_over_without_conflict_what_it_applied_from_the_client() -> None:
    last = json.dumps(deployment(replicas=2, minReadySeconds=1))
    created = schema.normalise(deployment(replicas=2, minReadySeconds=1))
    created["metadata"]["annotations"] = {apply.LAST_APPLIED: last}
    live = stored(apply.track_update(None, created, manager="kubectl-client-side-apply", now=NOW))
    merged = apply.apply(live, deployment(replicas=3), manager="kubectl", now=NOW)
    assert merged["spec"]["replicas"] == 3
    scaled = apply.track_update(live, with_spec(live, replicas=9), manager="kubectl-scale", now=NOW)
    with pytest.raises(errors.ApiError, match="kubectl-scale"):
        apply.apply(scaled, deployment(replicas=3), manager="kubectl", now=NOW)


def test_custom_resources_are_applied_by_their_schema() -> None:
    by_name = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object"},
    }
    by_name["items"] = {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}}
    shape = schema.structural({"type": "object", "properties": {"parts": by_name}})

    def widget(*parts: Obj) -> Obj:
        return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "parts": list(parts)}

    live = stored(apply.apply(None, widget({"name": "a", "size": 1}), manager="a", now=NOW, type_=shape))
    live = apply.apply(live, widget({"name": "b", "size": 2}), manager="b", now=NOW, type_=shape)
    assert [part["name"] for part in live["parts"]] == ["a", "b"]
    live = apply.apply(live, widget(), manager="a", now=NOW, type_=shape)
    assert live["parts"] == [{"name": "b", "size": 2}]


def test_custom_resources_without_a_schema_replace_their_lists() -> None:
    def widget(*parts: int) -> Obj:
        return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"parts": list(parts)}}

    live = stored(apply.apply(None, widget(1, 2), manager="a", now=NOW))
    assert apply.apply(live, widget(3), manager="a", now=NOW)["spec"]["parts"] == [3]


# properties


def applicable(obj: Obj) -> Obj:
    """An object as somebody would apply it: without what the server always writes."""
    return {key: value for key, value in obj.items() if key != "status"}


@given(some_objects())
def test_applying_twice_changes_nothing_not_even_the_time(obj: Obj) -> None:
    config = applicable(obj)
    first = stored(apply.apply(None, config, manager="me", now=NOW))
    assert apply.apply(first, config, manager="me", now=NOW + 60) == first


@given(two_of_a_kind())
def test_a_forced_apply_leaves_the_configuration_in_the_object(pair: tuple[Obj, Obj]) -> None:
    one, other = map(applicable, pair)
    shape = schema.shape_of(one["apiVersion"], one["kind"])
    assert shape is not None
    live = stored(apply.apply(None, one, manager="one", now=NOW))
    merged = apply.apply(live, other, manager="other", now=NOW, force=True)
    assert compare(other, merged, shape).removed == {}
    assert schema.normalise(structured.merge(merged, other, shape)) == merged
    assume(merged["metadata"].get("managedFields"))  # who applies nothing owns nothing, and the next one begins anew
    assert apply.apply(merged, other, manager="other", now=NOW + 60, force=True) == merged


@given(two_of_a_kind())
def test_applying_something_else_and_going_back_restores_the_object(pair: tuple[Obj, Obj]) -> None:
    one, other = map(applicable, pair)
    live = stored(apply.apply(None, one, manager="me", now=NOW))
    there = apply.apply(live, other, manager="me", now=NOW)
    back = apply.apply(there, one, manager="me", now=NOW)
    assert schema.normalise(strip_empty(back)) == schema.normalise(strip_empty(live))


def strip_empty(value: Any) -> Any:
    """Without empty containers: an owner that leaves an item leaves its empty parents behind."""
    if isinstance(value, dict):
        kept = {key: strip_empty(item) for key, item in value.items() if key != "managedFields"}
        return {key: item for key, item in kept.items() if item not in ({}, [], None)}
    return [strip_empty(item) for item in value] if isinstance(value, list) else value


@given(two_of_a_kind())
def test_every_field_that_an_update_changes_is_its_managers(pair: tuple[Obj, Obj]) -> None:
    old, new = pair
    live = stored(apply.track_update(None, clone(old), manager="first", now=NOW))
    assume(old != new and "managedFields" in live["metadata"])
    after = apply.track_update(live, stored(clone(new)), manager="second", now=NOW)
    after["metadata"].setdefault("managedFields", [])
    shape = schema.shape_of(old["apiVersion"], old["kind"])
    assert shape is not None
    changes = compare(old, new, shape)
    mine = owners(after).get("second", {})
    assert mine == union(changes.modified, changes.added)
    assert json.dumps(mine) == json.dumps(sorted_set(mine))
    others = owners(after).get("first", {})
    assert intersection(others, union(mine, changes.removed)) == {}
