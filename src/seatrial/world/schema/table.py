"""The types of the Kubernetes API as shapes: which fields an object may have, of which type, and how their values merge.

Read from `fields.tsv` (every field, in the order in which the server writes them) and `merge-rules.tsv` (list types,
map keys and patch strategies as the server publishes them), a type at a time and only when asked for.  A type is named
as in the server's OpenAPI, without its first two labels: `api.apps.v1.Deployment`.  What is done with a shape (checking,
normalising, merging, encoding) is for other modules; custom resources get their shapes from `structural`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

META = "apimachinery.pkg.apis.meta.v1"
_EXTENSIONS = "apiextensions-apiserver.pkg.apis.apiextensions.v1"

OBJECT_META = f"{META}.ObjectMeta"
#: Types that are a scalar in JSON, whatever they are in Go and in protobuf.
QUANTITY = "apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "apimachinery.pkg.util.intstr.IntOrString"
TIME = f"{META}.Time"
MICRO_TIME = f"{META}.MicroTime"
DURATION = f"{META}.Duration"
#: Types that hold whatever they are given.
RAW_EXTENSION = "apimachinery.pkg.runtime.RawExtension"
FIELDS_V1 = f"{META}.FieldsV1"
JSON = f"{_EXTENSIONS}.JSON"
#: A JSON schema, or something else in its place.
SCHEMA = f"{_EXTENSIONS}.JSONSchemaProps"
SCHEMA_OR_BOOL = f"{SCHEMA}OrBool"
SCHEMA_OR_ARRAY = f"{SCHEMA}OrArray"
SCHEMA_OR_STRINGS = f"{SCHEMA}OrStringArray"
#: Lists of strings that are a message in protobuf.
STRINGS = frozenset({"api.authentication.v1.ExtraValue", "api.authorization.v1.ExtraValue",
                     "api.certificates.v1.ExtraValue", f"{META}.Verbs"})  # fmt: skip

SCALARS = frozenset({"string", "bool", "int32", "int64", "uint32", "uint64", "double", "float", "bytes"})
SPECIAL_SCALARS = frozenset({QUANTITY, INT_OR_STRING, TIME, MICRO_TIME, DURATION})
ANYTHING = frozenset({RAW_EXTENSION, FIELDS_V1, JSON, SCHEMA_OR_BOOL, SCHEMA_OR_ARRAY, SCHEMA_OR_STRINGS})


class Shape:
    """What may stand at one place of an object.

    `kind` is `struct` (named fields), `map` (any keys, values of one shape), `list`, `scalar` or `any`.  `type` names the
    struct or scalar, "" for a map or list.  A list has a `list_type`: `atomic` (replaced whole), `set` (of scalars) or `map`
    (elements told apart by their `keys`).  An `atomic` map or struct is replaced whole.  `go` is Go's name for the type,
    which the server uses when a value does not fit.
    """

    __slots__ = ("_fields", "_load", "atomic", "custom", "element", "go", "keys", "kind", "list_type", "open", "published",
                 "type", "written")  # fmt: skip

    def __init__(
        self,
        kind: str,
        type_: str = "",
        *,
        go: str = "",
        element: Shape | None = None,
        atomic: bool = False,
        list_type: str = "atomic",
        keys: tuple[str, ...] = (),
        load: Callable[[], Mapping[str, Field]] | None = None,
        open_: bool = False,
        custom: bool = False,
    ) -> None:
        self.kind, self.type, self.go, self.element = kind, type_, go, element
        self.atomic, self.list_type, self.keys = atomic, list_type, keys
        self.open, self.custom = open_, custom  # keeps unknown fields; belongs to a custom resource
        self._load, self._fields = load, None if load else _NO_FIELDS
        self.published = False  # the server publishes how this one merges
        self.written: tuple[Field, ...] | None = None  # the fields that are written even when unset: `normal` finds out

    @property
    def fields(self) -> Mapping[str, Field]:
        """The fields of a struct by their JSON names, in the server's order; embedded structs are flattened."""
        if self._fields is None and self._load is not None:
            self._fields = self._load()
        return self._fields or _NO_FIELDS

    def child(self, name: str) -> Shape | None:
        """The shape of the value under a key, or None where the type has no such field."""
        if self.kind == "struct":
            field = self.fields.get(name)
            if field is not None:
                return field.shape
            return ANY if self.open else None
        return self.element if self.kind == "map" else ANY if self.kind == "any" else None

    def __repr__(self) -> str:
        return f"<Shape {self.kind} {self.type or self.element!r}>"


class Field:
    """One field of a struct. `number` is its place in protobuf (0: none); `inlined` is the struct that it is embedded in."""

    __slots__ = ("default", "enum", "index", "merge_key", "name", "number", "omitempty", "omitzero", "pointer", "required",
                 "shape", "strategies")  # fmt: skip

    def __init__(self, name: str, shape: Shape, number: int = 0, flags: str = "", default: Any = None, enum: str = "") -> None:
        self.name, self.shape, self.number, self.default = name, shape, number, default
        self.pointer, self.required = "p" in flags, "r" in flags
        self.omitempty, self.omitzero = "o" in flags, "z" in flags
        self.enum: tuple[str, ...] = tuple(enum.split("|")) if enum else ()
        self.strategies: tuple[str, ...] = ()  # of a strategic merge patch: merge, retainKeys
        self.merge_key = ""
        self.index = 0

    @property
    def type(self) -> str:
        """The type of the value, or of its elements where it is a list or map."""
        shape = self.shape
        return shape.type or (shape.element.type if shape.element is not None else "") or shape.kind

    @property
    def repeated(self) -> bool:
        return self.shape.kind == "list"

    @property
    def map(self) -> bool:
        return self.shape.kind == "map"

    def __repr__(self) -> str:
        return f"<Field {self.name} {self.shape!r}>"


_NO_FIELDS: Mapping[str, Field] = {}
ANY = Shape("any")
STRING = Shape("scalar", "string", go="string")

#: (group.version, type, field) -> JSON type, list or map type, map keys, patch strategy, patch merge key
Rule = tuple[str, str, tuple[str, ...], tuple[str, ...], str]


def _read(name: str) -> list[str]:
    text = Path(__file__).with_name(name).read_text("utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@cache
def _lines() -> dict[str, list[str]]:
    """The lines of each type, split only when the type is asked for: most never are."""
    lines: dict[str, list[str]] = {}
    for line in _read("fields.tsv"):
        lines.setdefault(line.partition("\t")[0], []).append(line)
    return lines


def _rows(type_name: str) -> list[list[str]]:
    """A row a field: type, number, name, field type, Go type, flags, default, enum values."""
    rows = [line.split("\t") for line in _lines().get(type_name, ())]
    return [row + [""] * (8 - len(row)) for row in rows]


@cache
def _rules() -> dict[str, dict[str, Rule]]:
    rules: dict[str, dict[str, Rule]] = {}
    for version, type_, field, json_type, kind, keys, strategy, merge_key in (
        line.split("\t") for line in _read("merge-rules.tsv")
    ):
        rule = (
            json_type,
            kind,
            tuple(keys.split(",")) if keys else (),
            tuple(strategy.split(",")) if strategy else (),
            merge_key,
        )
        rules.setdefault(f"{version}.{type_}", {})[field] = rule
    return rules


def rule(type_name: str, field: str) -> Rule | None:
    """How a field merges, as the server publishes it; `(itself)` for the type. None where nothing is published."""
    return _rules().get(type_name, {}).get(field)


# groups and kinds

_GROUPS = {
    "apiextensions.k8s.io": "apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "kube-aggregator.pkg.apis.apiregistration",
    "metrics.k8s.io": "metrics.pkg.apis.metrics",
    "meta.k8s.io": "apimachinery.pkg.apis.meta",
}


def group_of_package(package: str) -> str:
    """The API group of the types in a package: `apps` for `api.apps`, `rbac.authorization.k8s.io` for `api.rbac`."""
    for group, module in _GROUPS.items():
        if module == package:
            return "" if group == "meta.k8s.io" else group
    label = package.rpartition(".")[2]
    return _FULL_GROUPS.get(label, f"{label}.k8s.io")


_FULL_GROUPS = {
    "core": "", "apps": "apps", "autoscaling": "autoscaling", "batch": "batch", "policy": "policy",
    "rbac": "rbac.authorization.k8s.io", "flowcontrol": "flowcontrol.apiserver.k8s.io",
}  # fmt: skip


@cache
def type_of(api_version: str, kind: str) -> str | None:
    """The type of a kind (`apps/v1`, `Deployment`), or None where Kubernetes itself has none."""
    group, slash, version = api_version.partition("/")
    if not slash:
        group, version = "", group
    label = group.partition(".")[0]
    if group not in _GROUPS and group != _FULL_GROUPS.get(label or "core", f"{label}.k8s.io"):
        return None  # `apps.example.com` is somebody else's
    module = _GROUPS.get(group) or f"api.{label or 'core'}"
    for name in (f"{module}.{version}.{kind}", f"{META}.{kind}"):
        if any(line.startswith(f"{name}\t0\tapiVersion\t") for line in _lines().get(name, ())):
            return name
    return None


def shape_of(api_version: str, kind: str) -> Shape | None:
    """The shape of a kind's objects, or None where Kubernetes itself has no such kind."""
    name = type_of(api_version, kind)
    return shape(name) if name else None


@cache
def kinds() -> Mapping[str, frozenset[str]]:
    """The kinds of each apiVersion, lists of them aside."""
    found: dict[str, set[str]] = {}
    for name, lines in _lines().items():
        package, version, kind = name.rsplit(".", 2)
        if package == "apimachinery.pkg.apis.meta" or kind.endswith("List") or not lines[0].startswith(f"{name}\t0\tkind\t"):
            continue
        group = group_of_package(package)
        found.setdefault(f"{group}/{version}" if group else version, set()).add(kind)
    return {version: frozenset(names) for version, names in found.items()}


def type_names() -> list[str]:
    """Every struct type of the table."""
    return list(_lines())


# shapes


@cache
def shape(type_name: str) -> Shape:
    """The shape of a type by its name: a struct of the table, a scalar, or one of the special types."""
    go = ".".join(type_name.rsplit(".", 2)[-2:]) if "." in type_name else _GO.get(type_name, type_name)
    if type_name in SCALARS or type_name in SPECIAL_SCALARS:
        return Shape("scalar", type_name, go=go)
    if type_name in ANYTHING:
        return Shape("any", type_name, go=go)
    if type_name in STRINGS:
        return Shape("list", type_name, go=go, element=STRING)
    itself = rule(type_name, "(itself)")
    atomic = itself is not None and itself[1] == "atomic"
    return Shape("struct", type_name, go=go, atomic=atomic, load=lambda: _load(type_name))


_GO = {"bytes": "[]uint8", "double": "float64", "float": "float32"}


def fields(type_name: str) -> Mapping[str, Field]:
    """The fields of a type by their JSON names, in the server's order; empty for a type that has none."""
    return shape(type_name).fields


def own_fields(type_name: str) -> list[tuple[Field, bool]]:
    """The fields of a type as protobuf has them, each with whether it is an embedded struct, which JSON flattens."""
    return [(_field(row), "i" in row[5]) for row in _rows(type_name) if row[1] != "0"]


@cache
def _load(type_name: str) -> Mapping[str, Field]:
    found: dict[str, Field] = {}
    for row in _rows(type_name):
        if "i" in row[5]:
            found.update({name: _copy(field) for name, field in _load(row[3]).items()})
        else:
            found[row[2]] = _field(row)
    rules = _rules().get(type_name, {})
    for index, field in enumerate(found.values()):
        field.index = index
        if (published := rules.get(field.name)) is not None:
            _apply(published, field)
    return found


def _copy(field: Field) -> Field:
    twin = Field.__new__(Field)
    for slot in Field.__slots__:
        setattr(twin, slot, getattr(field, slot))
    return twin


def _field(row: list[str]) -> Field:
    _, number, name, type_, go, flags, default, enum = row
    return Field(name, _shape_of_field(type_, go), int(number), flags, json.loads(default) if default else None, enum)


def _shape_of_field(type_: str, go: str) -> Shape:
    if type_.startswith("repeated "):
        element = shape(type_.removeprefix("repeated "))
        return Shape("list", go=go or f"[]{element.go}", element=element)
    if type_.startswith("map<string,"):
        element = shape(type_[len("map<string,") : -1])
        return Shape("map", go=go or f"map[string]{element.go}", element=element)
    plain = shape(type_)
    return plain if not go or go == plain.go else Shape(plain.kind, type_, go=go, atomic=plain.atomic, load=plain._load)


def _apply(published: Rule, field: Field) -> None:
    """Put what is published about a field into it; its shape is shared with other fields, so into a copy of the shape."""
    _, kind, keys, field.strategies, field.merge_key = published
    plain = field.shape
    if kind:
        field.shape = Shape(
            plain.kind,
            plain.type,
            go=plain.go,
            element=plain.element,
            atomic=kind == "atomic",
            list_type=kind if plain.kind == "list" else "atomic",
            keys=keys,
            load=plain._load,
        )
        field.shape.published = True
