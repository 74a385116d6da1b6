"""What NetworkPolicies permit: (world, caller, callee, port) -> the policies in the way at each end.  Pure.

Semantics of networking.k8s.io/v1: a pod that no policy selects for a direction is open in it; one that is selected accepts what
any rule of any of its policies permits.  A connection needs the caller's egress and the callee's ingress.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import chain
from typing import Any, Literal

from seatrial.world.objects import Obj, labels_of, name_of, namespace_of
from seatrial.world.once import once
from seatrial.world.selectors import matches
from seatrial.world.world import World

Direction = Literal["Ingress", "Egress"]

#: Policies by namespace, label and value.
Shelves = dict[tuple[str, str, str], list[Obj]]
#: Every namespace has its name as this label (KEP-2161).
NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection: a pod by its labels and namespace, or an address outside the cluster."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    named_ports: Mapping[str, int] = field(default_factory=dict)


def isolating(world: World, end: End, direction: Direction) -> list[Obj]:
    """The policies that select a pod for a direction; none of an address outside."""
    if end.address:
        return []
    index = once(world, _shelves)
    pairs = [("", ""), *((key, str(value)) for key, value in end.labels.items())]
    return [
        policy
        for policy in chain.from_iterable(index.get((end.namespace, *pair), ()) for pair in pairs)
        if direction in _directions(_map(policy.get("spec")))
        and _selects(_map(policy.get("spec")).get("podSelector"), end.labels)
    ]


def _shelves(world: World) -> Shelves:
    """The policies by namespace and one of the labels that they select by ("" for those that select by none), as they stand."""
    shelves: Shelves = {}
    for policy in world.of("NetworkPolicy"):
        wanted = _map(_map(_map(policy.get("spec")).get("podSelector")).get("matchLabels"))
        key, value = next(iter(wanted.items()), ("", ""))
        shelves.setdefault((namespace_of(policy), str(key), str(value)), []).append(policy)
    return shelves


def admitting(policy: Obj, direction: Direction, callee: End, port: int, protocol: str = "TCP") -> Iterator[Mapping[str, Any]]:
    """The rules of a policy for a direction that admit a port of the callee, whoever their peers are."""
    for rule in _rules(policy, direction):
        ports = _list(rule.get("ports"))
        if not ports or any(_port(_map(each), callee, port, protocol) for each in ports):
            yield rule


def in_the_way(world: World, caller: End, callee: End, port: int, protocol: str = "TCP") -> dict[Direction, list[Obj]]:
    """The policies that forbid a connection, by the direction they do it in; nothing where it is permitted."""
    found: dict[Direction, list[Obj]] = {}
    for direction, own, peer in (("Egress", caller, callee), ("Ingress", callee, caller)):
        policies = isolating(world, own, direction)  # type: ignore[arg-type] # the two words of the row above
        rules = (rule for policy in policies for rule in _rules(policy, direction))
        if policies and not any(_permits(world, rule, own.namespace, peer, callee, port, protocol, direction) for rule in rules):
            found[direction] = policies  # type: ignore[index]
    return found


def _directions(spec: Mapping[str, Any]) -> list[str]:
    """policyTypes, with the default of the API: Ingress always, Egress where there are egress rules."""
    types = spec.get("policyTypes")
    if isinstance(types, list) and types:
        return [str(each) for each in types]
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _rules(policy: Obj, direction: str) -> Iterator[Mapping[str, Any]]:
    for rule in _list(_map(policy.get("spec")).get(direction.lower())):
        yield _map(rule)


def _permits(
    world: World, rule: Mapping[str, Any], namespace: str, peer: End, callee: End, port: int, protocol: str, direction: str
) -> bool:
    ports = _list(rule.get("ports"))
    if ports and not any(_port(_map(each), callee, port, protocol) for each in ports):
        return False
    peers = _list(rule.get("from" if direction == "Ingress" else "to"))
    return not peers or any(_peer(world, _map(each), namespace, peer) for each in peers)


def _port(wanted: Mapping[str, Any], callee: End, port: int, protocol: str) -> bool:
    if wanted.get("protocol", "TCP") != protocol:
        return False
    number = wanted.get("port")
    if number is None:
        return True
    if isinstance(number, str):
        return callee.named_ports.get(number) == port
    last = wanted.get("endPort")
    return number <= port <= (last if isinstance(last, int) else number) if isinstance(number, int) else False


def _peer(world: World, wanted: Mapping[str, Any], namespace: str, peer: End) -> bool:
    block = wanted.get("ipBlock")
    if isinstance(block, Mapping):
        return bool(peer.address) and _within(peer.address, block)
    if peer.address:
        return False
    of_namespace, of_pod = wanted.get("namespaceSelector"), wanted.get("podSelector")
    if of_namespace is None and peer.namespace != namespace:
        return False
    if of_namespace is not None and not _selects(of_namespace, namespace_labels(world, peer.namespace)):
        return False
    return of_pod is None or _selects(of_pod, peer.labels)


def namespace_labels(world: World, namespace: str) -> dict[str, str]:
    """The labels of a namespace, with the one that every namespace has."""
    found = next((obj for obj in world.of("Namespace") if name_of(obj) == namespace), {})
    return {NAME_LABEL: namespace, **labels_of(found)}


def _within(address: str, block: Mapping[str, Any]) -> bool:
    try:
        inside = ip_address(address) in ip_network(str(block.get("cidr")), strict=False)
        return inside and not any(ip_address(address) in ip_network(str(x), strict=False) for x in _list(block.get("except")))
    except ValueError:
        return False


def _selects(selector: Any, labels: Mapping[str, str]) -> bool:
    try:
        return matches(_map(selector), labels)
    except (KeyError, ValueError, TypeError, IndexError):  # a selector that the API would refuse selects nothing
        return False


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
