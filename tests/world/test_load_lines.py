"""Where a field stands in plain YAML is seen by its indentation, and is where a parser says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.world.load import quick
from seatrial.world.load.lines import seen
from seatrial.world.load.marks import marked
from seatrial.world.load.split import documents
from seatrial.world.paths import Steps

SEEDS = Path(__file__).parent.parent / "rules" / "seeds"
FORMS = b"""\
# before
kind: Thing

spec:
  # a comment
  "quoted key": 1
  same.column/list:
  - name: a
    ports: [{name: http, port: 80}, {name: "x, y: {z", port: 81}, [], 'it''s']
  -   name: b   # far from its dash
      empty: {}
      nothing:
  - plain
  deeper:
    - { first: 1 , second: {third: [a, b]} }
  script: |
    key: no key
    - no item
  # deeper: no key either
  folded: >-
    one
    two
  url: http://example.com:80/a:b
  last: null
"""


def paths(value: Any, above: Steps = ()) -> Iterator[Steps]:
    """Every path of a value, and some that are not there."""
    yield (*above, "missing")
    yield (*above, 99)
    for step, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*above, step)
        yield from paths(below, (*above, step))


def differing(document: bytes) -> list[tuple[Steps, object, object]]:
    """Paths whose place a parser sees elsewhere."""
    plain, data = quick.load(document)
    assert plain, "the document is to be plain"
    places = ((steps, seen(document, steps), marked(document, steps)) for steps in paths(data))
    return [(steps, ours, theirs) for steps, ours, theirs in places if ours != theirs]


def test_every_form_of_plain_yaml() -> None:
    assert differing(FORMS) == []
    assert seen(FORMS, ("spec", "same.column/list", 0, "ports", 1, "port")) == (8, 55)


def test_a_list_of_items_at_the_left_edge() -> None:
    assert differing(b"- kind: A\n  name: a\n- kind: B\n") == []


@pytest.mark.parametrize("seed", sorted(SEEDS.iterdir()), ids=lambda path: path.name)
def test_every_field_of_the_seeds(seed: Path) -> None:
    texts = [path.read_bytes() for path in sorted(seed.rglob("*.yaml"))]
    bodies = [text[one.start : one.end] for text in texts for one in documents(text)]
    plain = [body for body in bodies if quick.load(body)[0]]
    assert plain
    assert [wrong for body in plain for wrong in differing(body)] == []
