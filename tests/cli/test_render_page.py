"""What docs/render.md shows was printed: its commands are run on its app file, and its excerpts are looked for in the objects."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from seatrial.app import environments, load
from seatrial.cli import seatrial
from seatrial.package.helm import chart
from seatrial.render import render

PAGE = (Path(__file__).parents[2] / "docs" / "render.md").read_text()
APP, *EXCERPTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
SESSIONS = re.findall(r"(?m)^    \$ (seatrial render .*)\n((?:    .+\n)+)", PAGE)


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seatrial.yaml").write_text(APP)
    return load("seatrial.yaml")


def test_its_commands_print_what_it_says(app):
    assert len(SESSIONS) >= 4
    for command, said in SESSIONS:
        done = CliRunner().invoke(seatrial, shlex.split(command)[1:], catch_exceptions=False)
        assert done.stdout == re.sub("(?m)^    ", "", said), command


def test_its_excerpts_are_in_what_is_rendered(app):
    worlds = {environment: render(app, environment) for environment in environments(app)}
    known = {f"{obj['kind']}/{obj['metadata']['name']}": obj for obj in worlds["production"]}
    known["chart/values-staging.yaml"] = yaml.safe_load(chart("shop", worlds, base="production")["values-staging.yaml"])
    assert len(EXCERPTS) >= 6
    for excerpt in EXCERPTS:
        title = excerpt.partition("\n")[0].removeprefix("# ")
        assert is_in(yaml.safe_load(excerpt), known[title]), title


def is_in(part, whole):
    """Whether a part is a piece of the whole: the keys and items that it has are there, in their order."""
    if isinstance(part, dict):
        return all(key in whole and is_in(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        items = iter(whole)
        return all(any(is_in(one, other) for other in items) for one in part)
    return part == whole
