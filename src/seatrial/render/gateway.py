"""How the world comes in by the Gateway API: an HTTPRoute for each exposed service, and a Gateway where none is there already.

A Gateway of the app's own has a listener for each host; with a certificate, the plain one only leads to the encrypted one.
"""

from __future__ import annotations

from seatrial.app.model import Service
from seatrial.render.delivery import canary_service, routers
from seatrial.render.peers import ISTIO
from seatrial.render.scope import SERVICE, Scope, without_empty
from seatrial.world.objects import Obj

API = "gateway.networking.k8s.io/v1"


def secured(scope: Scope, service: Service) -> bool:
    """Whether a service is exposed with a certificate."""
    wanted = service.expose.tls if service.expose else False
    return scope.app.platform.issuer is not None if wanted is None else wanted


def hosts(scope: Scope) -> dict[str, tuple[str, bool]]:
    """The hosts of the app: the service that has each first in the file, and whether one of its services wants a certificate."""
    return scope.once(_hosts)


def _hosts(scope: Scope) -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    for name, service in scope.app.services.items():
        if service.expose and service.expose.host and service.port:
            first, before = found.get(service.expose.host, (name, False))
            found[service.expose.host] = (first, before or secured(scope, service))
    return found


def class_of(scope: Scope) -> str:
    """The class of the Gateway."""
    platform = scope.app.platform
    return platform.gatewayClass or ("istio" if platform.mesh == "istio" else "nginx")


def gateway(scope: Scope) -> Obj | None:
    """The app's own Gateway."""
    platform, found = scope.app.platform, hosts(scope)
    if platform.ingress != "gateway" or platform.gateway or not found:
        return None
    listeners = [listener for host, (first, tls) in found.items() for listener in _listeners(host, first, tls)]
    metadata = {"name": scope.app.name, "namespace": scope.app.namespace, "labels": scope.common()}
    spec = {"gatewayClassName": class_of(scope), "listeners": listeners}
    return {"apiVersion": API, "kind": "Gateway", "metadata": metadata, "spec": spec}


def certificates(scope: Scope) -> list[Obj]:
    """What asks cert-manager for the certificates of the app's own Gateway, one for each host; of another its owner does."""
    if scope.app.platform.ingress not in ("gateway", "istio"):
        return []
    found = [(certificate_of(scope, first), host, first) for host, (first, _) in hosts(scope).items()]
    return [_certificate(scope, *place, host, first) for place, host, first in found if place]


def certificate_of(scope: Scope, name: str) -> tuple[str, str] | None:
    """Namespace and name of the Certificate, and its Secret, by which a service is reached; None where somebody else has it.

    A Gateway has one for each host, an Ingress its own. Those of Istio's gateway lie beside it, where those of all apps are.
    """
    service, platform, namespace = scope.app.services[name], scope.app.platform, scope.app.namespace
    if not service.expose or not service.port or platform.gateway or not platform.issuer:
        return None
    if platform.ingress in ("nginx", "traefik"):
        return (namespace, f"{name}-tls") if secured(scope, service) else None
    first, tls = hosts(scope)[service.expose.host or ""]
    if not tls or platform.ingress not in ("gateway", "istio"):
        return None
    return (namespace, f"{first}-tls") if platform.ingress == "gateway" else (ISTIO[0], f"{namespace}-{first}-tls")


def _certificate(scope: Scope, namespace: str, title: str, host: str, of: str) -> Obj:
    spec = {
        "secretName": title,
        "dnsNames": [host],
        "privateKey": {"rotationPolicy": "Always"},
        "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": scope.app.platform.issuer},
    }
    metadata = scope.meta(title, of, SERVICE) | {"namespace": namespace}
    return {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": metadata, "spec": spec}


def solved_here(scope: Scope) -> bool:
    """Whether cert-manager may answer an ACME server from the app's namespace, which it does for its Ingresses and Gateway."""
    platform = scope.app.platform
    entered = platform.ingress in ("nginx", "traefik") or (platform.ingress == "gateway" and not platform.gateway)
    if not platform.issuer or not entered:
        return False
    return any(service.port and service.expose and secured(scope, service) for service in scope.app.services.values())


def _listeners(host: str, first: str, tls: bool) -> list[Obj]:
    same: Obj = {"allowedRoutes": {"namespaces": {"from": "Same"}}}
    found: list[Obj] = [{"name": f"http-{first}", "hostname": host, "port": 80, "protocol": "HTTP", **same}]
    if tls:
        certificate = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": f"{first}-tls"}]}
        found.append({"name": f"https-{first}", "hostname": host, "port": 443, "protocol": "HTTPS", "tls": certificate, **same})
    return found


def routes(scope: Scope, name: str) -> list[Obj]:
    """The HTTPRoute of an exposed service, and the one that leads from http to https."""
    service, platform = scope.app.services[name], scope.app.platform
    if platform.ingress != "gateway" or not service.expose or not service.port:
        return []
    host = service.expose.host or ""
    first, tls = hosts(scope)[host]
    match = [{"path": {"type": "PathPrefix", "value": service.expose.path or "/"}}]
    rule: Obj = {"matches": match, "backendRefs": _backends(scope, name, service)}
    scheme = "https" if tls else "http"
    found = [_route(scope, name, name, host, f"{scheme}-{first}", rule)]
    if tls and not platform.gateway and first == name:
        redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
        found.append(_route(scope, f"{name}-to-https", name, host, f"http-{first}", {"filters": [redirect]}))
    return found


def _backends(scope: Scope, name: str, service: Service) -> list[Obj]:
    ref: Obj = {"name": name, "port": service.port}
    if "gateway" not in routers(scope, name):
        return [ref]
    return [ref | {"weight": 100}, ref | {"name": canary_service(name), "weight": 0}]


def _route(scope: Scope, title: str, name: str, host: str, section: str, rule: Obj) -> Obj:
    given = scope.app.platform.gateway
    namespace, _, gateway_name = given.partition("/") if given else ("", "", scope.app.name)
    parent = without_empty({"name": gateway_name, "namespace": namespace, "sectionName": "" if given else section})
    spec = {"parentRefs": [parent], "hostnames": [host], "rules": [rule]}
    return {"apiVersion": API, "kind": "HTTPRoute", "metadata": scope.meta(title, name, SERVICE), "spec": spec}
