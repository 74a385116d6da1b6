"""What a scheduler plugin is, and what one attempt to place a pod carries from plugin to plugin.

A plugin answers for all nodes at once: `filter` keeps those that will do and refuses the others with a reason, `score` rates
those that are left from 0 to 100.  Plugins are asked in the order of their table, and the first to refuse a node is the one
that is quoted (pkg/scheduler/framework).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.world.scheduling.shelf import Store
from seatrial.world.scheduling.state import ClusterState, NodeInfo, PodInfo

#: What may happen in a cluster that makes a refused pod worth another look.
NODE_ADDED, NODE_CHANGED = "node added", "node changed"
POD_ADDED, POD_CHANGED, POD_GONE = "pod added", "pod changed", "pod gone"
STORAGE_CHANGED = "storage changed"

#: Every score lies between 0 and this.
MOST = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node will not do. Not `resolvable`: taking other pods away would not help."""

    plugin: str
    reasons: tuple[str, ...]
    resolvable: bool = True


class Hopeless(Exception):  # noqa: N818 - a verdict, not a fault
    """No node at all will do, whatever it looks like; the words are the plugin's."""

    def __init__(self, plugin: str, message: str) -> None:
        super().__init__(message)
        self.plugin, self.message = plugin, message


@dataclass(slots=True)
class Cycle:
    """One attempt to place one pod."""

    pod: PodInfo
    state: ClusterState
    store: Store
    refused: dict[str, Refusal] = field(default_factory=dict)  # by node
    data: dict[str, Any] = field(default_factory=dict)  # what a plugin works out once, under its name


class Plugin:
    """Keeps all nodes and rates none: what a plugin does otherwise, it says by overriding.

    `weight` multiplies its scores; `wakes_on` lists what can make it change its mind about a pod it has refused.
    """

    name = ""
    weight = 1
    wakes_on: frozenset[str] = frozenset()

    def prepare(self, cycle: Cycle) -> None:
        """Work out what concerns all nodes. Raises Hopeless."""

    def filter(self, cycle: Cycle, nodes: list[NodeInfo]) -> list[NodeInfo]:
        """The nodes that will do; the others go to `cycle.refused`."""
        return nodes

    def score(self, cycle: Cycle, nodes: list[NodeInfo]) -> Sequence[int] | None:
        """A rating for each node, from 0 to MOST; None when it has no opinion."""
        return None

    def refuse(self, cycle: Cycle, node: NodeInfo, *reasons: str, resolvable: bool = True) -> None:
        cycle.refused[node.name] = Refusal(self.name, reasons, resolvable)


def normalized(scores: Sequence[int], reverse: bool = False) -> list[int]:
    """Scores stretched so that the highest is MOST (framework/plugins/helper/normalize_score.go)."""
    highest = max(scores, default=0)
    if highest == 0:
        return [MOST if reverse else 0] * len(scores)
    scaled = [MOST * score // highest for score in scores]
    return [MOST - score for score in scaled] if reverse else scaled


def fit_error(nodes: int, reasons: Iterable[str] | str, more: str = "") -> str:
    """Why a pod fits nowhere, in the scheduler's words (framework/types.go, FitError)."""
    if isinstance(reasons, str):
        said = reasons
    else:
        said = ", ".join(sorted(f"{number} {reason}" for reason, number in Counter(reasons).items()))
    text = f"0/{nodes} nodes are available"
    if said:
        text += f": {said}."
    return f"{text} {more}" if more else text


def reasons_of(refused: Mapping[str, Refusal]) -> list[str]:
    return [reason for refusal in refused.values() for reason in refusal.reasons]
