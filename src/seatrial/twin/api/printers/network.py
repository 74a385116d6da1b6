"""How Services and what surrounds them are printed."""

from __future__ import annotations

from seatrial.twin.api.printers.columns import NONE, UNSET, WIDE, Column, age, at, column, labels, name, selector, some
from seatrial.world.objects import Obj, dig


def _cluster_ip(service: Obj) -> str:
    addresses = dig(service, "spec.clusterIPs") or ()
    return addresses[0] if addresses else NONE


def _external_ip(service: Obj) -> str:
    spec = service.get("spec") or {}
    given = list(spec.get("externalIPs") or ())
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec.get("type") != "LoadBalancer":
        return ",".join(given) or NONE
    found = [entry.get("ip") or entry.get("hostname", "") for entry in dig(service, "status.loadBalancer.ingress") or ()]
    return ",".join(found + given) or "<pending>"


def _ports(service: Obj) -> str:
    def one(port: Obj) -> str:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port['port']}{node}/{port.get('protocol', 'TCP')}"

    return ",".join(one(port) for port in dig(service, "spec.ports") or ()) or NONE


def _hosts(ingress: Obj) -> str:
    hosts = [rule["host"] for rule in dig(ingress, "spec.rules") or () if rule.get("host")]
    return some(hosts, 3) if hosts else "*"


def _ingress_address(ingress: Obj) -> str:
    entries = dig(ingress, "status.loadBalancer.ingress") or ()
    return ",".join(entry.get("ip") or entry.get("hostname", "") for entry in entries)


def _endpoints(endpoints: Obj) -> str:
    found: list[str] = []
    for subset in endpoints.get("subsets") or ():
        ports = subset.get("ports") or ()
        for address in subset.get("addresses") or ():
            found.extend(f"{address['ip']}:{port['port']}" for port in ports) if ports else found.append(address["ip"])
    return some(found, 3)


def _slice_ports(endpoint_slice: Obj) -> str:
    ports = endpoint_slice.get("ports")
    return some([str(port.get("port", "*")) for port in ports], 3) if ports else UNSET


def _slice_endpoints(endpoint_slice: Obj) -> str:
    found = [address for endpoint in endpoint_slice.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return some(found, 3) if found else UNSET


def _parameters(ingress_class: Obj) -> str:
    reference = dig(ingress_class, "spec.parameters")
    if not reference:
        return NONE
    group = f".{reference['apiGroup']}" if reference.get("apiGroup") else ""
    return f"{reference['kind']}{group}/{reference['name']}"


PRINTERS: dict[str, tuple[Column, ...]] = {
    "services": (
        name(),
        at("Type", "spec.type"),
        column("Cluster-IP", _cluster_ip),
        column("External-IP", _external_ip),
        column("Port(s)", _ports),
        age(),
        column("Selector", lambda service: labels(dig(service, "spec.selector")), priority=WIDE),
    ),
    "ingresses.networking.k8s.io": (
        name(),
        at("Class", "spec.ingressClassName", NONE),
        column("Hosts", _hosts),
        column("Address", _ingress_address),
        column("Ports", lambda ingress: "80, 443" if dig(ingress, "spec.tls") else "80"),
        age(),
    ),
    "ingressclasses.networking.k8s.io": (name(), at("Controller", "spec.controller"), column("Parameters", _parameters), age()),
    "networkpolicies.networking.k8s.io": (
        name(),
        column("Pod-Selector", lambda policy: selector(dig(policy, "spec.podSelector"))),
        age(),
    ),
    "endpoints": (name(), column("Endpoints", _endpoints), age()),
    "endpointslices.discovery.k8s.io": (
        name(),
        at("AddressType", "addressType"),
        column("Ports", _slice_ports),
        column("Endpoints", _slice_endpoints),
        age(),
    ),
}
