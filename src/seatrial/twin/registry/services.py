"""Addresses and node ports of Services: which are free, what a Service gets, and the words when one cannot be had.

Nothing is remembered here: indexes of the store say what is taken, so that a restart finds the same.
Formulas and messages are those of pkg/registry/core/service (storage/alloc.go, ipallocator, portallocator).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

import orjson

from seatrial.twin.store import Store
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj, dig

SERVICES, BY_ADDRESS, BY_PORT = "services", "clusterIP", "nodePort"
_NODE_PORT_TYPES = ("NodePort", "LoadBalancer")
HEADLESS = "None"


def first_address(cidr: str) -> IPv4Address | IPv6Address:
    """The address of the `kubernetes` Service: the first of the range."""
    return ipaddress.ip_network(cidr)[1]


class ServiceAddresses:
    """Gives Services their cluster IPs out of `cidr` and their node ports out of `node_ports`."""

    def __init__(
        self, store: Store, rand: random.Random, cidr: str = "127.96.0.0/16", node_ports: range = range(30000, 32768)
    ) -> None:
        self._store, self._random, self.node_ports = store, rand, node_ports
        self.network = ipaddress.ip_network(cidr)
        store.add_index(SERVICES, BY_ADDRESS, _addresses)
        store.add_index(SERVICES, BY_PORT, _node_ports)

    @property
    def first(self) -> str:
        """The address of the `kubernetes` Service."""
        return str(first_address(str(self.network)))

    def take_in(self) -> list[str]:
        """Give Services whose addresses are of another network the same place in this one; returns in words who moved.

        A kept state that comes back where another twin has its block of addresses has such Services.
        """
        moved = []
        for service in self._store.list(SERVICES):
            before = list(_addresses(service))
            if not before or all(ipaddress.ip_address(address) in self.network for address in before):
                continue
            new = str(self.network[int(ipaddress.ip_address(before[0])) % self.network.num_addresses])
            if self._store.by_index(SERVICES, BY_ADDRESS, new):
                new = self._free_address()
            spec = {**service["spec"], "clusterIP": new, "clusterIPs": [new]}
            self._store.update(SERVICES, {**service, "metadata": dict(service["metadata"]), "spec": spec})
            moved.append(f"{service['metadata']['namespace']}/{service['metadata']['name']}: {before[0]} is now {new}")
        return moved

    def complete(self, service: Obj, old: Obj | None, dry_run: bool = False) -> list[Cause]:
        """Allocate in place what the Service needs and lacks; what cannot be had comes back as causes.

        A dry run asks nobody whether a node port can be had, as the API server does not.
        """
        spec: Obj = service.setdefault("spec", {})
        if old is not None:
            _carry_over(spec, old.get("spec") or {})
        if spec.get("type") == "ExternalName":
            for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(key, None)
            return self._ports(spec, service, dry_run)
        return self._address(spec, service) + self._ports(spec, service, dry_run)

    # addresses

    def _address(self, spec: Obj, service: Obj) -> list[Cause]:
        asked = spec.get("clusterIP") or (spec.get("clusterIPs") or [""])[0]
        if asked and asked != HEADLESS:
            why = self._refusal(asked, service)
            if why:
                said = orjson.dumps([asked]).decode()
                return [
                    Cause("FieldValueInvalid", f"Invalid value: {said}: failed to allocate IP {asked}: {why}", "spec.clusterIPs")
                ]
        address = asked or self._free_address()
        spec["clusterIP"], spec["clusterIPs"] = address, [address]
        self._families(spec, address)
        return []

    def _families(self, spec: Obj, address: str) -> None:
        headless_without_selector = address == HEADLESS and not spec.get("selector")
        if headless_without_selector and not spec.get("ipFamilies") and not spec.get("ipFamilyPolicy"):
            spec["ipFamilies"], spec["ipFamilyPolicy"] = ["IPv4", "IPv6"], "RequireDualStack"
            return
        if not spec.get("ipFamilies"):
            spec["ipFamilies"] = ["IPv4"]
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _refusal(self, address: str, service: Obj) -> str:
        try:
            inside = ipaddress.ip_address(address) in self.network
        except ValueError:
            return f'invalid IP address "{address}"'
        if not inside:
            return f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {self.network}"
        others = [other for other in self._store.by_index(SERVICES, BY_ADDRESS, address) if not _same(other, service)]
        return "provided IP is already allocated" if others else ""

    def _free_address(self) -> str:
        """A random address above the first 256, which are left to those who name theirs (ipallocator's offset)."""
        size = self.network.num_addresses
        low = min(max(16, size // 16), 256)
        while True:
            address = str(self.network[self._random.randrange(low, size - 1)])
            if not self._store.by_index(SERVICES, BY_ADDRESS, address):
                return address

    # node ports

    def _ports(self, spec: Obj, service: Obj, dry_run: bool) -> list[Cause]:
        ports: list[Obj] = spec.get("ports") or []
        if spec.get("type") not in _NODE_PORT_TYPES:
            for port in ports:
                port.pop("nodePort", None)
            return []
        if spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
            return []
        causes: list[Cause] = []
        mine: dict[int, set[str]] = {}
        for number, port in enumerate(ports):
            asked = port.get("nodePort")
            why = self._port_refusal(asked, service) if asked and asked not in mine and not dry_run else ""
            if why:
                causes.append(Cause("FieldValueInvalid", f"Invalid value: {asked}: {why}", f"spec.ports[{number}].nodePort"))
                continue
            port["nodePort"] = chosen = asked or self._free_port(mine)
            mine.setdefault(chosen, set()).add(port.get("protocol", "TCP"))
        return causes

    def _port_refusal(self, port: int, service: Obj) -> str:
        if port not in self.node_ports:
            low, high = self.node_ports.start, self.node_ports.stop - 1
            return f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
        others = [other for other in self._store.by_index(SERVICES, BY_PORT, str(port)) if not _same(other, service)]
        return "provided port is already allocated" if others else ""

    def _free_port(self, mine: dict[int, set[str]]) -> int:
        while True:
            port = self._random.choice(self.node_ports)
            if port not in mine and not self._store.by_index(SERVICES, BY_PORT, str(port)):
                return port


def _carry_over(spec: Obj, old: Obj) -> None:
    """An update that leaves out what was allocated keeps it (patchAllocatedValues)."""
    if spec.get("type") != "ExternalName" and old.get("type") != "ExternalName":
        for key in ("clusterIP", "clusterIPs"):
            if not spec.get(key) and old.get(key):
                spec[key] = old[key]
    if spec.get("type") in _NODE_PORT_TYPES and old.get("type") in _NODE_PORT_TYPES:
        given = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in old.get("ports") or ()}
        for port in spec.get("ports") or ():
            if not port.get("nodePort") and given.get((port.get("protocol"), port.get("port"))):
                port["nodePort"] = given[port.get("protocol"), port.get("port")]


def _same(one: Obj, other: Obj) -> bool:
    a, b = one["metadata"], other["metadata"]
    return (a.get("namespace"), a.get("name")) == (b.get("namespace"), b.get("name"))


def _addresses(service: Obj) -> Iterable[str]:
    return [address for address in dig(service, "spec.clusterIPs") or () if address != HEADLESS]


def _node_ports(service: Obj) -> Iterable[str]:
    return {str(port["nodePort"]) for port in dig(service, "spec.ports") or () if port.get("nodePort")}
