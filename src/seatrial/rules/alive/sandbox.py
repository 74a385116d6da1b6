# ruff: noqa: E501 - a line of the table is one saying
"""Pods for which the node cannot make what holds their containers: no network, no address, no sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.alive.pods import containers, is_going, is_over, refs, said, whose
from seatrial.rules.alive.telling import told
from seatrial.rules.finding import Finding, Rule, check
from seatrial.world.objects import Obj
from seatrial.world.world import World, event_count

RULE = Rule(
    "pod-sandbox", "warning", "a node cannot make a pod's sandbox", "The pod waits in ContainerCreating; others on that node, too.",
    "Look at the network plugin's pods on that node, and whether its range of addresses has room; the message says which of them it is.",
)  # fmt: skip
#: What the plugin or the runtime answered, without the steps before it.
_ANSWER = re.compile(
    r"(?:failed to (?:setup network for|create|start|reserve) sandbox[^:]*: |desc = |code = \w+ )+(?P<why>.+)", re.DOTALL
)
#: A second try often succeeds.
AGAIN = 2


@check("Pod", rules=[RULE], live=True)
def unmade(world: World, pod: Obj) -> Iterator[Finding]:
    if is_going(pod) or is_over(pod) or any(each.running or each.ends for each in containers(pod)):
        return
    events = world.events(pod, "FailedCreatePodSandBox")
    if not events or sum(map(event_count, events)) < AGAIN:
        return
    message = " ".join(str(events[-1].get("message", "")).split())
    found = _ANSWER.search(message)
    why = (found["why"] if found else message)[:160]
    yield told(
        RULE,
        f"a pod of {whose(world, pod)} gets no sandbox on its node: {why}",
        refs(world, pod),
        [said(events[-1], pod)],
        count=event_count(events[-1]),
    )
