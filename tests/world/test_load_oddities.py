"""Files as people leave them behind: numbers that JSON has not, halves of a merge, other encodings, JSON one after the other."""

from __future__ import annotations

import gzip

import pytest

from seatrial.world.load import read

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\n"


@pytest.mark.parametrize("number", [".nan", ".inf", "-.INF", "1e400", "1" + "0" * 399, "0x", "0b"])
def test_a_number_that_JSON_has_not_is_a_text_to_Kubernetes(number):
    found = read(f"{CONFIG}data: {{a: {number}, b: 5}}\n".encode(), "f.yaml")
    assert not found.problems
    assert found.objects[0][0]["data"] == {"a": number, "b": 5}


def test_a_merge_that_was_left_half_done_is_told_as_one():
    text = f"{CONFIG}<<<<<<< ours\ndata: {{a: b}}\n=======\ndata: {{a: c}}\n>>>>>>> theirs\n"
    (problem,) = read(text.encode(), "f.yaml").problems
    assert problem.where == "f.yaml:4:1"
    assert "a merge was left half done" in problem.hint


def test_a_template_whose_broken_line_has_no_braces_is_told_as_one():
    text = "{{- if .Values.on }}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shop\n     wrong: true\n{{- end }}\n"
    assert any("this is a template, not YAML" in one.text for one in read(text.encode(), "f.yaml").problems)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32"])
def test_every_encoding_that_Windows_writes_is_read(encoding):
    (pair,) = read(f"{CONFIG}data: {{a: ü}}\n".encode(encoding), "f.yaml").objects
    assert pair[0]["data"] == {"a": "ü"}


def test_a_manifest_with_a_NUL_byte_is_no_binary_file():
    (problem,) = read(f"{CONFIG}data: {{a: \0}}\n".encode(), "f.yaml").problems
    assert (problem.where, problem.severity) == ("f.yaml:4:11", "error")


def test_a_packed_file_is_an_error_where_somebody_gave_it_and_a_warning_where_it_lay_about():
    packed = gzip.compress(CONFIG.encode())
    told = [read(packed, "f.yaml", strict=strict).problems[0] for strict in (True, False)]
    assert [one.severity for one in told] == ["error", "warning"]
    assert all(one.hint == "unpack it first" for one in told)


@pytest.mark.parametrize("between", ["\n", "\n\n"])
def test_JSON_objects_one_after_the_other_are_all_read_each_at_its_line(between):
    one = '{\n  "apiVersion": "v1",\n  "kind": "ConfigMap",\n  "metadata": {"name": "%s"}\n}'
    found = read(between.join([one % "a", one % "b", one % "c"]).encode(), "f.json")
    assert [obj["metadata"]["name"] for obj, _ in found.objects] == ["a", "b", "c"]
    assert [written().line for _, written in found.objects] == [1, 5 + len(between), 9 + 2 * len(between)]
    assert not found.problems


def test_JSON_a_line_is_read_and_one_broken_line_is_told():
    line = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s"}}\n'
    assert len(read((line % "a" + line % "b").encode(), "f.json").objects) == 2
    assert read((line % "a" + '{"apiVersion":\n').encode(), "f.json").problems
