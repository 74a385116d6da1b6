"""The OpenAPI documents of the server: an index and one document a group and version (v3), built from the schema table.

They are what `kubectl explain` shows, what kubectl and Helm look at before they ask for field validation or server-side
apply, and how typed clients learn which lists merge by which keys.  A document is built when it is asked for and kept
until the table of resources changes; the parts of it that describe types are shared between documents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import orjson

from seatrial import __version__
from seatrial.twin.api import swagger
from seatrial.twin.api.fielddocs import docs
from seatrial.twin.registry.resources import Resource, ResourceTable
from seatrial.world.objects import Obj
from seatrial.world.schema import table
from seatrial.world.schema.table import META, Field, Shape

#: (apiVersion, kind) -> the openAPIV3Schema of a custom resource, None where it has none.
CustomSchema = Callable[[str, str], Obj | None]
_REF = "#/components/schemas/io.k8s."
_JSON_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
            "application/strategic-merge-patch+json")  # fmt: skip
_DELETE_OPTIONS, _STATUS, _PATCH = f"{META}.DeleteOptions", f"{META}.Status", f"{META}.Patch"


class Documents:
    """The documents for a table of resources. `custom` gives the schemas of custom resources, `version` is the server's."""

    def __init__(self, resources: ResourceTable, custom: CustomSchema | None = None, version: str = "v1.36.2") -> None:
        self._resources, self._version = resources, version
        self._custom: CustomSchema = custom or (lambda api_version, kind: None)
        self._revision = -1
        self._built: dict[str, bytes] = {}

    def index(self) -> Obj:
        """What `/openapi/v3` answers: where each document is, with a hash that changes when the document does."""
        entries = {}
        for path, resources in self._groups().items():
            entries[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={self.hash(path, resources)}"}
        return {"paths": entries}

    def document(self, path: str) -> bytes | None:
        """The document of `api/v1` or `apis/apps/v1` as JSON, None where nothing is served there."""
        resources = self._groups().get(path)
        if resources is None:
            return None
        if path not in self._built:
            self._built[path] = self._build(path, resources)
        return self._built[path]

    def hash(self, path: str, resources: Iterable[Resource] | None = None) -> str:
        """The hash of a document, known before the document is built."""
        rows = resources if resources is not None else self._groups().get(path, ())
        facts = [__version__, self._version, path, *map(repr, rows)]
        facts += [repr(self._custom(row.api_version, row.kind)) for row in rows if _type(row) is None]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest().upper()

    def swagger(self) -> Obj:
        """What `/openapi/v2` answers in JSON: that there is nothing in the old form."""
        return {"swagger": "2.0", "info": self._info(), "paths": {}, "definitions": {}}

    def swagger_protobuf(self) -> bytes:
        """What `/openapi/v2` answers kubectl, which asks for `swagger.ACCEPTED`."""
        return swagger.document(self._resources, self._version)

    def _groups(self) -> dict[str, list[Resource]]:
        if self._revision != self._resources.revision:
            self._revision = self._resources.revision
            self._built.clear()
        groups: dict[str, list[Resource]] = {}
        for resource in sorted(self._resources, key=lambda row: (row.group, row.version, row.plural)):
            if resource.served:
                groups.setdefault(f"{'apis' if resource.group else 'api'}/{resource.api_version}", []).append(resource)
        return groups

    def _info(self) -> Obj:
        return {"title": "Kubernetes", "version": self._version}

    def _build(self, path: str, resources: list[Resource]) -> bytes:
        paths: Obj = {}
        schemas: dict[str, bytes] = {}
        for name in _closure([_DELETE_OPTIONS, _STATUS, *_roots(resources)]):
            schemas[f"io.k8s.{name}"] = _schema(name)
        schemas[f"io.k8s.{_PATCH}"] = b'{"type":"object"}'
        for resource in resources:
            if _type(resource) is None:
                schemas.update(_custom_schemas(resource, self._custom(resource.api_version, resource.kind)))
            paths.update(_paths(f"/{path}", resource))
        listed = b",".join(orjson.dumps(name) + b":" + schemas[name] for name in sorted(schemas))
        head = orjson.dumps({"openapi": "3.0.0", "info": self._info(), "paths": paths})[:-1]
        return head + b',"components":{"schemas":{' + listed + b"}}}"


# types


def _type(resource: Resource) -> str | None:
    return table.type_of(resource.api_version, resource.kind)


def _roots(resources: Iterable[Resource]) -> Iterator[str]:
    """The types that the paths of some resources name."""
    for resource in resources:
        name = _type(resource)
        if name is not None:
            yield name
            if table.fields(f"{name}List"):
                yield f"{name}List"
        yield from (kind for sub in resource.subresources if (kind := _SUBRESOURCE_TYPES.get(sub)))


def _closure(roots: Iterable[str]) -> list[str]:
    """The types and everything they refer to."""
    found: dict[str, None] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting.extend(_references(name))
    return list(found)


@cache
def _references(name: str) -> tuple[str, ...]:
    shapes = (field.shape.element or field.shape for field in table.fields(name).values())
    return tuple({shape.type for shape in shapes if "." in shape.type and shape.type not in table.STRINGS})


@cache
def _schema(name: str) -> bytes:
    """The schema of a type, as it stands in every document that refers to it."""
    shape = table.shape(name)
    if shape.kind != "struct":
        return orjson.dumps(_PLAIN.get(name, {}))
    about, words = docs(name)
    properties = {field: _property(shape.fields[field], words.get(field, "")) for field in sorted(shape.fields)}
    schema: Obj = {"description": about} if about else {}
    schema["type"] = "object"
    if required := [field.name for field in shape.fields.values() if field.required]:
        schema["required"] = required
    if properties:
        schema["properties"] = properties
    if kinds := _kinds(name):
        schema["x-kubernetes-group-version-kind"] = kinds
    if shape.atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    return orjson.dumps(schema)


def _property(field: Field, words: str) -> Obj:
    shape = field.shape
    out: Obj = {}
    if described := _described(field, words):
        out["description"] = described
    out.update(_of_shape(shape))
    default = _default(field)
    if default is not None:
        out["default"] = default
    if field.enum and shape.kind == "scalar":
        out["enum"] = list(field.enum)
    elif field.enum and "items" in out:
        out["items"]["enum"] = list(field.enum)
    out.update(_extensions(field))
    return out


def _described(field: Field, words: str) -> str:
    """The words about a field, followed by its possible values, as the server writes them."""
    if not field.enum:
        return words
    values = "\n".join(f' - `"{value}"`' for value in field.enum)
    return f"{words}\n\nPossible enum values:\n{values}"


def _of_shape(shape: Shape) -> Obj:
    if shape.kind == "list" and shape.element is not None:
        return {"type": "array", "items": _element(shape.element)}
    if shape.kind == "map" and shape.element is not None:
        return {"type": "object", "additionalProperties": _element(shape.element)}
    if "." in shape.type:
        return {"allOf": [{"$ref": _REF + shape.type}]}
    return dict(_SCALARS.get(shape.type, {}))


def _element(shape: Shape) -> Obj:
    if shape.kind == "struct":
        return {"allOf": [{"$ref": _REF + shape.type}], "default": {}}
    if shape.kind == "scalar" and "." not in shape.type:
        return {**_SCALARS[shape.type], **({"default": _ZERO[shape.type]} if shape.type in _ZERO else {})}
    return {"$ref": _REF + shape.type} if "." in shape.type and shape.kind != "list" else _of_shape(shape)


_SCALARS: dict[str, Obj] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "uint32": {"type": "integer", "format": "int64"},
    "uint64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "float": {"type": "number", "format": "float"},
    "bytes": {"type": "string", "format": "byte"},
}
_ZERO: dict[str, Any] = {"string": "", "bool": False, "int32": 0, "int64": 0}
_PLAIN: dict[str, Obj] = {
    table.QUANTITY: {
        "description": "A fixed-point number with an optional suffix: 250m, 1.5, 2k, 512Mi, 3e6.",
        "oneOf": [{"type": "string"}, {"type": "number"}],
    },
    table.INT_OR_STRING: {
        "description": "An integer, or a string such as a percentage or the name of a port.",
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
    table.TIME: {"description": "A time in RFC 3339, in whole seconds.", "type": "string", "format": "date-time"},
    table.MICRO_TIME: {"description": "A time in RFC 3339, in microseconds.", "type": "string", "format": "date-time"},
    table.DURATION: {"description": "A duration as Go writes it, such as 1m30s.", "type": "string"},
    table.RAW_EXTENSION: {"description": "An object of any kind.", "type": "object"},
    table.FIELDS_V1: {"description": "A set of fields.", "type": "object"},
    table.JSON: {"description": "Any valid JSON value."},
    table.SCHEMA_OR_BOOL: {"description": "A JSON schema, or true or false."},
    table.SCHEMA_OR_ARRAY: {"description": "A JSON schema, or a list of them."},
    table.SCHEMA_OR_STRINGS: {"description": "A JSON schema, or a list of field names."},
}


def _default(field: Field) -> Any:
    if field.default is not None:
        return field.default
    shape = field.shape
    if field.pointer:
        return None
    if shape.kind == "struct":
        return {}
    return _ZERO.get(shape.type) if shape.kind == "scalar" and not field.omitempty else None


def _extensions(field: Field) -> Obj:
    """How the field merges, as the server publishes it."""
    out: Obj = {}
    shape = field.shape
    published = shape.published
    if published and shape.kind == "list":
        if shape.list_type == "map":
            out["x-kubernetes-list-map-keys"] = list(shape.keys)
        out["x-kubernetes-list-type"] = shape.list_type
    elif published and shape.atomic:
        out["x-kubernetes-map-type"] = "atomic"
    if field.merge_key:
        out["x-kubernetes-patch-merge-key"] = field.merge_key
    if field.strategies:
        out["x-kubernetes-patch-strategy"] = ",".join(field.strategies)
    return out


@cache
def _kinds(name: str) -> list[Obj]:
    """The kind that a type is the top of, if it is one."""
    if "apiVersion" not in table.fields(name) or table.fields(name)["apiVersion"].number != 0:
        return []
    package, version, kind = name.rsplit(".", 2)
    group = table.group_of_package(package)
    return [{"group": group, "kind": kind, "version": version}]


# custom resources


def _custom_schemas(resource: Resource, schema: Obj | None) -> dict[str, bytes]:
    """The schemas of a custom resource and of its list, under the names the server gives them."""
    name = custom_name(resource)
    kind = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    own = dict(schema or {"type": "object"})
    own["properties"] = {
        **own.get("properties", {}),
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"allOf": [{"$ref": f"{_REF}{META}.ObjectMeta"}]},
    }
    own["x-kubernetes-group-version-kind"] = [kind]
    listed = {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "items": {"type": "array", "items": {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}},
            "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": f"{_REF}{META}.ListMeta"}]},
        },
        "x-kubernetes-group-version-kind": [{**kind, "kind": f"{resource.kind}List"}],
    }
    meta = {f"io.k8s.{inner}": _schema(inner) for inner in _closure([f"{META}.ObjectMeta", f"{META}.ListMeta"])}
    return {**meta, name: orjson.dumps(own), f"{name}List": orjson.dumps(listed)}


def custom_name(resource: Resource) -> str:
    """`com.example.v1.Widget` for `widgets.example.com/v1`."""
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


# paths

_SUBRESOURCE_TYPES = {
    "scale": "api.autoscaling.v1.Scale",
    "eviction": "api.policy.v1.Eviction",
    "binding": "api.core.v1.Binding",
    "token": "api.authentication.v1.TokenRequest",
}


def _query(name: str, type_: str = "string") -> Obj:
    return {"name": name, "in": "query", "schema": {"type": type_, "uniqueItems": True}}


def _in_path(name: str) -> Obj:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}


_LIST = [_query("allowWatchBookmarks", "boolean"), _query("continue"), _query("fieldSelector"), _query("labelSelector"),
         _query("limit", "integer"), _query("resourceVersion"), _query("resourceVersionMatch"),
         _query("sendInitialEvents", "boolean"), _query("timeoutSeconds", "integer"), _query("watch", "boolean")]  # fmt: skip
_WRITE = [_query("dryRun"), _query("fieldManager"), _query("fieldValidation")]
_DELETE = [_query("dryRun"), _query("gracePeriodSeconds", "integer"), _query("orphanDependents", "boolean"),
           _query("propagationPolicy")]  # fmt: skip


def _paths(base: str, resource: Resource) -> Obj:
    """The paths of a resource: the collection, in all namespaces and in one, the object, and its subresources."""
    known = _type(resource)
    own = _REF + known if known else f"#/components/schemas/{custom_name(resource)}"
    pretty = _query("pretty")
    scoped = f"{base}/namespaces/{{namespace}}" if resource.namespaced else base
    shared = [_in_path("namespace"), pretty] if resource.namespaced else [pretty]
    collection, name = f"{scoped}/{resource.plural}", _in_path("name")
    paths: Obj = {}
    if resource.namespaced and "list" in resource.verbs:
        everywhere = _operation(resource, "list", f"{own}List", [], "ForAllNamespaces")
        paths[f"{base}/{resource.plural}"] = {"get": everywhere, "parameters": [*_LIST, pretty]}
    if item := _collection(resource, own):
        paths[collection] = {**item, "parameters": shared}
    if item := _single(resource, own):
        paths[f"{collection}/{{name}}"] = {**item, "parameters": [name, *shared]}
    for sub in resource.subresources:
        if sub in _SUBRESOURCE_TYPES or sub in ("status", "finalize", "approval", "ephemeralcontainers", "resize"):
            paths[f"{collection}/{{name}}/{sub}"] = {**_subresource(resource, own, sub), "parameters": [name, *shared]}
    return paths


def _collection(resource: Resource, own: str) -> Obj:
    item: Obj = {}
    if "list" in resource.verbs:
        item["get"] = _operation(resource, "list", f"{own}List", _LIST)
    if "create" in resource.verbs:
        item["post"] = _operation(resource, "post", own, _WRITE, body=own)
    if "deletecollection" in resource.verbs:
        item["delete"] = _operation(resource, "deletecollection", _REF + _STATUS, [*_DELETE, *_LIST], body=_REF + _DELETE_OPTIONS)
    return item


def _single(resource: Resource, own: str) -> Obj:
    item: Obj = {}
    if "get" in resource.verbs:
        item["get"] = _operation(resource, "get", own, [])
    if "update" in resource.verbs:
        item["put"] = _operation(resource, "put", own, _WRITE, body=own)
    if "delete" in resource.verbs:
        item["delete"] = _operation(resource, "delete", _REF + _STATUS, _DELETE, body=_REF + _DELETE_OPTIONS)
    if "patch" in resource.verbs:
        item["patch"] = _operation(resource, "patch", own, [*_WRITE, _query("force", "boolean")])
    return item


def _subresource(resource: Resource, own: str, sub: str) -> Obj:
    speaks = _SUBRESOURCE_TYPES.get(sub)
    ref = _REF + speaks if speaks else own
    if sub in ("eviction", "binding", "token"):
        return {"post": _operation(resource, "post", ref, _WRITE, sub, body=ref, speaks=speaks)}
    put = _operation(resource, "put", ref, _WRITE, sub, body=ref, speaks=speaks)
    if sub == "finalize":
        return {"put": put}
    patch = _operation(resource, "patch", ref, [*_WRITE, _query("force", "boolean")], sub, speaks=speaks)
    return {"get": _operation(resource, "get", ref, [], sub, speaks=speaks), "put": put, "patch": patch}


_OPERATIONS = {"post": "create", "put": "replace", "get": "read", "deletecollection": "delete"}


def _operation(
    resource: Resource,
    action: str,
    answer: str,
    parameters: list[Obj],
    part: str = "",
    *,
    body: str = "",
    speaks: str | None = None,
) -> Obj:
    group = resource.group.partition(".")[0].capitalize() or "Core"
    scope = "Namespaced" if resource.namespaced and part != "ForAllNamespaces" else ""
    many = "Collection" if action == "deletecollection" else ""
    tail = part if part == "ForAllNamespaces" else part.capitalize()
    verb = _OPERATIONS.get(action, action)
    out: Obj = {
        "tags": [f"{group.lower()}_{resource.version}"],
        "operationId": f"{verb}{group}{resource.version.capitalize()}{many}{scope}{resource.kind}{tail}",
        "responses": {"200": {"description": "OK", "content": _content(answer)}, "401": {"description": "Unauthorized"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _kinds(speaks)[0] if speaks else _kind(resource),
    }
    if parameters:
        out["parameters"] = parameters
    if action == "patch":
        patch = {"schema": {"$ref": _REF + _PATCH}}
        types = _PATCHES if _type(resource) else _PATCHES[:-1]
        out["requestBody"] = {"content": dict.fromkeys(types, patch), "required": True}
    elif body:
        out["requestBody"] = {"content": {"*/*": {"schema": {"$ref": body}}}}
    return out


def _kind(resource: Resource) -> Obj:
    return {"group": resource.group, "kind": resource.kind, "version": resource.version}


@cache
def _content(ref: str) -> Obj:
    return {media: {"schema": {"$ref": ref}} for media in _JSON_TYPES}
