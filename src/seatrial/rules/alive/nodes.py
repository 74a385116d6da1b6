# ruff: noqa: E501 - a line of the table is one saying
"""Nodes that are not ready or short of something, with what fills them; pods that were evicted for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.alive.pods import condition, one_of, refs, whose
from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, dig, name_of, namespace_of, ref_of
from seatrial.world.world import World, event_count, short

RULES = {
    rule.id: rule
    for rule in (
        Rule("node-not-ready", "error", "a node is not ready", "Its pods are taken for lost after five minutes and started elsewhere, if there is room.",
             "Look at the kubelet and the container runtime of the node (journalctl -u kubelet), and at its network."),
        Rule("node-disk-pressure", "error", "a node has too little disk", "The kubelet evicts pods and takes no new ones; images cannot be pulled.",
             "Free what fills the disk, bound it with ephemeral-storage limits and sizeLimit, or give the node a larger disk."),
        Rule("node-memory-pressure", "error", "a node has too little memory", "The kubelet evicts the pods that use more than they requested.",
             "Let requests say what the pods really use, or add memory."),
        Rule("node-pid-pressure", "error", "a node has too few process ids left", "The kubelet evicts pods and takes no new ones.",
             "Find the pod that starts processes without end; set podPidsLimit."),
        Rule("node-network", "error", "a node's network is not set up", "Pods on it get no addresses.", "Look at the network plugin's pod on this node."),
        Rule("node-cordoned", "note", "a node takes no new pods", "It was cordoned, by somebody or for a drain.", "`kubectl uncordon NODE`, when it is to take pods again."),
    )
}  # fmt: skip
EVICTED = Rule(
    "evicted", "warning", "a pod was evicted from its node", "It is started elsewhere, or again on the same node, and may be evicted again.",
    "Request what it uses; what it writes belongs on a volume or under an ephemeral-storage limit.",
)  # fmt: skip
#: condition -> (the status that is bad, rule)
CONDITIONS = {
    "DiskPressure": "node-disk-pressure",
    "MemoryPressure": "node-memory-pressure",
    "PIDPressure": "node-pid-pressure",
    "NetworkUnavailable": "node-network",
}
_LACKS = {
    "node-disk-pressure": "has too little disk",
    "node-memory-pressure": "has too little memory",
    "node-pid-pressure": "has too few process ids left",
    "node-network": "has no network: no route, or no plugin for it",
}
_SHORT_OF = re.compile(r"low on resource: (\S+?)\.")
#: What the kubelet says of each container when it evicts: `Container api was using 1024Ki, request is 0`.
_USING = re.compile(r"Container (\S+) was using (\S+?), request is (\S+?)[.,]")


@check("Node", rules=RULES.values(), live=True)
def unwell(world: World, node: Obj) -> Iterator[Finding]:
    ready = condition(node, "Ready")
    if ready and ready.get("status") != "True":
        silent = ready.get("status") == "Unknown"
        said = f"{ready.get('reason', '')}: {ready.get('message', '')}"
        title = f"{short(node)} is not ready: {'its kubelet no longer reports' if silent else ready.get('message', '')}"
        yield told(RULES["node-not-ready"], title, [node], [status(world, node, "status.conditions[Ready]", said)])
    for kind, rule in CONDITIONS.items():
        found = condition(node, kind)
        if found.get("status") == "True":
            facts = [status(world, node, f"status.conditions[{kind}]", f"{found.get('reason', '')}: {found.get('message', '')}")]
            filling = _filling(world, node)
            title = f"{short(node)} {_LACKS[rule]}"
            if filling:
                title += f"; most is taken by {filling[0][0]}"
            yield told(RULES[rule], title, [node], [*facts, *(fact for _, fact in filling)])
    if dig(node, "spec.unschedulable", False):
        yield told(
            RULES["node-cordoned"],
            f"{short(node)} takes no new pods",
            [node],
            [status(world, node, "spec.unschedulable", "unschedulable: true")],
            fix=f"`kubectl uncordon {name_of(node)}`, when it is to take pods again.",
        )


def _filling(world: World, node: Obj) -> list[tuple[str, Fact]]:
    """What fills a node, as its evictions and failed collections of garbage tell."""
    found: list[tuple[str, Fact]] = []
    for pod in world.of("Pod"):
        if dig(pod, "spec.nodeName") == name_of(node) and dig(pod, "status.reason") == "Evicted":
            message = str(dig(pod, "status.message", ""))
            for container, used, request in _USING.findall(message):
                words = f"container {container} of {whose(world, pod)} used {used}, request {request}"
                found.append((whose(world, pod), Fact(words, world.source(ref_of(pod), "status.message"))))
    for event in world.events(node, "FreeDiskSpaceFailed", "ImageGCFailed", "EvictionThresholdMet"):
        words = f"{event.get('reason')} ({event_count(event)} times): {event.get('message', '')}"
        found.append(("images and logs" if "Disk" in words else "its pods", Fact(words, f"event of {ref_of(node)}")))
    return found[:6]


@check("Pod", rules=[EVICTED], live=True)
def evicted(world: World, pod: Obj) -> Iterator[Finding]:
    if dig(pod, "status.phase") != "Failed" or dig(pod, "status.reason") not in ("Evicted", "Preempting", "NodeLost"):
        return
    message = str(dig(pod, "status.message", ""))
    short_of = _SHORT_OF.search(message)
    why = (
        f"node {dig(pod, 'spec.nodeName', '')} was low on {short_of[1]}"
        if short_of
        else message.rstrip(". ") or str(dig(pod, "status.reason"))
    )
    facts = [status(world, pod, "status.message", message or str(dig(pod, "status.reason")))]
    yield told(EVICTED, f"{one_of(world, pod)} was evicted: {why}", refs(world, pod), facts, count=1)


PREEMPTED = Rule(
    "evicted-preempted", "warning", "a pod had to make room for one of higher priority", "What it did is done later, or not at all where no node has room.",
    "Give it a priority of its own, or the cluster room for both.",
)  # fmt: skip


@check("Event", rules=[PREEMPTED], live=True)
def preempted(world: World, event: Obj) -> Iterator[Finding]:
    """The pod is gone by then; its event tells."""
    if event.get("reason") != "Preempted":
        return
    about = event.get("involvedObject") or event.get("regarding") or {}
    name, message = str(about.get("name", "")), str(event.get("message") or event.get("note", ""))
    gone = world.find("Pod", namespace_of(event), name, "") or {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace_of(event)},
    }
    yield told(
        PREEMPTED,
        f"Pod {name} had to make room: {message}",
        [world.root(gone)],
        [Fact(f"Preempted: {message}", f"event of {ref_of(gone)}")],
    )
