"""Custom resources: from a definition to objects that are defaulted, checked, printed, scaled and served in versions."""

from __future__ import annotations

from typing import Any

import pytest
from in_process import Client

from seatrial.twin.context import Context
from seatrial.twin.controllers.base import Manager
from seatrial.twin.controllers.definitions import DefinitionController
from seatrial.world.objects import Obj

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/shop.example.com/v1/namespaces/shop/widgets"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
MERGE = "application/merge-patch+json"

SIZE: Obj = {"type": "integer", "minimum": 1, "maximum": 10}
SPEC: Obj = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": SIZE,
        "colour": {"type": "string", "default": "red", "enum": ["red", "blue"]},
        "parts": {
            "type": "array",
            "maxItems": 2,
            "items": {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}},
        },
        "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5, "minLength": 2},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "either": {"x-kubernetes-int-or-string": True},
    },
}
STATUS: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def version(name: str = "v1", storage: bool = True, **more: Any) -> Obj:
    schema = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def definition(*versions: Obj) -> Obj:
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]}
    spec = {"group": "shop.example.com", "scope": "Namespaced", "names": names, "versions": list(versions or (version(),))}
    return {"metadata": {"name": "widgets.shop.example.com"}, "spec": spec}


def cluster(*versions: Obj) -> Client:
    """An API server whose definition has been established by its controller."""
    client = Client()
    context = Context(client.registry, client.registry.store, client.clock, events=None)  # type: ignore[arg-type]
    Manager(context, [DefinitionController(context)]).start()
    client.create(CRDS, definition(*versions))
    client.clock.run_for(1)
    return client


def widget(name: str = "w", **spec: Any) -> Obj:
    return {"apiVersion": "shop.example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def test_a_definition_is_established_and_served() -> None:
    client = cluster()
    conditions = client.get(f"{CRDS}/widgets.shop.example.com").json["status"]["conditions"]
    assert [(one["type"], one["status"]) for one in conditions] == [("NamesAccepted", "True"), ("Established", "True")]
    [resource] = client.get("/apis/shop.example.com/v1").json["resources"]
    assert (resource["name"], resource["singularName"], resource["shortNames"]) == ("widgets", "widget", ["wd"])
    assert client.get(WIDGETS).json["kind"] == "WidgetList"


def test_two_definitions_cannot_share_a_name() -> None:
    client = cluster()
    second = definition()
    second["metadata"]["name"] = "gadgets.shop.example.com"
    second["spec"]["names"] = {"plural": "gadgets", "singular": "gadget", "kind": "Widget", "listKind": "GadgetList"}
    client.create(CRDS, second)
    client.clock.run_for(1)
    accepted = client.get(f"{CRDS}/gadgets.shop.example.com").json["status"]["conditions"][0]
    assert (accepted["type"], accepted["status"]) == ("NamesAccepted", "False")
    assert client.get("/apis/shop.example.com/v1/gadgets").status == 404


def test_defaults_are_filled_in_and_unknown_fields_pruned() -> None:
    created = cluster().create(WIDGETS, widget(size=3, parts=[{}], nonsense=1, free={"any": {"thing": 1}}))
    assert created["spec"] == {"size": 3, "colour": "red", "parts": [{"n": 1}], "free": {"any": {"thing": 1}}}
    assert created["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"size": 30, "colour": "green"}, [
            'spec.colour: Unsupported value: "green": supported values: "red", "blue"',
            "spec.size: Invalid value: 30: spec.size in body should be less than or equal to 10",
        ]),
        ({"size": 0}, ["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"]),
        ({}, ["spec.size: Required value"]),
        ({"size": "big"}, ['spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"']),
        ({"size": 1, "code": "A1"}, ['spec.code: Invalid value: "A1": spec.code in body should match \'^[a-z]+$\'']),
        ({"size": 1, "code": "abcdef"}, ["spec.code: Too long: may not be more than 5 bytes"]),
        ({"size": 1, "code": "a"}, ['spec.code: Invalid value: "a": spec.code in body should be at least 2 chars long']),
        ({"size": 1, "parts": [{}, {}, {}]}, ["spec.parts: Too many: 3: must have at most 2 items"]),
        ({"size": 1, "tags": ["a", "a"]}, ['spec.tags[1]: Duplicate value: "a"']),
        ({"size": 1, "either": 1.5}, [
            'spec.either: Invalid value: "number": spec.either in body must be of type integer or string: "number"',
        ]),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_schema_is_refused(spec: Obj, said: list[str]) -> None:
    reply = cluster()("POST", WIDGETS, widget(**spec))
    assert (reply.status, reply.json["reason"]) == (422, "Invalid")
    text = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    assert reply.json["message"] == f'Widget.shop.example.com "w" is invalid: {text}'


def test_unknown_fields_are_refused_when_the_client_is_strict() -> None:
    reply = cluster()("POST", f"{WIDGETS}?fieldValidation=Strict", widget(size=1, nonsense=1))
    assert (reply.status, 'unknown field "spec.nonsense"' in reply.json["message"]) == (400, True)


def test_without_a_status_subresource_everything_is_written_at_once() -> None:
    client = cluster()
    created = client.create(WIDGETS, {**widget(size=1), "status": {"phase": "New"}})
    assert created["status"] == {"phase": "New"}
    assert client.get(f"{WIDGETS}/w/status").status == 404


def test_status_and_scale_have_doors_where_the_definition_says_so() -> None:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector"}
    client = cluster(version(subresources={"status": {}, "scale": scale}))
    assert "status" not in client.create(WIDGETS, {**widget(size=2), "status": {"phase": "New"}})
    patched = client("PATCH", f"{WIDGETS}/w/status", {"spec": {"size": 9}, "status": {"size": 1, "selector": "a=b"}}, type_=MERGE)
    assert (patched.json["spec"]["size"], patched.json["status"]["size"], patched.json["metadata"]["generation"]) == (2, 1, 1)
    read = client.get(f"{WIDGETS}/w/scale").json
    assert (read["spec"], read["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "a=b"})
    client("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": 4}}, type_=MERGE)
    changed = client.get(f"{WIDGETS}/w").json
    assert (changed["spec"]["size"], changed["metadata"]["generation"]) == (4, 2)


def test_the_definition_names_the_columns() -> None:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Parts", "type": "string", "jsonPath": ".spec.parts[*].n", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    client = cluster(version(additionalPrinterColumns=columns))
    conditions = [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]
    client.create(WIDGETS, {**widget(size=3, parts=[{"n": 5}, {"n": 6}]), "status": {"conditions": conditions}})
    client.create(WIDGETS, widget("x", size=4))
    client.clock.run_for(70)
    table = client.get(WIDGETS, accept=TABLE).json
    assert [(column["name"], column["priority"]) for column in table["columnDefinitions"]] == [
        ("Name", 0), ("Size", 0), ("Ready", 0), ("Parts", 1), ("Age", 0),
    ]  # fmt: skip
    assert [row["cells"] for row in table["rows"]] == [["w", 3, "True", "5 6", "70s"], ["x", 4, None, None, "70s"]]


def test_versions_are_one_object_under_several_names() -> None:
    client = cluster(version("v1beta1", storage=False, deprecated=True), version("v1"))
    client.create(WIDGETS, widget(size=1))
    reply = client.get(WIDGETS.replace("/v1/", "/v1beta1/") + "/w")
    assert (reply.json["apiVersion"], reply.json["spec"]["size"]) == ("shop.example.com/v1beta1", 1)
    assert reply.warnings == ['299 - "shop.example.com/v1beta1 Widget is deprecated"']
    old = WIDGETS.replace("/v1/", "/v1beta1/")
    created = client.create(
        old, {"apiVersion": "shop.example.com/v1beta1", "kind": "Widget", "metadata": {"name": "b"}, "spec": {"size": 2}}
    )
    assert created["apiVersion"] == "shop.example.com/v1beta1"
    assert client.get(f"{WIDGETS}/b").json["apiVersion"] == "shop.example.com/v1"


def test_chosen_fields_can_be_selected_by() -> None:
    client = cluster(version(selectableFields=[{"jsonPath": ".spec.colour"}]))
    client.create(WIDGETS, widget("a", size=1))
    client.create(WIDGETS, widget("b", size=1, colour="blue"))
    listed = client.get(f"{WIDGETS}?fieldSelector=spec.colour%3Dblue").json
    assert [item["metadata"]["name"] for item in listed["items"]] == ["b"]
    assert client.get(f"{WIDGETS}?fieldSelector=spec.size%3D1").status == 400


def test_owners_of_fields_are_kept_for_custom_resources_too() -> None:
    client = cluster()
    apply = "application/apply-patch+yaml"
    assert client("PATCH", f"{WIDGETS}/w?fieldManager=alice", widget(size=1), type_=apply).status == 201
    conflict = client("PATCH", f"{WIDGETS}/w?fieldManager=bob", widget(size=2), type_=apply)
    assert (conflict.status, 'conflict with "alice": .spec.size' in conflict.json["message"]) == (409, True)
    assert client("PATCH", f"{WIDGETS}/w", {"spec": {"size": 2}}, type_="application/strategic-merge-patch+json").status == 415


def test_a_deleted_definition_takes_its_objects_along() -> None:
    client = cluster()
    held = widget("held", size=1)
    held["metadata"]["finalizers"] = ["example.com/wait"]
    client.create(WIDGETS, held)
    client.create(WIDGETS, widget(size=1))
    client("DELETE", f"{CRDS}/widgets.shop.example.com")
    client.clock.run_for(5)
    assert [item["metadata"]["name"] for item in client.get(WIDGETS).json["items"]] == ["held"]
    client("PATCH", f"{WIDGETS}/held", {"metadata": {"finalizers": None}}, type_=MERGE)
    client.clock.run_for(5)
    assert client.get(f"{CRDS}/widgets.shop.example.com").status == 404
    assert client.get(WIDGETS).status == 404
    assert client.registry.store.count("widgets.shop.example.com") == 0
