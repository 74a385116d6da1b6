"""Objects that cannot be decoded are refused with the words of the reference server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import any_objects
from any_objects import RECORDINGS
from seatrial.twin.api.bodies import undecodable, wrong_kind
from seatrial.world import schema
from seatrial.world.objects import Obj
from seatrial.world.schema.decoding import broken_base64

EXPECTED = {"deployments": ("apps/v1", "Deployment"), "pods": ("v1", "Pod")}


def unreadable() -> list[Obj]:
    entries = json.loads((RECORDINGS / "api" / "invalid.json").read_text())
    return [entry for entry in entries if "cannot be handled as" in entry["response"].get("message", "")]


def decodable() -> list[Obj]:
    entries = json.loads((RECORDINGS / "api" / "invalid.json").read_text())
    return [entry for entry in entries if "cannot be handled as" not in entry["response"].get("message", "")]


@pytest.mark.parametrize("entry", unreadable(), ids=lambda entry: entry["response"]["message"][-60:])
def test_the_recorded_refusals(entry: Obj) -> None:
    request = entry["request"]
    kind = entry["path"].rpartition("/")[2]
    expected = EXPECTED.get(kind, (request["apiVersion"], request["kind"]))
    refusal = wrong_kind(request, *expected) or undecodable(schema.check(request))
    assert refusal is not None
    assert refusal.status() == entry["response"]


def test_what_validation_refused_does_decode() -> None:
    assert [entry["request"] for entry in decodable() if schema.check(entry["request"])] == []


def pod(**spec: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}


def container(**fields: Any) -> Obj:
    return pod(containers=[{"name": "c", **fields}])


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (pod(containers={}), "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"),
        (
            pod(containers=["c"]),
            "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container",
        ),
        (
            pod(restartPolicy=1),
            "json: cannot unmarshal number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (pod(hostNetwork="yes"), "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"),
        (pod(priority=1.5), "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
        (
            pod(priority=1 << 40),
            f"json: cannot unmarshal number {1 << 40} into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            container(command="sh"),
            "json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string",
        ),
        (
            container(command=[1]),
            "json: cannot unmarshal number into Go struct field Container.spec.containers.command of type string",
        ),
        (
            container(livenessProbe={"httpGet": {"port": True}}),
            "json: cannot unmarshal bool into Go struct field "
            "HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32",
        ),
        (
            container(resources={"limits": "1"}),
            "json: cannot unmarshal string into Go struct field "
            "ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList",
        ),
        ({**pod(), "spec": []}, "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec"),
        (
            {**pod(), "metadata": {"creationTimestamp": "yesterday"}},
            'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
        ),
    ],
)
def test_values_of_the_wrong_type(obj: Obj, words: str) -> None:
    problems = schema.check(obj)
    assert problems.error == words
    assert problems.strict == []


def test_the_first_wrong_type_is_told_unless_a_special_type_breaks_off() -> None:
    both = container(image=1, name=2)
    assert "EnvVar" not in str(schema.check(both).error)
    assert str(schema.check(both).error).endswith("Container.spec.containers.name of type string")
    broken = container(image=1, resources={"limits": {"cpu": "lots"}})
    assert str(schema.check(broken).error).startswith("quantities must match")


def test_unknown_fields_are_named_with_their_place_in_lists() -> None:
    problems = schema.check(pod(containers=[{"name": "a"}, {"name": "b", "livenessprobe": {}}], restartpolicy="Never"))
    assert problems.strict == ['unknown field "spec.containers[1].livenessprobe"', 'unknown field "spec.restartpolicy"']
    refusal = undecodable(problems)
    assert refusal is not None
    assert refusal.message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
        'unknown field "spec.containers[1].livenessprobe", unknown field "spec.restartpolicy"'
    )
    assert undecodable(problems, strict=False) is None


def test_names_are_case_sensitive() -> None:
    assert schema.check({**pod(), "Spec": {}}).strict == ['unknown field "Spec"']


def test_duplicate_fields_are_found_in_the_body() -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"1","a":"2"},"metadata":{"name":"x"},"data":{}}'
    assert schema.check(json.loads(body), body=body).strict == ['duplicate field "data.a"', 'duplicate field "data"']


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=3),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["spec", "metadata", "containers", "name"]), x),
    )
)
def test_no_document_breaks_the_check(value: Any) -> None:
    obj = {"apiVersion": "v1", "kind": "Pod", "spec": value, "metadata": value}
    problems = schema.check(obj)
    if not problems:
        schema.normalise(obj)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("not base64!", 3),
        ("%%%", 0),
        ("aGVsbG8=", None),
        ("aGVsbG8", 4),
        ("a", 0),
        ("", None),
        ("aGVs\nbG8=", None),
        ("aG=s", 2),
        ("aG=", 3),
        ("aG==x", 4),
    ],
)
def test_broken_base64_is_located_as_go_does(text: str, place: int | None) -> None:
    assert broken_base64(text) == place


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"priority": "high"}, "unrecognized type: int32"),
        ({"hostNetwork": 1}, "unrecognized type: bool"),
        ({"hostname": 1}, "cannot convert int64 to string"),
        ({"restartPolicy": 1}, "cannot convert int64 to v1.RestartPolicy"),
        ({"hostname": {}}, "unrecognized type: string"),
        ({"priority": 1.5}, "cannot convert float64 to int32"),
        ({"containers": {}}, "cannot restore slice from map"),
        ({"containers": ["c"]}, "cannot restore struct from: string"),
        ({"nodeSelector": []}, "cannot restore map from slice"),
        (
            {"overhead": {"cpu": "lots"}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_patched_objects_that_cannot_be_restored(spec: Obj, words: str) -> None:
    assert schema.restore(pod(**spec)).error == words


def test_unknown_fields_of_a_patched_object_are_sorted() -> None:
    patched = schema.restore(pod(zebra=1, containers=[{"name": "c", "typo": 1}]))
    assert patched.error is None
    assert patched.strict == ['unknown field "spec.containers[0].typo"', 'unknown field "spec.zebra"']


@given(any_objects.some_objects())
def test_what_can_be_decoded_can_be_restored(obj: Obj) -> None:
    assert not schema.restore(obj)
