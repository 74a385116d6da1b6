"""Custom resource definitions (apiextensions-apiserver, pkg/registry/customresourcedefinition/strategy.go)."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.world.admission.causes import quote
from seatrial.world.cel.engine import CelError, UncheckedError
from seatrial.world.cel.rules import rule
from seatrial.world.objects import Obj

#: Formats of strings that are checked, without their hyphens; the rest are let through unchecked.
_ADDRESSES = {"uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac", "k8sshortname", "k8slongname"}
_IDENTITIES = {"bsonobjectid", "uuid", "uuid3", "uuid4", "uuid5", "isbn", "isbn10", "isbn13", "creditcard", "ssn"}
_VALUES = {"hexcolor", "rgbcolor", "byte", "password", "date", "duration", "datetime"}
STRINGS = frozenset(_ADDRESSES | _IDENTITIES | _VALUES)
FORMATS = {"integer": frozenset(("int32", "int64")), "number": frozenset(("float", "double"))}


def definition(obj: Obj, old: Obj | None) -> Iterator[str]:
    """A format that no validator knows: only those that an update brings."""
    known = set(_unrecognised(old)) if old is not None else set()
    yield from (f"unrecognized format {quote(each)}" for each in _unrecognised(obj) if each not in known)
    yield from _unchecked(obj)


def _unchecked(obj: Obj) -> Iterator[str]:
    """Rules that are kept and not asked: a library is missing, or knows less than Kubernetes' does."""
    for version in obj["spec"].get("versions") or ():
        for schema in _schemas((version.get("schema") or {}).get("openAPIV3Schema") or {}):
            for each in schema.get("x-kubernetes-validations") or ():
                try:
                    rule(each, schema)
                except UncheckedError as error:
                    yield f"the rule {quote(each['rule'])} is not checked by this cluster: {error}"
                except CelError:
                    continue  # the definition is refused for it


def _unrecognised(obj: Obj) -> Iterator[str]:
    for version in obj["spec"].get("versions") or ():
        for schema in _schemas((version.get("schema") or {}).get("openAPIV3Schema") or {}):
            text, kind = schema.get("format") or "", schema.get("type") or ""
            recognised = text.replace("-", "") in STRINGS if kind in ("", "string") else text in FORMATS.get(kind, ())
            if text and not recognised:
                yield text


def _schemas(schema: Obj) -> Iterator[Obj]:
    """A schema and all those in it."""
    yield schema
    for key in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(key), dict):
            yield from _schemas(schema[key])
    for key in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(key) or ():
            yield from _schemas(part)
    for key in ("properties", "patternProperties", "definitions"):
        for _, part in sorted((schema.get(key) or {}).items()):
            yield from _schemas(part)
