"""Pods placed ahead of time go where the scheduler puts them, and what fits nowhere is told in the scheduler's words."""

from typing import Any

import pytest

from board import Board, node, pod
from seatrial.world.scheduling.choice import Placer
from seatrial.world.scheduling.shelf import Shelf
from seatrial.world.scheduling.state import ClusterState

ZONE = "topology.kubernetes.io/zone"
SPREAD = {
    "maxSkew": 1,
    "topologyKey": ZONE,
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "web"}},
}
ALONE = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
WAYS: dict[str, dict[str, Any]] = {
    "room": {"cpu": "3"},
    "taint": {"tolerations": []},
    "selector": {"nodeSelector": {"disk": "ssd"}},
    "spread": {"topologySpreadConstraints": [SPREAD]},
    "anti-affinity": {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [ALONE]}}},
    "port": {"container": {"ports": [{"containerPort": 80, "hostPort": 80}]}},
}


def nodes() -> list[dict[str, Any]]:
    taint = {"key": "gpu", "effect": "NoSchedule"}
    return [
        node("n1", labels={ZONE: "a"}),
        node("n2", cpu=2, labels={ZONE: "b", "disk": "ssd"}),
        node("n3", cpu=8, taints=[taint], labels={ZONE: "c"}),
    ]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_foretold_is_what_comes(way: str) -> None:
    board = Board(*nodes())
    state = ClusterState()
    for obj in nodes():
        state.set_node(obj)
    placer = Placer(state, Shelf({}))
    wanted = [pod(f"p{index}", labels={"app": "web"}, **WAYS[way]) for index in range(4)]
    said = []
    for each in wanted:
        board.registry.create("pods", each)
        board.run(1)
        said.append(placer.place({**each, "metadata": {**each["metadata"], "uid": each["metadata"]["name"]}}))
    for each, words in zip(wanted, said, strict=True):
        name = each["metadata"]["name"]
        if board.node_of(name):
            assert words == ""
        else:
            assert words
            assert board.why(name).startswith(words)


def test_a_missing_claim_is_hopeless() -> None:
    state = ClusterState()
    state.set_node(node("n1"))
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    obj = pod("p", volumes=volumes)
    obj["metadata"]["uid"] = "p"
    assert Placer(state, Shelf({})).place(obj) == '0/1 nodes are available: persistentvolumeclaim "data" not found.'
