"""The policies of what lets the world in: where requests come from, the pods of a Gateway, those that prove a host is ours.

A Gateway of the app's own has its pods in the app's namespace, where everything is denied; so have the pods with which
cert-manager answers an ACME server (HTTP-01), for as long as a certificate is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.render import gateway, mesh
from seatrial.render.peers import ISTIO, ISTIOD, dns, namespace, sidecar, tcp
from seatrial.render.scope import SERVICE, Scope
from seatrial.world.objects import Obj

#: Where controllers run when they are installed as their documentation says.
INGRESS_NAMESPACE = {"nginx": "ingress-nginx", "traefik": "traefik"}
#: Where the controllers of a class of Gateways run.
GATEWAY_NAMESPACE = {"nginx": "nginx-gateway", "eg": "envoy-gateway-system", "traefik": "traefik"}
#: Where Istio's gateways are asked how they are.
ISTIO_HEALTH = 15021
#: Where the pods of NGINX Gateway Fabric are told what to do.
NGINX_AGENT = 8443
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
#: cert-manager's pods that answer an ACME server, and their port.
SOLVER, SOLVER_PORT = {"acme.cert-manager.io/http01-solver": "true"}, 8089
GATEWAY_POLICY, SOLVER_POLICY = "allow-gateway", "allow-acme-solver"


def entries(scope: Scope) -> list[Obj]:
    """Where requests of the world come from: the namespace of the controller, or of the Gateway, or the pods of our own one."""
    platform = scope.app.platform
    if platform.ingress in INGRESS_NAMESPACE:
        return [namespace(INGRESS_NAMESPACE[platform.ingress])]
    kind = gateway.class_of(scope)
    classes = ISTIO if platform.ingress == "istio" or kind == "istio" else [GATEWAY_NAMESPACE.get(kind, "")]
    names = dict.fromkeys([*((platform.gateway or "").split("/")[:1]), *classes])
    found = [namespace(name) for name in names if name]
    if platform.ingress == "gateway" and not platform.gateway:
        found.append({"podSelector": {"matchLabels": {GATEWAY_NAME: scope.app.name}}})
    return found


def policies(scope: Scope) -> Iterator[Obj]:
    """The policies of pods that others put into the namespace so that the world comes in.

    In the mesh, what answers an ACME server has a proxy, and is asked by a controller that may have none.
    """
    solved = gateway.solved_here(scope)
    if gateway.gateway(scope):
        yield _policy(
            scope, GATEWAY_POLICY, {GATEWAY_NAME: scope.app.name}, [_public_ports(scope)], _gateway_egress(scope, solved)
        )
    if solved:
        yield _policy(scope, SOLVER_POLICY, SOLVER, [{"from": entries(scope), "ports": tcp(SOLVER_PORT)}], sidecar(scope))
        if mesh.meshed(scope) and not mesh.entry_meshed(scope):
            plain = {str(SOLVER_PORT): {"mode": "PERMISSIVE"}}
            spec = {"selector": {"matchLabels": dict(SOLVER)}, "mtls": {"mode": "STRICT"}, "portLevelMtls": plain}
            metadata = _meta(scope, SOLVER_POLICY)
            yield {"apiVersion": mesh.SECURITY, "kind": "PeerAuthentication", "metadata": metadata, "spec": spec}


def _public_ports(scope: Scope) -> Obj:
    ports = [80, 443] if any(tls for _, tls in gateway.hosts(scope).values()) else [80]
    return {"ports": tcp(*ports, *([ISTIO_HEALTH] if gateway.class_of(scope) == "istio" else []))}


def _gateway_egress(scope: Scope, solved: bool) -> list[Obj]:
    """Names, whoever tells the Gateway what to do, and the services that are exposed."""
    told = {"istio": (ISTIO[0], ISTIOD), "nginx": (GATEWAY_NAMESPACE["nginx"], NGINX_AGENT)}.get(gateway.class_of(scope))
    rules = [dns()]
    if told:
        rules.append({"to": [namespace(told[0])], "ports": tcp(told[1])})
    for name, service in scope.app.services.items():
        if service.expose and service.port:
            rules.append({"to": [{"podSelector": {"matchLabels": scope.selector(name, SERVICE)}}], "ports": tcp(service.port)})
    if solved:
        rules.append({"to": [{"podSelector": {"matchLabels": dict(SOLVER)}}], "ports": tcp(SOLVER_PORT)})
    return rules


def _policy(scope: Scope, title: str, pods: dict[str, str], ingress: list[Obj], egress: list[Obj]) -> Obj:
    spec: Obj = {"podSelector": {"matchLabels": dict(pods)}, "policyTypes": ["Ingress", "Egress"], "ingress": ingress}
    spec |= {"egress": egress} if egress else {}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": _meta(scope, title), "spec": spec}


def _meta(scope: Scope, title: str) -> Obj:
    return {"name": title, "namespace": scope.app.namespace, "labels": scope.common()}
