"""How services are reached and by whom: Services, the Ingress, and NetworkPolicies that open what `calls` declares, and no more.

Everything is denied in the namespace, both ways.  Then each service may ask DNS and what it calls, and each callee admits its
callers: a policy at one end alone would let nothing through.  What the world may reach admits the ingress controller, what has
metrics the monitoring.  What is reached outside of the app is in `reach`, the pods of gateways in `entry`.
"""

from __future__ import annotations

from seatrial.app.model import Service
from seatrial.render import entry, reach
from seatrial.render.container import STORE_PORTS
from seatrial.render.delivery import canary_service, routers
from seatrial.render.entry import INGRESS_NAMESPACE
from seatrial.render.peers import EVERYWHERE, dns, namespace, sidecar, tcp
from seatrial.render.scaling import is_asked_by_keda
from seatrial.render.scope import JOB, MIGRATION, SERVICE, STORE, Scope
from seatrial.render.store import kind_of, pods_of
from seatrial.render.telemetry import read_ports
from seatrial.world.objects import Obj

#: Where KEDA asks from how long a list is.
KEDA_NAMESPACE = "keda"


def services(scope: Scope, name: str) -> list[Obj]:
    """The Service of a service, and the one of its canary where something shares requests out between the two."""
    if not scope.app.services[name].port:
        return []
    titles = [name, canary_service(name)] if routers(scope, name) else [name]
    return [_service(scope, title, name) for title in titles]


def _service(scope: Scope, title: str, name: str) -> Obj:
    found = scope.app.services[name]
    ports = [{"name": "http", "port": found.port, "targetPort": "http"}]
    if found.metrics and found.metrics.port and found.metrics.port != found.port:
        ports.append({"name": "metrics", "port": found.metrics.port, "targetPort": "metrics"})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": scope.meta(title, name, SERVICE),
        "spec": {"type": "ClusterIP", "selector": scope.selector(name, SERVICE), "ports": ports},
    }


def ingress(scope: Scope, name: str) -> Obj | None:
    found, platform = scope.app.services[name], scope.app.platform
    if not found.expose or platform.ingress not in INGRESS_NAMESPACE:
        return None
    expose = found.expose
    tls = platform.issuer is not None if expose.tls is None else expose.tls
    annotations = {"cert-manager.io__cluster-issuer": platform.issuer} if platform.issuer and tls else {}
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    paths = [{"path": expose.path or "/", "pathType": "Prefix", "backend": backend}]
    spec: Obj = {"ingressClassName": platform.ingress}
    if tls:
        spec["tls"] = [{"hosts": [expose.host], "secretName": f"{name}-tls"}]
    spec["rules"] = [{"host": expose.host, "http": {"paths": paths}}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": scope.meta(name, name, SERVICE, **annotations),
        "spec": spec,
    }


def default_deny(scope: Scope) -> Obj:
    metadata = {"name": "default-deny", "namespace": scope.app.namespace, "labels": scope.common()}
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def service_policies(scope: Scope, name: str) -> list[Obj]:
    """The policy of a service's serving pods, and, where there are any, that of its migration and jobs, which only call."""
    found = scope.app.services[name]
    egress = _egress(scope, found)
    policies = [
        _policy(scope, name, name, SERVICE, {"matchLabels": scope.selector(name, SERVICE)}, _ingress(scope, name), egress)
    ]
    others = [part for part, there in ((JOB, found.jobs), (MIGRATION, found.migrate)) if there]
    if others:
        chosen = scope.selector(name, SERVICE)
        component = next(key for key, value in chosen.items() if value == SERVICE and key.endswith("component"))
        labels = {key: value for key, value in chosen.items() if key != component}
        selector = {"matchLabels": labels, "matchExpressions": [{"key": component, "operator": "In", "values": others}]}
        policies.append(_policy(scope, f"{name}-jobs", name, JOB, selector, [], egress))
    return policies


def store_policy(scope: Scope, name: str) -> Obj | None:
    if scope.app.stores[name].host:
        return None
    port = STORE_PORTS[kind_of(scope.app.stores[name])]
    callers = [
        {"podSelector": {"matchLabels": scope.selector(caller, component)}}
        for caller in scope.app.callers(name)
        for component in _calling(scope.app.services[caller])
    ]
    if is_asked_by_keda(scope, name):
        callers.append(namespace(KEDA_NAMESPACE))
    ingress = [{"from": callers, "ports": tcp(port)}] if callers else []
    return _policy(scope, name, name, STORE, {"matchLabels": pods_of(scope, name)}, ingress, sidecar(scope))


def _calling(found: Service) -> list[str]:
    """The components of a service that call what it calls."""
    return [SERVICE, *([JOB] if found.jobs else []), *([MIGRATION] if found.migrate else [])]


def _policy(scope: Scope, title: str, of: str, component: str, selector: Obj, ingress: list[Obj], egress: list[Obj]) -> Obj:
    spec: Obj = {"podSelector": selector, "policyTypes": ["Ingress", "Egress"]}
    if ingress:
        spec["ingress"] = ingress
    if egress:
        spec["egress"] = egress
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": scope.meta(title, of, component),
        "spec": spec,
    }


def _ingress(scope: Scope, name: str) -> list[Obj]:
    found, platform = scope.app.services[name], scope.app.platform
    rules: list[Obj] = []
    callers = [
        {"podSelector": {"matchLabels": scope.selector(caller, component)}}
        for caller in scope.app.callers(name)
        for component in _calling(scope.app.services[caller])
    ]
    if callers and found.port:
        rules.append({"from": callers, "ports": tcp(found.port)})
    if found.expose and found.port and platform.ingress != "none":
        rules.append({"from": entry.entries(scope), "ports": tcp(found.port)})
    read = read_ports(scope, found)
    if read:
        rules.append({"from": [namespace(platform.monitoringNamespace or "monitoring")], "ports": tcp(*read)})
    return rules


def _egress(scope: Scope, found: Service) -> list[Obj]:
    """DNS, then a rule for each call, and for whatever else the service asks: a cloud, a collector, the API server."""
    rules = [reach.to_url(call.url) if call.url else _inside(scope, call.name) for call in found.calls or ()]
    rules += [*reach.identities(scope, found.identity), *reach.collectors(scope, found)]
    if found.permissions:  # the API server's address is not known, and policies see the one behind its Service
        rules.append({"to": [EVERYWHERE], "ports": tcp(443, 6443)})
    meshed = sidecar(scope)
    return meshed + rules if meshed or not rules else [dns(), *rules]


def _inside(scope: Scope, name: str) -> Obj:
    store = scope.app.stores.get(name)
    if store is None:
        port, component = scope.app.services[name].port, SERVICE
    else:
        port, component = STORE_PORTS[kind_of(store)], STORE
        if store.host:  # managed databases often have private addresses
            return {"to": [EVERYWHERE], "ports": tcp(port)}
    labels = scope.selector(name, component) if store is None else pods_of(scope, name)
    return {"to": [{"podSelector": {"matchLabels": labels}}], "ports": tcp(port or 0)}
