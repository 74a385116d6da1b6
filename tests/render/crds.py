"""Whether a custom resource is what its operator expects, by the JSON schemas beside the checkout; skipped without them."""

import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest

SCHEMAS = Path(__file__).parents[3] / "shared" / "crds"

#: Marks a test that needs the schemas.
needed = pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the schemas of custom resources are not beside the checkout")


@cache
def _validator(path):
    """The schemas themselves are not checked: some hold patterns of Go that Python does not know."""
    return jsonschema.Draft202012Validator(json.loads(path.read_text()))


def check(obj):
    """Raise AssertionError with every mistake of a custom resource; True where there was a schema to check it by."""
    group, _, version = obj["apiVersion"].rpartition("/")
    path = SCHEMAS / group / f"{obj['kind'].lower()}_{version}.json"
    if not path.is_file():
        return False
    wrong = [f"{error.json_path}: {error.message}" for error in _validator(path).iter_errors(obj)]
    assert not wrong, f"{obj['kind']} {obj['metadata']['name']}: " + "; ".join(wrong)
    return True
