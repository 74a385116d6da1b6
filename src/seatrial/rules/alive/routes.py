# ruff: noqa: E501 - a line of the table is one saying
"""Ingresses that answer 502, 503 or 504: the backend that is not there, its port, nobody ready behind it, a policy in between."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.rules.alive.pods import are_new, is_over, is_ready, none_ready
from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.rules.patching import Patch, patch_of, put
from seatrial.rules.slips import meant
from seatrial.world.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.paths import split
from seatrial.world.policies import End, in_the_way
from seatrial.world.world import World, short

RULES = {
    rule.id: rule
    for rule in (
        Rule("ingress-service-missing", "error", "an Ingress sends to a Service that does not exist", "The controller answers 503 on this path.",
             "Name the Service as it is called, in the Ingress's own namespace."),
        Rule("ingress-port-missing", "error", "an Ingress sends to a port that its Service does not have", "The controller answers 503 on this path.",
             "Name a port of the Service, not of the container."),
        Rule("ingress-unavailable", "error", "an Ingress sends to a Service behind which nobody is ready", "The controller answers 503 on this path until a pod is ready.",
             "The pods behind the Service say why they are not ready."),
        Rule("ingress-refused", "error", "an Ingress sends to a port on which no container listens", "The controller answers 502 on this path.",
             "Let targetPort be the port that the container listens on."),
        Rule("ingress-policy", "error", "a NetworkPolicy keeps the ingress controller from the pods", "The controller waits in vain and answers 504 on this path.",
             "Allow ingress to the pods' port from the controller's namespace."),
        Rule("ingress-class-missing", "error", "an Ingress is of a class that does not exist", "No controller serves it; its hosts are not reachable.",
             "Name an IngressClass of the cluster, or install its controller."),
        Rule("ingress-no-class", "warning", "an Ingress names no class, and the cluster has no default", "No controller takes it up, unless one is set to take what has no class.",
             "Set ingressClassName, or mark a class as the default (ingressclass.kubernetes.io/is-default-class)."),
        Rule("ingress-rewrite", "error", "an Ingress rewrites its paths to a group that they do not have", "nginx puts nothing in its place: whatever is asked below the path, the application is asked for /.",
             "Let the path have as many groups as rewrite-target names: /api(/|$)(.*) for /$2."),
        Rule("ingress-certificate-missing", "warning", "an Ingress's TLS secret does not exist", "The controller shows its own certificate, and browsers warn.",
             "Create the secret, or let cert-manager make it."),
    )
}  # fmt: skip
REWRITE = "nginx.ingress.kubernetes.io/rewrite-target"
#: How a class is the default one, and how Ingresses named theirs before there was a field.
DEFAULT, CLASS = "ingressclass.kubernetes.io/is-default-class", "kubernetes.io/ingress.class"
#: Labels by which the pods of well-known ingress controllers are known.
CONTROLLERS: tuple[Mapping[str, str], ...] = (
    {"app.kubernetes.io/name": "ingress-nginx"}, {"app.kubernetes.io/name": "nginx-ingress"}, {"app.kubernetes.io/name": "traefik"},
    {"app.kubernetes.io/name": "haproxy-ingress"}, {"app.kubernetes.io/name": "kong"}, {"app.kubernetes.io/name": "contour"},
)  # fmt: skip


@check("Ingress", rules=RULES.values(), live=True)
def broken(world: World, ingress: Obj) -> Iterator[Finding]:
    yield from _class(world, ingress)
    for number, tls in enumerate(dig(ingress, "spec.tls", [])):
        secret = tls.get("secretName")
        known = any(namespace_of(obj) == namespace_of(ingress) for obj in world.of("Secret")) or world.facts.get("complete")
        if secret and known and not world.find("Secret", namespace_of(ingress), secret, ""):
            fact = status(world, ingress, f"spec.tls[{number}].secretName", f"secretName: {secret}")
            title = f"{short(ingress)} has no certificate: Secret {secret} does not exist"
            yield told(RULES["ingress-certificate-missing"], title, [ingress], [fact])
    yield from _rewritten(world, ingress)
    seen = set()
    for path, where, backend in backends(ingress):
        key = str(backend)
        if key not in seen:
            seen.add(key)
            yield from _backend(world, ingress, path, where, backend)


def _class(world: World, ingress: Obj) -> Iterator[Finding]:
    name = dig(ingress, "spec.ingressClassName")
    classes = [name_of(each) for each in world.of("IngressClass")]
    if not name and (classes or world.facts.get("complete")) and not _is_taken_up(world, ingress):
        words = f"no ingressClassName; classes of the cluster: {', '.join(classes) or 'none'}, none of them the default"
        fact = status(world, ingress, "spec.ingressClassName", words)
        yield told(RULES["ingress-no-class"], f"{short(ingress)} is of no class, and none is the default", [ingress], [fact])
    if name and classes and name not in classes:
        fact = status(world, ingress, "spec.ingressClassName", f"ingressClassName: {name}; there are {', '.join(classes)}")
        yield told(
            RULES["ingress-class-missing"],
            f"{short(ingress)} is of class {name}, which does not exist",
            [ingress],
            [fact],
            patch=patch_of(ref_of(ingress), [put(ingress, ("spec", "ingressClassName"), right)])
            if (right := meant(name, classes))
            else None,
        )


def _rewritten(world: World, ingress: Obj) -> Iterator[Finding]:
    """Of ingress-nginx, which takes paths for expressions where a target names their groups."""
    target = str(annotations_of(ingress).get(REWRITE, ""))
    wanted = max(map(int, re.findall(r"\$(\d)", target)), default=0)
    paths = [str(path.get("path", "/")) for rule in dig(ingress, "spec.rules", []) for path in dig(rule, "http.paths", [])]
    short_of = [path for path in paths if _groups(path) < wanted]
    if short_of:
        facts = [status(world, ingress, "metadata.annotations", f"rewrite-target: {target}; path: {', '.join(short_of)}")]
        title = (
            f"{short(ingress)} loses what is asked below {short_of[0]}: it is rewritten to {target}, and has no group {wanted}"
        )
        yield told(RULES["ingress-rewrite"], title, [ingress], facts)


def _groups(path: str) -> int:
    try:
        return re.compile(path).groups
    except re.error:
        return 9  # who writes such a path hears of it from the controller


def _is_taken_up(world: World, ingress: Obj) -> bool:
    """Whether somebody serves an Ingress without a class: by default, by its annotation, or as its status shows."""
    default = any(annotations_of(each).get(DEFAULT) == "true" for each in world.of("IngressClass"))
    return default or bool(annotations_of(ingress).get(CLASS) or dig(ingress, "status.loadBalancer.ingress"))


def backends(ingress: Obj) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(field, `host/path`, backend) of each route to a Service."""
    default = dig(ingress, "spec.defaultBackend.service")
    if default:
        yield "spec.defaultBackend.service", "every other path", default
    for i, rule in enumerate(dig(ingress, "spec.rules", [])):
        for j, path in enumerate(dig(rule, "http.paths", [])):
            service = dig(path, "backend.service")
            if service:
                yield (
                    f"spec.rules[{i}].http.paths[{j}].backend.service",
                    f"{rule.get('host', '*')}{path.get('path', '/')}",
                    service,
                )


def _backend(world: World, ingress: Obj, path: str, where: str, backend: Mapping[str, Any]) -> Iterator[Finding]:
    namespace, name = namespace_of(ingress), str(backend.get("name", ""))
    service = world.find("Service", namespace, name, "")
    wanted = dig(dict(backend), "port.number") or dig(dict(backend), "port.name")
    fact = status(world, ingress, path, f"{where} → Service {name}, port {wanted}")
    if service is None:
        others = [name_of(each) for each in world.of("Service") if namespace_of(each) == namespace]
        facts = [fact, Fact(f"Services of {namespace}: {', '.join(others[:8]) or 'none'}")]
        yield told(
            RULES["ingress-service-missing"],
            f"{short(ingress)} answers 503 on {where}: Service {name} does not exist",
            [ingress],
            facts,
            patch=_everywhere(ingress, backend, {"name": right} if (right := meant(name, others)) else None),
        )
        return
    port = next((each for each in dig(service, "spec.ports", []) if wanted in (each.get("port"), each.get("name"))), None)
    if port is None:
        have = ", ".join(f"{each.get('name', '')} {each.get('port')}".strip() for each in dig(service, "spec.ports", []))
        facts = [fact, status(world, service, "spec.ports", f"ports of the Service: {have or 'none'}")]
        yield told(
            RULES["ingress-port-missing"],
            f"{short(ingress)} answers 503 on {where}: {short(service)} has no port {wanted}",
            [ingress, service],
            facts,
            patch=_everywhere(ingress, backend, _port_of(service, wanted)),
        )
        return
    pods = [pod for pod in world.selected("Pod", namespace, dig(service, "spec.selector")) if not is_over(pod)]
    if dig(service, "spec.selector") and not any(map(is_ready, pods)):
        facts, new = [fact, Fact(none_ready(pods), str(ref_of(service)))], are_new(world, pods)
        yield told(
            RULES["ingress-unavailable"],
            f"{short(ingress)} answers 503 on {where}: nobody is ready behind {short(service)}{' yet' if new else ''}",
            [ingress, service],
            facts,
            severity="note" if new else None,
        )
    elif pods:
        yield from _on_the_way(world, ingress, where, service, port, pods[0], fact)


def _port_of(service: Obj, wanted: Any) -> dict[str, Any] | None:
    """What asks for the port that is meant: the one that leads to the container's port that is named, or the only one."""
    ports = dig(service, "spec.ports", [])
    sure = [each for each in ports if each.get("targetPort") == wanted] or ports
    if len(sure) != 1:
        return None
    named = isinstance(wanted, str) and sure[0].get("name")
    return {"port": {"name": sure[0]["name"]} if named else {"number": sure[0]["port"]}}


def _everywhere(ingress: Obj, backend: Mapping[str, Any], fields: Mapping[str, Any] | None) -> Patch | None:
    """A patch of all paths of an Ingress that lead to one backend: it is told once."""
    if not fields:
        return None
    places = [split(path) for path, _, each in backends(ingress) if each == backend]
    return patch_of(ref_of(ingress), [put(ingress, (*at, key), value) for at in places for key, value in fields.items()])


def _on_the_way(
    world: World, ingress: Obj, where: str, service: Obj, port: Mapping[str, Any], pod: Obj, fact: Fact
) -> Iterator[Finding]:
    declared = [each for one in dig(pod, "spec.containers", []) for each in one.get("ports") or ()]
    target = port.get("targetPort", port.get("port"))
    names = {str(each["name"]): int(each["containerPort"]) for each in declared if each.get("name")}
    number = names.get(target) if isinstance(target, str) else target
    if declared and number not in {each.get("containerPort") for each in declared}:
        have = ", ".join(str(each.get("containerPort")) for each in declared)
        facts = [fact, status(world, service, "spec.ports", f"targetPort: {target}; the pods declare {have}")]
        title = f"{short(ingress)} answers 502 on {where}: nobody listens on {target} behind {short(service)}"
        yield told(RULES["ingress-refused"], title, [ingress, service, world.root(pod)], facts)
        return
    controller = next((each for labels in CONTROLLERS for each in _with(world, labels)), None)
    if controller is None or not isinstance(number, int):
        return
    caller = End(namespace_of(controller), labels_of(controller))
    callee = End(namespace_of(pod), labels_of(pod), named_ports=names)
    for direction, policies in in_the_way(world, caller, callee, number).items():
        facts = [fact] + [
            Fact(f"{short(policy)} permits no {direction.lower()} for this", str(ref_of(policy))) for policy in policies
        ]
        title = f"{short(ingress)} answers 504 on {where}: {', '.join(map(short, policies))} keeps the controller from {short(world.root(pod))}"
        yield told(RULES["ingress-policy"], title, [ingress, service, world.root(pod), *policies], facts)


def _with(world: World, labels: Mapping[str, str]) -> Iterator[Obj]:
    for pod in world.of("Pod"):
        if all(labels_of(pod).get(key) == value for key, value in labels.items()):
            yield pod
