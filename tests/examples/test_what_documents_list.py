"""What each example's README says that the lines of its document become is what render has: the tables there are read here.

A row is `| line | environment | Kind/name | field |`. The field is a path of keys and positions in backticks, `*` for all items
of a list; ` = ` wants its value, ` has ` a part of it, both as YAML.
"""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from seatrial.app import loads, resolve
from seatrial.render import render, values

EXAMPLES = Path(__file__).parents[2] / "examples"
ROW = re.compile(r"\| (.+?) \| ([a-z]+) \| `(\w+)/([\w.-]+)` \| `(.+?)`(?: (=|has) `(.+)`)? \|")
#: Environments that a README adds to its app file.
MORE = re.compile(r"```yaml\n(  \w+: .+?)```", re.DOTALL)


def readme(example):
    return (EXAMPLES / example / "README.md").read_text()


def rows():
    for example in ("shop", "greeter", "garage"):
        for row in ROW.findall(readme(example)):
            yield pytest.param(example, *row[1:], id=f"{example}-{row[1]}-{row[0]}")


@cache
def world(example, environment):
    text = (EXAMPLES / example / "seatrial.yaml").read_text()
    for more in MORE.findall(readme(example)):
        text = text.replace("\nplatform:", f"\n{more}\nplatform:")
    app = resolve(loads(text), environment)
    made = {name: dict.fromkeys(keys, "made-up") for name, keys in values.needed(app).items()}
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in render(app, secrets=made)}


def found(part, path):
    """What is at a path; of a `*`, a list of what is there in its items."""
    for number, step in enumerate(path):
        if step == "*":
            inside = [found(item, path[number + 1 :]) for item in part]
            return [item for item in inside if item is not None]
        part = part[int(step)] if isinstance(part, list) else (part or {}).get(step)
    return part


@pytest.mark.parametrize(("example", "environment", "kind", "name", "path", "sign", "wanted"), list(rows()))
def test_a_line_of_the_document_is_an_object(example, environment, kind, name, path, sign, wanted):
    objects = world(example, environment)
    name = next((known for of, known in objects if of == kind and known.startswith(name)), name) if kind == "Job" else name
    assert (kind, name) in objects
    value = found(objects[kind, name], path.split())
    assert value not in (None, []), f"there is no {path}"
    if sign == "=":
        assert value == yaml.safe_load(wanted)
    elif sign == "has":
        part = wanted if isinstance(value, str) else yaml.safe_load(wanted)
        assert part.items() <= value.items() if isinstance(part, dict) and isinstance(value, dict) else part in value


@pytest.mark.parametrize(("example", "least"), [("shop", 50), ("greeter", 24), ("garage", 30)])
def test_the_tables_are_read(example, least):
    lines = [line for line in readme(example).splitlines() if line.startswith("| ") and "`" in line]
    assert [line for line in lines if not ROW.fullmatch(line)] == []
    assert len(lines) >= least
