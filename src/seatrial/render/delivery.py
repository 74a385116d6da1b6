"""How a new version of a service comes: as a Deployment, or, where it has a `canary`, as a Rollout that takes it step by step.

Who shares requests out between the two versions follows from the platform: Istio's VirtualService, an HTTPRoute of the Gateway
API, or the canary Ingress of nginx.  There the Service of the service's own name leads to the stable version and `<name>-canary`
to the new one, and the share is exact.  Where nothing does (Traefik, a service that is only called inside), it is the share of
the replicas, and the one Service leads to both.  What a canary is judged by is in `analysis`.
"""

from __future__ import annotations

from seatrial.app.model import Canary
from seatrial.render import analysis
from seatrial.render.scope import Scope
from seatrial.world.objects import Obj

ROLLOUT_API = "argoproj.io/v1alpha1"
#: The label by which the pods of one version are known.
HASH = {"Deployment": "pod-template-hash", "Rollout": "rollouts-pod-template-hash"}
GATEWAY_PLUGIN = "argoproj-labs/gatewayAPI"
#: The shares a new version gets when the file does not say, in percent.
STEPS = (10, 25, 50, 75)
#: The route that the header leads, where the plugin of the Gateway API makes it.
HEADER_ROUTE = "canary-header"


def is_rollout(scope: Scope, name: str) -> bool:
    """Whether a service is rolled by Argo Rollouts."""
    return bool(scope.app.services[name].canary) and scope.app.platform.rollouts == "argo-rollouts"


def target(scope: Scope, name: str) -> Obj:
    """The workload of a service, as whatever scales or watches it refers to it: `{apiVersion, kind, name}`."""
    if is_rollout(scope, name):
        return {"apiVersion": ROLLOUT_API, "kind": "Rollout", "name": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


def routers(scope: Scope, name: str) -> list[str]:
    """Who shares requests out between two versions of a service: of istio, gateway and nginx; empty where replicas do."""
    service, platform = scope.app.services[name], scope.app.platform
    if not is_rollout(scope, name) or not service.port:
        return []
    entry = platform.ingress if service.expose else None
    if entry == "traefik":  # it would lead to the stable version alone
        return []
    found = ["istio"] if platform.mesh == "istio" else []
    return [*found, entry] if entry in ("gateway", "nginx") else found


def canary_service(name: str) -> str:
    """The Service of the new version while it is tried."""
    return f"{name}-canary"


def strategy(scope: Scope, name: str) -> Obj:
    """The strategy of a Rollout. The stable version keeps all its replicas until the end, so that it can take everything back."""
    canary = scope.app.services[name].canary or Canary()
    found = routers(scope, name)
    spec: Obj = {"maxUnavailable": 0, "maxSurge": "25%"}
    if found:
        spec |= {"stableService": name, "canaryService": canary_service(name), "abortScaleDownDelaySeconds": 30}
        spec["trafficRouting"] = _routing(scope, name, canary, found)
    managed = "gateway" in found and canary.header
    spec["steps"] = list(_steps(name, canary, bool(managed)))
    return {"canary": spec}


def _routing(scope: Scope, name: str, canary: Canary, found: list[str]) -> Obj:
    routing: Obj = {}
    if "istio" in found:
        routing["istio"] = _virtual_services(scope, name)
    if "nginx" in found:
        routing["nginx"] = {"stableIngress": name}
        if canary.header:
            headers = {"canary-by-header": canary.header, "canary-by-header-value": "true"}
            routing["nginx"]["additionalIngressAnnotations"] = headers
    if "gateway" in found:
        route: Obj = {"name": name}
        if canary.header:
            route["useHeaderRoutes"] = True
            routing["managedRoutes"] = [{"name": HEADER_ROUTE}]
        routing["plugins"] = {GATEWAY_PLUGIN: {"httpRoutes": [route]}}
    return routing


def _virtual_services(scope: Scope, name: str) -> Obj:
    """Those whose weights the Rollout sets: for callers in the mesh, and the one of its host at Istio's gateway."""
    inner = {"name": name, "routes": ["stable"]}
    expose = scope.app.services[name].expose
    if not expose or scope.app.platform.ingress != "istio":
        return {"virtualService": inner}
    services = scope.app.services.items()
    first = next(other for other, one in services if one.port and one.expose and one.expose.host == expose.host)
    return {"virtualServices": [inner, {"name": f"{first}-public", "routes": [name]}]}


def _steps(name: str, canary: Canary, header: bool) -> list[Obj]:
    steps: list[Obj] = []
    for number, share in enumerate(canary.steps or STEPS):
        steps.append({"setWeight": share})
        if header and not number:
            match = {"headerName": (canary.header or "").lower(), "headerValue": {"exact": "true"}}
            steps.append({"setHeaderRoute": {"name": HEADER_ROUTE, "match": [match]}})
        steps.append({"pause": {"duration": f"{analysis.pace(canary)[0]}s"}})
        steps.append({"analysis": {"templates": [{"templateName": name}], "args": analysis.arguments(name)}})
    return steps
