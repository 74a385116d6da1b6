# ruff: noqa: E501 - a line of the table is one saying
"""Ports along the way of a request and of a scrape: Ingress or route → Service → container, monitor → Service → container."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.slips import meant
from seatrial.rules.written.between import out, steps, tell_of
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.reading import items, text
from seatrial.rules.written.telling import Operation, put
from seatrial.world.graph import PodTemplate, Port, Reference
from seatrial.world.graph.ports import fitting, of_template
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.world import World

_PODS = container("ports: [{name: http, containerPort: 8080}]")


def _service(port: str) -> str:
    return (
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: api\n  namespace: shop\n  labels: {app: api}\n"
        + f"spec: {{selector: {{app: api}}, ports: [{port}]}}\n"
    )


def _ingress(port: str) -> str:
    return manifest(
        "networking.k8s.io/v1",
        "Ingress",
        f"spec: {{ingressClassName: nginx, tls: [{{hosts: [a.example], secretName: t}}], rules: [{{host: a.example, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: api, port: {port}}}}}}}]}}}}]}}",
    )


def _monitor(endpoint: str) -> str:
    return manifest(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        f"spec: {{selector: {{matchLabels: {{app: api}}}}, endpoints: [{endpoint}]}}",
    )


_OK = _service("{name: http, port: 80, targetPort: http}")

RULES = (
    Rule("backend-port-unknown", "error", "asks its Service for a port that it does not have", "Every request on this way is answered with 503: the Service is there, its port is not.",
         "Name a port of the Service, best by its name.",
         together(_PODS, _OK, _ingress("{number: 8080}")), together(_PODS, _OK, _ingress("{name: http}"))),
    Rule("target-port-unknown", "error", "sends to a port name that no container has", "Its endpoints stay without a port: every request is refused, while the pods are ready.",
         "Let targetPort name a port of the container.",
         together(_PODS, _service("{name: http, port: 80, targetPort: web}")), together(_PODS, _OK)),
    Rule("target-port-undeclared", "warning", "sends to a port that no container declares", "If the process listens elsewhere, every request is refused, while the pods are ready.",
         "Let targetPort be the port that the container declares, best by its name.",
         together(_PODS, _service("{name: http, port: 80}")), together(_PODS, _OK)),
    Rule("target-port-protocol", "error", "sends by another protocol than its container listens by", "Datagrams reach nobody, or connections are refused.",
         "Give both the same protocol.",
         together(_PODS, _service("{name: http, port: 80, targetPort: http, protocol: UDP}")), together(_PODS, _OK)),
    Rule("monitor-port-unknown", "error", "scrapes a port that its Services do not have", "No target is made, and no alert says so: dashboards are empty, alerts never fire.",
         "Name a port of the Service as it stands there.",
         together(_PODS, _OK, _monitor("{port: metrics}")), together(_PODS, _OK, _monitor("{port: http}"))),
    Rule("pod-monitor-port-unknown", "error", "scrapes a port that its pods do not have", "No target is made, and no alert says so: dashboards are empty, alerts never fire.",
         "Name a port of the container as it stands there.",
         together(_PODS, manifest("monitoring.coreos.com/v1", "PodMonitor", "spec: {selector: {matchLabels: {app: api}}, podMetricsEndpoints: [{port: metrics}]}")),
         together(_PODS, manifest("monitoring.coreos.com/v1", "PodMonitor", "spec: {selector: {matchLabels: {app: api}}, podMetricsEndpoints: [{port: http}]}"))),
    Rule("call-port-unknown", "warning", "calls a Service on a port that it does not have", "The call runs into its timeout: nothing answers on that port of the Service's address.",
         "Use a port of the Service (not that of the container).",
         together(_PODS, _OK, container("env: [{name: API_URL, value: 'http://api:8080'}]").replace("name: api\n  namespace", "name: web\n  namespace").replace("app: api", "app: web")),
         together(_PODS, _OK, container("env: [{name: API_URL, value: 'http://api:80'}]").replace("name: api\n  namespace", "name: web\n  namespace").replace("app: api", "app: web"))),
)  # fmt: skip

BACKENDS = ("Ingress", "VirtualService", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration", "APIService")  # fmt: skip


@check(*BACKENDS, rules=RULES[:1])
def backends(world: World, obj: Obj) -> Iterator[Finding]:
    """From an Ingress, a route or a webhook to a port of a Service."""
    for reference in out(world, obj, "backend"):
        service = world.get(reference.target)
        if reference.port is None or service is None or reference.target.kind != "Service":
            continue
        if text(service, "spec", "type") == "ExternalName":
            continue
        ports = world.graph.ports(reference.target)
        if reference.port == "use-annotation":
            continue  # AWS's load balancer controller: the backend is an annotation, and the Service is named for its own sake
        if fitting(ports, reference.port) is None:
            by_target = next((port for port in ports if port.target == reference.port), None)
            hint = f"; {reference.port} is the container's port, the Service's is {by_target.number}" if by_target else ""
            words = f"port: {reference.port}; {reference.target} has {_listed(ports)}{hint}"
            also = [(reference.target, "spec.ports", f"ports: {_listed(ports)}")]
            ops = _asks_for(obj, reference, by_target or (ports[0] if len(ports) == 1 else None), ports)
            yield tell_of(world, "backend-port-unknown", obj, reference.path, words, also=also, ops=ops)


def _listed(ports: list[Port]) -> str:
    return ", ".join(f"{port.name} {port.number or ''}".strip() or "a port" for port in ports) or "no ports"


@check("Service", rules=RULES[1:4])
def services(world: World, obj: Obj) -> Iterator[Finding]:
    """From a port of a Service to one of its containers."""
    ref = ref_of(obj)
    if ref.group:
        return
    behind = list(_behind(world, obj))
    declared = [port for template in behind for port in of_template(template)]
    if not behind:
        return
    ports = world.graph.ports(ref)
    known = {each.name for each in declared if each.name} | {each.number for each in declared}
    works = any(port.target in known for port in ports)
    for port in ports:
        at = f"{port.path}.targetPort" if port.target != port.number else port.path
        also = [(behind[0].written, behind[0].spec_path, f"containers of {behind[0].ref} declare {_listed(declared)}")]
        if isinstance(port.target, str):
            matching = [each for each in declared if each.name == port.target]
            if not matching:
                words = f"targetPort: {port.target}; the pods have {_listed(declared)}"
                severity: Severity | None = "warning" if works else None  # the Service serves by another port
                ops = _nearest(obj, port, declared)
                yield tell_of(world, "target-port-unknown", obj, at, words, also=also, ops=ops, severity=severity)
        else:
            matching = [each for each in declared if each.number == port.target]
            if declared and not matching and not _listens_by_argument(behind, port.target):
                words = f"targetPort: {port.target}; the pods have {_listed(declared)}"
                yield tell_of(world, "target-port-undeclared", obj, at, words, also=also, ops=_nearest(obj, port, declared))
        if matching and all(each.protocol != port.protocol for each in matching):
            words = f"protocol: {port.protocol}; the container's is {matching[0].protocol}"
            # a name is looked up with its protocol; a number is reached, and only the container says what listens there
            sure: Severity | None = None if isinstance(port.target, str) else "warning"
            yield tell_of(world, "target-port-protocol", obj, port.path, words, also=also, severity=sure)


def _asks_for(obj: Obj, reference: Reference, sure: Port | None, ports: list[Port]) -> list[Operation]:
    """What lets a backend ask for the port of its Service that is meant: the one that leads to the container's port it names, the
    only one, or one nearly of its name.
    """
    chosen = sure or next(
        (port for port in ports if port.name == meant(str(reference.port), {port.name for port in ports})), None
    )
    above = steps(reference.path)[:-1]
    if chosen is None or ref_of(obj) != reference.source:
        return []
    if above[-1] == "service" and obj.get("kind") == "Ingress":
        asked = {"name": chosen.name} if isinstance(reference.port, str) and chosen.name else {"number": chosen.number}
        return [put(obj, (*above, "port"), asked)]
    if str(obj.get("kind")).endswith("Route"):
        return [put(obj, (*above, "port"), chosen.number)]
    return [put(obj, (*above, "port", "number"), chosen.number)] if obj.get("kind") == "VirtualService" else []


def _behind(world: World, obj: Obj) -> Iterator[PodTemplate]:
    seen = set()
    for reference in out(world, obj, "selects"):
        for template in world.graph.templates_of(reference.target):
            if (template.ref, template.path) not in seen:
                seen.add((template.ref, template.path))
                yield template


def _nearest(obj: Obj, port: Port, declared: list[Port]) -> list[Operation]:
    """Where the pods have one named port only, or one nearly of that name, it is the one that is meant."""
    names = sorted({each.name for each in declared if each.name})
    near = get_close_matches(str(port.target), names, n=1, cutoff=0.7) if isinstance(port.target, str) else []
    chosen = near[0] if near else names[0] if len(declared) == 1 and names else ""
    return [put(obj, (*steps(port.path), "targetPort"), chosen)] if chosen else []


def _listens_by_argument(behind: list[PodTemplate], number: int | None) -> bool:
    """Whether a container is told the port by its arguments or variables; then it need not declare it."""
    wanted = str(number)
    for template in behind:
        for each in items(template.spec, "containers"):
            given = [
                str(word) for field in ("command", "args") for word in each.get(field) or () if isinstance(each.get(field), list)
            ]
            given += [text(variable, "value") for variable in items(each, "env")]
            if any(wanted in word for word in given):
                return True
    return False


@check("ServiceMonitor", rules=RULES[4:5])
def service_monitors(world: World, obj: Obj) -> Iterator[Finding]:
    """From a ServiceMonitor to the ports of the Services that it selects."""
    chosen = [reference.target for reference in out(world, obj, "monitors")]
    for place, endpoint in enumerate(items(obj, "spec", "endpoints")):
        wanted = endpoint.get("port")
        if not isinstance(wanted, str) or not chosen:
            continue
        ports = [port for ref in chosen for port in world.graph.ports(ref)]
        if not any(port.name == wanted for port in ports):
            yield _unscraped(world, obj, "monitor-port-unknown", ("endpoints", place), wanted, chosen, ports)


@check("PodMonitor", rules=RULES[5:6])
def pod_monitors(world: World, obj: Obj) -> Iterator[Finding]:
    """From a PodMonitor to the ports of the pods that it selects."""
    chosen = [reference.target for reference in out(world, obj, "monitors")]
    for place, endpoint in enumerate(items(obj, "spec", "podMetricsEndpoints")):
        wanted = endpoint.get("port")
        if not isinstance(wanted, str) or not chosen:
            continue
        ports = [port for ref in chosen for port in world.graph.ports(ref)]
        if not any(port.name == wanted for port in ports):
            yield _unscraped(world, obj, "pod-monitor-port-unknown", ("podMetricsEndpoints", place), wanted, chosen, ports)


def _unscraped(
    world: World, obj: Obj, rule: str, where: tuple[str, int], wanted: str, chosen: list[Ref], ports: list[Port]
) -> Finding:
    at = f"spec.{where[0]}[{where[1]}].port"
    names = sorted({port.name for port in ports if port.name})
    near = get_close_matches(wanted, names, n=1, cutoff=0.7)
    ops = [put(obj, steps(at), near[0])] if near else []
    also = [(chosen[0], "spec.ports" if chosen[0].kind == "Service" else "spec", f"ports: {_listed(ports)}")]
    words = f"port: {wanted}; {chosen[0]} has {_listed(ports)}"
    # beside an operator, the pods that are meant may be those that it will make
    operated = rule == "pod-monitor-port-unknown" and not near and next(world.of("CustomResourceDefinition"), None) is not None
    return tell_of(world, rule, obj, at, words, also=also, ops=ops, severity="warning" if operated else None)


@check("*", rules=RULES[6:])
def calls(world: World, obj: Obj) -> Iterator[Finding]:
    """From an address in a variable or a file to a port of the Service it names."""
    told = set()
    for reference in out(world, obj, "call"):
        service = world.get(reference.target)
        if service is None or reference.port is None or reference.target.kind != "Service":
            continue
        spec = service.get("spec")
        ports = world.graph.ports(reference.target)
        headless = isinstance(spec, dict) and (spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName")
        if not ports or headless or fitting(ports, reference.port) or (reference.target, reference.port) in told:
            continue
        told.add((reference.target, reference.port))
        words = f"port {reference.port} of {reference.target}, which has {_listed(ports)}"
        also = [(reference.target, "spec.ports", f"ports: {_listed(ports)}")]
        title = f"calls {reference.target.kind} {reference.target.name} on port {reference.port}, which it does not have"
        yield tell_of(world, "call-port-unknown", obj, reference.path, words, also=also, title=title)
