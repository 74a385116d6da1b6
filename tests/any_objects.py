"""Hypothesis strategies for objects of any Kubernetes type, in the server's form, and the recorded objects."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from seatrial.world import schema
from seatrial.world.objects import Obj
from seatrial.world.schema import table
from seatrial.world.schema.table import Field, Shape

RECORDINGS = Path(__file__).parent / "fidelity" / "recordings"

_words = st.text(st.sampled_from("abcxyz-./ü\"'"), max_size=6)
_keys = st.text(st.sampled_from("abcxyz"), min_size=1, max_size=3)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | _words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_keys, inner, max_size=2),
    max_leaves=4,
)
_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": _words,
    "bool": st.booleans(),
    "int32": st.integers(-(1 << 31), (1 << 31) - 1),
    "int64": st.integers(-(1 << 63), (1 << 63) - 1),
    "double": st.integers(-1000, 1000).map(float),
    "bytes": st.binary(max_size=5).map(lambda raw: base64.b64encode(raw).decode()),
    table.QUANTITY: st.sampled_from(["0", "1", "250m", "1500m", "2k", "64Mi", "1Gi", "3e3", "1u"]),
    table.INT_OR_STRING: st.integers(0, 65535) | st.sampled_from(["25%", "http"]),
    table.TIME: st.sampled_from(["2026-01-02T03:04:05Z", "1999-12-31T23:59:59Z"]),
    table.MICRO_TIME: st.sampled_from(["2026-01-02T03:04:05.000006Z", "1999-12-31T23:59:59.999999Z"]),
    table.DURATION: st.sampled_from(["0s", "1m30s", "1.5s", "300ms", "2h0m0s", "-1s"]),
}
_ANYTHING: dict[str, st.SearchStrategy[Any]] = {
    table.SCHEMA_OR_BOOL: st.booleans(),
    table.SCHEMA_OR_ARRAY: st.just({"type": "string"}),
    table.SCHEMA_OR_STRINGS: st.lists(_words, min_size=1, max_size=2),
    table.JSON: _json.filter(lambda value: value is not None),
}


@cache
def values(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    if shape.kind == "scalar":
        return _SCALARS[shape.type]
    if shape.kind == "any":
        return _ANYTHING.get(shape.type, st.dictionaries(_keys, _json, min_size=1, max_size=2))
    if shape.kind == "list":
        return _lists(shape, depth)
    if shape.kind == "map":
        assert shape.element is not None
        return st.dictionaries(_keys, values(shape.element, depth - 1), max_size=2)
    if depth <= 0:
        return st.just({})
    optional = {name: _field(field, depth) for name, field in shape.fields.items() if name not in ("apiVersion", "kind")}
    chosen = st.sets(st.sampled_from(sorted(optional)), max_size=5) if optional else st.just(set[str]())
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: optional[name] for name in sorted(names)}))


def _field(field: Field, depth: int) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: values(field.shape, depth - 1))


def _lists(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    element = shape.element
    assert element is not None
    if shape.list_type == "set":
        return st.lists(values(element, depth - 1), max_size=3, unique_by=json.dumps)
    if shape.list_type == "map":
        keyed = st.fixed_dictionaries({key: _key_values(element.fields[key].shape) for key in shape.keys})
        merged = st.tuples(values(element, depth - 1), keyed).map(lambda pair: {**pair[0], **pair[1]})
        return st.lists(merged, max_size=3, unique_by=lambda item: json.dumps([item[key] for key in shape.keys]))
    return st.lists(values(element, depth - 1), max_size=2)


#: The metadata that clients write.
_OWN_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")


def _key_values(shape: Shape) -> st.SearchStrategy[Any]:
    """Values that tell elements apart: empty ones would not be written."""
    return _keys if shape.type == "string" else values(shape, 0).filter(bool)


def objects(api_version: str, kind: str, depth: int = 7) -> st.SearchStrategy[Obj]:
    """Objects of a kind as a server would store them: normalised, with a name."""
    shape = schema.shape_of(api_version, kind)
    assert shape is not None

    def finished(obj: Obj) -> Obj:
        metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key in _OWN_METADATA}
        return schema.normalise({**obj, "apiVersion": api_version, "kind": kind, "metadata": {**metadata, "name": "x"}})

    return values(shape, depth).map(finished)


KINDS = (("apps/v1", "Deployment"), ("v1", "Pod"), ("v1", "Service"), ("v1", "ConfigMap"), ("batch/v1", "CronJob"),
         ("networking.k8s.io/v1", "Ingress"), ("networking.k8s.io/v1", "NetworkPolicy"),
         ("autoscaling/v2", "HorizontalPodAutoscaler"))  # fmt: skip


def some_objects() -> st.SearchStrategy[Obj]:
    return st.sampled_from(KINDS).flatmap(lambda kind: objects(*kind))


def two_of_a_kind() -> st.SearchStrategy[tuple[Obj, Obj]]:
    return st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(objects(*kind), objects(*kind)))


@cache
def recorded_answers() -> list[Obj]:
    """What the reference server answered to creations, with its placeholders made values of their types."""
    text = (RECORDINGS / "api" / "defaults.json").read_text()
    text = text.replace('"<time>"', '"2026-01-01T00:00:00Z"').replace('"<port>"', "30000")
    answers = [entry["response"] for entry in json.loads(text) if entry["status"] < 300]
    for answer in answers:
        answer["metadata"].pop("managedFields", None)
    return answers
