"""Who may call whom, as Istio sees it: an AuthorizationPolicy for each service and store, from the same `calls` as the policies.

NetworkPolicies go by addresses, these by the identity in a certificate: a pod that got hold of an address is still refused.  What
comes from outside of the mesh (an ingress controller, Prometheus, KEDA) has no identity; it is admitted at the ports it asks, and
the NetworkPolicies say who it is.  A callee that nobody calls has a policy without rules, which admits nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.app.model import Service
from seatrial.render import cloudnative, collector, gateway
from seatrial.render.container import STORE_PORTS
from seatrial.render.mesh import SECURITY, entry_meshed, meshed
from seatrial.render.peers import ISTIO
from seatrial.render.scaling import is_asked_by_keda
from seatrial.render.scope import SERVICE, STORE, Scope
from seatrial.render.store import kind_of
from seatrial.render.telemetry import read_ports
from seatrial.render.tracing import COLLECTOR, PORTS, own, traced
from seatrial.world.objects import Obj

#: Whoever has no identity of the mesh.
OUTSIDERS = {"source": {"notPrincipals": ["*"]}}


def policies(scope: Scope) -> Iterator[Obj]:
    """The AuthorizationPolicies of an app in the mesh."""
    if not meshed(scope):
        return
    for name, service in scope.app.services.items():
        if service.port or service.metrics:
            yield _policy(scope.meta(name, name, SERVICE), scope.selector(name, SERVICE), _service_rules(scope, name, service))
    for name, store in scope.app.stores.items():
        if not store.host and not cloudnative.is_operated(scope, name):
            port = STORE_PORTS[kind_of(store)]
            rules = _calls(scope, scope.app.callers(name), port)
            rules += [_rule([OUTSIDERS], port)] if is_asked_by_keda(scope, name) else []
            yield _policy(scope.meta(name, name, STORE), scope.selector(name, STORE), rules)
    if own(scope):
        senders = [name for name, service in scope.app.services.items() if traced(scope, service)]
        rules = _calls(scope, senders, PORTS["otlp-grpc"], PORTS["otlp-http"])
        yield _policy(collector.metadata(scope, COLLECTOR), collector.selector(scope), rules)


def _service_rules(scope: Scope, name: str, service: Service) -> list[Obj]:
    platform = scope.app.platform
    rules = _calls(scope, scope.app.callers(name), service.port) if service.port else []
    if service.port and service.expose and platform.ingress != "none":
        rules.append(_rule(_entries(scope), service.port))
    for port in read_ports(scope, service) if service.metrics else []:
        found = _rule([OUTSIDERS], port)
        if port == service.port:
            path = (service.metrics and service.metrics.path) or "/metrics"
            found["to"][0]["operation"] |= {"methods": ["GET"], "paths": [path]}
        rules.append(found)
    return rules


def _entries(scope: Scope) -> list[Obj]:
    """Whom requests of the world come from: Istio's gateways, or a controller outside of the mesh."""
    if not entry_meshed(scope):
        return [OUTSIDERS]
    given = (scope.app.platform.gateway or "").split("/")[:1]
    sources: list[Obj] = [{"source": {"namespaces": list(dict.fromkeys([*(name for name in given if name), *ISTIO]))}}]
    if gateway.gateway(scope):  # its pods are in our namespace, with an account of their own
        sources.append({"source": {"principals": [principal(scope, f"{scope.app.name}-{gateway.class_of(scope)}")]}})
    return sources


def principal(scope: Scope, account: str) -> str:
    """An account as certificates of the mesh name it; `cluster.local` stands for the trust domain, whatever that is called."""
    return f"cluster.local/ns/{scope.app.namespace}/sa/{account}"


def _calls(scope: Scope, callers: list[str], *ports: int) -> list[Obj]:
    """The rule that admits callers, with their jobs and migrations, which have the same account."""
    return [_rule([{"source": {"principals": [principal(scope, caller) for caller in callers]}}], *ports)] if callers else []


def _rule(sources: list[Obj], *ports: int) -> Obj:
    return {"from": list(sources), "to": [{"operation": {"ports": [str(port) for port in ports]}}]}


def _policy(metadata: Obj, pods: dict[str, str], rules: list[Obj]) -> Obj:
    spec: Obj = {"selector": {"matchLabels": pods}, "action": "ALLOW"} | ({"rules": rules} if rules else {})
    return {"apiVersion": SECURITY, "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}
