"""Objects come out of `normalise` as the reference server writes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from any_objects import objects, recorded_answers, some_objects
from seatrial.world import schema
from seatrial.world.objects import Obj


@pytest.mark.parametrize("answer", recorded_answers(), ids=lambda answer: answer["kind"])
def test_what_the_server_answered_is_in_the_servers_form_to_the_letter(answer: Obj) -> None:
    assert json.dumps(schema.normalise(answer)) == json.dumps(answer)


@pytest.mark.parametrize("answer", recorded_answers(), ids=lambda answer: answer["kind"])
def test_shuffled_answers_come_back_in_order(answer: Obj) -> None:
    backwards = json.loads(json.dumps(answer), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert json.dumps(schema.normalise(backwards)) == json.dumps(answer)


@given(some_objects())
def test_normalising_twice_changes_nothing(obj: Obj) -> None:
    assert json.dumps(schema.normalise(obj)) == json.dumps(obj)


@given(objects("v1", "Pod"))
def test_a_normal_object_has_nothing_to_complain_about(obj: Obj) -> None:
    assert not schema.check(obj)


def test_unknown_fields_nulls_and_empty_values_go() -> None:
    sent = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "labels": {}, "namespace": "", "surprise": 1},
        "spec": {"containers": [{"name": "c", "command": [], "tty": False, "livenessProbe": None}], "hostNetwork": False},
    }
    pod = schema.normalise(sent)
    assert pod["metadata"] == {"name": "x"}
    assert pod["spec"] == {"containers": [{"name": "c", "resources": {}}]}
    assert pod["status"] == {}


def test_pointers_keep_their_empty_values() -> None:
    sent = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": 0, "template": {"spec": {"enableServiceLinks": False}}},
    }
    spec = schema.normalise(sent)["spec"]
    assert spec["replicas"] == 0
    assert spec["template"]["spec"]["enableServiceLinks"] is False


def test_lists_that_are_always_written_are_null_when_unset() -> None:
    slice_ = schema.normalise({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"})
    assert slice_["endpoints"] is None
    assert slice_["ports"] is None


def test_quantities_times_and_map_keys_are_canonical() -> None:
    sent = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"creationTimestamp": "2026-01-01T01:00:00.5+01:00", "labels": {"b": "1", "a": "2"}},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"memory": "1024Mi", "cpu": 0.5}}}]},
    }
    pod = schema.normalise(sent)
    assert pod["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert list(pod["metadata"]["labels"]) == ["a", "b"]
    assert pod["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}


def test_kinds_nobody_knows_stay_as_they_are() -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"b": None, "a": []}}
    assert schema.normalise(widget) is widget


WIDGET = schema.structural(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            }
        },
    }
)


def test_custom_resources_are_pruned_and_sorted_by_their_schema() -> None:
    widget = {
        "kind": "Widget",
        "apiVersion": "example.com/v1",
        "metadata": {"name": "w", "labels": {"z": "1", "a": "1"}, "annotations": {}},
        "spec": {"size": 1, "free": {"any": None}, "labels": {"x": "y"}, "typo": 1},
    }
    pruned = schema.normalise(widget, WIDGET)
    assert pruned["spec"] == {"free": {"any": None}, "labels": {"x": "y"}, "size": 1}
    assert list(pruned) == ["apiVersion", "kind", "metadata", "spec"]
    assert json.dumps(pruned["metadata"]) == '{"labels": {"a": "1", "z": "1"}, "name": "w"}'
