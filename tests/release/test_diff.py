"""What differs between two states of an object, and what is noise."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.release.diff import compare, predicted, previewed
from seatrial.release.redact import Redactor


def fields(before: Any, after: Any) -> list[tuple[str, str, Any, Any]]:
    return [(one.path, one.kind, one.before, one.after) for one in compare(before, after)]


def deployment(**container: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "web", "image": "a:1", **container}, {"name": "log", "image": "b:1"}]}
    return {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2, "template": {"spec": spec}}}


def test_items_of_a_list_are_told_apart_by_their_names_whatever_their_order():
    before, after = deployment(), deployment(image="a:2")
    after["spec"]["template"]["spec"]["containers"].reverse()
    assert fields(before, after) == [("spec.template.spec.containers[web].image", "changed", "a:1", "a:2")]


def test_what_comes_and_what_goes():
    before, after = deployment(env=[{"name": "A", "value": "1"}]), deployment(env=[{"name": "B", "value": "2"}])
    path = "spec.template.spec.containers[web].env"
    assert fields(before, after) == [
        (f"{path}[B]", "added", None, {"name": "B", "value": "2"}),
        (f"{path}[A]", "removed", {"name": "A", "value": "1"}, None),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"status": {"replicas": 1}}, {"status": {"replicas": 2}}),
        ({"metadata": {"resourceVersion": "1", "uid": "a"}}, {"metadata": {"resourceVersion": "2", "uid": "b"}}),
        ({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}}, {"metadata": {"annotations": {}}}),
        ({"spec": {"a": {"limits": {"cpu": "1000m"}}}}, {"spec": {"a": {"limits": {"cpu": 1}}}}),
        ({"spec": {"hard": {"memory": "1Gi"}}}, {"spec": {"hard": {"memory": "1024Mi"}}}),
        ({"spec": {"env": []}}, {"spec": {}}),
        ({"spec": {"port": 80}}, {"spec": {"port": "80"}}),
    ],
)
def test_noise_is_no_difference(before, after):
    assert fields(before, after) == []


def test_a_quantity_that_means_another_amount_is_a_difference():
    assert fields({"spec": {"limits": {"cpu": "1"}}}, {"spec": {"limits": {"cpu": "1100m"}}}) != []


def test_a_key_with_dots_is_one_step_of_a_path():
    ((path, *_),) = fields({"metadata": {"annotations": {"a.b/c": "1"}}}, {"metadata": {"annotations": {"a.b/c": "2"}}})
    assert path == "metadata.annotations.a\\.b/c"


def test_string_data_and_data_are_the_same_and_shown_as_hashes():
    plain = {"kind": "Secret", "metadata": {"name": "web"}, "stringData": {"KEY": "one", "SAME": "x"}}
    coded = {"kind": "Secret", "metadata": {"name": "web"}, "data": {"KEY": base64.b64encode(b"two").decode(), "SAME": "eA=="}}
    (change,) = previewed(compare(coded, plain), Redactor().preview)
    assert (change.path, change.kind) == ("data.KEY", "changed")
    assert str(change.before).startswith("sha256:") and str(change.after).startswith("sha256:")
    assert change.before != change.after
    (whole,) = [one for one in previewed(compare(None, plain), Redactor().preview) if one.path.startswith("data")]
    assert "one" not in str(whole.after)


def test_what_would_come_of_an_apply_keeps_what_others_have_set_and_takes_away_what_is_no_longer_wanted():
    live = {
        "spec": {"replicas": 5, "paused": True, "containers": [{"name": "a", "image": "a:1", "tty": True}, {"name": "sidecar"}]}
    }
    before = {"spec": {"paused": True, "containers": [{"name": "a", "image": "a:1"}]}}
    wanted = {"spec": {"containers": [{"name": "a", "image": "a:2"}]}}
    assert predicted(live, wanted, before) == {
        "spec": {"replicas": 5, "containers": [{"name": "a", "image": "a:2", "tty": True}, {"name": "sidecar"}]}
    }


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text("abc", max_size=3))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("abn", max_size=2), inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(["spec", "data", "other"]), TREES))
def test_nothing_differs_from_itself(document):
    assert fields(document, document) == []
