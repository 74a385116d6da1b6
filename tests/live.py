"""A real twin in a process of its own, as tests hold it, and the real kubectl and helm against it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

import tools
from seatrial.twin.home import Home, Running


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
