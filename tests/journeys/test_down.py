"""Taking applications down: alone with the cluster, or beside another application that stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.twin.home import Home

ROOT = Path(__file__).parent.parent.parent
GREETER = ROOT / "examples" / "greeter"

pytestmark = pytest.mark.xdist_group("down")


def seatrial(*arguments: str) -> str:
    command = [sys.executable, "-m", "seatrial", *arguments, "--name", "down"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def home(seatrial_home):
    home = Home("down")
    yield home
    home.stop()


def test_the_last_application_takes_the_cluster_with_it_and_down_again_is_no_mistake(home):
    seatrial("up", str(GREETER), "--detach")
    assert "nothing is left behind" in seatrial("down", str(GREETER))
    assert home.running() is None
    assert "nothing to take down" in seatrial("down", str(GREETER))


def test_an_application_beside_another_leaves_that_one_running(home, tmp_path):
    other = tmp_path / "seatrial.yaml"
    other.write_text('app: other\nversion: "1.0"\nservices:\n  pause: {image: pause.example.com/pause, port: 8080, health: /}\n')
    seatrial("up", str(GREETER), "--detach")
    events = [json.loads(line) for line in seatrial("up", str(other), "--detach", "-o", "json").splitlines()]
    assert events[-1]["kind"] == "ready"
    assert seatrial("down", str(other)) == "other is down.\n"
    assert home.running() is not None
