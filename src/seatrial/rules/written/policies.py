# ruff: noqa: E501 - a line of the table is one saying
"""NetworkPolicies by themselves: what they seem to say and do not; whether they let through what is called is for the rules of calls."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.reading import has, items, mapping, strings, text
from seatrial.rules.written.telling import Path, put, tell
from seatrial.world.objects import Obj, labels_of
from seatrial.world.world import World

_REFUSED = "The API server refuses the object."


def _policy(spec: str) -> str:
    return manifest("networking.k8s.io/v1", "NetworkPolicy", f"spec: {spec}")


_INGRESS = "{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]}]}"

RULES = (
    Rule("policy-namespace-label", "warning", "chooses namespaces by a label that they do not have", "Kubernetes labels every namespace with kubernetes.io/metadata.name, and none with `name`: unless somebody added it by hand, the rule matches nothing and the traffic is cut.",
         "Select by kubernetes.io/metadata.name.",
         _policy("{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {name: ingress-nginx}}}]}]}"), _policy(_INGRESS)),
    Rule("policy-type-missing", "warning", "has rules for a direction that it does not govern", "The rules are never read: traffic in that direction goes as if the policy were not there.",
         "Add the direction to policyTypes.",
         _policy("{podSelector: {}, policyTypes: [Ingress], ingress: [{}], egress: [{to: [{podSelector: {}}]}]}"),
         _policy("{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{to: [{podSelector: {}}]}]}")),
    Rule("policy-open", "note", "lets everything through", "A rule without peers and ports is no limit; whoever reads `NetworkPolicy` believes there is one.",
         "Name the peers or the ports that are meant.",
         _policy("{podSelector: {}, policyTypes: [Ingress], ingress: [{}]}"), _policy(_INGRESS)),
    Rule("policy-peer", "error", "has a peer that cannot be", _REFUSED,
         "A peer is either an ipBlock with a proper CIDR, or selectors; exceptions lie inside of the block.",
         _policy("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [192.168.0.0/16]}}]}]}"),
         _policy("{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}")),
    Rule("policy-dns-tcp", "note", "lets DNS through by UDP only", "Answers that do not fit into a datagram are asked again by TCP, which is cut: some names never resolve.",
         "Allow port 53 with TCP as well.",
         _policy("{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}"),
         _policy("{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]}")),
    Rule("policy-port-protocol", "error", "has a port that cannot be", _REFUSED,
         "Ports are numbers from 1 to 65535 or names; endPort goes with a number that is not above it.",
         _policy("{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 9000, endPort: 8000}]}]}"),
         _policy("{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 8000, endPort: 9000}]}]}")),
)  # fmt: skip

BOTH = (("ingress", "from"), ("egress", "to"))
BY_NAME = "kubernetes.io/metadata.name"


@check("NetworkPolicy", rules=RULES)
def policy(world: World, obj: Obj) -> Iterator[Finding]:
    """A NetworkPolicy, direction by direction."""
    spec = mapping(obj, "spec")
    types = strings(spec, "policyTypes")
    for direction, side in BOTH:
        rules, at = items(spec, direction), ("spec", direction)
        if rules and types and direction.capitalize() not in types:
            ops = [put(obj, ("spec", "policyTypes"), [*types, direction.capitalize()])]
            words = f"{direction} rules, policyTypes: {', '.join(types)}"
            yield tell(world, "policy-type-missing", obj, at, words, ops=ops if direction == "ingress" else ())
        for place, rule in enumerate(rules):
            if not rule.get(side) and not rule.get("ports"):
                yield tell(world, "policy-open", obj, (*at, place), f"{direction}: a rule without {side} and ports")
            for nth, peer in enumerate(items(rule, side)):
                yield from _peer(world, obj, (*at, place, side, nth), peer)
            yield from _ports(world, obj, (*at, place, "ports"), rule)
    yield from _dns(world, obj, spec)


def _peer(world: World, obj: Obj, at: Path, peer: Obj) -> Iterator[Finding]:
    chosen = mapping(peer, "namespaceSelector", "matchLabels")
    name = chosen.get("name")
    if name is not None and len(chosen) == 1 and not _is_label(world, name):
        here = (*at, "namespaceSelector", "matchLabels")
        ops = [put(obj, here, {BY_NAME: name})]
        yield tell(world, "policy-namespace-label", obj, (*here, "name"), f"name: {name}", ops=ops)
    block = peer.get("ipBlock")
    if block is None:
        return
    if not isinstance(block, dict) or has(peer, "podSelector") or has(peer, "namespaceSelector"):
        yield tell(world, "policy-peer", obj, at, "ipBlock beside selectors")
        return
    try:
        whole = ip_network(text(block, "cidr"))
        for part in strings(block, "except"):
            inner = ip_network(part)
            if inner.version != whole.version or not inner.subnet_of(whole) or inner == whole:  # type: ignore[arg-type]
                yield tell(world, "policy-peer", obj, (*at, "ipBlock", "except"), f"{part} is not inside of {whole}")
    except ValueError as error:
        yield tell(world, "policy-peer", obj, (*at, "ipBlock"), str(error))


def _is_label(world: World, name: str) -> bool:
    """Whether a namespace of the world carries the label, which then somebody added."""
    return any(labels_of(each).get("name") == name for each in world.of("Namespace"))


def _ports(world: World, obj: Obj, at: Path, rule: Obj) -> Iterator[Finding]:
    for place, port in enumerate(items(rule, "ports")):
        number, end = port.get("port"), port.get("endPort")
        wrong = isinstance(number, int) and not 0 < number < 65536
        if end is not None and (not isinstance(number, int) or not isinstance(end, int) or end < number):
            wrong = True
        if wrong or (port.get("protocol") or "TCP") not in ("TCP", "UDP", "SCTP"):
            words = ", ".join(f"{key}: {port[key]}" for key in ("port", "endPort", "protocol") if port.get(key) is not None)
            yield tell(world, "policy-port-protocol", obj, (*at, place), words)


def _dns(world: World, obj: Obj, spec: Obj) -> Iterator[Finding]:
    for place, rule in enumerate(items(spec, "egress")):
        protocols = {str(port.get("protocol") or "TCP") for port in items(rule, "ports") if port.get("port") in (53, "dns")}
        if protocols == {"UDP"}:
            at = ("spec", "egress", place, "ports")
            ops = [{"op": "add", "path": f"/spec/egress/{place}/ports/-", "value": {"port": 53, "protocol": "TCP"}}]
            yield tell(world, "policy-dns-tcp", obj, at, "port: 53, protocol: UDP", ops=ops)
