"""What the examples become is what is written in tests/golden; `make golden` writes it anew, for review."""

import difflib
import runpy
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "golden"
GOLDEN = runpy.run_path(str(HERE / "__main__.py"), run_name="golden")


@pytest.mark.parametrize("example", GOLDEN["examples"]())
def test_an_example_becomes_what_is_written(example):
    made = GOLDEN["files"](example)
    folder = HERE / example
    there = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    lines = []
    for path in sorted({*made, *there}):
        before, after = (one.get(path, "").splitlines() for one in (there, made))
        lines += difflib.unified_diff(before, after, f"golden/{example}/{path}", "now", n=2, lineterm="")
    assert not lines, "\n".join(["not what `make golden` wrote:", *lines[:200]])
