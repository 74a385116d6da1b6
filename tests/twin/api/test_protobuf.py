"""Protobuf bodies are decoded into the JSON form, and what is malformed is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from any_objects import KINDS, objects, recorded_answers, some_objects
from seatrial.twin import errors
from seatrial.twin.api import protobuf, wire
from seatrial.world import schema
from seatrial.world.objects import Obj


def as_protobuf_can_say_it(value: Any) -> Any:
    """With nulls for the empty lists and maps that are always written: protobuf knows no difference."""
    if isinstance(value, dict):
        inner = {key: as_protobuf_can_say_it(item) for key, item in value.items()}
        return {key: None if item in ([], {}) else item for key, item in inner.items()}
    return [as_protobuf_can_say_it(item) for item in value] if isinstance(value, list) else value


def carried(obj: Obj) -> Obj:
    """Without the kinds of objects inside others, which protobuf does not carry either; defaulting gives them back."""
    obj = as_protobuf_can_say_it(obj)
    for claim in (obj.get("spec") or {}).get("volumeClaimTemplates") or ():
        claim.pop("kind", None)
        claim.pop("apiVersion", None)
    return obj


@pytest.mark.parametrize("answer", recorded_answers(), ids=lambda answer: answer["kind"])
def test_recorded_objects_survive_the_way_there_and_back(answer: Obj) -> None:
    assert as_protobuf_can_say_it(protobuf.decode(protobuf.encode(answer))) == carried(answer)


@given(some_objects())
def test_any_object_survives_the_way_there_and_back(obj: Obj) -> None:
    assert as_protobuf_can_say_it(protobuf.decode(protobuf.encode(obj))) == carried(obj)


#: apiVersion, kind, and the rest in the server's form.
SPOKEN: list[tuple[str, str, Obj]] = [
    (
        "v1",
        "DeleteOptions",
        {"gracePeriodSeconds": 0, "propagationPolicy": "Foreground", "preconditions": {"uid": "u"}},
    ),
    ("policy/v1", "Eviction", {"metadata": {"name": "p"}, "deleteOptions": {"gracePeriodSeconds": 3}}),
    (
        "authentication.k8s.io/v1",
        "TokenRequest",
        {
            "metadata": {},
            "spec": {"audiences": ["a"], "expirationSeconds": 600, "boundObjectRef": None},
            "status": {"token": "", "expirationTimestamp": None},
        },
    ),
    ("autoscaling/v1", "Scale", {"metadata": {"name": "d"}, "spec": {"replicas": 3}, "status": {"replicas": 0}}),
    (
        "authorization.k8s.io/v1",
        "SelfSubjectAccessReview",
        {
            "metadata": {},
            "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
            "status": {"allowed": False},
        },
    ),
    (
        "authorization.k8s.io/v1",
        "SubjectAccessReview",
        {"metadata": {}, "spec": {"user": "u", "extra": {"k": ["1", "2"]}}, "status": {"allowed": True}},
    ),
    (
        "v1",
        "Secret",
        {"metadata": {"name": "s"}, "data": {"a": "AAEC"}, "stringData": {"b": "ü"}, "type": "Opaque"},
    ),
    (
        "v1",
        "Event",
        {
            "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod"},
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "eventTime": "2026-01-01T00:00:00.000001Z",
            "reportingComponent": "",
            "reportingInstance": "",
        },
    ),
]


@pytest.mark.parametrize(("api_version", "kind", "body"), SPOKEN, ids=[kind for _, kind, _ in SPOKEN])
def test_what_kubectl_sends_in_protobuf(api_version: str, kind: str, body: Obj) -> None:
    obj = {"kind": kind, "apiVersion": api_version, **body}
    assert protobuf.decode(protobuf.encode(obj)) == obj


def test_a_body_as_kubectl_writes_it() -> None:
    """A namespace: runtime.Unknown {typeMeta {v1 Namespace}, raw {metadata {name: "shop" …}}}, byte by byte."""
    meta = b"\x0a\x04shop\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00"
    raw = b"\x0a" + bytes([len(meta)]) + meta + b"\x12\x00\x1a\x02\x0a\x00"
    kind = b"\x0a\x02v1\x12\x09Namespace"
    body = b"k8s\x00\x0a" + bytes([len(kind)]) + kind + b"\x12" + bytes([len(raw)]) + raw + b"\x1a\x00\x22\x00"
    assert protobuf.decode(body) == {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": "shop"},
        "spec": {},
        "status": {},
    }


def test_custom_resource_definitions_with_their_schemas() -> None:
    schema_ = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "string"}}, "b": {"additionalProperties": True}},
    }
    schema_["x-kubernetes-preserve-unknown-fields"] = True
    schema_["default"] = {"a": [1, None]}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema_}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }
    assert protobuf.decode(protobuf.encode(crd)) == schema.normalise(crd)


def refused(body: bytes) -> errors.ApiError:
    with pytest.raises(errors.ApiError) as caught:
        protobuf.decode(body)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"k8s\x00",
        b"k8s\x00\xff",
        b"k8s\x00" + b"\xff" * 20,
        b"k8s\x00\x0a\x7f",
        protobuf.encode({"apiVersion": "v1", "kind": "Pod"})[:-9],
        protobuf.encode({"apiVersion": "v1", "kind": "Pod"}).replace(b"Pod", b"Dop"),
        protobuf.encode({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "vvvv"}}).replace(b"vvvv", b"\xff\xff\xff\xff"),
        protobuf.encode({"apiVersion": "v1", "kind": "Pod"})[:-2] + b"\x04gzip",
    ],
)
def test_malformed_bodies_are_refused(body: bytes) -> None:
    refused(body)


def test_a_quantity_that_is_none_is_refused_with_its_words() -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "many"}}}
    assert "quantities must match the regular expression" in refused(protobuf.encode(quota)).message


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    try:
        protobuf.decode(b"k8s\x00" + data)
    except errors.ApiError as why:
        assert why.code == 400


@given(st.sampled_from(KINDS), st.binary(max_size=120))
def test_no_message_breaks_the_decoder(kind: tuple[str, str], raw: bytes) -> None:
    api_version, name = kind
    empty = protobuf.encode({"apiVersion": api_version, "kind": name})
    head = empty[: empty.index(name.encode()) + len(name)]
    try:
        protobuf.decode(head + wire.delimited(2, raw))
    except errors.ApiError as why:
        assert why.code == 400


@given(objects("v1", "Pod"), st.data())
def test_no_damaged_body_breaks_the_decoder(obj: Obj, data: Any) -> None:
    body = bytearray(protobuf.encode(obj))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(4, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        protobuf.decode(bytes(body[: data.draw(st.integers(4, len(body)))]))
    except errors.ApiError as why:
        assert why.code == 400


def test_deep_nesting_is_refused() -> None:
    name = "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    number = schema.fields(name)["not"].number
    data = b""
    for _ in range(5000):
        data = wire.delimited(number, data)
    with pytest.raises(ValueError, match="exceeded max depth"):
        protobuf._message(data, name, 0)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (300_000_000, "300ms"),
        (1_500_000_000, "1.5s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-1_000_000_000, "-1s"),
    ],
)
def test_durations_are_written_as_go_writes_them(nanoseconds: int, text: str) -> None:
    assert protobuf.write_duration(nanoseconds) == text
