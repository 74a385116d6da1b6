# ruff: noqa: E501 - a line of the table is one saying
"""Pods that fit on no node: which resource, taint or rule is in the way, and whether an autoscaler could still help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from seatrial.rules.alive.pods import condition, is_going, is_over, one_of, refs
from seatrial.rules.finding import Fact, Finding, Rule, Severity, check
from seatrial.world import pod_resources, quantity
from seatrial.world.objects import Obj, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.once import once
from seatrial.world.scheduling.plugins.node_affinity import allows
from seatrial.world.scheduling.plugins.node_basics import tolerated
from seatrial.world.world import World, event_time

_WAITS = "Pods wait for ever for a node; the rollout stands still, or runs with fewer replicas than it should."

RULES = {
    rule.id: rule
    for rule in (
        Rule("unschedulable-resources", "error", "no node has room for a pod", _WAITS,
             "Add nodes or larger ones, lower requests or replicas, or install an autoscaler."),
        Rule("unschedulable-taint", "error", "a pod does not tolerate the taints of the nodes", _WAITS,
             "Add a toleration for the taint, or remove the taint from nodes that may take it."),
        Rule("unschedulable-affinity", "error", "no node has the labels that a pod asks for", _WAITS,
             "Correct nodeSelector or nodeAffinity, or label the nodes."),
        Rule("unschedulable-spread", "error", "a pod's rules about other pods leave no node", _WAITS,
             "Let the rule be preferred instead of required (whenUnsatisfiable: ScheduleAnyway), or add nodes or zones."),
        Rule("unschedulable-port", "error", "the host port a pod asks for is taken on every node", _WAITS,
             "Do without hostPort; a Service reaches the pod as well."),
        Rule("unschedulable-volume", "warning", "a pod waits for its volume", _WAITS,
             "Look at the claim: its class, its size, and whether its zone is that of the nodes."),
        Rule("unschedulable", "error", "no node takes a pod", _WAITS, "The scheduler's message says why, node by node."),
    )
}  # fmt: skip

#: What the scheduler says of nodes -> rule (pkg/scheduler/framework/plugins); the one most nodes are refused for counts.
WORDS = tuple(
    (rule, re.compile(words))
    for rule, words in (
        ("unschedulable-volume", r"unbound immediate PersistentVolumeClaims|persistentvolumeclaim|volume node affinity|available persistent volumes"),
        ("unschedulable-resources", r"Insufficient|Too many pods"),
        ("unschedulable-taint", r"untolerated taint|were unschedulable"),
        ("unschedulable-affinity", r"node affinity|node selector"),
        ("unschedulable-spread", r"topology spread|anti-affinity|pod affinity"),
        ("unschedulable-port", r"free ports"),
    )
)  # fmt: skip
#: What the scheduler says of every pod since there is dynamic resource allocation, of those without claims too.
CLAIMS = "no new claims to deallocate"
_REASON = re.compile(r"(\d+) ([^,.]+(?:\{[^}]*\})?[^,.]*)")


@check("Pod", rules=RULES.values(), live=True)
def unschedulable(world: World, pod: Obj) -> Iterator[Finding]:
    """A pod that the scheduler has looked at and found no node for."""
    scheduled = condition(pod, "PodScheduled")
    if is_going(pod) or scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return
    message = str(scheduled.get("message", ""))
    fitting = [node for node in world.of("Node") if allows(pod["spec"], name_of(node), labels_of(node))]
    rule = RULES[_told(message, frozenset({"unschedulable-affinity"} if fitting else ()))]
    own = [*_sizes(world, pod, rule.id), *_wishes(world, pod, rule.id)]
    facts = [Fact(message, world.source(ref_of(pod), "status.conditions[PodScheduled]")), *own]
    severity, hope = _hope(world, pod, rule)
    why = message.partition(" preemption:")[0].replace(CLAIMS, "").rstrip(",. ") or rule.title
    if own and rule.id != "unschedulable-volume":  # of all that the scheduler says, what is asked and what there is
        why = "; ".join(fact.text for fact in own[:SAID])
    yield Finding(
        rule.id,
        severity,
        f"{one_of(world, pod)} fits on no node: {why}",
        refs(world, pod),
        (*facts, *hope),
        rule.title,
        _fix(rule, pod, message, fitting),
        details={"count": 1},
    )


def _fix(rule: Rule, pod: Obj, message: str, nodes: list[Obj]) -> str:
    """What to do: for nodes that were only cordoned, and claims that are not there, no more than that."""
    if rule.id == "unschedulable-taint" and nodes and all(_is_cordoned(node) for node in nodes):
        return f"`kubectl uncordon {' '.join(map(name_of, nodes[:NODES]))}`, when the work on it is done; or add nodes."
    missing = re.search(r'persistentvolumeclaim "([^"]+)" not found', message)
    if missing:
        claims = [dig(each, "persistentVolumeClaim.claimName") for each in dig(pod, "spec.volumes", [])]
        return (
            f"Create the PersistentVolumeClaim {missing[1]} in the same namespace, or correct claimName."
            if missing[1] in claims
            else rule.fix
        )
    return rule.fix


def _is_cordoned(node: Obj) -> bool:
    """Whether nothing but being cordoned keeps pods away."""
    own = [each for each in dig(node, "spec.taints", []) if each.get("key") != "node.kubernetes.io/unschedulable"]
    return bool(dig(node, "spec.unschedulable")) and not [each for each in own if each.get("effect") != "PreferNoSchedule"]


def _told(message: str, others: frozenset[str] = frozenset()) -> str:
    """The rule that most nodes are refused by; `others` hold of some nodes, and do not keep the pod from the rest."""
    if "persistentvolumeclaim" in message or "unbound immediate" in message:
        return "unschedulable-volume"
    weights: dict[str, int] = {}
    for number, words in _REASON.findall(message.partition("preemption:")[0].partition("available:")[2]):
        rule = next((rule for rule, pattern in WORDS if pattern.search(words)), "unschedulable")
        weights[rule] = weights.get(rule, 0) + int(number)
    weights = {rule: weight for rule, weight in weights.items() if rule not in others} or weights
    return max(weights, key=lambda rule: weights[rule]) if weights else "unschedulable"


def _hope(world: World, pod: Obj, rule: Rule) -> tuple[Severity, list[Fact]]:
    """An error where nobody adds nodes, or who adds them has said no; a warning as long as somebody may."""
    if rule.severity != "error":
        return rule.severity, []
    refusals = world.events(pod, "NotTriggerScaleUp")
    tried = world.events(pod, "TriggeredScaleUp", "Nominated")
    if refusals and (not tried or event_time(refusals[-1]) > event_time(tried[-1])):
        return "error", [Fact(f"the autoscaler does not help: {refusals[-1].get('message', '')}", f"event of {ref_of(pod)}")]
    autoscaler = world.facts.get("autoscaler")
    if autoscaler == "":
        return "error", [Fact("no autoscaler adds nodes to this cluster")]
    known = f"{autoscaler} may add a node" if autoscaler else "an autoscaler may add a node; none was looked for"
    return "warning", [Fact(known)]


def _sizes(world: World, pod: Obj, rule: str) -> list[Fact]:
    """What the pod asks for beside what the largest node has at all, where nodes are known."""
    nodes = list(world.of("Node"))
    if rule != "unschedulable-resources" or not nodes:
        return []
    facts = []
    for resource, amount in sorted(pod_resources.requests(pod["spec"]).items()):
        have = [
            (quantity.parse(found), found, node) for node in nodes if (found := dig(node, "status.allocatable", {}).get(resource))
        ]
        if have:
            most, text, node = max(have, key=lambda one: one[0])
            if most < quantity.parse(amount):
                words = f"it asks for {resource} {amount}, and the largest node, {name_of(node)}, has {text} in all"
                facts.append(Fact(words, world.source(ref_of(node), "status.allocatable")))
    return facts or _room(world, pod, [node for node in nodes if _may_take(pod, node)])


def _may_take(pod: Obj, node: Obj) -> bool:
    """Whether nothing but room is between a pod and a node: its labels, its taints, a cordon."""
    taints = [each for each in dig(node, "spec.taints", []) if each.get("effect") != "PreferNoSchedule"]
    own = dig(pod, "spec.tolerations", [])
    fits = allows(pod["spec"], name_of(node), labels_of(node)) and all(tolerated(own, each) for each in taints)
    return fits and not dig(node, "spec.unschedulable", False)


def _room(world: World, pod: Obj, nodes: list[Obj]) -> list[Fact]:
    """What is left on the nodes of what a pod asks for, where that is too little on each: what was not read may take more."""
    free, whole = once(world, _free), len(list(world.of("Node")))
    facts = []
    for resource, amount in sorted(pod_resources.requests(pod["spec"]).items()):
        left = [(free.get((name_of(node), resource), Fraction(0)), name_of(node)) for node in nodes]
        asked = quantity.parse(amount)
        if left and asked and max(left)[0] < asked:
            rest = ", ".join(
                f"{name} {_amount(max(free, Fraction(0)), resource)}" for free, name in sorted(left)[: -NODES - 1 : -1]
            )
            which = "every node" if len(nodes) == whole else "the nodes that may take it"
            words = f"it asks for {resource} {amount}, and less is left on {which}: {rest}"
            facts.append(Fact(words, "allocatable of the nodes, less the requests of their pods"))
    return facts


def _free(world: World) -> dict[tuple[str, str], Fraction]:
    """(node, resource) -> what it has, less what the pods on it have requested together."""
    free = {
        (name_of(node), resource): quantity.parse(str(amount))
        for node in world.of("Node")
        for resource, amount in dig(node, "status.allocatable", {}).items()
    }
    for pod in world.of("Pod"):
        node = str(dig(pod, "spec.nodeName", ""))
        for resource, amount in pod_resources.requests(pod["spec"]).items() if node and not is_over(pod) else ():
            free[node, resource] = free.get((node, resource), Fraction(0)) - quantity.parse(amount)
    return free


def _amount(left: Fraction, resource: str) -> str:
    """A rest as people write it: cores, bytes with their unit."""
    if resource == "cpu":
        return quantity.render_millis(int(left * 1000))
    return f"{int(left) >> 20}Mi" if resource in ("memory", "ephemeral-storage") else str(int(left))


def _wishes(world: World, pod: Obj, rule: str) -> list[Fact]:
    """What a pod asks of nodes, or tolerates, or where its volume is, beside what the nodes have."""
    nodes, where = list(world.of("Node")), world.source(ref_of(pod), "spec")
    if rule == "unschedulable-affinity":
        asked = [f"{key}={value}" for key, value in dig(pod, "spec.nodeSelector", {}).items()] + _terms(pod)
        have = [f"{name_of(node)} has {', '.join(found)}" for node in nodes[:NODES] if (found := _labels(pod, node))]
        words = f"it asks for a node with {', '.join(asked)}"
        return (
            [Fact(f"{words}, and {', '.join(have) if have else f'none of {len(nodes)} nodes has such a label'}", where)]
            if asked
            else []
        )
    if rule == "unschedulable-taint":
        own = [node for node in nodes if allows(pod["spec"], name_of(node), labels_of(node))]
        tainted = {name_of(node): dig(node, "spec.taints", []) for node in own}
        return [
            Fact(f"node {name} has taint {', '.join(map(_taint, taints))}", f"Node {name}, spec.taints")
            for name, taints in list(tainted.items())[:NODES]
            if taints
        ]
    if rule == "unschedulable-volume":
        return [fact for volume in _volumes(world, pod) if (fact := _where(world, volume))]
    return []


#: So many nodes are named, and of so many resources or nodes a title tells.
NODES, SAID = 4, 2


def _terms(pod: Obj) -> list[str]:
    """The required terms of node affinity, in words."""
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    said = []
    for term in dig(pod, path, []):
        rules = [*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ())]
        said.append(
            " and ".join(
                f"{each.get('key')} {each.get('operator')} {', '.join(each.get('values') or ())}".strip() for each in rules
            )
        )
    return [" or ".join(said)] if said else []


def _labels(pod: Obj, node: Obj) -> list[str]:
    """The labels of a node whose keys a pod asks for."""
    keys = [*dig(pod, "spec.nodeSelector", {})]
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    keys += [str(each.get("key")) for term in dig(pod, path, []) for each in term.get("matchExpressions") or ()]
    return [f"{key}={labels_of(node)[key]}" for key in keys if key in labels_of(node)]


def _taint(taint: Obj) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key')}{value}:{taint.get('effect')}"


def _volumes(world: World, pod: Obj) -> Iterator[Obj]:
    """The bound volumes of a pod's claims."""
    for each in dig(pod, "spec.volumes", []):
        claim = world.find("PersistentVolumeClaim", namespace_of(pod), str(dig(each, "persistentVolumeClaim.claimName", "")))
        volume = world.find("PersistentVolume", "", str(dig(claim or {}, "spec.volumeName", "")))
        if volume is not None:
            yield volume


def _where(world: World, volume: Obj) -> Fact | None:
    """The nodes from which a volume can be used."""
    rules = [
        each
        for term in dig(volume, "spec.nodeAffinity.required.nodeSelectorTerms", [])
        for each in term.get("matchExpressions") or ()
    ]
    words = [f"{each.get('key')} {each.get('operator')} {', '.join(each.get('values') or ())}" for each in rules]
    if not words:
        return None
    return Fact(
        f"PersistentVolume {name_of(volume)} is only for nodes with {', '.join(words)}",
        world.source(ref_of(volume), "spec.nodeAffinity"),
    )
