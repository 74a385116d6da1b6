# ruff: noqa: E501 - a line of the table is one saying
"""NetworkPolicies as they meet the pods that run: they select nobody, let nobody in, close the port that is served, or cut DNS.

What a caller's log proves is for `traffic`; what can be seen before anything runs, for the rules of what is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from seatrial.rules.alive.pods import is_over
from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, Ref, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.policies import End, admitting, in_the_way, isolating
from seatrial.world.world import World, short

RULES = {
    rule.id: rule
    for rule in (
        Rule("isolation-selects-nothing", "note", "a NetworkPolicy selects no pod that is there", "Whom it should protect is open, or it is a leftover.",
             "Let podSelector and the labels of the pods say the same."),
        Rule("isolation-lets-nobody-in", "warning", "policies let no pod reach a Service", "Every call through the Service runs into its timeout.",
             "Add an ingress rule for the callers, by the labels that their pods have."),
        Rule("isolation-port", "warning", "policies close the port on which a Service's pods are called", "Every call through the Service runs into its timeout.",
             "Name the port of the pods in the policy's ingress rules: policies do not know the ports of Services."),
        Rule("isolation-no-dns", "note", "policies keep pods from asking for names", "No call by name can succeed, whatever else is permitted.",
             "Add an egress rule to port 53, UDP and TCP, of the cluster's DNS (namespace kube-system)."),
    )
}  # fmt: skip
DNS = End("kube-system", {"k8s-app": "kube-dns"})
#: So many workloads are named.
NAMED = 8
#: A caller from anywhere outside of what was read: what lets it in may let others in as well.
_SPACES = "namespaceSelector", "ipBlock"


@check("NetworkPolicy", rules=[RULES["isolation-selects-nothing"], RULES["isolation-no-dns"]], live=True)
def policies(world: World, policy: Obj) -> Iterator[Finding]:
    space, selector = namespace_of(policy), dig(policy, "spec.podSelector", {})
    here = world.inside("Pod", space)
    chosen = [pod for pod in (world.selected("Pod", space, selector) if selector else here) if not is_over(pod)]
    if selector and here and not chosen and not world.graph.pods(ref_of(policy)):
        words = ", ".join(f"{key}={value}" for key, value in dig(policy, "spec.podSelector.matchLabels", {}).items())
        fact = status(
            world,
            policy,
            "spec.podSelector",
            f"podSelector: {words or selector}; {len(here)} pods of the namespace have other labels",
        )
        yield told(
            RULES["isolation-selects-nothing"],
            f"{short(policy)} selects no pod{f': none has {words}' if words else ''}",
            [policy],
            [fact],
        )
    if "Egress" in (dig(policy, "spec.policyTypes") or ()):
        meant = selector and not dig(policy, "spec.egress")  # who may call nobody at all needs no names
        deaf = [] if meant else [pod for pod in chosen if not _asks_dns(world, pod) and (selector or not _has_own(world, pod))]
        if deaf:
            names = ", ".join(dict.fromkeys(short(world.root(pod)) for pod in deaf))
            facts = [status(world, policy, "spec.egress", f"no egress to port 53 for {names}")]
            severity = "note" if selector else "warning"  # for all pods of a namespace it is hardly meant
            title = f"{short(policy)} keeps {names} from asking DNS"
            yield told(RULES["isolation-no-dns"], title, [policy, *map(world.root, deaf)], facts, severity=severity)  # type: ignore[arg-type]


def _has_own(world: World, pod: Obj) -> bool:
    """Whether a policy of its own says where a pod may call: what it may not do then, it hardly needs."""
    return any(dig(policy, "spec.podSelector") for policy in isolating(world, _end(pod), "Egress"))


def _asks_dns(world: World, pod: Obj) -> bool:
    caller = End(namespace_of(pod), labels_of(pod))
    return any("Egress" not in in_the_way(world, caller, DNS, 53, protocol) for protocol in ("UDP", "TCP"))


@check("Service", rules=[RULES["isolation-lets-nobody-in"], RULES["isolation-port"]], live=True)
def callable_(world: World, service: Obj) -> Iterator[Finding]:
    """Of a Service with pods that policies select: whether any pod that is there may call it, on the port of its pods."""
    selector = dig(service, "spec.selector")
    pods = (
        [pod for pod in world.selected("Pod", namespace_of(service), selector) if not is_over(pod)]
        if selector and isinstance(selector, dict)
        else []
    )
    if not pods:
        return
    end = _end(pods[0])
    closing = isolating(world, end, "Ingress")
    if not closing or any(_is_open(policy) for policy in closing):
        return
    own = (
        {ref_of(pod) for pod in pods} if dig(service, "spec.clusterIP") != "None" else set()
    )  # members of a set call one another
    ports = _targets(service, end.named_ports)
    if not ports or any(_admits(world, policy, end, port, own) for policy in closing for port in ports):
        return
    facts = [status(world, policy, "spec.ingress", f"{short(policy)} {_words(policy)}") for policy in closing]
    names = ", ".join(map(short, closing))
    allowed = [each for policy in closing for each in _ports(policy)]
    if allowed and not any(port in allowed for port in ports):
        title = f"{short(service)} sends to port {', '.join(map(str, ports))} of its pods, and {names} opens {', '.join(map(str, allowed))} only"
        yield told(RULES["isolation-port"], title, [service, *closing], facts)
        return
    others = [pod for pod in world.inside("Pod", namespace_of(service)) if not is_over(pod) and ref_of(pod) not in own]
    labels = ", ".join([*dict.fromkeys(name_of(world.root(pod)) for pod in others)][:NAMED])
    facts.append(Fact(f"none of the others that run has such labels: {labels}" if labels else "nobody else runs here"))
    yield told(
        RULES["isolation-lets-nobody-in"],
        f"{short(service)} can be called by nobody: {names} lets no pod in",
        [service, *closing],
        facts,
    )


def _admits(world: World, policy: Obj, end: End, port: int, own: set[Ref]) -> bool:
    """Whether a policy lets a pod of its namespace that is there reach a port: others it names none (see `_is_open`)."""
    for rule in admitting(policy, "Ingress", end, port):
        peers = rule.get("from") or ()
        if not peers:
            return True
        for peer in peers:
            selector = peer.get("podSelector")
            if selector is not None and not selector:
                return True
            chosen = world.selected("Pod", namespace_of(policy), selector)
            if any(not is_over(pod) and ref_of(pod) not in own for pod in chosen):
                return True
    return False


def _is_open(policy: Obj) -> bool:
    """Whether a rule lets in some whom nobody has listed here: everybody, other namespaces, addresses outside."""
    for rule in dig(policy, "spec.ingress", []):
        peers = rule.get("from") or ()
        if (not peers and not rule.get("ports")) or any(each.get(word) is not None for each in peers for word in _SPACES):
            return True
    return False


def _ports(policy: Obj) -> list[int | str]:
    return [each["port"] for rule in dig(policy, "spec.ingress", []) for each in rule.get("ports") or () if each.get("port")]


def _words(policy: Obj) -> str:
    peers = [each for rule in dig(policy, "spec.ingress", []) for each in rule.get("from") or ()]
    chosen = [f"{key}={value}" for each in peers for key, value in dig(each, "podSelector.matchLabels", {}).items()]
    ports = ", ".join(map(str, _ports(policy)))
    whom = f"lets in pods with {', '.join(chosen)}" if chosen else "lets nobody in" if not ports else "lets in"
    return f"{whom}, on port {ports}" if ports else whom


def _targets(service: Obj, names: Mapping[str, int]) -> list[int]:
    targets = [port.get("targetPort", port.get("port")) for port in dig(service, "spec.ports", [])]
    return [number for each in targets if isinstance(number := names.get(each) if isinstance(each, str) else each, int)]


def _end(pod: Obj) -> End:
    declared = [port for each in dig(pod, "spec.containers", []) for port in each.get("ports") or ()]
    return End(
        namespace_of(pod),
        labels_of(pod),
        named_ports={str(p["name"]): int(p["containerPort"]) for p in declared if p.get("name")},
    )
