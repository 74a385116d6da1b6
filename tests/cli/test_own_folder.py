"""Where Seatrial cannot keep its own files, it says so, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from seatrial.cli import seatrial

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("verb", [("up", str(ROOT / "examples" / "greeter")), ("twin", "start", "--detach")])
def test_a_home_that_cannot_be_made_is_a_matter_of_the_person(verb, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("SEATRIAL_HOME", str(blocked))
    done = CliRunner().invoke(seatrial, verb)
    assert done.exit_code == 1
    assert str(blocked) in done.output
    assert "export SEATRIAL_HOME=" in done.output


@pytest.mark.parametrize("verb", [("up", str(ROOT / "examples" / "greeter")), ("twin", "start")])
def test_the_folder_of_a_state_file_has_to_be_there(verb):
    done = CliRunner().invoke(seatrial, (*verb, "--state", "nowhere/state.db"))
    assert done.exit_code == 2
    assert "there is no folder 'nowhere'" in done.output
