"""The parts of which policies are made: namespaces, ports, and what a pod must be able to ask whatever it is for."""

from __future__ import annotations

from seatrial.render.scope import Scope
from seatrial.world.objects import Obj

NAMESPACE_NAME = "kubernetes.io/metadata.name"
#: Where istiod and the gateways of the usual installations are.
ISTIO = ("istio-system", "istio-ingress")
#: The port of istiod at which proxies ask for their identity and configuration.
ISTIOD = 15012
#: Every address.
EVERYWHERE = {"ipBlock": {"cidr": "0.0.0.0/0"}}


def tcp(*ports: int) -> list[Obj]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def namespace(name: str) -> Obj:
    """The pods of a namespace."""
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: name}}}


def dns() -> Obj:
    """The cluster's DNS, and the cache of it that some nodes have at a fixed address."""
    pods = namespace("kube-system") | {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    to = [pods, {"ipBlock": {"cidr": "169.254.20.10/32"}}]
    return {"to": to, "ports": [{"protocol": "UDP", "port": 53}, *tcp(53)]}


def sidecar(scope: Scope) -> list[Obj]:
    """What every pod in the mesh asks for: names, and istiod for its identity and configuration."""
    if scope.app.platform.mesh != "istio":
        return []
    return [dns(), {"to": [namespace(ISTIO[0])], "ports": tcp(ISTIOD)}]
