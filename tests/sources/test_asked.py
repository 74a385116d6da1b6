"""Programs that are asked while files are loaded: one that does not end is ended, with all that it started."""

import os
import select
import subprocess
import sys

import pytest

from seatrial.sources.asked import run

STARTS_ANOTHER = "sleep 600 & echo $!; wait"


def test_a_program_says_what_it_says():
    done = run([sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"], 60)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_it_is_given_no_input():
    assert run([sys.executable, "-c", "import sys; print(repr(sys.stdin.read()))"], 60).stdout == b"''\n"


@pytest.mark.parametrize("failure", [subprocess.TimeoutExpired("helm", 60), KeyboardInterrupt()], ids=["patience", "interrupt"])
def test_what_is_given_up_is_ended_with_all_that_it_started(failure, monkeypatch):
    started = []

    def communicate(child, timeout):
        """As if the time were over once the program has started its own."""
        for pid in (child.pid, int(child.stdout.readline())):
            started.append(os.pidfd_open(pid))
        raise failure

    monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
    with pytest.raises(type(failure)):
        run(["sh", "-c", STARTS_ANOTHER], 60)
    assert len(started) == 2
    for ended in started:
        assert select.select([ended], [], [], 30)[0], "it still runs"
        os.close(ended)


def test_a_program_that_is_not_there_is_told_as_the_system_tells_it():
    with pytest.raises(FileNotFoundError):
        run(["no-such-program-anywhere"], 60)
