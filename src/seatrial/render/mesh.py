"""The app in Istio's mesh: calls are encrypted and known by who makes them, shared out between versions, and let in at a Gateway.

Everything in the namespace speaks mutual TLS; what an ingress controller outside of the mesh asks is excepted by its port.
"""

from __future__ import annotations

from seatrial.app.model import Service
from seatrial.render.container import STORE_PORTS
from seatrial.render.delivery import canary_service, routers
from seatrial.render.gateway import class_of, hosts
from seatrial.render.scaling import is_asked_by_keda
from seatrial.render.scope import SERVICE, STORE, Scope
from seatrial.render.telemetry import read_ports
from seatrial.world.objects import Obj

API, SECURITY = "networking.istio.io/v1", "security.istio.io/v1"
#: A server that cannot be reached is left alone for a while; what the process itself answers is no reason to.
OUTLIERS = {
    "consecutive5xxErrors": 0,
    "consecutiveGatewayErrors": 5,
    "interval": "10s",
    "baseEjectionTime": "30s",
    "maxEjectionPercent": 50,
}
#: Tried again only while the request has not reached a process: that is right for every method.
RETRIES = {"attempts": 2, "retryOn": "connect-failure,refused-stream"}


def meshed(scope: Scope) -> bool:
    return scope.app.platform.mesh == "istio"


def entry_meshed(scope: Scope) -> bool:
    """Whether what lets the world in is itself in the mesh."""
    entry = scope.app.platform.ingress
    return entry == "istio" or (entry == "gateway" and class_of(scope) == "istio")


def peer_authentications(scope: Scope) -> list[Obj]:
    """Mutual TLS for the namespace, and a plain port where a controller outside of the mesh comes in."""
    if not meshed(scope):
        return []
    metadata = {"name": "default", "namespace": scope.app.namespace, "labels": scope.common()}
    found = [{"apiVersion": SECURITY, "kind": "PeerAuthentication", "metadata": metadata, "spec": {"mtls": {"mode": "STRICT"}}}]
    for name, service in scope.app.services.items():
        plain = _plain_ports(scope, service)
        if plain:
            spec = {
                "selector": {"matchLabels": scope.selector(name, SERVICE)},
                "mtls": {"mode": "STRICT"},
                "portLevelMtls": {str(port): {"mode": "PERMISSIVE"} for port in plain},
            }
            metadata = scope.meta(name, name, SERVICE)
            found.append({"apiVersion": SECURITY, "kind": "PeerAuthentication", "metadata": metadata, "spec": spec})
    return [*found, *(_plain_store(scope, name) for name in scope.app.stores if is_asked_by_keda(scope, name))]


def _plain_store(scope: Scope, name: str) -> Obj:
    """KEDA is outside of the mesh: the Redis whose lists it measures answers it as it asks."""
    plain = {str(STORE_PORTS["redis"]): {"mode": "PERMISSIVE"}}
    spec = {"selector": {"matchLabels": scope.selector(name, STORE)}, "mtls": {"mode": "STRICT"}, "portLevelMtls": plain}
    metadata = scope.meta(name, name, STORE)
    return {"apiVersion": SECURITY, "kind": "PeerAuthentication", "metadata": metadata, "spec": spec}


def _plain_ports(scope: Scope, service: Service) -> list[int]:
    """The ports that are asked from outside of the mesh: by the ingress controller, and by Prometheus. Policies say by whom."""
    found = []
    if service.expose and service.port and scope.app.platform.ingress != "none" and not entry_meshed(scope):
        found.append(service.port)
    read = read_ports(scope, service) if service.metrics else []  # a proxy's own port is never encrypted
    return list(dict.fromkeys([*found, *read]))


def gateway(scope: Scope) -> Obj | None:
    """Istio's Gateway of the app, where none is there already. The Secrets of its certificates lie where Istio's gateway runs."""
    platform, found = scope.app.platform, hosts(scope)
    if platform.ingress != "istio" or platform.gateway or not found:
        return None
    servers: list[Obj] = []
    for host, (first, tls) in found.items():
        server: Obj = {"port": {"number": 80, "name": f"http-{first}", "protocol": "HTTP"}, "hosts": [f"./{host}"]}
        servers.append(server | {"tls": {"httpsRedirect": True}} if tls else server)
        if tls:
            port = {"number": 443, "name": f"https-{first}", "protocol": "HTTPS"}
            credential = {"mode": "SIMPLE", "credentialName": f"{scope.app.namespace}-{first}-tls"}
            servers.append({"port": port, "hosts": [f"./{host}"], "tls": credential})
    metadata = {"name": scope.app.name, "namespace": scope.app.namespace, "labels": scope.common()}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": servers}
    return {"apiVersion": API, "kind": "Gateway", "metadata": metadata, "spec": spec}


def virtual_services(scope: Scope, name: str) -> list[Obj]:
    """Who gets which share: for callers in the mesh, and at the gateway for the hosts that this service has first.

    Routes of one host stand in one object, longer paths first, for Istio does not order those of several.
    """
    service, platform = scope.app.services[name], scope.app.platform
    found = []
    if "istio" in routers(scope, name):
        found.append(_virtual(scope, name, name, [name], [], _routes(scope, name, "", "stable")))
    if platform.ingress == "istio" and service.expose and service.port:
        host = service.expose.host or ""
        if hosts(scope)[host][0] == name:
            at = platform.gateway or scope.app.name
            found.append(_virtual(scope, f"{name}-public", name, [host], [at], _public(scope, host)))
    return found


def _public(scope: Scope, host: str) -> list[Obj]:
    paths = {
        name: service.expose.path or "/"
        for name, service in scope.app.services.items()
        if service.port and service.expose and service.expose.host == host
    }
    ordered = sorted(paths, key=lambda name: -len(paths[name]))
    return [route for name in ordered for route in _routes(scope, name, paths[name], name)]


def _virtual(scope: Scope, title: str, name: str, found: list[str], gateways: list[str], routes: list[Obj]) -> Obj:
    spec: Obj = {"hosts": found} | ({"gateways": gateways} if gateways else {}) | {"http": routes}
    return {"apiVersion": API, "kind": "VirtualService", "metadata": scope.meta(title, name, SERVICE), "spec": spec}


def _routes(scope: Scope, name: str, path: str, title: str) -> list[Obj]:
    """The route of a service below a path, and before it, where its canary has a header, the one that the header leads."""
    service, found = scope.app.services[name], routers(scope, name)
    uris = _uris(path)
    header = service.canary.header if service.canary and "istio" in found and "gateway" not in found else None
    routes: list[Obj] = []
    if header:
        led = {"headers": {header.lower(): {"exact": "true"}}}  # Istio wants the names of headers in lower case
        matches = [{**uri, **led} for uri in uris or [{}]]
        routes.append(_route(f"{title}-header", matches, [_to(canary_service(name), service)]))
    shares = [_to(name, service)]
    if "istio" in found:
        shares = [shares[0] | {"weight": 100}, _to(canary_service(name), service) | {"weight": 0}]
    return [*routes, _route(title, uris, shares)]


def _route(title: str, matches: list[Obj], to: list[Obj]) -> Obj:
    return {"name": title} | ({"match": matches} if matches else {}) | {"route": to, "retries": dict(RETRIES)}


def _uris(path: str) -> list[Obj]:
    """A path and what is below it, but not what only begins alike."""
    if path.rstrip("/") == "":
        return []
    plain = path.rstrip("/")
    return [{"uri": {"exact": plain}}, {"uri": {"prefix": f"{plain}/"}}]


def _to(host: str, service: Service) -> Obj:
    return {"destination": {"host": host, "port": {"number": service.port}}}


def destination_rules(scope: Scope, name: str) -> list[Obj]:
    """Mutual TLS to a service. A canary is never left alone for its errors: they are what it is judged by."""
    if not meshed(scope) or not scope.app.services[name].port:
        return []
    tls = {"tls": {"mode": "ISTIO_MUTUAL"}}
    found = [_rule(scope, name, name, {**tls, "outlierDetection": dict(OUTLIERS)})]
    if routers(scope, name):
        found.append(_rule(scope, canary_service(name), name, tls))
    return found


def _rule(scope: Scope, host: str, name: str, policy: Obj) -> Obj:
    spec = {"host": host, "trafficPolicy": policy}
    return {"apiVersion": API, "kind": "DestinationRule", "metadata": scope.meta(host, name, SERVICE), "spec": spec}
