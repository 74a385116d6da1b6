"""What tests share: a real twin in a process of its own, and the real kubectl and helm against it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from live import LiveTwin
from seatrial.twin.home import Home
from seatrial.twin.spawn import spawn

ROOT = Path(__file__).parent.parent

#: Whoever submits a change is told of that change: there, the same examples are tried each time. At a desk they are new ones.
#: No machine is too slow for a property, and none is quick enough to be asked for a time.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session")
def seatrial_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of the tests' own, so that they meet nobody's twins."""
    folder = tmp_path_factory.mktemp("home")
    before = os.environ.get("SEATRIAL_HOME")
    os.environ["SEATRIAL_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["SEATRIAL_HOME"]
    else:
        os.environ["SEATRIAL_HOME"] = before


@contextmanager
def starting() -> Iterator[Callable[..., LiveTwin]]:
    """A function that starts a twin by name and options; all it started end with the block."""
    started = []

    def start(name: str, *options: str) -> LiveTwin:
        home = Home(name)
        spawned = spawn(home, options, lifeline=True)
        started.append((home, spawned.lifeline))
        return LiveTwin(home, spawned.running)

    try:
        yield start
    finally:
        for home, lifeline in started:
            os.close(lifeline)
            home.stop()


@pytest.fixture(scope="module")
def start_twin(seatrial_home: Path) -> Iterator[Callable[..., LiveTwin]]:
    """Start a twin by name and options; it ends with the tests of its module, for a machine has addresses for sixteen."""
    with starting() as start:
        yield start


@pytest.fixture(scope="session")
def start_lasting_twin(seatrial_home: Path) -> Iterator[Callable[..., LiveTwin]]:
    """Start a twin that tests of several modules share."""
    with starting() as start:
        yield start


@pytest.fixture(scope="session")
def twin(start_lasting_twin: Callable[..., LiveTwin]) -> LiveTwin:
    """One twin for all tests of a worker that only need a namespace of their own."""
    return start_lasting_twin("shared")
