"""A YAML text is changed in one place and stays as its author wrote it everywhere else."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.world.editing import EditError, document_of, edited
from seatrial.world.load import careful

TEXT = """\
# the shop
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # its name
  labels: {app: web, tier: "front"}
spec:
  replicas: 1  # one is enough
  template:
    spec:
      containers:
        - name: web
          image: 'nginx:latest'
          args: ["-g", daemon off;]
          env:
          - name: A
            value: "1"

          # the second
          - name: B
            value: |
              text
              more
        # a comment between
        - image: busybox
          name: side
---
kind: Service
"""

CASES = {
    "a scalar keeps its comment": ("replace", "/spec/replicas", 3, ("replicas: 1  # one", "replicas: 3  # one")),
    "a scalar keeps its quotes": ("replace", "/spec/template/spec/containers/0/image", "nginx:1.27", ("latest'", "1.27'")),
    "a key goes behind the last one": (
        "add", "/spec/minReadySeconds", 5, ("              more\n", "              more\n"),
    ),
    "a map goes behind the last key": (
        "add", "/spec/template/spec/containers/1/resources", {"limits": {"memory": "1Gi"}},
        ("name: side\n", "name: side\n          resources:\n            limits:\n              memory: 1Gi\n"),
    ),
    "a key into braces": ("add", "/metadata/labels/part", "x", ('tier: "front"}', 'tier: "front", part: x}')),
    "a key out of braces": ("remove", "/metadata/labels/app", None, ("{app: web, tier", "{tier")),
    "the last key out of braces": ("remove", "/metadata/labels/tier", None, (', tier: "front"}', "}")),
    "an item into brackets": ("add", "/spec/template/spec/containers/0/args/-", "-q", ("daemon off;]", "daemon off;, -q]")),
    "an item behind the last one": (
        "add", "/spec/template/spec/containers/-", {"name": "new"}, ("name: side\n", "name: side\n        - name: new\n"),
    ),
    "an item out of a list": (
        "remove", "/spec/template/spec/containers/0/env/0", None, ('          - name: A\n            value: "1"\n', ""),
    ),
    "a line is gone with its comment": ("remove", "/spec/replicas", None, ("  replicas: 1  # one is enough\n", "")),
    "the first key behind a dash": ("remove", "/spec/template/spec/containers/1/image", None, ("image: busybox\n          ", "")),
    "a block gives way to a scalar": (
        "replace", "/spec/template/spec/containers/0/env/1/value", "x", ("|\n              text\n              more\n", "x\n"),
    ),
    "a map gives way to another": (
        "replace", "/metadata/labels", {"a": "b"}, ('labels: {app: web, tier: "front"}', "labels:\n    a: b"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_place_changes(case: str) -> None:
    op, path, value, (old, new) = CASES[case]
    after = edited(TEXT, [{"op": op, "path": path, "value": value}])
    if old == new:
        assert "minReadySeconds: 5" in after and after.replace("  minReadySeconds: 5\n", "") == TEXT
    else:
        assert TEXT.count(old) == 1
        assert after == TEXT.replace(old, new)


def test_the_document_and_the_item_of_a_list_are_found() -> None:
    assert edited(TEXT, [{"op": "replace", "path": "/kind", "value": "Job"}], index=1) == TEXT.replace("Service", "Job")
    text = "kind: List\nitems:\n- {kind: A}\n- kind: B # b\n"
    assert edited(text, [{"op": "add", "path": "/x", "value": 1}], within=("items", 1)) == text + "  x: 1\n"


MISPLACED = """\
spec:
  # how many
  replcias: 3   # three
  template:
    livenessProbe:   # alive
      httpGet: {path: /}
      # not at once
      periodSeconds: 5
    containers:
    - name: a    # first
      grace: 30  # seconds
    - {name: b, grace: 60}
"""
MOVES = {
    "a name alone changes": (
        "/spec/replcias", "/spec/replicas", MISPLACED.replace("replcias", "replicas"),
    ),
    "a block goes deeper with its comments": (
        "/spec/template/livenessProbe", "/spec/template/containers/0/livenessProbe",
        MISPLACED.replace("""\
    livenessProbe:   # alive
      httpGet: {path: /}
      # not at once
      periodSeconds: 5
""", "").replace("30  # seconds\n", """30  # seconds
      livenessProbe:   # alive
        httpGet: {path: /}
        # not at once
        periodSeconds: 5
"""),
    ),
    "a line goes up": (
        "/spec/template/containers/0/grace", "/spec/template/grace",
        MISPLACED.replace("      grace: 30  # seconds\n", "") + "    grace: 30  # seconds\n",
    ),
    "out of braces": (
        "/spec/template/containers/1/grace", "/spec/template/grace",
        MISPLACED.replace("{name: b, grace: 60}", "{name: b}") + "    grace: 60\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MOVES)
def test_a_field_moves_with_its_comments(case: str) -> None:
    source, path, after = MOVES[case]
    assert edited(MISPLACED, [{"op": "move", "from": source, "path": path}]) == after


def test_nothing_moves_to_where_something_stands() -> None:
    with pytest.raises(EditError, match="its place is taken"):
        edited("a: 1\nb: 2\n", [{"op": "move", "from": "/a", "path": "/b"}])


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &x {b: 1}\nc: *x\n", "/c/b"),
        ("a: &x\n  b: 1\nc:\n  <<: *x\n", "/a/b"),
        ("a: 1\n", "/b/c"),
        ("a: [\n", "/a"),
    ],
)
def test_what_would_change_more_is_refused(text: str, path: str) -> None:
    with pytest.raises(EditError):
        edited(text, [{"op": "replace", "path": path, "value": 2}])


leaves = st.sampled_from(["x", "on", "a: b", "#", 1, True, None, 1.5, "multi\nline\n", ""])
trees: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3), st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    document=st.dictionaries(st.sampled_from("abcd"), trees, min_size=1),
    flow=st.sampled_from([None, False, True]),
    data=st.data(),
)
def test_what_is_changed_says_what_was_asked_for_or_is_refused(document: dict[str, Any], flow: bool | None, data: Any) -> None:
    text = yaml.safe_dump(document, default_flow_style=flow, sort_keys=False)
    path, here = "", document
    while True:
        key = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
        path += f"/{key}"
        if not isinstance(here[key], (dict, list)) or data.draw(st.booleans()):
            break
        here = here[key]
    op = data.draw(st.sampled_from(["replace", "remove"]))
    wanted = copy.deepcopy(document)
    there: Any = wanted
    steps = path.split("/")[1:]
    for step in steps[:-1]:
        there = there[int(step)] if isinstance(there, list) else there[step]
    last: Any = int(steps[-1]) if isinstance(there, list) else steps[-1]
    value = data.draw(trees)
    if op == "remove":
        del there[last]
    else:
        there[last] = value
    try:
        after = edited(text, [{"op": op, "path": path, "value": value}])
    except EditError:
        return
    assert yaml.safe_load(after) == wanted


def test_an_object_is_found_by_its_kind_and_name_and_one_that_is_only_made_here_is_not() -> None:
    assert document_of(TEXT, (), "Deployment", "web") == 0
    listed = "kind: List\nitems:\n- kind: A\n  metadata: {name: x}\n- kind: B\n  metadata: {generateName: y-}\n"
    assert document_of(f"---\n# none\n---\n{listed}", ("items", 1), "B", "y-*") == 1
    with pytest.raises(EditError, match="Deployment api is made here, not written"):
        document_of(TEXT, (), "Deployment", "api")


def test_an_empty_document_is_counted() -> None:
    text = "---\n# nothing\n---\na: 1\n"
    assert edited(text, [{"op": "replace", "path": "/a", "value": 2}], index=1) == text.replace("1", "2")


def test_a_text_that_ends_without_a_line_end_ends_so() -> None:
    assert edited("a: 1\nb: {}", [{"op": "add", "path": "/c", "value": {"d": 1}}]) == "a: 1\nb: {}\nc:\n  d: 1"


def test_what_is_there_is_not_added_over() -> None:
    with pytest.raises(EditError, match="there is a field a already"):
        edited("a: {b: 1}\n", [{"op": "add", "path": "/a", "value": {"c": 1}}])


@pytest.mark.parametrize("text", ["a:   # none\nb: 1\n", "a:\nb: 1\n", "{a: , b: 1}\n"])
def test_an_empty_value_gets_one(text: str) -> None:
    assert yaml.safe_load(edited(text, [{"op": "replace", "path": "/a", "value": 3}])) == {"a": 3, "b": 1}


@pytest.mark.parametrize("value", ["1e3", "0o17", "0x1F", "yes", "12:30", "null", "~", "1_000", ".5", "=", "2026-01-01", "+1"])
def test_a_text_stays_a_text_for_whoever_reads_it(value: str) -> None:
    after = edited("a: b\n", [{"op": "replace", "path": "/a", "value": value}])
    assert careful.load(after.encode(), "f", 1) == ([{"a": value}], [])


JSON = """\
{
\t"kind": "Pod",
\t"metadata": {"name": "web"},
\t"spec": {
\t\t"containers": [
\t\t\t{
\t\t\t\t"name": "web",
\t\t\t\t"image": "nginx"
\t\t\t}
\t\t]
\t}
}
"""


def test_json_stays_json_in_its_own_layout() -> None:
    add = {"op": "add", "path": "/spec/containers/0/securityContext", "value": {"privileged": False}}
    after = edited(JSON, [add, {"op": "add", "path": "/metadata/labels", "value": {"a": "1"}}])
    context = '"securityContext": {\n\t\t\t\t\t"privileged": false\n\t\t\t\t}'
    assert after == JSON.replace('"nginx"', f'"nginx",\n\t\t\t\t{context}').replace('"web"}', '"web", "labels": {"a": "1"}}')
    assert edited(after, [{"op": "remove", "path": "/spec/containers/0/image"}]).count("nginx") == 0


def test_a_line_of_its_own_for_each_entry_in_braces() -> None:
    text = "a: {\n    b: 1, # one\n    c: 2  # two\n  }\n"
    after = edited(text, [{"op": "add", "path": "/a/d", "value": 3}])
    assert after == "a: {\n    b: 1, # one\n    c: 2,  # two\n    d: 3\n  }\n"
    text = "a: [\n  1, # one\n  2, # two\n]\n"
    assert edited(text, [{"op": "add", "path": "/a/-", "value": 3}]) == text.replace("two\n", "two\n  3,\n")


def test_a_number_that_is_to_be_a_text_stays_as_it_was_written() -> None:
    text = "a: 1.10  # the version\nb: 0x10\nc: yes\n"
    quoted = [
        {"op": "replace", "path": "/a", "value": "1.1"},
        {"op": "replace", "path": "/b", "value": "16"},
        {"op": "replace", "path": "/c", "value": "true"},
    ]
    assert edited(text, quoted) == "a: '1.10'  # the version\nb: '0x10'\nc: 'yes'\n"


def test_lines_go_behind_an_alias_and_behind_a_block_with_its_empty_lines() -> None:
    add = {"op": "add", "path": "/b/d", "value": 1}
    assert edited("a: &x {y: 1}\nb:\n  c: *x  # the same\n", [add]) == "a: &x {y: 1}\nb:\n  c: *x  # the same\n  d: 1\n"
    assert edited("b:\n  c: |+\n    text\n\n\n", [add]) == "b:\n  c: |+\n    text\n\n\n  d: 1\n"
    assert edited("b:\n  c: |\n    text\n\n# b\n", [add]) == "b:\n  c: |\n    text\n  d: 1\n\n# b\n"


def test_what_is_not_there_is_not_replaced() -> None:
    with pytest.raises(EditError, match="the file has no true"):
        edited("on: 1\n", [{"op": "replace", "path": "/true", "value": "1"}])
