# ruff: noqa: E501 - a line of the table is one saying
"""Calls against NetworkPolicies, at both ends, with DNS.

A call is what somebody has declared: an address in a variable or a ConfigMap, a backend of an Ingress or a route, a scrape of a
monitor.  Pods that no policy selects are open; those that one selects are let through by the sum of all that do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.written.between import is_job, names, out, steps, tell_of
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.reading import has, items, mapping, strings, text
from seatrial.rules.written.telling import tell
from seatrial.world.graph import PodTemplate, Port
from seatrial.world.graph.ports import of_template
from seatrial.world.objects import Obj, Ref, labels_of, ref_of
from seatrial.world.once import once
from seatrial.world.patterns import pattern
from seatrial.world.selectors import matches
from seatrial.world.world import World

_API = container("ports: [{name: http, containerPort: 8080}]")
_SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: api\n  namespace: shop\n  labels: {app: api}\nspec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: http}]}\n"
_WEB = (
    container("env: [{name: API_URL, value: 'http://api'}]")
    .replace("name: api\n  namespace", "name: web\n  namespace")
    .replace("app: api", "app: web")
)
_DNS = "{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}"


def _policy(app: str, rules: str) -> str:
    return manifest(
        "networking.k8s.io/v1", "NetworkPolicy", f"spec: {{podSelector: {{matchLabels: {{app: {app}}}}}, {rules}}}", name=app
    )


_OUT = f"policyTypes: [Egress], egress: [{{to: [{{podSelector: {{matchLabels: {{app: api}}}}}}], ports: [{{port: %s}}]}}, {_DNS}]"
_ADMIN = _WEB.replace("name: web\n  namespace", "name: admin\n  namespace").replace("app: web", "app: admin")
_IN = "policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: %s}}}], ports: [{port: 8080}]}]"
_INGRESS = manifest(
    "networking.k8s.io/v1",
    "Ingress",
    "spec: {ingressClassName: nginx, tls: [{hosts: [a.example], secretName: t}], rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {name: http}}}}]}}]}",
)
_MONITOR = manifest(
    "monitoring.coreos.com/v1", "ServiceMonitor", "spec: {selector: {matchLabels: {app: api}}, endpoints: [{port: http}]}"
)
_FROM = "policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}}]}]"

_MESHED = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {istio-injection: enabled}\n"

RULES = (
    Rule("call-blocked-leaving", "error", "calls what its own policy does not let it reach", "The call runs into its timeout: policies drop packets, nobody answers `refused`.",
         "Add an egress rule for the callee, with the port of its pods (not of its Service).",
         together(_API, _SERVICE, _WEB, _policy("web", _OUT % 9090)), together(_API, _SERVICE, _WEB, _policy("web", _OUT % 8080))),
    Rule("call-blocked-arriving", "error", "calls what does not let it in", "The call runs into its timeout: policies drop packets, nobody answers `refused`.",
         "Add an ingress rule for the caller to the callee's policy, with the port of its pods.",
         together(_API, _SERVICE, _WEB, _policy("api", _IN % "admin"), _ADMIN),
         together(_API, _SERVICE, _WEB, _policy("api", (_IN % "web").replace("from: [", "from: [{podSelector: {matchLabels: {app: admin}}}, ")), _ADMIN)),
    Rule("dns-blocked", "error", "may not ask for names", "Every call by name fails (`i/o timeout` of the lookup), the allowed ones included: no address is ever found.",
         "Allow egress to port 53, UDP and TCP.",
         together(_API, _SERVICE, _WEB, _policy("web", "policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 8080}]}]")),
         together(_API, _SERVICE, _WEB, _policy("web", _OUT % 8080))),
    Rule("policy-port-closed", "warning", "allows a port that its pods do not listen on", "What it lets through reaches nobody, and the port that is called is cut. (Policies name the ports of pods, not of Services.)",
         "Name the container's port.",
         together(_API, _policy("api", "policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]")), together(_API, _policy("api", "policyTypes: [Ingress], ingress: [{ports: [{port: 8080}]}]"))),
    Rule("proxy-blocked", "error", "does not let the mesh's proxy reach its control plane", "The sidecar gets neither certificates nor routes: the pod never becomes ready, wherever policies are enforced.",
         "Allow egress to the namespace istio-system on port 15012.",
         together(_MESHED, _API, _policy("api", f"policyTypes: [Egress], egress: [{{to: [{{podSelector: {{}}}}]}}, {_DNS}]")),
         together(_MESHED, _API, _policy("api", f"policyTypes: [Egress], egress: [{{to: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: istio-system}}}}}}], ports: [{{port: 15012}}]}}, {_DNS}]"))),
    Rule("ingress-blocked", "warning", "is open to the outside, and its pods are not", "The controller runs in a namespace that the pods' policies do not let in: every request ends in 504.",
         "Allow the controller's namespace in the pods' ingress rules.",
         together(_API, _SERVICE, _INGRESS, _policy("api", _IN % "api")), together(_API, _SERVICE, _INGRESS, _policy("api", _FROM % "ingress-nginx"))),
    Rule("scrape-blocked", "warning", "is scraped, and its pods let nobody in", "Prometheus runs in a namespace that the pods' policies do not let in: the target is down, and its alerts have no data.",
         "Allow the monitoring namespace in the pods' ingress rules, for the port of the metrics.",
         together(_API, _SERVICE, _MONITOR, _policy("api", _IN % "api")), together(_API, _SERVICE, _MONITOR, _policy("api", _FROM % "monitoring"))),
)  # fmt: skip


#: Labels that hold a namespace's name: the one that Kubernetes sets, and the one that people set.
NAME_LABELS = ("kubernetes.io/metadata.name", "name")
#: What namespaces are called that requests come from, and those that measurements go to.
WAYS_IN = pattern(r"ingress|nginx|traefik|contour|haproxy|gateway")
MONITORS = pattern(r"monitor|prometheus|observab|metrics|grafana|telemetry")
#: Ports of a mesh's proxy, which no container of the workload declares.
PROXY = range(15000, 15100)


def isolation(world: World) -> dict[tuple[Ref, str], list[Obj]]:
    """(workload, direction) -> the policies that govern it."""
    found: dict[tuple[Ref, str], list[Obj]] = defaultdict(list)
    for policy in world.of("NetworkPolicy"):
        spec = mapping(policy, "spec")
        types = strings(spec, "policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
        for reference in out(world, policy, "selects"):
            for direction in types:
                governed = found[reference.target, direction.lower()]
                if not any(each is policy for each in governed):
                    governed.append(policy)
    return found


def governing(world: World, template: PodTemplate, direction: str) -> list[Obj]:
    return once(world, isolation).get((template.ref, direction), [])


def lets(world: World, policies: list[Obj], direction: str, peer: PodTemplate, port: Port | None) -> bool:
    """Whether one of the policies lets a peer through, by the port of the callee's pods (None: any)."""
    side = "to" if direction == "egress" else "from"
    for policy in policies:
        space = ref_of(policy).namespace
        for rule in items(policy, "spec", direction):
            if _port(rule, port) and (not rule.get(side) or any(_peer(world, each, peer, space) for each in items(rule, side))):
                return True
    return False


def _port(rule: Obj, port: Port | None) -> bool:
    ports = items(rule, "ports")
    if not ports or port is None:
        return True
    for each in ports:
        wanted, last = each.get("port"), each.get("endPort")
        if (each.get("protocol") or "TCP") != port.protocol:
            continue
        if wanted is None or wanted in (port.number, port.name or None):
            return True
        if isinstance(wanted, int) and isinstance(last, int) and port.number is not None and wanted <= port.number <= last:
            return True
    return False


def _peer(world: World, peer: Obj, template: PodTemplate, own: str) -> bool:
    if has(peer, "ipBlock"):
        return text(peer, "ipBlock", "cidr") in ("0.0.0.0/0", "::/0", "10.0.0.0/8")  # pods' addresses are nobody's to know
    spaces, pods = peer.get("namespaceSelector"), peer.get("podSelector")
    if isinstance(spaces, dict):
        space = world.get(Ref("", "Namespace", "", template.ref.namespace))
        if not _fits(spaces, _labels(template.ref.namespace, space)):
            return False
    elif own and template.ref.namespace and own != template.ref.namespace:
        return False
    return not isinstance(pods, dict) or _fits(pods, template.labels)


def _labels(name: str, space: Obj | None) -> dict[str, str]:
    """The labels of a namespace; of one that was not loaded those that people usually set."""
    return {"kubernetes.io/metadata.name": name, **(labels_of(space) if space else {"name": name})}


def _fits(selector: Obj, labels: dict[str, str]) -> bool:
    try:
        return matches(selector, labels)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        return True


def _ends(world: World, service: Ref, wanted: int | str | None) -> Iterator[tuple[PodTemplate, Port | None]]:
    """The pods behind a Service, with the port of theirs that a port of the Service leads to."""
    port = world.graph.port(service, wanted) if wanted is not None else next(iter(world.graph.ports(service)), None)
    for template in world.graph.pods(service):
        if is_job(template):
            continue
        target = port.target if port else None
        declared = next((each for each in of_template(template) if target in (each.number, each.name or None)), None)
        if declared is None and isinstance(target, int):
            declared = Port(template.ref, "", target, protocol=port.protocol if port else "TCP")
        yield template, declared


def _callers(world: World, obj: Obj, path: str) -> list[PodTemplate]:
    """Who makes a call that stands at a path of an object: its own pods, or those that read it there.

    A ConfigMap that several workloads read whole says of none of them that it makes the call.
    """
    ref = ref_of(obj)
    if ref.kind != "ConfigMap":
        return world.graph.templates_of(ref)
    key = steps(path)[-1]
    readers = [one for one in world.graph.into(ref) if one.relation in ("env", "envFrom", "volume")]
    by_key = {one.source for one in readers if one.key == key}
    whole = {one.source for one in readers if not one.key}
    chosen = sorted(by_key | whole) if len(by_key | whole) == 1 else []
    return [template for reader in chosen for template in world.graph.templates_of(reader)]


@check("*", rules=RULES[:2])
def declared(world: World, obj: Obj) -> Iterator[Finding]:
    """The calls to Services of the world, against the policies of the caller and of the callee."""
    told = set()
    for reference in out(world, obj, "call"):
        service = world.get(reference.target)
        if (
            service is None
            or reference.target.kind != "Service"
            or obj.get("kind") in ("Prometheus", "AnalysisTemplate", "ClusterAnalysisTemplate")
        ):
            continue
        for caller in _callers(world, obj, reference.path):
            for callee, port in _ends(world, reference.target, reference.port):
                if callee.ref == caller.ref or (caller.ref, callee.ref, port) in told:
                    continue
                told.add((caller.ref, callee.ref, port))
                yield from _call(world, obj, reference.path, caller, callee, port, reference.target)


def _call(
    world: World, obj: Obj, path: str, caller: PodTemplate, callee: PodTemplate, port: Port | None, service: Ref
) -> Iterator[Finding]:
    at = f"{port.number or port.name} of {callee.ref.kind} {callee.ref.name}" if port else f"{callee.ref.kind} {callee.ref.name}"
    for rule, direction, one, peer in (
        ("call-blocked-leaving", "egress", caller, callee),
        ("call-blocked-arriving", "ingress", callee, caller),
    ):
        policies = governing(world, one, direction)
        if policies and not lets(world, policies, direction, peer, port):
            policy = policies[0]
            also = [
                (
                    ref_of(policy),
                    f"spec.{direction}",
                    f"{names(ref_of(each) for each in policies[:3])} lets {_allowed(policies, direction)}",
                )
            ]
            also += [(service, "spec.ports", f"{service} leads to {at}")]
            whose = "its policy does not let it reach" if direction == "egress" else "which does not let it in"
            title = f"calls {callee.ref.kind} {callee.ref.name}{' by ' + service.name if service.name != callee.ref.name else ''}, {'which ' if direction == 'egress' else ''}{whose}"
            # policies without a namespace, beside pods that have one, may be meant for another
            severity: Severity | None = None if any(_same_space(each, one) for each in policies) else "warning"
            words = f"{caller.ref.kind} {caller.ref.name} calls {at}"
            yield tell_of(world, rule, obj, path, words, also=also, title=title, severity=severity)


def _same_space(policy: Obj, template: PodTemplate) -> bool:
    return ref_of(policy).namespace == template.ref.namespace


def _allowed(policies: list[Obj], direction: str) -> str:
    """What policies let through, in a few words."""
    side = "to" if direction == "egress" else "from"
    parts = []
    for policy in policies:
        for rule in items(policy, "spec", direction):
            ports = ", ".join(str(port.get("port", "any port")) for port in items(rule, "ports")) or "any port"
            peers = ", ".join(_said(each) for each in items(rule, side)) or "everybody"
            parts.append(f"{side} {peers} on {ports}")
    return "; ".join(parts[:4]) or "nothing through"


def _said(peer: Obj) -> str:
    words = []
    for field in ("namespaceSelector", "podSelector"):
        if isinstance(peer.get(field), dict):
            labels = ", ".join(f"{key}: {value}" for key, value in mapping(peer, field, "matchLabels").items())
            words.append(f"{'namespaces' if field == 'namespaceSelector' else 'pods'} {labels or 'all'}")
    return " and ".join(words) or text(peer, "ipBlock", "cidr")


@check("NetworkPolicy", rules=RULES[2:5])
def policy(world: World, obj: Obj) -> Iterator[Finding]:
    """Names, and the ports that a policy opens."""
    for ref in dict.fromkeys(reference.target for reference in out(world, obj, "selects")):
        for template in world.graph.templates_of(ref)[:1]:
            governed = governing(world, template, "egress")
            if (
                governed
                and governed[0] is obj
                and any(items(each, "spec", "egress") for each in governed)
                and not any(_names(each) for each in governed)
            ):
                words = f"egress of {ref.kind} {ref.name}: {_allowed(governed, 'egress')}"
                yield tell_of(
                    world, "dns-blocked", obj, "spec.egress", words, title=f"does not let {ref.kind} {ref.name} ask for names"
                )
            if governed and governed[0] is obj and _has_proxy(world, template) and not lets(world, governed, "egress", *ISTIOD):
                title = f"does not let the proxy of {ref.kind} {ref.name} reach its control plane"
                words = f"egress of {ref.kind} {ref.name}: {_allowed(governed, 'egress')}"
                yield tell_of(world, "proxy-blocked", obj, "spec.egress", words, title=title)
    yield from _closed(world, obj)


_ISTIOD = Ref("apps", "Deployment", "istio-system", "istiod")
#: Istio's control plane, and the port by which its proxies get certificates and routes.
ISTIOD = (
    PodTemplate(_ISTIOD, "spec.template", {"metadata": {"labels": {"app": "istiod", "istio": "pilot"}}}, _ISTIOD),
    Port(_ISTIOD, "", 15012),
)


def _has_proxy(world: World, template: PodTemplate) -> bool:
    """Whether Istio puts its sidecar beside a pod, by the labels of the namespace and of the pod."""
    said = template.labels.get("sidecar.istio.io/inject")
    space = world.get(Ref("", "Namespace", "", template.ref.namespace))
    labels = labels_of(space) if space else {}
    return said != "false" and (said == "true" or labels.get("istio-injection") == "enabled" or "istio.io/rev" in labels)


def _names(policy: Obj) -> bool:
    """Whether a policy lets DNS through."""
    for rule in items(policy, "spec", "egress"):
        ports = items(rule, "ports")
        if not ports and not rule.get("to"):
            return True
        for port in ports or ({},):
            wanted = port.get("port") if port else None
            if wanted in (53, "dns", "dns-udp", 5353, 8053) or (
                isinstance(wanted, int) and isinstance(port.get("endPort"), int) and wanted <= 53 <= port["endPort"]
            ):
                return True
        if not ports and any("namespaceSelector" in peer or _wide(peer) for peer in items(rule, "to")):
            return True
    return False


def _wide(peer: Obj) -> bool:
    return text(peer, "ipBlock", "cidr").endswith(("/0", "/8", "/16", "/12"))


def _closed(world: World, obj: Obj) -> Iterator[Finding]:
    """Ports that nobody behind them has: of the policy's own pods (ingress), of its peers (egress)."""
    own = [
        port
        for ref in dict.fromkeys(reference.target for reference in out(world, obj, "selects"))
        for port in world.graph.ports(ref)
    ]
    for place, rule in enumerate(items(obj, "spec", "ingress")):
        yield from _unheard(world, obj, f"spec.ingress[{place}]", rule, own, "its pods")
    for place, rule in enumerate(items(obj, "spec", "egress")):
        at = f"spec.egress[{place}]"
        if any("namespaceSelector" in peer or "ipBlock" in peer for peer in items(rule, "to")):
            continue
        peers = dict.fromkeys(reference.target for reference in out(world, obj, "allows-to") if reference.path.startswith(at))
        theirs = [port for ref in peers for port in world.graph.ports(ref)]
        yield from _unheard(world, obj, at, rule, theirs, names(peers))


def _unheard(world: World, obj: Obj, at: str, rule: Obj, ports: list[Port], who: str) -> Iterator[Finding]:
    """The ports of a rule, when none of them is one that its pods declare."""
    given = items(rule, "ports")
    if not ports or not given or any("endPort" in port or port.get("port") is None for port in given):
        return
    if any(isinstance(port["port"], int) and port["port"] in PROXY for port in given):
        return
    known = {"53", "dns"} | {str(port.number) for port in ports} | {port.name for port in ports if port.name}
    if any(str(port["port"]) in known for port in given):
        return
    listed = ", ".join(sorted({f"{port.name} {port.number}".strip() for port in ports}))
    also = [(ports[0].ref, ports[0].path, f"{who} listen on {listed}")]
    words = f"ports: {', '.join(str(port['port']) for port in given)}; {who} listen on {listed}"
    yield tell_of(world, "policy-port-closed", obj, f"{at}.ports", words, also=also)


@check("Ingress", "HTTPRoute", rules=RULES[5:6])
def from_outside(world: World, obj: Obj) -> Iterator[Finding]:
    """The pods behind an Ingress or a route, when their policies let in nobody of another namespace."""
    told = set()
    for reference in out(world, obj, "backend"):
        for template, port in _ends(world, reference.target, reference.port):
            closed = _closed_to_others(world, template, port, MONITORS)
            if closed and template.ref not in told:
                told.add(template.ref)
                also = [(ref_of(closed[0]), "spec.ingress", f"lets {_allowed(closed, 'ingress')}")]
                yield tell_of(
                    world, "ingress-blocked", obj, reference.path, f"leads to {template.ref.kind} {template.ref.name}", also=also
                )


@check("ServiceMonitor", "PodMonitor", rules=RULES[6:])
def scraped(world: World, obj: Obj) -> Iterator[Finding]:
    """The pods that a monitor watches, when their policies let in nobody of another namespace."""
    told = set()
    field = "endpoints" if obj.get("kind") == "ServiceMonitor" else "podMetricsEndpoints"
    wanted = next((each.get("port") for each in items(obj, "spec", field)), None)
    for reference in out(world, obj, "monitors"):
        ends = (
            _ends(world, reference.target, wanted)
            if reference.target.kind == "Service"
            else ((each, None) for each in world.graph.templates_of(reference.target))
        )
        for template, port in ends:
            closed = _closed_to_others(world, template, port, WAYS_IN)
            if closed and template.ref not in told and not _has_prometheus(world, template.ref.namespace):
                told.add(template.ref)
                also: list[tuple[Obj, tuple[str | int, ...], str]] = [
                    (closed[0], steps("spec.ingress"), f"lets {_allowed(closed, 'ingress')}")
                ]
                yield tell(
                    world,
                    "scrape-blocked",
                    obj,
                    ("spec", "selector"),
                    f"watches {template.ref.kind} {template.ref.name}",
                    also=also,
                )


def _only(peer: Obj, what: re.Pattern[str]) -> bool:
    """Whether a peer names one namespace, which by its name is there for something."""
    named = mapping(peer, "namespaceSelector", "matchLabels")
    return bool(named) and all(key in NAME_LABELS and what.search(str(name)) for key, name in named.items())


def _has_prometheus(world: World, namespace: str) -> bool:
    return any(ref_of(each).namespace == namespace for each in world.of("Prometheus"))


def _closed_to_others(world: World, template: PodTemplate, port: Port | None, but: re.Pattern[str]) -> list[Obj]:
    """The policies of a pod, when none of them lets anybody of another namespace to the port; else none.

    Namespaces that are named, and by their name are there for something else (`but`), do not count.
    """
    policies = governing(world, template, "ingress")
    for policy in policies:
        for rule in items(policy, "spec", "ingress"):
            peers = items(rule, "from")
            wide = not peers or any("ipBlock" in peer or ("namespaceSelector" in peer and not _only(peer, but)) for peer in peers)
            if wide and _port(rule, port):
                return []
    return policies
