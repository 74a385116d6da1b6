"""What a twin has logged can be read while it runs and after it has ended."""

import io

import pytest
from click.testing import CliRunner

from seatrial.cli import seatrial
from seatrial.twin.home import Home
from seatrial.twin.spawn import spawn


def logs(*arguments):
    return CliRunner().invoke(seatrial, ["twin", "logs", *arguments], catch_exceptions=False)


def test_after_its_end_the_log_of_a_twin_still_says_why_it_ended(seatrial_home):
    home = Home("logged")
    spawn(home, ["--simulate"])
    try:
        assert "ready after" in logs("--name", "logged").output
    finally:
        home.stop()
    said = logs("--name", "logged")
    assert said.exit_code == 0
    assert said.output.rstrip().endswith("stopping: SIGTERM")
    assert not home.path.exists()


def test_the_log_of_a_twin_that_never_ran_is_told_as_such(seatrial_home):
    said = logs("--name", "unknown")
    assert said.exit_code == 1
    assert "Twin 'unknown' does not run." in said.output


@pytest.fixture
def home(seatrial_home):
    home = Home("logged")
    home.log.parent.mkdir(parents=True, exist_ok=True)
    home.log.write_text("of the twin before\n")
    return home


def test_a_twin_in_the_foreground_drops_the_log_of_the_one_before_it(home):
    with (home.log.parent / "terminal").open("w") as terminal:
        home.drop_older_log(terminal)
    assert not home.log.exists()


def test_a_detached_twin_keeps_the_log_it_writes_to(home):
    with home.log.open("a") as ours:
        home.drop_older_log(ours)
    assert home.log.exists()


def test_a_process_without_streams_leaves_the_log_alone(home):
    home.drop_older_log(io.StringIO())
    assert home.log.exists()
