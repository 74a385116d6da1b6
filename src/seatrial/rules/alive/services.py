# ruff: noqa: E501 - a line of the table is one saying
"""Services that reach nobody: the chain from the Service over its pods to the port that their process listens on."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from seatrial.rules.alive.pods import are_new, condition, is_over, is_ready, none_ready
from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.rules.patching import Patch, patch_of, put
from seatrial.rules.slips import meant
from seatrial.world.objects import Obj, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.world import World, short

_NOBODY = "Every request through the Service is refused; behind an ingress it becomes a 503."
RULES = {
    rule.id: rule
    for rule in (
        Rule("service-selects-nothing", "error", "a Service's selector matches no pod", _NOBODY,
             "Let the selector and the labels of the pods' template say the same."),
        Rule("service-no-endpoints", "error", "a Service has pods, and none of them is ready", _NOBODY,
             "Its pods say why they are not ready."),
        Rule("service-resting", "warning", "a Service's workload is scaled to 0", _NOBODY,
             "Scale it up where it is wanted; where it is not, let nobody call it."),
        Rule("service-port-unknown", "error", "a Service sends to a port by a name that its pods do not have", _NOBODY,
             "Let targetPort name a port of the container, or give its number."),
        Rule("service-port-odd", "warning", "a Service sends to a port that its pods do not declare", "If nobody listens there, every request is refused.",
             "Let targetPort be the port that the container listens on, and declare it in containerPort."),
    )
}  # fmt: skip


@check("Service", rules=RULES.values(), live=True)
def unreachable(world: World, service: Obj) -> Iterator[Finding]:
    """Of a Service with a selector: whom it selects, whether they are ready, whether they have its port."""
    selector = dig(service, "spec.selector")
    if not selector or not isinstance(selector, dict) or dig(service, "spec.type") == "ExternalName":
        return
    pods = [pod for pod in world.selected("Pod", namespace_of(service), selector) if not is_over(pod)]
    if not pods:
        yield from _nobody(world, service, selector)
        return
    if not any(map(is_ready, pods)) and not dig(service, "spec.publishNotReadyAddresses", False):
        facts = [
            status(world, pod, "status.conditions[Ready]", f"{name_of(pod)} is not ready{_because(pod)}") for pod in pods[:3]
        ]
        new = are_new(world, pods)
        title = f"{short(service)} reaches nobody{' yet' if new else ''}: {none_ready(pods)}"
        yield told(RULES["service-no-endpoints"], title, [service, *pods], facts, severity="note" if new else None)
    yield from _ports(world, service, pods)


def _because(pod: Obj) -> str:
    """What the pod itself says of it: `: containers with unready status: [api]`."""
    message = condition(pod, "Ready").get("message")
    return f": {message}" if message else ""


def _nobody(world: World, service: Obj, selector: dict[str, str]) -> Iterator[Finding]:
    """No pod at all: scaled to nothing, never made, or other labels."""
    words = ", ".join(f"{key}={value}" for key, value in selector.items())
    facts = [status(world, service, "spec.selector", f"selector: {words}")]
    behind = world.graph.pods(ref_of(service))
    if behind:  # a workload has these labels, and no pods: what is wrong is there
        owners = [owner for template in behind if (owner := world.get(template.ref)) is not None]
        resting = [owner for owner in owners if dig(owner, "spec.replicas", 1) == 0]
        if owners and len(resting) == len(owners):
            facts += [status(world, owner, "spec.replicas", "replicas: 0") for owner in resting]
            title = f"{short(service)} reaches nobody: {short(resting[0])} is scaled to 0"
            kind, name, space = resting[0]["kind"].lower(), name_of(resting[0]), namespace_of(service)
            fix = f"Where it is wanted: `kubectl scale {kind} {name} -n {space} --replicas=1`."
            yield told(RULES["service-resting"], title, [service, *resting], facts, fix=fix)
            return
        title = f"{short(service)} reaches nobody: {', '.join(map(short, owners[:3]))} has no pods"
        yield told(RULES["service-no-endpoints"], title, [service, *owners], facts)
        return
    near = _nearest(world, service, selector)
    if near is not None:
        wrong = [
            f"{key} is {labels_of(near).get(key) or 'not there'}"
            for key, value in selector.items()
            if labels_of(near).get(key) != value
        ]
        facts.append(status(world, near, "metadata.labels", f"nearest is {name_of(near)}: {', '.join(wrong)}"))
    title = f"{short(service)} reaches nobody: no pod has {words}"
    patch = _corrected(service, selector, near) if near is not None else None
    yield told(RULES["service-selects-nothing"], title, [service], facts, patch=patch)


def _corrected(service: Obj, selector: dict[str, str], near: Obj) -> Patch | None:
    """The one label that is mistyped in a selector, as the nearest pod has it."""
    wrong = [key for key, value in selector.items() if labels_of(near).get(key) != value]
    right = meant(selector[wrong[0]], [labels_of(near).get(wrong[0], "")]) if len(wrong) == 1 else ""
    if not right or name_of(near).startswith(f"{selector[wrong[0]]}-"):  # it is called so: the label may be what is wrong
        return None
    return patch_of(ref_of(service), [put(service, ("spec", "selector", wrong[0]), right)])


def _nearest(world: World, service: Obj, selector: dict[str, str]) -> Obj | None:
    """The pod with most of the labels."""

    def shared(pod: Obj) -> int:
        return sum(labels_of(pod).get(key) == value for key, value in selector.items())

    pods = [pod for pod in world.of("Pod") if namespace_of(pod) == namespace_of(service) and not is_over(pod)]
    best = max(pods, key=shared, default=None)
    if best is not None and (shared(best) or len(pods) == 1 or name_of(best).startswith(name_of(service))):
        return best
    alike = [
        pod
        for pod in pods
        if any(get_close_matches(labels_of(pod).get(key, ""), [str(value)]) for key, value in selector.items())
    ]
    return next((pod for pod in pods if name_of(pod).startswith(name_of(service))), next(iter(alike), None))


def _ports(world: World, service: Obj, pods: list[Obj]) -> Iterator[Finding]:
    declared = [port for each in dig(pods[0], "spec.containers", []) for port in each.get("ports") or ()]
    names, numbers = {port.get("name") for port in declared}, {port.get("containerPort") for port in declared}
    for number, port in enumerate(dig(service, "spec.ports", [])):
        target = port.get("targetPort", port.get("port"))
        have = ", ".join(f"{each.get('name', '')} {each.get('containerPort')}".strip() for each in declared) or "none"
        facts = [
            status(world, service, f"spec.ports[{number}].targetPort", f"targetPort: {target}"),
            Fact(f"ports of its pods: {have}", world.source(ref_of(pods[0]), "spec.containers[*].ports")),
        ]
        if isinstance(target, str) and target not in names:
            title = f"{short(service)} sends port {port.get('port')} to {target!r}, and its pods have no port of that name"
            patch = _redirected(service, number, declared)
            yield told(RULES["service-port-unknown"], title, [service, world.root(pods[0])], facts, patch=patch)
        elif isinstance(target, int) and declared and target not in numbers:
            title = f"{short(service)} sends port {port.get('port')} to {target}, and its pods declare {have}"
            patch = _redirected(service, number, declared)
            yield told(RULES["service-port-odd"], title, [service, world.root(pods[0])], facts, patch=patch)


def _redirected(service: Obj, number: int, declared: list[Obj]) -> Patch | None:
    """To the only port that the pods have; where they have several, a person has to say which is meant."""
    if len(declared) != 1 or len(dig(service, "spec.ports", [])) != 1:
        return None
    meant = declared[0].get("name") or declared[0].get("containerPort")
    return patch_of(ref_of(service), [put(service, ("spec", "ports", number, "targetPort"), meant)])
