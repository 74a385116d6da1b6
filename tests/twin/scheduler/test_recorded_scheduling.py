"""The scheduler places pods as the recorded one did, and says the same of those that fit nowhere.

Which of several equal nodes gets a pod is random there and here: counts are compared sorted, or summed by zone where zones differ
in size (see the README of the recordings).
"""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from board import Board, node

RECORDINGS = Path(__file__).parents[2] / "fidelity" / "recordings" / "scheduling"
SCENARIOS = {s["name"]: s for s in yaml.safe_load_all((RECORDINGS / "scenarios.yaml").read_text())}
GOLDEN = {answer["name"]: answer for answer in json.loads((RECORDINGS / "golden.json").read_text())}
ZONE = "topology.kubernetes.io/zone"


def sized(counts, nodes):
    """How many pods there are on nodes that are told apart by their zone's size, taints and labels, sorted within those."""
    zones = {n["name"]: n.get("labels", {}).get(ZONE, "") for n in nodes}
    sizes = Counter(zones.values())
    if len(set(sizes.values())) > 1:
        by_zone = Counter()
        for name, number in counts.items():
            by_zone[zones[name]] += number
        return dict(by_zone)
    return sorted(counts.values())


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pods_go_where_the_recorded_scheduler_put_them(name, seed):
    scenario, golden = SCENARIOS[name], GOLDEN[name]
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
    nodes = scenario["nodes"]
    assert {app: sized(counts, nodes) for app, counts in board.placed().items()} == {
        app: sized(counts, nodes) for app, counts in golden["placed"].items()
    }
    assert board.pending() == golden["pending"]
