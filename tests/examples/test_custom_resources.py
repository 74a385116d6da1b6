"""Every custom resource of the examples is what its operator expects, by its own schema; skipped where the schemas are not."""

import sys
from pathlib import Path

import pytest

from seatrial.app import environments, load, resolve
from seatrial.render import render, values

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "render"))

import crds  # noqa: E402

#: Groups that Kubernetes brings itself.
BUILT_IN = ("", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "rbac.authorization.k8s.io")


@crds.needed
@pytest.mark.parametrize("example", ["shop", "greeter", "garage"])
def test_it_conforms(example):
    app = load(ROOT / "examples" / example)
    checked = set()
    for environment in environments(app):
        resolved = resolve(app, environment)
        for obj in render(resolved, secrets=values.complete(resolved)):
            if obj["apiVersion"].rpartition("/")[0] not in BUILT_IN:
                assert crds.check(obj), f"there is no schema of {obj['apiVersion']} {obj['kind']}"
                checked.add(obj["kind"])
    assert len(checked) >= {"shop": 12, "greeter": 3, "garage": 4}[example], checked
