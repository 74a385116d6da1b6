"""Custom resources' own types: the shape that the structural schema of a CustomResourceDefinition describes.

With such a shape, custom resources are pruned, patched and applied as the built-in ones are.  Whether their values fit the
schema is not looked at here: the server validates custom resources, it does not decode them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.world.objects import Obj
from seatrial.world.schema.table import ANY, INT_OR_STRING, META, STRING, Field, Shape, shape

_SCALARS = {"string": "string", "boolean": "bool", "integer": "int64", "number": "double"}

#: In a definition any whole number may stand in its place, which Go's own type has no room for.
_INT_OR_STRING = Shape("scalar", INT_OR_STRING, go=shape(INT_OR_STRING).go, custom=True)


def structural(schema: Obj | None) -> Shape:
    """The shape of a kind whose version has this `openAPIV3Schema`; without one, objects keep all they hold."""
    if not schema:
        return custom()
    return _object({**schema, "x-kubernetes-embedded-resource": True})


def custom() -> Shape:
    """The shape of a custom resource nothing is known of: metadata as everywhere, maps merged by key, lists replaced whole."""
    return Shape("struct", load=lambda: _embedded({}), open_=True, custom=True)


def _embedded(fields: Mapping[str, Field]) -> Mapping[str, Field]:
    """The fields of an object of a kind of its own: its metadata is Kubernetes', whatever the schema says."""
    own = {"apiVersion": Field("apiVersion", STRING), "kind": Field("kind", STRING)}
    return {**fields, **own, "metadata": Field("metadata", shape(f"{META}.ObjectMeta"))}


def _of(schema: Any) -> Shape:
    if not isinstance(schema, dict):
        return ANY
    if schema.get("x-kubernetes-int-or-string"):
        return _INT_OR_STRING
    match schema.get("type"):
        case "object":
            return _object(schema)
        case "array":
            return _array(schema)
        case str(name) if name in _SCALARS:
            return shape(_SCALARS[name])
    return ANY


def _object(schema: Obj) -> Shape:
    atomic = schema.get("x-kubernetes-map-type") == "atomic"
    keeps = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    properties = schema.get("properties")
    values = schema.get("additionalProperties")
    if not properties and not embedded and values:
        return Shape("map", element=_of(values), atomic=atomic, custom=True)
    if not properties and not embedded and keeps and not atomic:
        return ANY

    def load() -> Mapping[str, Field]:
        fields = {name: _field(name, inner) for name, inner in (properties or {}).items()}
        return _embedded(fields) if embedded else fields

    return Shape("struct", load=load, open_=keeps, atomic=atomic, custom=True)


def _field(name: str, schema: Any) -> Field:
    return Field(name, _of(schema), default=schema.get("default") if isinstance(schema, dict) else None)


def _array(schema: Obj) -> Shape:
    kind = schema.get("x-kubernetes-list-type", "atomic")
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    items = schema.get("items")
    if schema.get("x-kubernetes-preserve-unknown-fields") and isinstance(items, dict):
        items = {**items, "x-kubernetes-preserve-unknown-fields": True}  # a list that keeps what it has keeps that of its items
    return Shape("list", element=_of(items), list_type=kind, keys=keys)
