# ruff: noqa: E501 - a line of the table is one saying
"""Istio and the Gateway API by themselves: weights, routes without a default, matches that never come, gateways without keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.reading import has, items, mapping, number, seconds, strings, text
from seatrial.rules.written.telling import Path, tell
from seatrial.world.objects import Obj
from seatrial.world.world import World

_ISTIO = "networking.istio.io/v1"
_TO = "route: [{destination: {host: api}}]"


def _virtual(http: str, hosts: str = "[api]", more: str = "") -> str:
    return manifest(_ISTIO, "VirtualService", f"spec: {{hosts: {hosts}{more}, http: {http}}}")


def _gateway(servers: str) -> str:
    return manifest(_ISTIO, "Gateway", f"spec: {{selector: {{istio: ingressgateway}}, servers: {servers}}}")


_FINE = _virtual(
    f"[{{match: [{{headers: {{x-canary: {{exact: 'true'}}}}}}], route: [{{destination: {{host: api, subset: canary}}}}]}}, {{{_TO}}}]"
)
_PLAIN = _virtual(f"[{{{_TO}}}]")
_HTTPS = _gateway(
    "[{port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: shop-tls}, hosts: [shop.example]}]"
)
_RULE = manifest(_ISTIO, "DestinationRule", "spec: {host: api, subsets: [{name: stable, labels: {version: v1}}]}")

RULES = (
    Rule("route-default-missing", "error", "has no route for ordinary requests", "Every route asks for a header, a cookie or a query that most requests do not have: those get 404.",
         "Add a last route without a match.",
         _virtual("[{match: [{headers: {x-canary: {exact: 'true'}}}], route: [{destination: {host: api}}]}]"), _FINE),
    Rule("route-shadowed", "warning", "has routes that no request reaches", "Routes are tried in order, and one before them takes everything.",
         "Put the route without a match last.",
         _virtual(f"[{{{_TO}}}, {{match: [{{uri: {{prefix: /v2}}}}], {_TO}}}]"), _FINE),
    Rule("route-weights", "warning", "has weights that do not add up to 100", "Istio takes them as shares of their sum: 20 of 90 is not the 20 % that it says.",
         "Let the weights of a route add up to 100.",
         _virtual("[{route: [{destination: {host: a}, weight: 20}, {destination: {host: b}, weight: 70}]}]"),
         _virtual("[{route: [{destination: {host: a}, weight: 20}, {destination: {host: b}, weight: 80}]}]")),
    Rule("route-weights-zero", "error", "sends its requests nowhere", "With weights of 0 only, the route is refused, or answers 503.",
         "Give one destination a weight.",
         _virtual("[{route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 0}]}]"), _PLAIN),
    Rule("route-empty", "error", "has a route to nowhere", "Istio's webhook refuses the object.",
         "Add a route, a redirect or a directResponse.",
         _virtual("[{match: [{uri: {prefix: /}}]}]"), _PLAIN),
    Rule("route-hosts-missing", "error", "is for no host", "Istio's webhook refuses the object.",
         "Name the hosts.",
         _virtual(f"[{{{_TO}}}]", "[]"), _PLAIN),
    Rule("route-mesh-wildcard", "error", "is for every host of the mesh", "Istio's webhook refuses a * without a gateway: it would take every call between services.",
         "Name the host, or the gateway that it is for.",
         _virtual(f"[{{{_TO}}}]", "['*']"), _virtual(f"[{{{_TO}}}]", "['*']", ", gateways: [shop]")),
    Rule("route-retries-late", "note", "has retries for which its timeout leaves no time", "attempts × perTryTimeout is more than timeout: the last tries never happen.",
         "Raise the timeout, or lower perTryTimeout.",
         _virtual(f"[{{{_TO}, timeout: 3s, retries: {{attempts: 3, perTryTimeout: 2s}}}}]"), _virtual(f"[{{{_TO}, timeout: 6s, retries: {{attempts: 3, perTryTimeout: 2s}}}}]")),
    Rule("subset-twice", "error", "defines a subset twice", "Istio's webhook refuses the object.",
         "Keep one of them.",
         manifest(_ISTIO, "DestinationRule", "spec: {host: api, subsets: [{name: v1, labels: {version: v1}}, {name: v1, labels: {version: v2}}]}"), _RULE),
    Rule("subset-of-all", "warning", "defines a subset that is everything", "Without labels the subset holds the pods of all versions: a share for the canary goes to the old version too.",
         "Give it the label that tells the versions apart. (Argo Rollouts adds its own.)",
         manifest(_ISTIO, "DestinationRule", "spec: {host: api, subsets: [{name: stable}]}"), _RULE),
    Rule("gateway-key-missing", "error", "ends TLS without a key", "The listener has no certificate: every connection is refused.",
         "Name the secret in credentialName.",
         _gateway("[{port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE}, hosts: [shop.example]}]"), _HTTPS),
    Rule("gateway-clear", "warning", "serves plain HTTP without sending it to HTTPS", "Passwords and cookies cross the network in clear text.",
         "Set tls.httpsRedirect: true on the HTTP server.",
         _gateway("[{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example]}]"), _HTTPS),
    Rule("gateway-tls-missing", "error", "speaks HTTPS without saying how", "Istio's webhook refuses the object.",
         "Add tls with a mode and a credentialName.",
         _gateway("[{port: {number: 443, name: https, protocol: HTTPS}, hosts: [shop.example]}]"), _HTTPS),
    Rule("mutual-tls-off", "warning", "lets calls in without mutual TLS", "Callers are not known: rules by principal do not hold, and traffic can be read.",
         "Use mode: STRICT when all callers are in the mesh.",
         manifest("security.istio.io/v1", "PeerAuthentication", "spec: {mtls: {mode: DISABLE}}"),
         manifest("security.istio.io/v1", "PeerAuthentication", "spec: {mtls: {mode: STRICT}}")),
    Rule("authorization-open", "warning", "allows everything, by an empty rule", "An ALLOW policy with an empty rule lets everybody in; it was probably meant to be filled.",
         "Say who may call what; `spec: {}` denies everything.",
         manifest("security.istio.io/v1", "AuthorizationPolicy", "spec: {rules: [{}]}"),
         manifest("security.istio.io/v1", "AuthorizationPolicy", "spec: {rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}")),
    Rule("http-route-weights-zero", "error", "sends its requests nowhere", "With weights of 0 only, every request is answered with 500.",
         "Give one backend a weight.",
         manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "spec: {parentRefs: [{name: shop}], rules: [{backendRefs: [{name: api, port: 80, weight: 0}]}]}"),
         manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "spec: {parentRefs: [{name: shop}], rules: [{backendRefs: [{name: api, port: 80}]}]}")),
    Rule("http-route-orphan", "warning", "belongs to no gateway", "Nobody serves it.",
         "Name the gateway in parentRefs.",
         manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "spec: {rules: [{backendRefs: [{name: api, port: 80}]}]}"),
         manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "spec: {parentRefs: [{name: shop}], rules: [{backendRefs: [{name: api, port: 80}]}]}")),
)  # fmt: skip

#: What a match may ask of a request; an address (uri, authority) every request has.
_SPECIAL = frozenset({"headers", "queryParams", "withoutHeaders", "sourceLabels", "sourceNamespace", "method"})


@check("VirtualService", rules=RULES[:8])
def virtual(world: World, obj: Obj) -> Iterator[Finding]:
    """A VirtualService: its hosts and its routes in their order."""
    spec = mapping(obj, "spec")
    hosts, http = strings(spec, "hosts"), items(spec, "http")
    if (not hosts and not has(spec, "delegate") and strings(spec, "gateways")) or (
        not hosts and http and not _is_delegate(world, obj)
    ):
        yield tell(world, "route-hosts-missing", obj, ("spec", "hosts"), "hosts: none")
    if "*" in hosts and set(strings(spec, "gateways")) <= {"mesh"}:
        yield tell(world, "route-mesh-wildcard", obj, ("spec", "hosts"), "hosts: *, gateways: none")
    open_at = next((place for place, route in enumerate(http) if not items(route, "match")), None)
    if open_at is not None and open_at < len(http) - 1:
        yield tell(
            world, "route-shadowed", obj, ("spec", "http", open_at + 1), f"route {open_at + 1} of {len(http)} has no match"
        )
    if http and open_at is None and all(_special(match) for route in http for match in items(route, "match")):
        asked = sorted({key for route in http for match in items(route, "match") for key in match if key in _SPECIAL})
        yield tell(world, "route-default-missing", obj, ("spec", "http"), f"every route asks for {', '.join(asked)}")
    for place, route in enumerate(http):
        yield from _route(world, obj, ("spec", "http", place), route)


def _is_delegate(world: World, obj: Obj) -> bool:
    """Whether another VirtualService hands its requests on to this one, which then needs no hosts."""
    name = text(obj, "metadata", "name")
    return any(
        text(route, "delegate", "name") == name for other in world.of("VirtualService") for route in items(other, "spec", "http")
    )


def _special(match: Obj) -> bool:
    return bool(_SPECIAL & match.keys()) and not {"uri", "authority", "port"} & match.keys()


def _route(world: World, obj: Obj, at: Path, route: Obj) -> Iterator[Finding]:
    targets = items(route, "route")
    if not targets and not {"redirect", "directResponse", "delegate"} & route.keys():
        yield tell(world, "route-empty", obj, at, "route: none")
    weights = [number(target, "weight") for target in targets]
    if len(targets) > 1:
        words = f"weights: {' + '.join(f'{weight:.0f}' for weight in weights)} = {sum(weights):.0f}"
        if sum(weights) == 0:
            yield tell(world, "route-weights-zero", obj, (*at, "route"), words)
        elif sum(weights) != 100:
            yield tell(world, "route-weights", obj, (*at, "route"), words)
    timeout, each = seconds(route.get("timeout")), seconds(mapping(route, "retries").get("perTryTimeout"))
    attempts = number(route, "retries", "attempts")
    if timeout and each and attempts * each > timeout:
        words = f"attempts × perTryTimeout = {attempts * each:g} s, timeout: {timeout:g} s"
        yield tell(world, "route-retries-late", obj, (*at, "retries"), words)


@check("DestinationRule", rules=RULES[8:10])
def destinations(world: World, obj: Obj) -> Iterator[Finding]:
    """The subsets of a DestinationRule."""
    subsets = items(obj, "spec", "subsets")
    names = Counter(text(each, "name") for each in subsets)
    for place, subset in enumerate(subsets):
        at, name = ("spec", "subsets", place), text(subset, "name")
        if names[name] > 1:
            names[name] = 0
            yield tell(world, "subset-twice", obj, at, f"subset: {name}")
        if not mapping(subset, "labels") and not _of_rollout(world, obj):
            yield tell(world, "subset-of-all", obj, at, f"subset {name}: labels: none")


def _of_rollout(world: World, obj: Obj) -> bool:
    """Whether a Rollout manages the rule, and adds the labels itself."""
    name = text(obj, "metadata", "name")
    where = ("spec", "strategy", "canary", "trafficRouting", "istio", "destinationRule", "name")
    return any(text(rollout, *where) == name for rollout in world.of("Rollout"))


@check("Gateway", rules=RULES[10:13])
def gateway(world: World, obj: Obj) -> Iterator[Finding]:
    """The servers of an Istio gateway."""
    if not str(obj.get("apiVersion", "")).startswith("networking.istio.io/"):
        return
    for place, server in enumerate(items(obj, "spec", "servers")):
        at: Path = ("spec", "servers", place)
        protocol, tls = text(server, "port", "protocol").upper(), mapping(server, "tls")
        mode = text(tls, "mode").upper()
        keys = {"credentialName", "credentialNames", "serverCertificate", "tlsCertificates"} & tls.keys()
        if protocol in ("HTTPS", "TLS") and not tls:
            yield tell(world, "gateway-tls-missing", obj, (*at, "tls"), f"protocol: {protocol}, tls: not set")
        elif mode in ("SIMPLE", "MUTUAL") and not keys:
            yield tell(world, "gateway-key-missing", obj, (*at, "tls"), f"mode: {mode}, credentialName: not set")
        if protocol == "HTTP" and tls.get("httpsRedirect") is not True:
            yield tell(world, "gateway-clear", obj, at, "protocol: HTTP, httpsRedirect: not set")


@check("PeerAuthentication", rules=RULES[13:14])
def authentication(world: World, obj: Obj) -> Iterator[Finding]:
    """The mode of mutual TLS."""
    mode = text(obj, "spec", "mtls", "mode")
    if mode in ("DISABLE", "PERMISSIVE"):
        severity: Severity = "warning" if mode == "DISABLE" else "note"
        yield tell(world, "mutual-tls-off", obj, ("spec", "mtls", "mode"), f"mode: {mode}", severity=severity)


@check("AuthorizationPolicy", rules=RULES[14:15])
def authorization(world: World, obj: Obj) -> Iterator[Finding]:
    """Empty rules of an AuthorizationPolicy."""
    spec = mapping(obj, "spec")
    rules = spec.get("rules")
    if isinstance(rules, list) and {} in rules and text(spec, "action") in ("", "ALLOW"):
        yield tell(world, "authorization-open", obj, ("spec", "rules"), "rules: [{}]")


@check("HTTPRoute", rules=RULES[15:])
def http_route(world: World, obj: Obj) -> Iterator[Finding]:
    """An HTTPRoute of the Gateway API."""
    for place, rule in enumerate(items(obj, "spec", "rules")):
        backends = items(rule, "backendRefs")
        if backends and all(number(each, "weight", default=1) == 0 for each in backends):
            yield tell(world, "http-route-weights-zero", obj, ("spec", "rules", place, "backendRefs"), "weights: 0")
    if not items(obj, "spec", "parentRefs"):
        yield tell(world, "http-route-orphan", obj, ("spec", "parentRefs"), "parentRefs: none")
