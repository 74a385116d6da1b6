"""The API server's schemas and admission accept every object of the examples, in every environment."""

from pathlib import Path

import admitted
import pytest

from seatrial.app import environments, load, resolve
from seatrial.render import render, values

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("example", sorted(path.parent.name for path in EXAMPLES.glob("*/seatrial.yaml")))
def test_the_api_server_accepts_every_built_in_object_of_an_example(example):
    app = load(EXAMPLES / example)
    for environment in environments(app):
        registry = admitted.registry()
        resolved = resolve(app, environment)
        objects = render(resolved, secrets=values.complete(resolved))
        builtin = [obj for obj in objects if admitted.RESOURCES.of_kind(obj["apiVersion"], obj["kind"])]
        assert len(builtin) > 10
        for obj in builtin:
            admitted.send(registry, obj)
