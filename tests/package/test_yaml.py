"""What is written as YAML reads back as what it was, for every parser, and as a person would write it."""

from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import apps
from seatrial.app import load, resolve
from seatrial.package.emit import document, text
from seatrial.package.manifests import files, stream
from seatrial.render import render, values

ROOT = Path(__file__).parents[2]

texts = st.one_of(st.text(max_size=40), st.sampled_from(apps.VALUES), st.text("ab: #-\n\"'{}[],&*!|>%@`~\t", max_size=12))
scalars = st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63), st.floats(-1e9, 1e9), st.none())
trees = st.recursive(scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(texts, trees, min_size=1, max_size=4))
def test_anything_reads_back_as_what_it_was(obj):
    assert yaml.load(document(obj), yaml.CSafeLoader) == obj


def test_quotes_are_there_only_where_a_parser_would_misread_the_text():
    plain = [
        "info",
        "ghcr.io/acme/web:1.4",
        "/healthz",
        "128Mi",
        "25%",
        "250m",
        "http://api:3000",
        "python -m shop_api",
        "--dir",
        "v1",
        "30s",
        "1h",
        "500ms",
        "10.0.0.0/8",
        "./shop.example.com",
        "$(MAXMEMORY)",
    ]
    assert [text(value) for value in plain] == plain
    quoted = [
        "",
        "on",
        "NO",
        "null",
        "~",
        "1",
        "1.5",
        "1e3",
        "0x1F",
        "12:30",
        "a: b",
        "a #b",
        "- a",
        "*a",
        "{a",
        "trail ",
        "y",
        "-",
        "---",
    ]
    assert [text(value) for value in quoted] == [f'"{value}"' for value in quoted]


def test_a_text_with_quotes_in_it_is_spared_the_escapes():
    assert text('rate(x{job="api"}[5m]) > 1: really') == "'rate(x{job=\"api\"}[5m]) > 1: really'"
    assert text('it\'s: "b" ') == "'it''s: \"b\" '"
    assert text('"a"\n') == '"\\"a\\"\\n"'


def test_lines_of_a_text_stay_lines():
    assert (
        document({"a": {"script": "one\n  two\n", "last": "x\ny"}})
        == "a:\n  script: |\n    one\n      two\n  last: |-\n    x\n    y\n"
    )


def shop(environment="production"):
    resolved = resolve(load(ROOT / "examples" / "shop"), environment)
    secrets = {name: dict.fromkeys(keys, "x") for name, keys in values.needed(resolved).items()}
    return render(resolved, secrets=secrets)


def test_a_stream_holds_the_objects_in_an_order_they_can_be_applied_in():
    objects = shop("dev")
    assert list(yaml.load_all(stream(objects), yaml.CSafeLoader)) == objects
    kinds = [obj["kind"] for obj in objects]
    assert kinds[0] == "Namespace"
    for first, then in (
        ("ServiceAccount", "StatefulSet"),
        ("Secret", "StatefulSet"),
        ("ConfigMap", "Deployment"),
        ("StatefulSet", "Job"),
    ):
        assert max(i for i, kind in enumerate(kinds) if kind == first) < min(i for i, kind in enumerate(kinds) if kind == then)
    deployments = [obj["metadata"]["name"] for obj in objects if obj["kind"] == "Deployment"]
    assert deployments == ["api", "web"], "what is called comes before what calls it"


def test_the_same_app_gives_the_same_bytes():
    assert stream(shop()) == stream(shop())


def test_files_are_numbered_so_that_a_folder_is_applied_in_order():
    names = list(files(shop()))
    assert names == sorted(names)
    assert names[0] == "01-namespace-shop.yaml"
