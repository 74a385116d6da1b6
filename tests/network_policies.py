"""Who may talk with whom under NetworkPolicies, as networking.k8s.io/v1 defines it: for tests, and pure.

A connection is permitted when both ends permit it.  An end permits everything in a direction until a policy of its namespace
selects it for that direction; from then on, what any of those policies permits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from seatrial.world.selectors import matches

Obj = dict[str, Any]
#: The label that every namespace has with its name (KEP-2161).
NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Peer:
    """One end of a connection: a pod by its namespace and labels, or, without a namespace, an address outside of the cluster."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = "10.1.2.3"
    ports: Mapping[str, int] = field(default_factory=dict)  # those that its containers name


def permitted(policies: Iterable[Obj], caller: Peer, callee: Peer, port: int, protocol: str = "TCP") -> bool:
    """Whether a caller reaches a port of a callee."""
    found = [obj for obj in policies if obj["kind"] == "NetworkPolicy"]
    return _end(found, "Egress", caller, callee, callee, port, protocol) and _end(
        found, "Ingress", callee, caller, callee, port, protocol
    )


def _end(policies: list[Obj], direction: str, own: Peer, other: Peer, callee: Peer, port: int, protocol: str) -> bool:
    if not own.namespace:
        return True
    selecting = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == own.namespace
        and direction in _directions(policy["spec"])
        and matches(policy["spec"]["podSelector"], own.labels)
    ]
    rules = [rule for spec in selecting for rule in spec.get(direction.lower()) or ()]
    key = "to" if direction == "Egress" else "from"
    return not selecting or any(
        _peers(rule.get(key), own.namespace, other) and _ports(rule.get("ports"), callee, port, protocol) for rule in rules
    )


def _directions(spec: Obj) -> list[str]:
    """Without policyTypes: Ingress always, Egress where there are rules for it."""
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _peers(peers: list[Obj] | None, namespace: str, other: Peer) -> bool:
    return not peers or any(_peer(peer, namespace, other) for peer in peers)


def _peer(peer: Obj, namespace: str, other: Peer) -> bool:
    block = peer.get("ipBlock")
    if block:
        address = ip_address(other.address)
        excluded = any(address in ip_network(one) for one in block.get("except") or ())
        return address in ip_network(block["cidr"]) and not excluded
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        there = matches(peer["namespaceSelector"], {NAME: other.namespace})
    else:
        there = other.namespace == namespace
    return there and ("podSelector" not in peer or matches(peer["podSelector"], other.labels))


def _ports(ports: list[Obj] | None, callee: Peer, port: int, protocol: str) -> bool:
    return not ports or any(_port(one, callee, port, protocol) for one in ports)


def _port(one: Obj, callee: Peer, port: int, protocol: str) -> bool:
    if one.get("protocol", "TCP") != protocol:
        return False
    wanted = one.get("port")
    if isinstance(wanted, str):
        wanted = callee.ports.get(wanted)
        return wanted == port
    return wanted is None or wanted <= port <= one.get("endPort", wanted)
