"""Findings that explain one another become one cause with its symptoms.

A finding is a symptom of another when the other lies deeper (a quota before a deadline, a crash before a Service without
endpoints) and its object is one that the first depends on: by ownership, by reference, by selection, by node.  What is told is
the deepest; what only follows from it stands under it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from seatrial.rules.explaining import explains
from seatrial.rules.finding import Finding
from seatrial.rules.joining import Joint
from seatrial.world.objects import Obj, Ref, dig, namespace_of, ref_of
from seatrial.world.world import World

#: Topic of a live rule (the word before its first dash), or a whole id -> how deep it lies: what is low explains what is high.
DEPTH: dict[str, float] = {
    "node": 0, "namespace": 0, "certificate": 0, "webhook": 0,
    "refused": 1, "claim": 1, "autoscaler": 1,
    "unschedulable": 2, "image": 2, "config": 2, "mount": 2, "evicted": 2,
    "crash": 3, "probe": 3, "pod": 3,
    "crash-dependency": 4, "probe-kills": 3, "probe-fails": 4, "probe-not-passing": 4, "job-forever": -1,
    "job": 5, "analysis": 5, "condition": 5,
    "deadline": 6, "rollout": 6, "helm": 7, "hpa": 7, "budget": 7,
    "service": 8, "ingress": 9,
    "traffic": 1, "traffic-fails": 3.5, "log-forbidden": 0, "log-errors": 5, "isolation": 0, "init": 4, "inert-webhook": 0,
    # what is written wrong follows from nothing
    "service-selects-nothing": 0, "service-port-unknown": 0, "service-port-odd": 0, "service-resting": 1,
    "ingress-service-missing": 0, "ingress-port-missing": 0, "ingress-policy": 1, "ingress-class-missing": 0,
    "ingress-certificate-missing": 0, "ingress-rewrite": 0,
}  # fmt: skip
#: A finding that says less than another about the same objects is not told beside it.
OVERRULED = {"probe-fails": "probe-not-passing", "job-forever": "job-failed", "probe-failing-liveness": "probe-kills"}
#: What does not follow though it is about the same: pods are not ready for reasons of their own, whatever port is called.
UNRELATED = {("service-port-unknown", "service-no-endpoints"), ("service-port-odd", "service-no-endpoints")}
#: Topic of a cause -> topics of what does not follow from it in the same workload: one pod that is refused or fits on no node
#: is no reason why another does not start; nor does a container call in vain because it is restarted.
ALIKE = {
    "refused": {"unschedulable", "image", "config", "mount", "crash", "probe", "init"},
    "unschedulable": {"image", "config", "mount", "crash", "probe", "init"},
    "image": {"config", "mount", "crash", "probe"}, "config": {"crash", "probe"}, "mount": {"crash", "probe"},
    "crash": {"traffic"}, "probe": {"traffic"},
}  # fmt: skip
#: What has no depth explains nothing and is explained by nothing.
_FLAT = -1
#: A finding is to blame on the first object it names, and on what that one owns; the others are where it shows.
_OWNED = frozenset({"Pod", "ReplicaSet"})
_SEVERITY = {"error": 0, "warning": 1, "note": 2}
#: So many facts of what is seen stand beside what is written.
SHOWN = 2
#: What everything leads to at last: what is written explains it only where nothing does that runs.
LATE = frozenset({"deadline-exceeded", "condition-failed"})
#: So many steps from a symptom to its cause: Ingress, Service, workload, ReplicaSet, Pod, node.
STEPS = 6
#: Of so many objects it is counted how many lead to them.
WEIGHED = 1000


class Cause(NamedTuple):
    """A finding that no other explains, and those that it explains, nearest first."""

    finding: Finding
    symptoms: tuple[Finding, ...] = ()

    @property
    def refs(self) -> tuple[Ref, ...]:
        return tuple(dict.fromkeys(ref for one in (self.finding, *self.symptoms) for ref in one.refs))


def written(findings: Iterable[Finding], joints: Iterable[Joint] = (), worlds: Iterable[World] = ()) -> list[Cause]:
    """The causes among findings about what is written, the gravest first, and of these those that most depends on.

    Those that one edit would mend are one cause; every other finding is one by itself. `worlds` are those it was found in.
    """
    told = dict.fromkeys(findings)
    found = {joint.finding: joint for joint in joints}
    below = {one for joint in found.values() for one in joint.others}
    return _ranked((_written(one, found.get(one)) for one in told if one not in below), tuple(worlds))


def _written(finding: Finding, joint: Joint | None) -> Cause:
    if joint is None:
        return Cause(finding)
    evidence = (*finding.evidence, joint.fact) if joint.fact else finding.evidence
    return Cause(replace(finding, fix=joint.fix or finding.fix, evidence=evidence), joint.others)


def _ranked(causes: Iterable[Cause], worlds: Sequence[World]) -> list[Cause]:
    """The gravest first; of these what has most symptoms, and what most objects lead to. Else as they were found."""
    weights: dict[Ref, int] = {}

    def weight(cause: Cause) -> int:
        ref = next(iter(cause.finding.refs), None)
        if ref is None or cause.finding.severity == "note":
            return 0
        if ref not in weights and len(weights) < WEIGHED:
            weights[ref] = max((leading(world, ref) for world in worlds if ref in world), default=0)
        return weights.get(ref, 0)

    return sorted(causes, key=lambda cause: (_worst(cause), -len(cause.symptoms), -weight(cause)))


def leading(world: World, ref: Ref) -> int:
    """How many objects name or select this one, or one that does: the Services of a workload, and the Ingresses of those."""
    near = {reference.source for reference in world.graph.into(ref)}
    return len(near.union(*({far.source for far in world.graph.into(each)} for each in near)) - {ref})


def causes(world: World, findings: Iterable[Finding], behind: Iterable[Finding] = ()) -> list[Cause]:
    """The causes among findings about what runs, the gravest first; every finding is in exactly one of them.

    `behind` is what is written wrong and may explain them (`explaining.behind`): told where it does, and else not.
    """
    merged = _without_overruled(merge(findings))
    deep = [one for one in merged if depth(one) != _FLAT]
    reasons: dict[Ref, list[Finding]] = {}
    for one in dict.fromkeys(behind):
        for ref in one.refs:
            reasons.setdefault(ref, []).append(one)
    why = {id(one): reason for one in deep if (reason := _reason(world, one, reasons)) is not None}
    by_ref: dict[Ref, list[Finding]] = {}
    for one in deep:
        if one.severity != "note" or id(one) in why:  # what may still pass explains nothing
            for ref in one.refs[:1] + tuple(ref for ref in one.refs[1:] if ref.kind in _OWNED):
                by_ref.setdefault(ref, []).append(one)
    above: dict[int, Finding] = {}
    for one in deep:
        written = why.get(id(one))
        deeper = written if written and one.rule not in LATE else _explained(world, one, by_ref) or written
        if deeper is not None:
            above[id(one)] = deeper
    symptoms: dict[int, list[Finding]] = {}
    for one in sorted(deep, key=depth):
        if id(one) in above:
            symptoms.setdefault(id(_last(one, above)), []).append(one)
    kept = {id(one): one for one in merged}
    reached = {id(one): one for one in above.values() if id(one) not in kept}  # of what is behind, what explains something
    roots = [*reached.values(), *(one for one in merged if id(one) not in above)]
    found = [_came_true(_seen(Cause(one, tuple(symptoms.get(id(one), ()))), id(one) in reached)) for one in roots]
    return _ranked(found, (world,))


def _seen(cause: Cause, is_written: bool) -> Cause:
    """What is written, with how it shows: the evidence of the nearest of what follows from it."""
    if not is_written:
        return cause
    facts = dict.fromkeys((*cause.finding.evidence, *cause.symptoms[0].evidence[:SHOWN]))
    return cause._replace(finding=replace(cause.finding, evidence=tuple(facts)))


def _came_true(cause: Cause) -> Cause:
    """A warning that has come true is as grave as what came of it."""
    worst = min((one.severity for one in cause.symptoms), key=_SEVERITY.__getitem__, default=cause.finding.severity)
    if _SEVERITY[worst] >= _SEVERITY[cause.finding.severity]:
        return cause
    return cause._replace(finding=replace(cause.finding, severity=worst))


def depth(finding: Finding) -> float:
    return DEPTH.get(finding.rule, DEPTH.get(_topic(finding), _FLAT))


def _topic(finding: Finding) -> str:
    return finding.rule.partition("-")[0]


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for what strikes several pods of a workload in the same way; the pods are all named."""
    kept: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        key = finding.rule, finding.refs[:1], finding.details.get("container")
        first = kept.get(key)
        kept[key] = (
            finding if first is None else replace(first, refs=(*first.refs, *(r for r in finding.refs if r not in first.refs)))
        )
    return list(kept.values())


def _without_overruled(findings: list[Finding]) -> list[Finding]:
    said = {(one.rule, one.refs[:1]) for one in findings}
    return [one for one in findings if (OVERRULED.get(one.rule, ""), one.refs[:1]) not in said]


def _worst(cause: Cause) -> int:
    return min(_SEVERITY[one.severity] for one in (cause.finding, *cause.symptoms))


def _last(one: Finding, above: dict[int, Finding]) -> Finding:
    while id(one) in above:
        one = above[id(one)]
    return one


def _reason(world: World, finding: Finding, reasons: dict[Ref, list[Finding]]) -> Finding | None:
    """What is written wrong of the finding's objects, or of what they name, and is known to lead to such a finding."""
    near = [ref for each in finding.refs for ref in _depends(world, each)]
    return next((one for ref in (*finding.refs, *near) for one in reasons.get(ref, ()) if explains(one, finding)), None)


def _explained(world: World, finding: Finding, by_ref: dict[Ref, list[Finding]]) -> Finding | None:
    """The nearest deeper finding about something that this one's objects depend on; of equally near ones the deepest."""
    mine = depth(finding)
    seen: set[Ref] = set()
    rim: list[Ref] = list(finding.refs)
    for _ in range(STEPS):
        near = [
            one
            for ref in rim
            for one in by_ref.get(ref, ())
            if one is not finding and depth(one) < mine and not _apart(finding, one)
        ]
        if near:
            return min(near, key=depth)
        seen.update(rim)
        rim = [ref for each in rim for ref in _depends(world, each) if ref not in seen]
        if not rim:
            return None
    return None


def _apart(symptom: Finding, cause: Finding) -> bool:
    """Whether two findings that are near have reasons of their own: they are about different containers of a workload, or about
    pods of it that fail each in its way. What calls another workload in vain follows from what is wrong there.
    """
    if (cause.rule, symptom.rule) in UNRELATED:
        return True
    if symptom.refs[:1] != cause.refs[:1]:
        return False
    container, other = symptom.details.get("container"), cause.details.get("container")
    if container and other and container != other:
        return True
    return symptom.rule != "crash-dependency" and _topic(symptom) in ALIKE.get(_topic(cause), ())


def _depends(world: World, ref: Ref) -> Iterator[Ref]:
    """What an object needs to be well: what it owns, what it names or selects, the node it is on."""
    obj = world.get(ref)
    if obj is None:
        return
    for child in world.owned(obj):
        yield ref_of(child)
    for reference in world.graph.out(ref):
        yield reference.target
    yield from _named(obj)


def _named(obj: Obj) -> Sequence[Ref]:
    if obj.get("kind") != "Pod":
        return ()
    node, space = dig(obj, "spec.nodeName"), namespace_of(obj)
    claims = (dig(volume, "persistentVolumeClaim.claimName") for volume in dig(obj, "spec.volumes", []))
    named = [Ref("", "PersistentVolumeClaim", space, str(claim)) for claim in claims if claim]
    return [*named, Ref("", "Node", "", str(node))] if node else named
