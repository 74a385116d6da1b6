"""What single edits might mend several findings about what is written: a name, a namespace, a label, a port, a thing that is
missing.  These are guesses, made from what the objects name and select; `joining` tries them on a copy and keeps what holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from seatrial.rules.finding import Finding
from seatrial.rules.patching import Path, put
from seatrial.world import paths
from seatrial.world.graph import Port, Reference
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.world import World

#: So many letters differ at most between a name and the same name mistyped.
SLIP = 3


class Edit(NamedTuple):
    """A change of one object. `words` say it as an order (`rename Service apii to api`), `path` is where it is to be made.

    Without `operations` it is the adding of an object that is not there, which nobody can try.
    """

    ref: Ref
    words: str
    path: str = ""
    operations: str = ""  # of a JSON patch; as text, so that edits that are the same are equal


def suggested(world: World, finding: Finding) -> Iterator[Edit]:
    """The edits that a finding suggests; none for a rule that is about one object alone."""
    if finding.refs and finding.refs[0] in world:
        yield from _BY_RULE.get(finding.rule, _nothing)(world, finding)


def is_between(rule: str) -> bool:
    """Whether a rule is one whose findings may share an edit."""
    return rule in _BY_RULE


# names


def _names(world: World, finding: Finding) -> Iterator[Edit]:
    """What is missing may be there under a name or in a namespace that was mistyped, at either end."""
    for reference in _missing(world, finding):
        target = reference.target
        for other in map(ref_of, world.of(target.kind)):
            if other.group != target.group:
                continue
            if other.namespace == target.namespace and _is_slip(other.name, target.name):
                yield _edit(world, other, f"rename {other.kind} {other.name} to {target.name}", ("metadata", "name"), target.name)
            elif other.name == target.name and other.namespace and target.namespace:
                for moved, to in ((other, target.namespace), (reference.source, other.namespace)):
                    words = f"put {moved.kind} {moved.name} into namespace {to}"
                    yield _edit(world, moved, words, ("metadata", "namespace"), to)
        yield Edit(target, f"add {target.kind} {target.name}")


def _missing(world: World, finding: Finding) -> Iterator[Reference]:
    """The references that a finding is about."""
    for reference in world.graph.out(finding.refs[0]):
        target = reference.target
        said = f"{target.kind} {target.name}," in f"{finding.title}," or f"{target.kind} {target.name} " in finding.title
        if finding.rule == "missing-subset":
            said = reference.relation == "subset" and f"subset {reference.key}," in finding.title
        if said and reference.relation != "owner" and not world.graph.is_there(target):
            yield reference


def _is_slip(one: str, other: str) -> bool:
    """Whether a name is another one mistyped; names that differ in a number are not."""
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) <= SLIP and not (one + other).isdecimal()


# labels


def _labels(world: World, finding: Finding) -> Iterator[Edit]:
    """What a selector asks for may be what the labels should be: those of the pods that were meant, or of the Service."""
    obj = world.get(finding.refs[0]) or {}
    wanted = next((found for path in _SELECTORS if isinstance(found := paths.at(obj, path), dict)), {})
    wanted = wanted.get("matchLabels", wanted) if isinstance(wanted, dict) else {}
    if not isinstance(wanted, dict) or not all(isinstance(value, str) for value in wanted.values()):
        return
    for ref in finding.refs[1:] or finding.refs:
        meant = world.get(ref) or {}
        if ref.kind == "Service" and finding.refs[0].kind == "ServiceMonitor":
            yield from _labelled(ref, meant, ("metadata", "labels"), wanted, f"{ref.kind} {ref.name}")
        for template in world.graph.templates_of(ref):
            if template.written == ref:
                at = paths.split(template.labels_path)
                yield from _labelled(ref, meant, at, wanted, f"the pods of {ref.kind} {ref.name}")


#: Where a selector stands, the first that is there.
_SELECTORS = ("spec.podSelector", "spec.selector")


def _labelled(ref: Ref, obj: Obj, at: Path, wanted: dict[str, str], who: str) -> Iterator[Edit]:
    labels, own = paths.at(obj, paths.join(at)), paths.at(obj, "spec.selector.matchLabels")
    labels = labels if isinstance(labels, dict) else {}
    differ = {key: value for key, value in wanted.items() if labels.get(key) != value}
    if not differ:
        return
    operations = [put(obj, (*at, key), value) for key, value in differ.items()]
    if isinstance(own, dict) and ref.kind != "Service":
        taken = [key for key, value in differ.items() if key in own and own[key] != value]
        operations += [put(obj, ("spec", "selector", "matchLabels", key), differ[key]) for key in taken]
    pairs = ", ".join(f"{key}: {value}" for key, value in differ.items())
    yield Edit(ref, f"set {pairs} in the labels of {who}", paths.join(at), json.dumps(operations))


# ports


def _ports(world: World, finding: Finding) -> Iterator[Edit]:
    """The port that is asked for may be what the only port of the other object should be called."""
    for ref in finding.refs[1:] or finding.refs:
        declared = world.graph.ports(ref)
        for wanted in dict.fromkeys(_wanted(world, finding)):
            for port in declared:
                near = isinstance(wanted, str) and _is_slip(port.name, wanted)
                if wanted not in (port.name, port.number) and (len(declared) == 1 or near):
                    yield from _renamed(world, ref, port, wanted)


def _renamed(world: World, ref: Ref, port: Port, wanted: str | int) -> Iterator[Edit]:
    field = "name" if isinstance(wanted, str) else "port" if ref.kind == "Service" else "containerPort"
    who = (
        f"the port of container {port.container} in {ref.kind} {ref.name}"
        if port.container
        else f"the port of {ref.kind} {ref.name}"
    )
    verb = "call" if field == "name" else "let"
    words = f"call {who} {wanted}" if verb == "call" else f"let {who} be {wanted}"
    yield _edit(world, ref, words, (*paths.split(port.path), field), wanted)


def _wanted(world: World, finding: Finding) -> Iterator[str | int]:
    """The ports that the object of a finding asks for."""
    ref = finding.refs[0]
    obj = world.get(ref) or {}
    if finding.rule.startswith("probe-"):
        for template in world.graph.templates_of(ref):
            for container in _dicts(template.spec.get("containers")):
                for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
                    for way in ("httpGet", "tcpSocket"):
                        yield from _port(paths.at(container, f"{probe}.{way}.port"))
        return
    for field, place in (("ports", "targetPort"), ("endpoints", "port"), ("podMetricsEndpoints", "port")):
        for each in _dicts(paths.at(obj, f"spec.{field}")):
            yield from _port(each.get(place))
    for direction in ("ingress", "egress"):
        for rule in _dicts(paths.at(obj, f"spec.{direction}")):
            for each in _dicts(rule.get("ports")):
                yield from _port(each.get("port"))
    for reference in world.graph.out(ref):
        if reference.target in finding.refs[1:]:
            yield from _port(reference.port)


def _port(value: Any) -> Iterator[str | int]:
    if isinstance(value, str | int) and not isinstance(value, bool) and value:
        yield value


def _dicts(value: Any) -> list[Obj]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _edit(world: World, ref: Ref, words: str, path: Path, value: Any) -> Edit:
    return Edit(ref, words, paths.join(path), json.dumps([put(world.get(ref) or {}, path, value)]))


def _nothing(_world: World, _finding: Finding) -> Iterator[Edit]:
    yield from ()


_BY_RULE: dict[str, Callable[[World, Finding], Iterator[Edit]]] = {
    **dict.fromkeys(
        ("missing-config", "missing-secret", "missing-service", "missing-target", "missing-subset", "missing-claim",
         "missing-account", "missing-role", "missing-analysis", "missing-gateway", "call-nobody"), _names),
    **dict.fromkeys(
        ("service-selects-no-pods", "budget-protects-nothing", "policy-protects-nothing", "monitor-selects-nothing",
         "selector-of-others"), _labels),
    **dict.fromkeys(
        ("backend-port-unknown", "target-port-unknown", "target-port-undeclared", "monitor-port-unknown",
         "pod-monitor-port-unknown", "call-port-unknown", "probe-port-unknown", "policy-port-closed"), _ports),
}  # fmt: skip
