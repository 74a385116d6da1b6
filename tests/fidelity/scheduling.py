"""Where the scheduler puts the pods of the recorded scenarios, and what it says of those that fit nowhere.

Which of several equal nodes gets a pod is random there and here: counts are compared sorted, or summed by zone where zones differ
in size (see the README of the recordings).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from board import Board, node

FOLDER = Path(__file__).parent / "recordings" / "scheduling"
ZONE = "topology.kubernetes.io/zone"


def scenarios() -> dict[str, dict[str, Any]]:
    return {s["name"]: s for s in yaml.safe_load_all((FOLDER / "scenarios.yaml").read_text())}


def golden(name: str) -> dict[str, Any]:
    answers = json.loads((FOLDER / "golden.json").read_text())
    return next(answer for answer in answers if answer["name"] == name)  # type: ignore[no-any-return]


def play(scenario: dict[str, Any], seed: int = 1) -> Board:
    """The board after the scenario, with the further node that was in the recorded cluster."""
    given = [
        node(n["name"], n.get("cpu", 4), n.get("memory", "16Gi"), n.get("pods", 110), taints=n.get("taints", []),
             unschedulable=n.get("unschedulable", False), labels={"sim": "yes", **n.get("labels", {})})
        for n in scenario["nodes"]
    ]  # fmt: skip
    board = Board(node("node-a", 2), *given, seed=seed)
    for part in scenario["manifest"].split("\n---\n"):
        board.apply(part)
        board.run(scenario.get("pause", 3))
    board.run()
    return board


def differences(name: str, seed: int = 1) -> list[str]:
    """What is not as recorded, in words; empty when all is."""
    scenario, recorded = scenarios()[name], golden(name)
    board = play(scenario, seed)
    here, there = _sized(board.placed(), scenario), _sized(recorded["placed"], scenario)
    found = [] if here == there else [f"placed {here}, recorded {there}"]
    if board.pending() != recorded["pending"]:
        found.append(f"pending {board.pending()}, recorded {recorded['pending']}")
    return found


def _sized(placed: dict[str, dict[str, int]], scenario: dict[str, Any]) -> dict[str, Any]:
    """How many pods of each application there are on nodes, sorted, or in each zone where zones differ in size."""
    zones = {n["name"]: n.get("labels", {}).get(ZONE, "") for n in scenario["nodes"]}
    if len(set(Counter(zones.values()).values())) <= 1:
        return {app: sorted(counts.values()) for app, counts in placed.items()}
    summed: dict[str, Counter[str]] = {app: Counter() for app in placed}
    for app, counts in placed.items():
        for name, number in counts.items():
            summed[app][zones[name]] += number
    return {app: dict(counts) for app, counts in summed.items()}
