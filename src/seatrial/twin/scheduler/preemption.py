"""What is tried when a pod fits nowhere: DefaultPreemption, which takes pods of lower priority away from one node.

First it is worked out, without touching anything, on which nodes that would help and at what price; then one node is chosen,
the pod is nominated for it, and its victims are deleted.  Follows pkg/scheduler/framework/preemption and
framework/plugins/defaultpreemption; the words are theirs, with those of DynamicResources, which is asked before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from seatrial.twin.clock import seconds_of, timestamp
from seatrial.twin.context import Context
from seatrial.twin.errors import ApiError
from seatrial.twin.registry.options import Options
from seatrial.twin.scheduler.nominated import Nominations, nominated_node, priority_of
from seatrial.world import selectors
from seatrial.world.objects import Obj, labels_of, name_of, namespace_of
from seatrial.world.scheduling.framework import Cycle, fit_error, reasons_of
from seatrial.world.scheduling.state import NodeInfo, PodInfo

log = logging.getLogger(__name__)

_NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"
_NEVER = "not eligible due to preemptionPolicy=Never."
_UNDER_WAY = "not eligible due to a terminating pod on the nominated node."

#: Of many nodes, this part or number is tried (apis/config/v1/defaults.go, DefaultPreemptionArgs).
LEAST_SHARE, LEAST_CANDIDATES = 10, 100

#: Added to priorities so that few victims of a negative priority cost less than many (preemption.go).
_ABOVE_ALL = 2**31

BUDGETS = "poddisruptionbudgets.policy"
REASON = "PreemptionByScheduler"

#: Whether a pod would fit on a node as things stand in the cycle's state; why not is in the cycle.
Fits = Callable[[Cycle, NodeInfo], bool]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that would have room without some pods: `victims`, the most important first."""

    node: NodeInfo
    victims: tuple[PodInfo, ...]
    violations: int  # how many victims no budget allows to be disrupted


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the message ends with; the node the pod is nominated for, "" for none any more, None for no change."""

    message: str = ""
    nominated: str | None = None
    chosen: Candidate | None = None


class PostFilter(Protocol):
    def after(self, cycle: Cycle) -> Outcome:
        """What can be done for a pod that every node has refused; `cycle.refused` says why. Changes nothing."""
        ...

    def carry_out(self, pod: PodInfo, outcome: Outcome) -> None:
        """Do it. Called when the pod waits again, so that it hears of what happens."""
        ...


class DefaultPreemption:
    def __init__(self, context: Context, nominations: Nominations, fits: Fits, component: str, options: Options) -> None:
        self._context, self._nominations, self._fits = context, nominations, fits
        self._component, self._options = component, options

    # what could be done

    def after(self, cycle: Cycle) -> Outcome:
        ineligible = self._ineligible(cycle)
        if ineligible:
            return Outcome(_failed(ineligible))
        candidates, verdicts = self._candidates(cycle)
        if not candidates:
            everywhere = len(cycle.state.nodes)
            reasons = [_NOT_HELPFUL] * (everywhere - len(verdicts))
            reasons += [reason for said in verdicts.values() for reason in said]
            return Outcome(_failed(fit_error(everywhere, reasons)), nominated="")
        chosen = self._cheapest(candidates)
        return Outcome(nominated=chosen.node.name, chosen=chosen)

    def _ineligible(self, cycle: Cycle) -> str:
        """Why a pod may not take others away: it does not want to, or those it has chosen are still on their way out."""
        pod = cycle.pod.pod
        if pod["spec"].get("preemptionPolicy") == "Never":
            return _NEVER
        node = cycle.state.nodes.get(nominated_node(pod))
        if node is None:
            return ""
        refusal = cycle.refused.get(node.name)
        if refusal is not None and not refusal.resolvable:
            return ""
        own = priority_of(pod)
        leaving = any(priority_of(other.pod) < own and _is_leaving_for_another(other.pod) for other in node.pods.values())
        return _UNDER_WAY if leaving else ""

    def _candidates(self, cycle: Cycle) -> tuple[list[Candidate], dict[str, Sequence[str]]]:
        """The nodes where taking pods away helps, and why it does not on the others that were tried."""
        nodes = [node for node in cycle.state.in_turns() if _resolvable(cycle, node)]
        enough = min(len(nodes), max(LEAST_CANDIDATES, len(nodes) * LEAST_SHARE // 100))
        if enough < len(nodes):
            start = self._context.registry.random.randrange(len(nodes))
            nodes = nodes[start:] + nodes[:start]
        budgets = self._context.store.list(BUDGETS)
        found: list[Candidate] = []
        verdicts: dict[str, Sequence[str]] = {}
        for node in nodes:
            answer = self._try(cycle, node, budgets)
            if not isinstance(answer, Candidate):
                verdicts[node.name] = answer
                continue
            found.append(answer)
            if len(found) >= enough and any(not each.violations for each in found):
                break
        return found, verdicts

    def _try(self, cycle: Cycle, node: NodeInfo, budgets: Sequence[Obj]) -> Candidate | Sequence[str]:
        """The fewest and least important pods that have to go from a node, or why their going does not help.

        All that could go are taken away; then those that fit beside the pod come back, the most important first, and
        before them those that a budget protects.
        """
        state, own = cycle.state, priority_of(cycle.pod.pod)
        potential = [info for info in node.pods.values() if priority_of(info.pod) < own]
        if not potential:
            return (_NO_VICTIMS,)
        potential.sort(key=self._importance)
        away: dict[str, PodInfo] = {}
        for info in potential:
            state.remove_pod(info.uid)
            away[info.uid] = info
        try:
            attempt = Cycle(cycle.pod, state, cycle.store, data=dict(cycle.data))
            if not self._fits(attempt, node):
                return reasons_of(attempt.refused)
            violating, others = _by_budget(potential, budgets)
            for info in (*violating, *others):
                state.set_pod(away.pop(info.uid).pod)
                if not self._fits(Cycle(cycle.pod, state, cycle.store, data=dict(cycle.data)), node):
                    state.remove_pod(info.uid)
                    away[info.uid] = info
            victims = tuple(info for info in potential if info.uid in away)
            return Candidate(node, victims, sum(info.uid in away for info in violating))
        finally:
            for info in away.values():
                state.set_pod(info.pod)

    def _importance(self, info: PodInfo) -> tuple[int, float]:
        """Sorts the most important first: the highest priority, then the longest running (scheduler/util, MoreImportantPod)."""
        return -priority_of(info.pod), self._started(info)

    def _started(self, info: PodInfo) -> float:
        start = (info.pod.get("status") or {}).get("startTime")
        return seconds_of(start) if start else self._context.clock.now()

    def _cheapest(self, candidates: Sequence[Candidate]) -> Candidate:
        """The node to take pods from (pickOneNodeForPreemption); the registry's random decides among equals."""
        prices = [self._price(candidate) for candidate in candidates]
        lowest = min(prices)
        best = [candidate for candidate, price in zip(candidates, prices, strict=True) if price == lowest]
        return best[0] if len(best) == 1 else self._context.registry.random.choice(best)

    def _price(self, candidate: Candidate) -> tuple[float, ...]:
        priorities = [priority_of(info.pod) for info in candidate.victims]
        highest = max(priorities, default=-_ABOVE_ALL)
        earliest = min((self._started(info) for info in candidate.victims if priority_of(info.pod) == highest), default=0.0)
        total = sum(priority + _ABOVE_ALL for priority in priorities)
        return candidate.violations, highest, total, len(priorities), -earliest

    # doing it

    def carry_out(self, pod: PodInfo, outcome: Outcome) -> None:
        if outcome.chosen is None:
            return
        node = outcome.chosen.node.name
        self._withdraw(pod, node)
        for victim in outcome.chosen.victims:
            if victim.terminating:
                continue
            try:
                self._preempt(pod, victim, node)
            except ApiError as error:
                log.debug("preempting %s/%s: %s", victim.namespace, victim.name, error)

    def _preempt(self, pod: PodInfo, victim: PodInfo, node: str) -> None:
        registry = self._context.registry
        current = registry.get("pods", victim.namespace, victim.name)
        if current["metadata"]["uid"] != victim.uid:
            return
        status = dict(current.get("status") or {})
        others = [each for each in status.get("conditions") or () if each["type"] != "DisruptionTarget"]
        status["conditions"] = [*others, self._condition(pod, current)]
        registry.update_status("pods", {**current, "metadata": {**current["metadata"]}, "status": status}, self._options)
        registry.delete("pods", victim.namespace, victim.name, uid=victim.uid, options=self._options)
        message = f"Preempted by pod {pod.uid} on node {node}"
        self._context.events.emit(current, "Normal", "Preempted", message, self._component)

    def _condition(self, pod: PodInfo, victim: Obj) -> Obj:
        scheduler = pod.spec.get("schedulerName") or self._component
        return {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(self._context.clock.now()),
            "reason": REASON,
            "message": f"{scheduler}: preempting to accommodate a higher priority pod",
            "observedGeneration": victim["metadata"].get("generation", 1),
        }

    def _withdraw(self, pod: PodInfo, node: str) -> None:
        """Pods of lower priority that were to have the node look for another."""
        own = priority_of(pod.pod)
        for other in self._nominations.on(node):
            current = self._context.registry.find("pods", namespace_of(other), name_of(other))
            if current is None or priority_of(other) >= own or not nominated_node(current):
                continue
            status = {key: value for key, value in current["status"].items() if key != "nominatedNodeName"}
            written = {**current, "metadata": {**current["metadata"]}, "status": status}
            self._context.registry.update_status("pods", written, self._options)


def _failed(said: str) -> str:
    return f"no new claims to deallocate, preemption: {said}"


def _resolvable(cycle: Cycle, node: NodeInfo) -> bool:
    refusal = cycle.refused.get(node.name)
    return refusal is not None and refusal.resolvable


def _is_leaving_for_another(pod: Obj) -> bool:
    if not pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "DisruptionTarget" and c["status"] == "True" and c.get("reason") == REASON for c in conditions)


def _by_budget(pods: Iterable[PodInfo], budgets: Sequence[Obj]) -> tuple[list[PodInfo], list[PodInfo]]:
    """The pods whose going a budget does not allow, and the others, in the given order; each counts against its budgets."""
    left = [(budget.get("status") or {}).get("disruptionsAllowed", 0) for budget in budgets]
    violating: list[PodInfo] = []
    others: list[PodInfo] = []
    for info in pods:
        violates = False
        for index, budget in enumerate(budgets):
            if _protects(budget, info):
                left[index] -= 1
                violates = violates or left[index] < 0
        (violating if violates else others).append(info)
    return violating, others


def _protects(budget: Obj, info: PodInfo) -> bool:
    selector = budget["spec"].get("selector")
    if not selector or namespace_of(budget) != info.namespace or not info.labels:
        return False
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return False
    disrupted = (budget.get("status") or {}).get("disruptedPods") or {}
    return info.name not in disrupted and selectors.matches(selector, labels_of(info.pod))
