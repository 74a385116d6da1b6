"""What the examples render to has no error in any environment: a false alarm would show here first."""

from functools import partial
from pathlib import Path

import pytest
import yaml

import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.looking import found
from seatrial.world.world import World

findings = partial(found, live=False)

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*/yaml/*.yaml")), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_an_example_has_no_error_in_any_environment(file):
    world = World(document for document in yaml.load_all(file.read_text(), yaml.CSafeLoader) if document)
    errors = [f"{finding.title} ({finding.evidence[0].text})" for finding in findings(world) if finding.severity == "error"]
    assert len(world) > 5
    assert not errors
