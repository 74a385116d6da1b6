"""x-kubernetes-validations: rules of custom resources, asked at every write."""

from __future__ import annotations

from typing import Any

import pytest
from in_process import Client, Reply

from seatrial.twin.context import Context
from seatrial.twin.controllers import Manager
from seatrial.twin.controllers.definitions import DefinitionController
from seatrial.world.cel import engine
from seatrial.world.objects import Obj

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BOATS = "/apis/shop.example.com/v1/namespaces/shop/boats"


def definition(spec: Obj, *rules: Obj) -> Obj:
    schema = {"type": "object", "properties": {"spec": spec}}
    if rules:
        schema["x-kubernetes-validations"] = list(rules)
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "boats", "singular": "boat", "kind": "Boat"}
    spec = {"group": "shop.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": "boats.shop.example.com"}, "spec": spec}


def cluster(spec: Obj, *rules: Obj) -> Client:
    client = Client()
    context = Context(client.registry, client.registry.store, client.clock, events=None)  # type: ignore[arg-type]
    Manager(context, [DefinitionController(context)]).start()
    client.create(CRDS, definition(spec, *rules))
    client.clock.run_for(1)
    return client


def obj(properties: Obj, *rules: str | Obj) -> Obj:
    said = [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]
    return {"type": "object", "properties": properties, "x-kubernetes-validations": said}


def boat(**spec: Any) -> Obj:
    return {"apiVersion": "shop.example.com/v1", "kind": "Boat", "metadata": {"name": "b"}, "spec": spec}


def causes(reply: Reply) -> list[tuple[str, str, str]]:
    assert reply.status == 422, reply.text
    return [(cause["field"], cause["reason"], cause["message"]) for cause in reply.json["details"]["causes"]]


INTEGER: Obj = {"type": "integer"}
NUMBERS: Obj = {"low": INTEGER, "high": INTEGER}


def test_an_object_that_breaks_a_rule_is_refused_with_its_words() -> None:
    client = cluster(obj(NUMBERS, "self.low <= self.high"))
    assert client("POST", BOATS, boat(low=1, high=2)).status == 201
    reply = client("PUT", f"{BOATS}/b", boat(low=3, high=2))
    assert reply.json["message"] == (
        'Boat.shop.example.com "b" is invalid: spec: Invalid value: "object": failed rule: self.low <= self.high'
    )


@pytest.mark.parametrize(
    ("rule", "field", "reason", "message"),
    [
        ({"message": "too low"}, "spec", "FieldValueInvalid", 'Invalid value: "object": too low'),
        ({"messageExpression": "'low is %d'.format([self.low])"}, "spec", "FieldValueInvalid",
         'Invalid value: "object": low is 0'),
        ({"messageExpression": "self.none", "message": "m"}, "spec", "FieldValueInvalid", 'Invalid value: "object": m'),
        ({"message": "m", "fieldPath": ".low", "reason": "FieldValueRequired"}, "spec.low", "FieldValueRequired",
         "Required value: m"),
        ({"message": "m", "reason": "FieldValueForbidden"}, "spec", "FieldValueForbidden", "Forbidden: m"),
        ({"message": "m", "reason": "FieldValueDuplicate"}, "spec", "FieldValueDuplicate", 'Duplicate value: "object": m'),
    ],
)  # fmt: skip
def test_a_rule_has_its_own_message_path_and_reason(rule: Obj, field: str, reason: str, message: str) -> None:
    client = cluster(obj(NUMBERS, {"rule": "self.low > 0", **rule}))
    assert causes(client("POST", BOATS, boat(low=0))) == [(field, reason, message)]


def test_rules_stand_anywhere_in_a_schema() -> None:
    name = {"type": "string", "x-kubernetes-validations": [{"rule": "self.startsWith('a')"}]}
    items = {"type": "array", "items": obj({"n": INTEGER}, "self.n > 0")}
    limits = {"type": "object", "additionalProperties": {**INTEGER, "x-kubernetes-validations": [{"rule": "self < 9"}]}}
    spec: Obj = {"type": "object", "properties": {"my-name": name, "items": items, "limits": limits}}
    client = cluster(spec, {"rule": "self.metadata.name != 'b' || self.spec.my__dash__name != 'c'"})
    wrong = {"my-name": "c", "items": [{"n": 1}, {"n": 0}], "limits": {"x.y": 10}}
    found = causes(client("POST", BOATS, boat(**wrong)))
    assert [(field, message.removeprefix("Invalid value: ")) for field, _, message in found] == [
        ("<nil>", "\"object\": failed rule: self.metadata.name != 'b' || self.spec.my__dash__name != 'c'"),
        ("spec.items[1]", '"object": failed rule: self.n > 0'),
        ("spec.limits[x.y]", '"integer": failed rule: self < 9'),
        ("spec.my-name", "\"string\": failed rule: self.startsWith('a')"),
    ]  # fmt: skip


def test_a_transition_is_looked_at_when_there_is_something_to_compare() -> None:
    ports = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": obj({"name": {"type": "string"}, "n": INTEGER}, "self.n >= oldSelf.n"),
    }
    client = cluster(obj({**NUMBERS, "ports": ports}, {"rule": "self.low == oldSelf.low", "message": "low is immutable"}))
    assert client("POST", BOATS, boat(low=1, ports=[{"name": "a", "n": 5}])).status == 201
    later = boat(low=2, ports=[{"name": "new", "n": 1}, {"name": "a", "n": 4}])
    assert causes(client("PUT", f"{BOATS}/b", later)) == [
        ("spec", "FieldValueInvalid", 'Invalid value: "object": low is immutable'),
        ("spec.ports[1]", "FieldValueInvalid", 'Invalid value: "object": failed rule: self.n >= oldSelf.n'),
    ]


def test_an_old_self_that_may_be_missing() -> None:
    rule = {"rule": "oldSelf.hasValue() ? self.low == oldSelf.value().low : self.low == 1", "optionalOldSelf": True}
    client = cluster(obj(NUMBERS, rule))
    assert client("POST", BOATS, boat(low=2)).status == 422
    assert client("POST", BOATS, boat(low=1)).status == 201
    assert client("PUT", f"{BOATS}/b", boat(low=3)).status == 422


def test_what_cannot_be_evaluated_refuses_the_object() -> None:
    client = cluster(
        obj({**NUMBERS, "free": {"x-kubernetes-preserve-unknown-fields": True}}, "self.high / self.low > 0", "self.free > 1")
    )
    assert causes(client("POST", BOATS, boat(low=0, high=1, free="x"))) == [
        ("spec", "FieldValueInvalid", 'Invalid value: "object": division by zero evaluating rule: self.high / self.low > 0'),
        ("spec", "FieldValueInvalid", "Invalid value: \"object\": 'no such overload': call arguments did not match a supported"
         " operator, function or macro signature for rule: self.free > 1"),
    ]  # fmt: skip
    assert causes(client("POST", BOATS, boat(high=1, free=2)))[0][2] == (
        'Invalid value: "object": no such key: low evaluating rule: self.high / self.low > 0'
    )


def test_rules_are_not_asked_of_what_has_no_shape() -> None:
    client = cluster({**obj(NUMBERS, "self.low <= self.high"), "required": ["low", "high"]})
    assert [field for field, _, _ in causes(client("POST", BOATS, boat(low=1)))] == ["spec.high", "<nil>"]


def test_functions_of_kubernetes() -> None:
    text = {name: {"type": "string"} for name in ("size", "address")}
    rules = (
        "isQuantity(self.size) && quantity(self.size).isLessThan(quantity('1Gi'))",
        "isIP(self.address) && [1, 2].sum() == 3 && [1, 2].isSorted() && sets.contains(['a', 'b'], ['a'])",
    )
    client = cluster(obj(text, *rules))
    assert client("POST", BOATS, boat(size="500Mi", address="10.0.0.1")).status == 201
    assert len(causes(client("POST", BOATS, boat(size="2Gi", address="x")))) == 2


def test_values_are_of_the_types_that_their_formats_say() -> None:
    rules = {
        "date-time": "self > timestamp('2026-01-01T00:00:00Z')",
        "date": "self.getFullYear() == 2026",
        "duration": "self < duration('2m')",
        "byte": "self == b'hi'",
    }
    properties: Obj = {
        name: {"type": "string", "format": name, "x-kubernetes-validations": [{"rule": rule}]} for name, rule in rules.items()
    }
    share = {"type": "number", "x-kubernetes-validations": [{"rule": "self == 1.0"}]}
    client = cluster({"type": "object", "properties": {**properties, "share": share}})
    good = {"date-time": "2026-03-04T05:06:07Z", "date": "2026-03-04", "duration": "1m30s", "byte": "aGk=", "share": 1}
    assert client("POST", BOATS, boat(**good)).status == 201
    bad = {"date-time": "2025-03-04T05:06:07Z", "date": "2025-03-04", "duration": "3m", "byte": "aGg=", "share": 2}
    assert [field for field, _, _ in causes(client("PUT", f"{BOATS}/b", boat(**bad)))] == [f"spec.{name}" for name in sorted(bad)]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("self.low >", "compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting"),
        ("self.low.startsWith(1, 2, 3)", "undeclared reference to 'startsWith' (in container '')"),
        ("unknown > 1", "compilation failed: ERROR: <input>:1:1: undeclared reference to 'unknown' (in container '')"),
        ("'a' + 1 == 'a'", "found no matching overload for '_+_' applied to '(string, int)'"),
        ("1 + 1", "cel expression must evaluate to a bool"),
        ("self.low == oldSelf.low && nothing", "undeclared reference to 'nothing'"),
    ],
)
def test_a_definition_whose_rules_do_not_compile_is_refused(rule: str, why: str) -> None:
    [(field, reason, message)] = causes(Client()("POST", CRDS, definition(obj(NUMBERS, rule))))
    assert field.endswith("schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule")
    assert reason == "FieldValueInvalid"
    assert message.startswith('Invalid value: {"Rule":"')
    assert why in message


def test_hostile_rules_end() -> None:
    deep = "self.l.all(a, self.l.all(b, self.l.all(c, self.l.all(d, a + b + c + d >= 0))))"
    client = cluster(obj({"l": {"type": "array", "items": INTEGER}}, deep, "self.l.size() < 0"))
    [(_, _, message)] = causes(client("POST", BOATS, boat(l=list(range(400)))))
    assert "no further validation rules will be run due to call cost exceeds limit for rule: self.l.all" in message


def test_a_rule_that_cannot_be_read_here_is_told_and_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    client = cluster(obj(NUMBERS, "self.low > 0"))
    time: Obj = {"type": "string", "format": "date-time"}
    strange = definition(obj({"s": {"type": "string"}, "t": time}, "self.s.find('[0-9]+') != ''", "self.t < timestamp('x')"))
    reply = client("PUT", f"{CRDS}/boats.shop.example.com", strange)
    assert reply.status == 200, reply.text
    assert "is not checked by this cluster: there is no function find here" in reply.warnings[0]
    client.clock.run_for(1)
    assert "is not checked by this cluster: it is about times inside an object or list" in reply.warnings[1]
    assert client("POST", BOATS, boat(s="x")).status == 201

    def absent() -> Any:
        raise engine.UncheckedError("the package is not installed")

    engine._environment.cache_clear()
    engine._compiled.cache_clear()
    monkeypatch.setattr(engine, "_cel", absent)
    reply = client("PUT", f"{CRDS}/boats.shop.example.com", definition(obj(NUMBERS, "self.low > 1")))
    assert (reply.status, "the package is not installed" in reply.warnings[0]) == (200, True)
