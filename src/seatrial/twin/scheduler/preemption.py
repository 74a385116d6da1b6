"""What is tried when a pod fits nowhere: the place of preemption, and what is said where it cannot help.

The words are those of framework/preemption and of the plugins DynamicResources and DefaultPreemption, in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from seatrial.twin.scheduler.framework import Cycle, fit_error

_NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the message ends with, and the node that is being made free, if one is."""

    message: str
    nominated: str = ""


class PostFilter(Protocol):
    def after(self, cycle: Cycle) -> Outcome:
        """What can be done for a pod that every node has refused; `cycle.refused` says why."""
        ...


class NoPreemption:
    """Takes no pods away: tells for each node whether that could have helped."""

    def after(self, cycle: Cycle) -> Outcome:
        if cycle.pod.spec.get("preemptionPolicy") == "Never":
            said = "not eligible due to preemptionPolicy=Never."
        else:
            verdicts = [_NO_VICTIMS if refusal.resolvable else _NOT_HELPFUL for refusal in cycle.refused.values()]
            said = fit_error(len(cycle.state.nodes), verdicts)
        return Outcome(f"no new claims to deallocate, preemption: {said}")
