"""Editors are told what the loader accepts: one model makes both."""

import json
from pathlib import Path

import jsonschema
import pytest

from seatrial.app.document import parse
from seatrial.app.schema import schema, text
from seatrial.app.shape import keys_at

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*/seatrial.yaml"))


@pytest.fixture(scope="module")
def validator():
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_the_schema_in_the_documentation_is_the_models():
    assert (ROOT / "docs" / "seatrial.schema.json").read_text() == text(), "run `seatrial schema > docs/seatrial.schema.json`"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_valid(validator, path):
    assert [error.message for error in validator.iter_errors(parse(path.read_text()).data)] == []


@pytest.mark.parametrize(
    "service",
    [
        {"image": "a/b", "prt": 1},
        {"image": "a/b", "port": 99999},
        {"image": "a/b", "health": {"life": "/x"}},
        {"image": "a/b", "health": "x"},
        {"image": "a/b", "calls": [{"a": "x", "b": "y"}]},
        {"image": "a/b", "scale": {"cpu": "70 percent"}},
        {"image": "a/b", "runtime": "jvn"},
        {},
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(validator, service):
    assert not validator.is_valid({"app": "shop", "services": {"web": service}})


@pytest.mark.parametrize(
    "service",
    [
        {"image": "a/b", "health": "/x", "calls": ["db", "https://x.example", {"pay": "https://y.example"}]},
        {"image": "a/b", "health": {"live": "/x", "startup": "60s"}, "expose": {"host": "x.example", "path": "/a"}},
        {"image": "a/b", "config": {"A": 1, "B": True, "C": "x"}, "migrate": ["a", "b"], "run": "a b"},
        {"image": "a/b", "scale": {"min": 1, "max": 3, "cpu": "70%"}, "metrics": {"path": "/m", "port": 9}},
    ],
)
def test_short_and_long_forms_are_both_valid(validator, service):
    document = {"app": "shop", "services": {"web": service}, "stores": {"db": {"postgres": 16}}}
    assert [error.message for error in validator.iter_errors(document)] == []


def test_every_key_has_its_reason_beside_it():
    found = schema()
    maps = {"the file": found, **found["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, definition in maps.items()
        if name != "Call"
        for key, value in definition.get("properties", {}).items()
        if not value.get("description") and "$ref" not in value
    ]
    assert silent == []


def test_the_reference_documents_every_key():
    reference = (ROOT / "docs" / "app-file.md").read_text()
    maps = {"the file": keys_at(()), **{name: list(part.get("properties", {})) for name, part in schema()["$defs"].items()}}
    missing = [f"{name}.{key}" for name, keys in maps.items() if name != "Call" for key in keys if f"`{key}`" not in reference]
    assert missing == []


def test_the_schema_is_json():
    assert json.loads(text()) == schema()
