"""The table of types knows every field that was recorded, in the order of the server, and is quick to read."""

from __future__ import annotations

from any_objects import RECORDINGS
from seatrial.world import schema
from seatrial.world.schema import table


def recorded_fields() -> list[tuple[str, int, str, str]]:
    rows = []
    for line in (RECORDINGS / "api" / "protobuf-fields.tsv").read_text().splitlines():
        if not line.startswith("#"):
            type_, number, name, of = line.split("\t")
            rows.append((short(type_), int(number), name, short(of)))
    return rows


def short(name: str) -> str:
    return name.replace("k8s.io.apiextensions_apiserver.", "apiextensions-apiserver.").replace("k8s.io.", "")


#: JSON calls these fields by names that protobuf cannot have, or capitalises otherwise.
RENAMED = {"schema": "$schema", "ref": "$ref", "uID": "uid", "aPIGroup": "apiGroup"}


def json_name(name: str) -> set[str]:
    dashed = "x-kubernetes-" + "".join(f"-{c.lower()}" if c.isupper() else c for c in name[len("xKubernetes") :])[1:]
    return {name, name[0].lower() + name[1:], RENAMED.get(name, name), dashed}


def test_every_recorded_field_has_its_number_and_type() -> None:
    special = table.SPECIAL_SCALARS | table.ANYTHING | table.STRINGS
    not_types_of_fields = {
        "apimachinery.pkg.runtime.Unknown",
        "apimachinery.pkg.runtime.TypeMeta",
        "apimachinery.pkg.api.resource.QuantityValue",
        f"{schema.META}.Timestamp",
        f"{schema.META}.WatchEvent",
    }
    conversion = "apiextensions-apiserver.pkg.apis.apiextensions.v1.Conversion"
    wrong = []
    for type_, number, name, of in recorded_fields():
        if type_ in special or type_ in not_types_of_fields or type_.startswith(conversion):
            continue
        field = next((field for field, _ in table.own_fields(type_) if field.number == number), None)
        bare = of.removeprefix("repeated ").removeprefix("map<string,").removesuffix(">")
        if field is None or field.name not in json_name(name) or (field.type != bare and "Condition" not in of):
            wrong.append((type_, number, name, of, field))
    assert wrong == []


def test_kinds_are_found_by_their_api_version() -> None:
    assert schema.type_of("apps/v1", "Deployment") == "api.apps.v1.Deployment"
    assert schema.type_of("v1", "Pod") == "api.core.v1.Pod"
    assert schema.type_of("rbac.authorization.k8s.io/v1", "Role") == "api.rbac.v1.Role"
    assert schema.type_of("policy/v1", "Eviction") == "api.policy.v1.Eviction"
    assert schema.type_of("v1", "DeleteOptions") == f"{schema.META}.DeleteOptions"
    assert schema.type_of("apps/v1", "Pod") is None
    assert schema.type_of("v1", "Container") is None
    assert schema.type_of("example.com/v1", "Widget") is None


def test_embedded_structs_are_flattened() -> None:
    assert "configMap" in schema.fields("api.core.v1.Volume")
    assert "httpGet" in schema.fields("api.core.v1.Probe")
    assert "handler" not in schema.fields("api.core.v1.Probe")


def test_lists_merge_as_published() -> None:
    containers = schema.fields("api.core.v1.PodSpec")["containers"]
    assert (containers.shape.list_type, containers.shape.keys) == ("map", ("name",))
    assert (containers.strategies, containers.merge_key) == (("merge",), "name")
    assert schema.fields("api.core.v1.Container")["args"].shape.list_type == "atomic"
    assert schema.fields(f"{schema.META}.ObjectMeta")["finalizers"].shape.list_type == "set"
    assert schema.shape(f"{schema.META}.LabelSelector").atomic
    assert schema.fields("api.core.v1.PodSpec")["nodeSelector"].shape.atomic


def test_every_published_rule_is_about_a_field_of_the_table() -> None:
    unknown = [
        (type_, field)
        for type_, rules in table._rules().items()
        for field in rules
        if field != "(itself)" and type_ in table.type_names() and field not in schema.fields(type_)
    ]
    assert unknown == []
