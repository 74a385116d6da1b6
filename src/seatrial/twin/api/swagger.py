"""OpenAPI v2 in the protobuf form of gnostic, the only form in which kubectl reads it.

kubectl falls back to it when the v3 documents do not know a kind, and asks one thing of it: whether the patch of a kind
takes a query parameter such as `fieldValidation`.  So it holds the patches and their parameters, and nothing else.
Field numbers are those of gnostic's openapiv2/OpenAPIv2.proto.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from seatrial.twin.api.wire import delimited, text
from seatrial.twin.registry.resources import Resource

#: What kubectl asks for, and what it is answered: `@` is no character of a media type.
ACCEPTED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")


def document(resources: Iterable[Resource], version: str) -> bytes:
    """The document for some resources; `version` is the server's."""
    info = text(1, "Kubernetes") + text(2, version)
    paths = b"".join(delimited(2, _path(resource)) for resource in resources if "patch" in resource.verbs)
    return text(1, "2.0") + delimited(2, info) + delimited(8, paths)


def _path(resource: Resource) -> bytes:
    base = f"/{'apis' if resource.group else 'api'}/{resource.api_version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    return text(1, f"{base}{scope}/{resource.plural}/{{name}}") + delimited(2, delimited(8, _patch(resource)))


def _patch(resource: Resource) -> bytes:
    kind = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    extension = text(1, "x-kubernetes-group-version-kind") + delimited(2, text(2, orjson.dumps(kind).decode()))
    return b"".join(delimited(8, _query(name)) for name in _PARAMETERS) + delimited(13, extension)


def _query(name: str) -> bytes:
    """A ParametersItem that holds a Parameter that holds a NonBodyParameter that holds a query parameter."""
    parameter = text(2, "query") + text(4, name) + text(6, "boolean" if name == "force" else "string")
    return delimited(1, delimited(2, delimited(3, parameter)))
