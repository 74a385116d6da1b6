"""What tests share: a real twin in a process of its own, and the real kubectl and helm against it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import tools
from seatrial.twin.home import Home, Running
from seatrial.twin.spawn import spawn

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class LiveTwin:
    """A running twin, and kubectl and helm pointed at it."""

    home: Home
    running: Running

    @property
    def environment(self) -> dict[str, str]:
        path = f"{tools.TOOLS}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "KUBECONFIG": self.running.kubeconfig, "PATH": path, "HELM_NO_PLUGINS": "1"}

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return self.run([tools.kubectl(), *arguments], stdin, check)

    def helm(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return self.run([tools.helm(), *arguments], stdin, check)

    def run(self, command: list[str], stdin: str | None = None, check: bool = True) -> str:
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, env=self.environment, timeout=120)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command[:6])}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if check else done.stdout + done.stderr


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


@pytest.fixture(scope="session")
def start_twin(seatrial_home: Path) -> Iterator[Callable[..., LiveTwin]]:
    """Start a twin by name and options; it ends with the tests."""
    started = []

    def start(name: str, *options: str) -> LiveTwin:
        home = Home(name)
        spawned = spawn(home, options, lifeline=True)
        started.append((home, spawned.lifeline))
        return LiveTwin(home, spawned.running)

    yield start
    for home, lifeline in started:
        os.close(lifeline)
        home.stop()


@pytest.fixture(scope="session")
def twin(start_twin: Callable[..., LiveTwin]) -> LiveTwin:
    """One twin for all tests of a worker that only need a namespace of their own."""
    return start_twin("shared")
