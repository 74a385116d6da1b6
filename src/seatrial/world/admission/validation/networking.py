"""Ingresses, ingress classes and network policies (pkg/apis/networking/validation/validation.go)."""

from __future__ import annotations

import ipaddress

from seatrial.world.admission.causes import Causes
from seatrial.world.admission.validation import meta, names
from seatrial.world.objects import Obj, annotations_of

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_OLD_CLASS = "kubernetes.io/ingress.class"
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_DIRECTIONS = ("Ingress", "Egress")
_NO_IP = "must be a DNS name, not an IP address"


def ingress(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    rules, default = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and default is None:
        causes.invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    if default is not None:
        _backend(default, "spec.defaultBackend", causes)
    for number, rule in enumerate(rules):
        _rule(rule, f"spec.rules[{number}]", causes)
    for number, entry in enumerate(spec.get("tls") or ()):
        _tls(entry, f"spec.tls[{number}]", causes)
    name = spec.get("ingressClassName")
    if name is not None:
        causes.each("spec.ingressClassName", name, names.dns_subdomain(name))


def new_ingress(obj: Obj, causes: Causes) -> None:
    ingress(obj, causes)
    old_way, name = annotations_of(obj).get(_OLD_CLASS), (obj.get("spec") or {}).get("ingressClassName")
    if old_way is not None and name is not None and old_way != name:
        why = "must match `ingressClassName` when both are specified"
        causes.invalid(f"annotations.{_OLD_CLASS}", old_way, why)


def ingress_update(obj: Obj, old: Obj, causes: Causes) -> None:
    ingress(obj, causes)


def _rule(rule: Obj, field: str, causes: Causes) -> None:
    host = rule.get("host") or ""
    if host:
        if names.is_ip(host):
            causes.invalid(f"{field}.host", host, _NO_IP)
        causes.each(f"{field}.host", host, names.wildcard_subdomain(host) if "*" in host else names.dns_subdomain(host))
    http = rule.get("http")
    if http is None:
        return
    paths = http.get("paths") or []
    if not paths:
        causes.required(f"{field}.http.paths")
    for number, path in enumerate(paths):
        _path(path, f"{field}.http.paths[{number}]", causes)


def _path(entry: Obj, field: str, causes: Causes) -> None:
    kind, path = entry.get("pathType"), entry.get("path") or ""
    if kind is None:
        causes.required(f"{field}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        causes.unsupported(f"{field}.pathType", kind, _PATH_TYPES)
    elif not path.startswith("/") and (path or kind != "ImplementationSpecific"):
        causes.invalid(f"{field}.path", path, "must be an absolute path")
    if kind in ("Exact", "Prefix"):
        for sequence in _BAD_SEQUENCES:
            if sequence in path:
                causes.invalid(f"{field}.path", path, f"must not contain '{sequence}'")
        for end in _BAD_ENDS:
            if path.endswith(end):
                causes.invalid(f"{field}.path", path, f"cannot end with '{end}'")
    _backend(entry.get("backend") or {}, f"{field}.backend", causes)


def _backend(backend: Obj, field: str, causes: Causes) -> None:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        causes.invalid(field, "", "cannot set both resource and service backends")
    elif resource is not None:
        _reference(resource, f"{field}.resource", causes)
    elif service is not None:
        _service(service, field, causes)
    else:
        causes.invalid(field, "", "resource or service backend is required")


def _service(service: Obj, field: str, causes: Causes) -> None:
    name, port = service.get("name") or "", service.get("port") or {}
    if not name:
        causes.required(f"{field}.service.name")
    else:
        causes.each(f"{field}.service.name", name, names.dns_label(name))
    port_name, number = port.get("name") or "", port.get("number") or 0
    if port_name and number:
        causes.invalid(field, "", "cannot set both port name & port number")
    elif port_name:
        causes.each(f"{field}.service.port.name", port_name, names.port_name(port_name))
    elif number:
        causes.each(f"{field}.service.port.number", number, names.port(number))
    else:
        causes.required(field, "port name or number is required")


def _reference(reference: Obj, field: str, causes: Causes) -> None:
    group = reference.get("apiGroup")
    if group is not None:
        causes.each(f"{field}.apiGroup", group, names.dns_subdomain(group))
    for key in ("kind", "name"):
        value = reference.get(key) or ""
        if not value:
            causes.required(f"{field}.{key}")
        else:
            causes.each(f"{field}.{key}", value, names.path_segment(value))


def _tls(entry: Obj, field: str, causes: Causes) -> None:
    for number, host in enumerate(entry.get("hosts") or ()):
        rule = names.wildcard_subdomain if "*" in host else names.dns_subdomain
        causes.each(f"{field}.hosts[{number}]", host, rule(host))
    secret = entry.get("secretName")
    if secret:
        causes.each(f"{field}.secretName", secret, names.dns_subdomain(secret))


def ingress_class(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    controller = spec.get("controller") or ""
    if not controller:
        causes.required("spec.controller")
    else:
        if len(controller) > 250:
            causes.too_long("spec.controller", 250)
        domain_path(controller, "spec.controller", causes)
    parameters = spec.get("parameters")
    if parameters is not None:
        _parameters(parameters, "spec.parameters", causes)


def domain_path(value: str, field: str, causes: Causes) -> None:
    """`example.com/some/path` (IsDomainPrefixedPath)."""
    host, slash, path = value.partition("/")
    if not slash or not host or not path:
        causes.invalid(field, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    causes.each(field, host, names.dns_subdomain(host))
    if not names.is_http_path(path):
        causes.invalid(field, path, names.http_path_reason())


def _parameters(parameters: Obj, field: str, causes: Causes) -> None:
    _reference(parameters, field, causes)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is None:
        causes.required(f"{field}.scope")
    elif scope not in ("Cluster", "Namespace"):
        causes.unsupported(f"{field}.scope", scope, ("Cluster", "Namespace"))
    elif scope == "Namespace":
        if namespace is None:
            causes.required(f"{field}.namespace", "`parameters.scope` is set to 'Namespace'")
        else:
            causes.each(f"{field}.namespace", namespace, names.dns_label(namespace))
    elif namespace is not None:
        causes.forbidden(f"{field}.namespace", "`parameters.scope` is set to 'Cluster'")


def ingress_class_update(obj: Obj, old: Obj, causes: Causes) -> None:
    new, before = ((one.get("spec") or {}).get("controller") for one in (obj, old))
    causes.same("spec.controller", new, before)
    ingress_class(obj, causes)


# network policies


def network_policy(obj: Obj, causes: Causes) -> None:
    spec = obj.get("spec") or {}
    meta.label_selector(spec.get("podSelector"), "spec.podSelector", causes)
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(spec.get(direction) or ()):
            at = f"spec.{direction}[{number}]"
            for port_number, port in enumerate(rule.get("ports") or ()):
                _port(port, f"{at}.ports[{port_number}]", causes)
            for peer_number, peer in enumerate(rule.get(peers) or ()):
                _peer(peer, f"{at}.{peers}[{peer_number}]", causes)
    types = spec.get("policyTypes") or []
    if len(types) > len(_DIRECTIONS):
        causes.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for number, kind in enumerate(types):
        if kind not in _DIRECTIONS:
            causes.unsupported(f"spec.policyTypes[{number}]", kind, _DIRECTIONS)


def network_policy_update(obj: Obj, old: Obj, causes: Causes) -> None:
    network_policy(obj, causes)


def _port(entry: Obj, field: str, causes: Causes) -> None:
    protocol, port, end = entry.get("protocol"), entry.get("port"), entry.get("endPort")
    if protocol is not None and protocol not in _PROTOCOLS:
        causes.unsupported(f"{field}.protocol", protocol, _PROTOCOLS)
    if isinstance(port, str):
        if end is not None:
            causes.invalid(f"{field}.endPort", end, "may not be specified when `port` is non-numeric")
        causes.each(f"{field}.port", port, names.port_name(port))
    elif port is None:
        if end is not None:
            causes.invalid(f"{field}.endPort", end, "may not be specified when `port` is not specified")
    else:
        causes.each(f"{field}.port", port, names.port(port))
        if end is not None:
            if end < port:
                causes.invalid(f"{field}.endPort", end, "must be greater than or equal to `port`")
            causes.each(f"{field}.endPort", end, names.port(end))


def _peer(peer: Obj, field: str, causes: Causes) -> None:
    found = 0
    for key in ("podSelector", "namespaceSelector"):
        if peer.get(key) is not None:
            found += 1
            meta.label_selector(peer[key], f"{field}.{key}", causes)
    if peer.get("ipBlock") is not None:
        found += 1
        _ip_block(peer["ipBlock"], f"{field}.ipBlock", causes)
    if not found:
        causes.required(field, "must specify a peer")
    elif found > 1 and peer.get("ipBlock") is not None:
        causes.forbidden(field, "may not specify both ipBlock and another peer")


def _ip_block(block: Obj, field: str, causes: Causes) -> None:
    cidr = block.get("cidr") or ""
    if not cidr:
        causes.required(f"{field}.cidr")
        return
    causes.each(f"{field}.cidr", cidr, names.cidr(cidr))
    outer = names.network(cidr)
    for number, excluded in enumerate(block.get("except") or ()):
        at = f"{field}.except[{number}]"
        causes.each(at, excluded, names.cidr(excluded))
        inner = names.network(excluded)
        if outer is not None and inner is not None and not _strictly_inside(inner, outer):
            causes.invalid(at, excluded, "must be a strict subset of `cidr`")


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _strictly_inside(inner: _Network, outer: _Network) -> bool:
    return inner.version == outer.version and inner.network_address in outer and inner.prefixlen > outer.prefixlen
