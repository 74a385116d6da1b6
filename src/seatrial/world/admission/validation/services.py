"""Services, Endpoints and EndpointSlices (pkg/apis/core/validation, pkg/apis/discovery/validation)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import internal, meta, names
from seatrial.world.objects import Obj, annotations_of

PROTOCOLS = ("SCTP", "TCP", "UDP")
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_TRAFFIC = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
#: Seconds, a day: the longest session affinity.
LONGEST_AFFINITY = 86_400
_ONLY_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
_ONCE = "may not change once set"


def service(obj: Obj, causes: Causes) -> None:
    _service(obj, cluster_ips(obj.get("spec") or {}), causes)


def cluster_ips(spec: Obj) -> list[str]:
    """clusterIPs as the server completes them from clusterIP."""
    if spec.get("clusterIPs"):
        return list(spec["clusterIPs"])
    return [spec["clusterIP"]] if spec.get("clusterIP") else []


def _service(obj: Obj, ips: list[str], causes: Causes) -> None:
    spec = obj.get("spec") or {}
    kind, ports, headless = spec.get("type", ""), spec.get("ports") or [], ips == ["None"]
    if not ports and not headless and kind != "ExternalName":
        causes.required("spec.ports")
    if headless and kind in ("LoadBalancer", "NodePort"):
        causes.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        _external_name(spec, ips, causes)
    _ports(ports, causes)
    if spec.get("selector"):
        meta.check_labels(spec["selector"], "spec.selector", causes)
    _affinity(spec, causes)
    if kind != "ExternalName":
        _addresses(spec, ips, causes)
    for number, address in enumerate(spec.get("externalIPs") or ()):
        at = f"spec.externalIPs[{number}]"
        causes.each(at, address, names.address(address) or names.usable_address(address))
    causes.one_of("spec.type", kind, _TYPES)
    _node_ports(kind, ports, causes)
    _same_ports(ports, causes)
    _balancer(obj, spec, kind, causes)
    _traffic(spec, kind, causes)


def _external_name(spec: Obj, ips: list[str], causes: Causes) -> None:
    for key, given in (
        ("clusterIPs", ips),
        ("ipFamilies", spec.get("ipFamilies")),
        ("ipFamilyPolicy", spec.get("ipFamilyPolicy")),
    ):
        if given:
            causes.forbidden(f"spec.{key}", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        causes.each("spec.externalName", name, names.dns_subdomain(name))
    else:
        causes.required("spec.externalName")


def _ports(ports: list[Obj], causes: Causes) -> None:
    seen: set[str] = set()
    for number, port in enumerate(ports):
        at, name = f"spec.ports[{number}]", port.get("name") or ""
        if not name and len(ports) > 1:
            causes.required(f"{at}.name")
        elif name:
            causes.each(f"{at}.name", name, names.dns_label(name))
            if name in seen:
                causes.duplicate(f"{at}.name", name)
            seen.add(name)
        outside = port.get("port") or 0
        causes.each(f"{at}.port", outside, names.port(outside))
        causes.one_of(f"{at}.protocol", port.get("protocol"), PROTOCOLS)
        target = port.get("targetPort", 0)
        causes.each(f"{at}.targetPort", target, names.port_or_name(target))
        if port.get("appProtocol") is not None:
            causes.each(f"{at}.appProtocol", port["appProtocol"], names.qualified(port["appProtocol"]))


def _affinity(spec: Obj, causes: Causes) -> None:
    kind, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    causes.one_of("spec.sessionAffinity", kind, _AFFINITIES)
    if kind == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if seconds is not None and not 0 < seconds <= LONGEST_AFFINITY:
            why = f"must be greater than 0 and less than {LONGEST_AFFINITY}"
            causes.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, why)
    elif kind == "None" and config is not None:
        causes.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")


def _addresses(spec: Obj, ips: list[str], causes: Causes) -> None:
    """clusterIPs, ipFamilies and ipFamilyPolicy (ValidateServiceClusterIPsRelatedFields)."""
    if spec.get("clusterIP") and ips[0] != spec["clusterIP"]:
        causes.invalid("spec.clusterIPs", ips, "first value must match `clusterIP`")
    elif not spec.get("clusterIP") and spec.get("clusterIPs"):
        causes.invalid("spec.clusterIPs", ips, "must be empty when `clusterIP` is not specified")
    seen: set[str] = set()
    for number, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in _FAMILIES:
            causes.unsupported(f"spec.ipFamilies[{number}]", family, _FAMILIES)
        if family in seen:
            causes.duplicate(f"spec.ipFamilies[{number}]", family)
        seen.add(family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _FAMILY_POLICIES:
        causes.unsupported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES)
    for number, address in enumerate(ips):
        if number == 0 and address == "None":
            if len(ips) > 1:
                causes.invalid("spec.clusterIPs", ips, "'None' must be the first and only value")
            continue
        causes.each(f"spec.clusterIPs[{number}]", address, names.address(address))
    if len(ips) > 2:
        causes.invalid("spec.clusterIPs", ips, "may only hold up to 2 values")
    elif len(ips) == 2 and "None" not in ips and (":" in ips[0]) == (":" in ips[1]):
        causes.invalid("spec.clusterIPs", ips, "may specify no more than one IP for each IP family")
    for number, (address, family) in enumerate(zip(ips, spec.get("ipFamilies") or (), strict=False)):
        if names.is_ip(address) and (":" in address) != (family == "IPv6"):
            why = f"expected an {family} value as indicated by `ipFamilies[{number}]`"
            causes.invalid(f"spec.clusterIPs[{number}]", address, why)


def _node_ports(kind: str, ports: Iterable[Obj], causes: Causes) -> None:
    seen: set[tuple[Any, Any]] = set()
    for number, port in enumerate(ports):
        if not port.get("nodePort"):
            continue
        if kind == "ClusterIP":
            causes.forbidden(f"spec.ports[{number}].nodePort", "may not be used when `type` is 'ClusterIP'")
        key = (port.get("protocol"), port["nodePort"])
        if key in seen:
            causes.duplicate(f"spec.ports[{number}].nodePort", port["nodePort"])
        seen.add(key)


def _same_ports(ports: Iterable[Obj], causes: Causes) -> None:
    seen: set[tuple[Any, Any]] = set()
    for number, port in enumerate(ports):
        key = (port.get("protocol"), port.get("port"))
        if key in seen:
            shown = {"protocol": port.get("protocol"), "port": port.get("port")}
            causes.duplicate(f"spec.ports[{number}]", internal.dump("api.core.v1.ServicePort", shown))
        seen.add(key)


def _balancer(obj: Obj, spec: Obj, kind: str, causes: Causes) -> None:
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges and kind != "LoadBalancer":
        causes.forbidden("spec.LoadBalancerSourceRanges", _ONLY_BALANCERS)
    for number, one in enumerate(ranges):
        causes.each(f"spec.LoadBalancerSourceRanges[{number}]", one.strip(), names.cidr(one.strip()))
    key = "service.beta.kubernetes.io/load-balancer-source-ranges"
    given = annotations_of(obj).get(key)
    if not ranges and given is not None:
        if kind != "LoadBalancer":
            causes.forbidden(f"metadata.annotations[{key}]", _ONLY_BALANCERS)
        for one in given.split(",") if given.strip() else ():
            causes.each(f"metadata.annotations[{key}]", one.strip(), names.cidr(one.strip()))
    if spec.get("allocateLoadBalancerNodePorts") is not None and kind != "LoadBalancer":
        causes.forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCERS)
    chosen = spec.get("loadBalancerClass")
    if chosen is not None:
        if kind == "LoadBalancer":
            causes.each("spec.loadBalancerClass", chosen, names.qualified(chosen))
        else:
            causes.forbidden("spec.loadBalancerClass", _ONLY_BALANCERS)


def _traffic(spec: Obj, kind: str, causes: Causes) -> None:
    outside = kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))
    policy = spec.get("externalTrafficPolicy") or ""
    if not outside and policy:
        causes.invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services")
    elif outside:
        causes.one_of("spec.externalTrafficPolicy", policy, _TRAFFIC)
    health = spec.get("healthCheckNodePort") or 0
    if health and not (kind == "LoadBalancer" and policy == "Local"):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        causes.invalid("spec.healthCheckNodePort", health, why)
    inside = spec.get("internalTrafficPolicy")
    if inside is None:
        if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
            causes.required("spec.internalTrafficPolicy")
    elif inside not in _TRAFFIC:
        causes.unsupported("spec.internalTrafficPolicy", inside, _TRAFFIC)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        causes.unsupported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)


def service_update(obj: Obj, old: Obj, causes: Causes) -> None:
    """What was allocated stays; the server fills in what an update leaves out (patchAllocatedValues)."""
    new_spec, old_spec = obj.get("spec") or {}, old.get("spec") or {}
    given, before = cluster_ips(new_spec), cluster_ips(old_spec)
    if new_spec.get("clusterIP") and given and given[0] != new_spec["clusterIP"] and given == before:
        given = [new_spec["clusterIP"], *given[1:]]
    elif not given and new_spec.get("type") != "ExternalName":
        given = before
    if "ExternalName" not in (new_spec.get("type"), old_spec.get("type")):
        _kept_addresses(new_spec, old_spec, given, before, causes)
    if new_spec.get("type") == old_spec.get("type") == "LoadBalancer":
        chosen = new_spec.get("loadBalancerClass")
        if chosen != old_spec.get("loadBalancerClass"):
            causes.invalid("spec.loadBalancerClass", chosen, _ONCE)
    completed = {**new_spec, "clusterIP": given[0] if given else ""}
    if given and new_spec.get("clusterIPs") is not None:
        completed["clusterIPs"] = given
    _service({**obj, "spec": completed}, given, causes)


def _kept_addresses(new: Obj, old: Obj, given: list[str], before: list[str], causes: Causes) -> None:
    if before == ["None"] and given == ["None"]:
        return
    for number, address in enumerate(before):
        if number < len(given) and given[number] != address:
            causes.invalid(f"spec.clusterIPs[{number}]", given, _ONCE)
    if before and not given:
        causes.invalid("spec.clusterIPs[0]", None, "primary clusterIP can not be unset")
    families, old_families = new.get("ipFamilies") or [], old.get("ipFamilies") or []
    if given != ["None"] and before != ["None"] and families and old_families and families[0] != old_families[0]:
        causes.invalid("spec.ipFamilies[0]", families, _ONCE)


# endpoints


def endpoints(obj: Obj, causes: Causes) -> None:
    for number, subset in enumerate(obj.get("subsets") or ()):
        at = f"subsets[{number}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            causes.required(at, "must specify `addresses` or `notReadyAddresses`")
        for kind in ("addresses", "notReadyAddresses"):
            for address_number, address in enumerate(subset.get(kind) or ()):
                _endpoint_address(address, f"{at}.{kind}[{address_number}]", causes)
        ports = subset.get("ports") or []
        for port_number, port in enumerate(ports):
            _endpoint_port(port, len(ports) > 1, f"{at}.ports[{port_number}]", causes)


def _endpoint_address(address: Obj, at: str, causes: Causes) -> None:
    ip = address.get("ip", "")
    causes.each(f"{at}.ip", ip, names.address(ip))
    if address.get("hostname"):
        causes.each(f"{at}.hostname", address["hostname"], names.dns_label(address["hostname"]))
    if address.get("nodeName") is not None:
        causes.each(f"{at}.nodeName", address["nodeName"], names.dns_subdomain(address["nodeName"]))
    causes.each(f"{at}.ip", ip, names.usable_address(ip))


def _endpoint_port(port: Obj, named: bool, at: str, causes: Causes) -> None:
    name = port.get("name") or ""
    if named and not name:
        causes.required(f"{at}.name")
    elif name:
        causes.each(f"{at}.name", name, names.dns_label(name))
    number = port.get("port") or 0
    causes.each(f"{at}.port", number, names.port(number))
    causes.one_of(f"{at}.protocol", port.get("protocol"), PROTOCOLS)


_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")


def endpoint_slice(obj: Obj, causes: Causes) -> None:
    kind = obj.get("addressType", "")
    if not kind:
        causes.required("addressType")
    elif kind not in _ADDRESS_TYPES:
        causes.unsupported("addressType", kind, _ADDRESS_TYPES)
    listed = obj.get("endpoints") or []
    if len(listed) > 1000:
        causes.too_many("endpoints", len(listed), 1000)
    for number, endpoint in enumerate(listed):
        _endpoint(endpoint, kind, f"endpoints[{number}]", causes)
    _slice_ports(obj.get("ports") or [], causes)


def _endpoint(endpoint: Obj, kind: str, at: str, causes: Causes) -> None:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        causes.required(f"{at}.addresses", "must contain at least 1 address")
    elif len(addresses) > 100:
        causes.too_many(f"{at}.addresses", len(addresses), 100)
    for number, address in enumerate(addresses):
        where = f"{at}.addresses[{number}]"
        if kind == "FQDN":
            causes.each(where, address, names.dns_subdomain(address))
            continue
        reasons = names.address(address)
        causes.each(where, address, reasons)
        if not reasons and (":" in address) != (kind == "IPv6"):
            causes.invalid(where, address, f"must be an {kind} address")
    for key, rule in (("nodeName", names.dns_subdomain), ("hostname", names.dns_label)):
        if endpoint.get(key) is not None:
            causes.each(f"{at}.{key}", endpoint[key], rule(endpoint[key]))


def _slice_ports(ports: list[Obj], causes: Causes) -> None:
    if len(ports) > 20_000:
        causes.too_many("ports", len(ports), 20_000)
    seen: set[str] = set()
    for number, port in enumerate(ports):
        name = port.get("name") or ""
        if name:
            causes.each(f"ports[{number}].name", name, names.dns_label(name))
        if name in seen:
            causes.duplicate(f"ports[{number}].name", name)
        seen.add(name)
        causes.one_of(f"ports[{number}].protocol", port.get("protocol"), PROTOCOLS)


def endpoint_slice_update(obj: Obj, old: Obj, causes: Causes) -> None:
    if obj.get("endpoints") != old.get("endpoints") or obj.get("ports") != old.get("ports"):
        endpoint_slice(obj, causes)
    causes.same("addressType", obj.get("addressType"), old.get("addressType"))
