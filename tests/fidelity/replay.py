"""Replays a recorded kubectl or Helm session on a twin, and says step by step where the two differ."""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path

import yaml

RECORDINGS = Path(__file__).parent / "recordings"

_spec = importlib.util.spec_from_file_location("recorded_sessions", RECORDINGS / "fidelity.py")
assert _spec is not None and _spec.loader is not None
recorder = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recorder)


@dataclass(frozen=True)
class Difference:
    step: int
    run: str
    text: str


@dataclass(frozen=True)
class Replayed:
    session: str
    compared: int
    differences: list[Difference]

    @property
    def matched(self) -> int:
        return self.compared - len(self.differences)

    @property
    def share(self) -> float:
        return self.matched / self.compared

    def __str__(self) -> str:
        lines = [f"{self.session}: {self.matched} of {self.compared} steps match"]
        for difference in self.differences:
            lines += [f"--- step {difference.step}: {difference.run}", difference.text]
        return "\n".join(lines)


def sessions() -> list[str]:
    return sorted(path.stem for path in (RECORDINGS / "sessions").glob("*.yaml"))


def replay(session: str, environment: dict[str, str]) -> Replayed:
    """Run the steps of a session with `environment` (KUBECONFIG and PATH name the server and the clients)."""
    steps = yaml.safe_load((RECORDINGS / "sessions" / f"{session}.yaml").read_text())
    golden = json.loads((RECORDINGS / "golden" / f"{session}.json").read_text())
    compared, differences = 0, []
    before, folder = dict(os.environ), Path.cwd()
    os.environ.update(environment)
    os.chdir(RECORDINGS)  # the Helm session names charts/
    try:
        for number, step, mine in recorder.play(steps):
            if step.get("compare") == "nothing":
                continue
            compared += 1
            if not recorder.same(step, golden[number], mine):
                differences.append(Difference(number, step["run"], _diff(golden[number], mine)))
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)
    return Replayed(session, compared, differences)


def _diff(golden: dict[str, str], mine: dict[str, str]) -> str:
    lines = [] if golden["code"] == mine["code"] else [f"exit code: expected {golden['code']}, got {mine['code']}"]
    for part in ("out", "err"):
        pair = golden[part].splitlines(), mine[part].splitlines()
        lines += list(difflib.unified_diff(*pair, f"kubernetes/{part}", f"twin/{part}", lineterm="", n=2))[:60]
    return "\n".join(lines)
