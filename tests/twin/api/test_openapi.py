"""The OpenAPI documents say what kubectl, Helm and typed clients look for in them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from seatrial.twin.api import fielddocs, wire
from seatrial.twin.api.openapi import Documents
from seatrial.twin.registry.resources import Resource, ResourceTable, builtin_resources
from seatrial.world.objects import Obj

WIDGETS = Resource("example.com", "v1", "Widget", "widgets", subresources=("status",))
WIDGET_SCHEMA = {"type": "object", "description": "A widget.", "properties": {"spec": {"type": "object"}}}


@cache
def documents() -> Documents:
    def custom(api_version: str, kind: str) -> Obj | None:
        return WIDGET_SCHEMA if kind == "Widget" else None

    return Documents(ResourceTable([*builtin_resources(), WIDGETS]), custom)


@cache
def document(path: str) -> Any:
    body = documents().document(path)
    assert body is not None
    return json.loads(body)


def schemas(path: str) -> Any:
    return document(path)["components"]["schemas"]


def served() -> list[str]:
    return list(documents().index()["paths"])


def test_the_index_names_a_document_for_every_group_and_version() -> None:
    index = documents().index()["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/batch/v1", "apis/autoscaling/v2", "apis/example.com/v1"} <= set(index)
    assert index["apis/apps/v1"]["serverRelativeURL"] == f"/openapi/v3/apis/apps/v1?hash={documents().hash('apis/apps/v1')}"
    assert documents().document("apis/absent/v1") is None


def test_the_hash_changes_with_what_is_served() -> None:
    table = ResourceTable([WIDGETS])
    documents = Documents(table)
    before = documents.hash("apis/example.com/v1")
    table.add(Resource("example.com", "v1", "Gadget", "gadgets"))
    assert documents.hash("apis/example.com/v1") != before
    assert b"Gadget" in (documents.document("apis/example.com/v1") or b"")


@pytest.mark.parametrize("path", served())
def test_every_reference_is_answered_in_the_same_document(path: str) -> None:
    have = set(schemas(path))
    assert references(document(path)) <= have


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"].rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_writes_offer_what_clients_ask_for_before_they_use_it() -> None:
    for path, item in (
        ("apis/apps/v1", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"),
        ("api/v1", "/api/v1/namespaces/{name}"),
        ("apis/example.com/v1", "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"),
    ):
        patch = document(path)["paths"][item]["patch"]
        assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= {parameter["name"] for parameter in patch["parameters"]}
        assert "application/apply-patch+yaml" in patch["requestBody"]["content"]
        assert patch["x-kubernetes-action"] == "patch"


def test_operations_and_schemas_name_their_kind() -> None:
    kind = {"group": "apps", "kind": "Deployment", "version": "v1"}
    listing = document("apis/apps/v1")["paths"]["/apis/apps/v1/deployments"]["get"]
    assert listing["x-kubernetes-group-version-kind"] == kind
    assert schemas("apis/apps/v1")["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"] == [kind]
    scale = document("apis/apps/v1")["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["get"]
    assert scale["x-kubernetes-group-version-kind"] == {"group": "autoscaling", "kind": "Scale", "version": "v1"}


def test_operations_have_names_of_their_own() -> None:
    for path in served():
        operations = [
            operation["operationId"]
            for item in document(path)["paths"].values()
            for verb, operation in item.items()
            if verb != "parameters"
        ]
        assert len(operations) == len(set(operations))


def test_lists_say_how_they_merge() -> None:
    containers = schemas("api/v1")["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-list-type"] == "map"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert schemas("api/v1")["io.k8s.api.core.v1.Container"]["properties"]["args"]["x-kubernetes-list-type"] == "atomic"
    assert schemas("api/v1")["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"]["x-kubernetes-map-type"] == "atomic"


def test_fields_are_required_defaulted_and_enumerated() -> None:
    port = schemas("api/v1")["io.k8s.api.core.v1.ServicePort"]
    assert port["required"] == ["port"]
    assert port["properties"]["port"] == {"type": "integer", "format": "int32", "default": 0} | described(port, "port")
    assert port["properties"]["protocol"]["default"] == "TCP"
    assert port["properties"]["protocol"]["enum"] == ["SCTP", "TCP", "UDP"]
    assert '- `"UDP"`' in port["properties"]["protocol"]["description"]


def described(schema: Obj, field: str) -> Obj:
    return {"description": schema["properties"][field]["description"]}


def test_the_words_come_from_the_package_that_carries_them() -> None:
    strategy = schemas("apis/apps/v1")["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"]
    about, fields = fielddocs.docs("api.apps.v1.DeploymentSpec")
    assert strategy["description"] == fields["strategy"]
    assert "\n" not in about
    assert fielddocs.docs("api.apps.v1.Nonsense") == ("", {})
    assert fielddocs.docs("nowhere.v1.Nonsense") == ("", {})


def test_every_type_that_clients_write_is_explained() -> None:
    silent = [
        name
        for name, schema in schemas("apis/apps/v1").items()
        if schema.get("properties") and not any("description" in field for field in schema["properties"].values())
    ]
    assert silent == []


def test_custom_resources_are_described_by_their_own_schema() -> None:
    widget = schemas("apis/example.com/v1")["com.example.v1.Widget"]
    assert widget["description"] == "A widget."
    assert set(widget["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert widget["x-kubernetes-group-version-kind"] == [{"group": "example.com", "kind": "Widget", "version": "v1"}]
    assert "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status" in document("apis/example.com/v1")["paths"]


def test_kubectl_finds_in_the_old_form_which_patches_take_field_validation() -> None:
    """Walks Document.paths.path.value.patch as kubectl does: parameters, and the kind in an extension."""
    body = documents().swagger_protobuf()
    (paths,) = parts(body, 8)
    found = {}
    for path in parts(paths, 2):
        (patch,) = parts(parts(path, 2)[0], 8)
        names = [parts(parts(parts(parts(item, 1)[0], 2)[0], 3)[0], 4)[0].decode() for item in parts(patch, 8)]
        kind = json.loads(parts(parts(parts(patch, 13)[0], 2)[0], 2)[0])
        found[kind["group"], kind["kind"]] = (parts(path, 1)[0].decode(), names)
    assert found["", "Namespace"] == ("/api/v1/namespaces/{name}", ["dryRun", "fieldManager", "fieldValidation", "force"])
    assert found["apps", "Deployment"][0] == "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def parts(message: bytes, number: int) -> list[Any]:
    return [value for found, _, value in wire.records(message) if found == number]
