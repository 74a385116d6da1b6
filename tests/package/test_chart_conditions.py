"""A chart's conditions hold exactly where their objects are, also where environments scale in different ways."""

import pytest
from test_helm_chart import ROOT, Chart

from seatrial.app import loads
from seatrial.package.helm.truth import holds


@pytest.mark.parametrize(
    ("condition", "true"),
    [
        (".Values.a", True),
        ("not .Values.a", False),
        ("or .Values.x (gt (int .Values.b) 1)", True),
        ('gt (int (dig "scale" "min" (default 1 .Values.x) .Values.s)) 1', False),
        ('and .Values.a (eq .Values.c "nginx")', True),
        ('(index .Values "a-b" "c")', True),
        (".Values.x.y.z", False),
    ],
)
def test_conditions_are_read_as_templates_read_them(condition, true):
    values = {"a": {"k": 1}, "b": 3, "c": "nginx", "s": {"scale": {"min": 1}}, "a-b": {"c": 1}}
    assert holds(condition, values) is true


def test_one_environment_scales_by_keda_and_others_do_not(tmp_path):
    text = (ROOT / "tests" / "render" / "plain_shop.yaml").read_text()
    queue = "services: {api: {scale: {on: [{list: todo, store: cache, target: 5}]}}}"
    keda = f"production: {{size: large, namespace: shop, {queue}, platform: {{autoscaling: keda, recommendations: vpa}}}}"
    made = Chart(loads(text.replace("production: {size: large, namespace: shop}", keda)), tmp_path, "production")
    assert any(kind == "ScaledObject" for kind, _ in made.rendered("production"))
    for environment in made.worlds:
        assert made.yields(environment) == made.rendered(environment)
