"""Services, ingresses, network policies, endpoint slices (pkg/api/service/warnings.go and the kinds' strategy.go)."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.twin.admission.warnings import addresses
from seatrial.world.objects import Obj, annotations_of

_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_INGRESS_CLASS = "kubernetes.io/ingress.class"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")


def service(obj: Obj, old: Obj | None) -> Iterator[str]:
    spec = obj["spec"]
    kind, external = spec.get("type"), spec.get("externalIPs") or ()
    headless = kind == "ClusterIP" and spec.get("clusterIP") == "None"
    if _HINTS in annotations_of(obj):
        yield f"annotation {_HINTS} is deprecated, please use {_MODE} instead"
    if not headless:
        for index, address in enumerate(spec.get("clusterIPs") or ()):
            yield from addresses.ip(address, f"spec.clusterIPs[{index}]")
    if headless:
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if external:
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    for index, address in enumerate(external):
        yield from addresses.ip(address, f"spec.externalIPs[{index}]")
    if external and not headless and kind != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    yield from addresses.ip(spec.get("loadBalancerIP") or "", "spec.loadBalancerIP")
    for index, block in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from addresses.cidr(block, f"spec.loadBalancerSourceRanges[{index}]")
    if external and kind == "ExternalName":
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if spec.get("externalName") and kind != "ExternalName":
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def ingress(obj: Obj, old: Obj | None) -> Iterator[str]:
    if old is None and _INGRESS_CLASS in annotations_of(obj):
        yield f"annotation \"{_INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"


def network_policy(obj: Obj, old: Obj | None) -> Iterator[str]:
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(obj["spec"].get(way) or ()):
            for index, peer in enumerate(rule.get(peers) or ()):
                block = peer.get("ipBlock") or {}
                at = f"spec.{way}[{number}].{peers}[{index}].ipBlock"
                yield from addresses.cidr(block.get("cidr") or "", f"{at}.cidr")
                for place, hole in enumerate(block.get("except") or ()):
                    yield from addresses.cidr(hole, f"{at}.except[{place}]")


def endpoint_slice(obj: Obj, old: Obj | None) -> Iterator[str]:
    if obj.get("addressType") == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"
    if (obj["metadata"].get("labels") or {}).get(_MANAGED_BY) in _CONTROLLERS:
        return
    for number, endpoint in enumerate(obj.get("endpoints") or ()):
        for index, address in enumerate(endpoint.get("addresses") or ()):
            yield from addresses.ip(address, f"endpoints[{number}].addresses[{index}]")
