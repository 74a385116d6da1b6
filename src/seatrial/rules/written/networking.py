# ruff: noqa: E501 - a line of the table is one saying
"""Services and Ingresses as they are written; what they lead to is for the rules between objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.reading import has, items, mapping, strings, text, value
from seatrial.rules.written.telling import Path, brief, put, tell
from seatrial.world.objects import Obj, annotations_of
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_REFUSED = "The API server refuses the object."


def _service(spec: str) -> str:
    return manifest("v1", "Service", f"spec: {spec}")


def _ingress(spec: str, annotations: str = "{}") -> str:
    text = f"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: api\n  namespace: shop\n  annotations: {annotations}\nspec: {spec}\n"
    return text.replace("\n  annotations: {}", "")


_PATH = "{path: /, pathType: Prefix, backend: {service: {name: api, port: {name: http}}}}"
_RULE = f"[{{host: shop.example, http: {{paths: [{_PATH}]}}}}]"
_TLS = "[{hosts: [shop.example], secretName: shop-tls}]"
_GOOD = _ingress(f"{{ingressClassName: nginx, tls: {_TLS}, rules: {_RULE}}}")
_OK = _service("{selector: {app: api}, ports: [{name: http, port: 80, targetPort: http}]}")

RULES = (
    Rule("service-selector-missing", "warning", "selects no pods", "Nobody fills its endpoints: every request to it is refused.",
         "Add a selector, or an EndpointSlice of the same name.",
         _service("{ports: [{port: 80}]}"), _OK),
    Rule("service-ports", "error", "has ports that cannot be", _REFUSED,
         "Ports go from 1 to 65535; with more than one, each has a name of its own; no port stands twice.",
         _service("{selector: {app: api}, ports: [{port: 80}, {port: 81}]}"), _OK),
    Rule("service-external-name", "error", "is an alias for nothing", _REFUSED,
         "Name the host in externalName.",
         _service("{type: ExternalName}"), _service("{type: ExternalName, externalName: db.example}")),
    Rule("service-headless-open", "error", "is headless and open to the outside", _REFUSED,
         "clusterIP: None goes with type ClusterIP only.",
         _service("{type: LoadBalancer, clusterIP: None, selector: {app: api}, ports: [{port: 80}]}"), _OK),
    Rule("node-port", "note", "opens a port on every node", "It passes the ingress and its TLS, and is open to whoever reaches a node.",
         "Use a ClusterIP and an Ingress or a Gateway.",
         _service("{type: NodePort, selector: {app: api}, ports: [{port: 80, nodePort: 30080}]}"), _OK),
    Rule("external-ips", "warning", "takes addresses for its own", "Who may write such a Service takes over traffic to any address (CVE-2020-8554).",
         "Leave externalIPs out, and use a LoadBalancer.",
         _service("{selector: {app: api}, externalIPs: [203.0.113.7], ports: [{port: 80}]}"), _OK),
    Rule("load-balancer-open", "note", "is open to the whole internet", "A load balancer without a list of sources lets everybody in, on every one of its ports.",
         "Set loadBalancerSourceRanges, or the annotation of your cloud for an internal one.",
         _service("{type: LoadBalancer, selector: {app: api}, ports: [{port: 443}]}"),
         _service("{type: LoadBalancer, selector: {app: api}, loadBalancerSourceRanges: [198.51.100.0/24], ports: [{port: 443}]}")),
    Rule("ingress-tls-missing", "warning", "serves a host without TLS", "Passwords and cookies cross the network in clear text.",
         "Add the host to tls, with a secret (cert-manager can make it).",
         _ingress(f"{{ingressClassName: nginx, rules: {_RULE}}}"), _GOOD),
    Rule("ingress-tls-host", "warning", "has a certificate for a host that it does not serve", "The host's clients get the controller's own certificate, which they refuse.",
         "Let tls.hosts and the rules name the same hosts.",
         _ingress(f"{{ingressClassName: nginx, tls: [{{hosts: [shop.exmaple], secretName: shop-tls}}], rules: {_RULE}}}"), _GOOD),
    Rule("ingress-host-missing", "note", "answers for every host", "It takes requests meant for others on the same controller, and two such Ingresses fight over them.",
         "Name the host.",
         _ingress(f"{{ingressClassName: nginx, rules: [{{http: {{paths: [{_PATH}]}}}}]}}"), _GOOD),
    Rule("ingress-class-unset", "warning", "names no ingress class", "Without a default class no controller takes it up; with two, both may.",
         "Set ingressClassName.",
         _ingress(f"{{tls: {_TLS}, rules: {_RULE}}}"), _GOOD),
    Rule("ingress-class-annotation", "note", "names its class by the old annotation", "The annotation has been deprecated since Kubernetes 1.18, and some controllers no longer read it.",
         "Use spec.ingressClassName.",
         _ingress(f"{{tls: {_TLS}, rules: {_RULE}}}", "{kubernetes.io/ingress.class: nginx}"), _GOOD),
    Rule("ingress-path", "error", "has a path that cannot be", _REFUSED,
         "Each path has a pathType, and begins with / unless that is ImplementationSpecific.",
         _ingress("{ingressClassName: nginx, tls: [{hosts: [a.example], secretName: t}], rules: [{host: a.example, http: {paths: [{path: api, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}}]}"), _GOOD),
    Rule("ingress-path-regex", "warning", "has a path that looks like a pattern, and is none", "With Prefix or Exact the characters stand for themselves: no request ever matches.",
         "Use pathType: ImplementationSpecific with the controller's annotation for patterns.",
         _ingress("{ingressClassName: nginx, tls: [{hosts: [a.example], secretName: t}], rules: [{host: a.example, http: {paths: [{path: '/api(/|$)(.*)', pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}}]}"), _GOOD),
    Rule("ingress-path-twice", "warning", "leads one path to two places", "The controller takes the first, or refuses both.",
         "Keep one of them.",
         _ingress(f"{{ingressClassName: nginx, tls: {_TLS}, rules: [{{host: shop.example, http: {{paths: [{_PATH}, {_PATH.replace('name: api', 'name: web')}]}}}}]}}"), _GOOD),
    Rule("ingress-backend", "error", "has a backend that cannot be read", _REFUSED + " Mostly it is written as before networking.k8s.io/v1 (serviceName, servicePort).",
         "Write backend: {service: {name: …, port: {name: …}}}, with either the port's name or its number.",
         _ingress("{ingressClassName: nginx, tls: [{hosts: [a.example], secretName: t}], rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {serviceName: api, servicePort: 80}}]}}]}"), _GOOD),
    Rule("ingress-empty", "error", "leads nowhere", _REFUSED,
         "Add rules or a defaultBackend.",
         _ingress("{ingressClassName: nginx}"), _GOOD),
    Rule("ingress-snippet", "warning", "injects configuration into the controller", "Who may write an Ingress reads every secret of the controller (CVE-2021-25742); ingress-nginx refuses snippets unless they are allowed.",
         "Use the controller's own annotations.",
         _ingress(f"{{ingressClassName: nginx, tls: {_TLS}, rules: {_RULE}}}", "{nginx.ingress.kubernetes.io/server-snippet: 'return 200;'}"), _GOOD),
)  # fmt: skip

_PORT_NAME = pattern(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CLASS = "kubernetes.io/ingress.class"
#: Annotations that keep a load balancer inside, by a part of their name.
_INSIDE = ("internal", "scheme", "private", "load-balancer-type", "subnet")
_PATTERN = pattern(r"[()|*?^\[\]\\]|\$$|\.\+")


@check("Service", rules=RULES[:7])
def service(world: World, obj: Obj) -> Iterator[Finding]:
    """A Service by itself."""
    if str(obj.get("apiVersion")) != "v1":
        return
    spec = mapping(obj, "spec")
    kind = text(spec, "type") or "ClusterIP"
    if kind == "ExternalName":
        if not text(spec, "externalName"):
            yield tell(world, "service-external-name", obj, ("spec", "externalName"), "externalName: not set")
        return
    if not mapping(spec, "selector") and not _has_endpoints(world, obj):
        yield tell(
            world, "service-selector-missing", obj, ("spec", "selector"), "selector: not set, and no endpoints of its name"
        )
    if spec.get("clusterIP") == "None" and kind != "ClusterIP":
        yield tell(world, "service-headless-open", obj, ("spec", "clusterIP"), f"type: {kind}, clusterIP: None")
    yield from _service_ports(world, obj, spec)
    if kind == "NodePort":
        yield tell(world, "node-port", obj, ("spec", "type"), "type: NodePort")
    if strings(spec, "externalIPs"):
        at = ("spec", "externalIPs")
        # no patch: requests may come that way
        yield tell(world, "external-ips", obj, at, f"externalIPs: {', '.join(strings(spec, 'externalIPs'))}")
    inside = any(part in key.lower() for key in annotations_of(obj) for part in _INSIDE)
    if kind == "LoadBalancer" and not strings(spec, "loadBalancerSourceRanges") and not inside:
        yield tell(world, "load-balancer-open", obj, ("spec", "loadBalancerSourceRanges"), "type: LoadBalancer, no source ranges")


def _has_endpoints(world: World, obj: Obj) -> bool:
    name, space = text(obj, "metadata", "name"), text(obj, "metadata", "namespace")
    if world.find("Endpoints", space, name) is not None:
        return True
    slices = world.selected("EndpointSlice", space, {"kubernetes.io/service-name": name})
    return bool(slices)


def _service_ports(world: World, obj: Obj, spec: Obj) -> Iterator[Finding]:
    ports = items(spec, "ports")
    if not ports and spec.get("clusterIP") != "None":
        yield tell(world, "service-ports", obj, ("spec", "ports"), "ports: none")
    names = Counter(text(port, "name") for port in ports)
    taken = Counter(_key(port) for port in ports)
    for place, port in enumerate(ports):
        at, number = ("spec", "ports", place), port.get("port")
        name, target = text(port, "name"), port.get("targetPort")
        if not _is_port(number):
            yield tell(world, "service-ports", obj, (*at, "port"), f"port: {brief(number)}")
        elif taken[_key(port)] > 1:
            taken[_key(port)] = 0
            yield tell(world, "service-ports", obj, (*at, "port"), f"port: {number} stands twice")
        if isinstance(target, int) and not _is_port(target):
            yield tell(world, "service-ports", obj, (*at, "targetPort"), f"targetPort: {target}")
        if (len(ports) > 1 and not name) or (name and not _PORT_NAME.fullmatch(name)):
            yield tell(world, "service-ports", obj, (*at, "name"), f"name: {brief(name) or 'not set, beside other ports'}")
        elif name and names[name] > 1:
            names[name] = 0
            yield tell(world, "service-ports", obj, (*at, "name"), f"name: {name} stands twice")


def _key(port: Obj) -> tuple[str, str]:
    return str(port.get("port")), str(port.get("protocol") or "TCP")


def _is_port(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < 65536


@check("Ingress", rules=RULES[7:12] + RULES[16:])
def ingress(world: World, obj: Obj) -> Iterator[Finding]:
    """An Ingress as a whole."""
    if "networking.istio.io" in str(obj.get("apiVersion")):
        return
    spec, notes = mapping(obj, "spec"), annotations_of(obj)
    rules = items(spec, "rules")
    if not rules and not has(spec, "defaultBackend") and not has(spec, "backend"):
        yield tell(world, "ingress-empty", obj, ("spec",), "rules: none, defaultBackend: none")
        return
    hosts = [text(rule, "host") for rule in rules]
    secured = {host for each in items(spec, "tls") for host in strings(each, "hosts")}
    whole = any(not strings(each, "hosts") for each in items(spec, "tls"))
    terminated = any("ssl" in key or "certificate" in key or "cert-arn" in key or "tls" in key for key in notes)
    for place, host in enumerate(hosts):
        at: Path = ("spec", "rules", place, "host")
        if not host:
            yield tell(world, "ingress-host-missing", obj, at, "host: not set")
            if not secured and not whole and not terminated:
                yield tell(world, "ingress-tls-missing", obj, at, "host: not set, tls: none")
        elif not whole and not terminated and not host.endswith("localhost") and not any(_covers(name, host) for name in secured):
            yield tell(world, "ingress-tls-missing", obj, at, f"host: {host}, tls for {', '.join(sorted(secured)) or 'none'}")
    for place, each in enumerate(items(spec, "tls")):
        for host in strings(each, "hosts"):
            if rules and all(hosts) and not any(_covers(host, name) or _covers(name, host) for name in hosts):
                words = f"tls host {host}; the rules have {', '.join(hosts)}"
                yield tell(world, "ingress-tls-host", obj, ("spec", "tls", place, "hosts"), words)
    if _CLASS in notes:
        yield tell(world, "ingress-class-annotation", obj, ("metadata", "annotations", _CLASS), f"{_CLASS}: {notes[_CLASS]}")
    elif not text(spec, "ingressClassName") and not any(_is_default(each) for each in world.of("IngressClass")):
        yield tell(world, "ingress-class-unset", obj, ("spec", "ingressClassName"), "ingressClassName: not set")
    for key in notes:
        if key.endswith("-snippet"):
            yield tell(world, "ingress-snippet", obj, ("metadata", "annotations", key), key)


def _is_local(host: str) -> bool:
    """Names that never leave the machine (RFC 6761)."""
    return host == "localhost" or host.endswith(".localhost")


def _covers(name: str, host: str) -> bool:
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])


def _is_default(ingress_class: Obj) -> bool:
    return annotations_of(ingress_class).get("ingressclass.kubernetes.io/is-default-class") == "true"


@check("Ingress", rules=RULES[12:16])
def ingress_paths(world: World, obj: Obj) -> Iterator[Finding]:
    """The paths of an Ingress."""
    if obj.get("apiVersion") != "networking.k8s.io/v1":
        return
    seen: set[tuple[str, str, str]] = set()
    patterns = any(key.endswith(("use-regex", "rewrite-target")) for key in annotations_of(obj))
    for place, rule in enumerate(items(obj, "spec", "rules")):
        for nth, each in enumerate(items(rule, "http", "paths")):
            at: Path = ("spec", "rules", place, "http", "paths", nth)
            path, kind = text(each, "path"), text(each, "pathType")
            if kind not in ("Exact", "Prefix", "ImplementationSpecific") or (
                kind != "ImplementationSpecific" and not path.startswith("/")
            ):
                ops = [put(obj, (*at, "pathType"), "Prefix")] if not kind and path.startswith("/") else []
                yield tell(
                    world, "ingress-path", obj, at, f"path: {brief(path) or 'not set'}, pathType: {kind or 'not set'}", ops=ops
                )
            elif kind != "ImplementationSpecific" and _PATTERN.search(path) and not patterns:
                yield tell(world, "ingress-path-regex", obj, (*at, "path"), f"path: {path}, pathType: {kind}")
            key = (text(rule, "host"), path, kind)
            if key in seen:
                yield tell(world, "ingress-path-twice", obj, (*at, "path"), f"path: {path} of {key[0] or 'every host'}")
            seen.add(key)
            yield from _backend(world, obj, (*at, "backend"), mapping(each, "backend"))


def _backend(world: World, obj: Obj, at: Path, backend: Obj) -> Iterator[Finding]:
    service = mapping(backend, "service")
    port = mapping(service, "port")
    if has(backend, "resource") and not service:
        return
    if "serviceName" in backend or not text(service, "name") or ("name" in port) == ("number" in port):
        words = f"backend: {brief(backend) or 'not set'}"
        ops = []
        if "serviceName" in backend and value(backend, "servicePort"):
            old = backend["servicePort"]
            new = {"name": backend["serviceName"], "port": {"number" if isinstance(old, int) else "name": old}}
            ops = [put(obj, at, {"service": new})]
        yield tell(world, "ingress-backend", obj, at, words, ops=ops)
