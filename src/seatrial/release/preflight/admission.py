"""Pods and claims that the namespace's limit ranges and its pod security level would refuse."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.release.preflight.pods import every_template, pod_of
from seatrial.release.preflight.rules import found
from seatrial.release.preflight.target import Target
from seatrial.rules.finding import Fact, Finding
from seatrial.world.admission import limits, pod_security
from seatrial.world.objects import Obj, dig, name_of, ref_of


def limited(target: Target) -> Iterator[Finding]:
    ranges = target.of("limitranges")
    if not ranges:
        return
    names = ", ".join(name_of(one) for one in ranges)
    for obj, pod in _pods(target):
        for words in limits.refusals("pods", pod, ranges):
            title = f"limit range {names} refuses the pods of {obj['kind']} {name_of(obj)}: {words}"
            yield found("limit-range", title, refs=(ref_of(obj), *map(ref_of, ranges)))
    for obj in target.plan.objects:
        for claim in dig(obj, "spec.volumeClaimTemplates", []) if obj["kind"] == "StatefulSet" else _claim(obj):
            for words in limits.refusals("persistentvolumeclaims", claim, ranges):
                title = f"limit range {names} refuses the claim {name_of(claim)} of {obj['kind']} {name_of(obj)}: {words}"
                yield found("limit-range", title, refs=(ref_of(obj), *map(ref_of, ranges)))


def _claim(obj: Obj) -> list[Obj]:
    return [obj] if obj["kind"] == "PersistentVolumeClaim" else []


def secure(target: Target) -> Iterator[Finding]:
    policy, _ = pod_security.policy_of(target.namespace_labels)
    for obj, pod in _pods(target):
        against = policy.enforce.violations(pod)
        if against:
            label = f"{pod_security.PREFIX}enforce={policy.enforce.level}"
            yield found(
                "pod-security",
                f'pods of {obj["kind"]} {name_of(obj)} violate PodSecurity "{policy.enforce}": {pod_security.details(against)}',
                refs=(ref_of(obj),),
                evidence=[Fact(label, f"Namespace {target.plan.namespace}, metadata.labels")],
            )


def level(target: Target) -> str:
    """What the namespace enforces: `restricted:latest`."""
    return str(pod_security.policy_of(target.namespace_labels)[0].enforce)


def _pods(target: Target) -> Iterator[tuple[Obj, Obj]]:
    """Everything that makes pods in the release, with a pod of it."""
    for obj in (*target.plan.objects, *target.plan.hooks):
        template = every_template(obj)
        if template is not None and dig(template, "spec.containers"):
            yield obj, pod_of(obj, template, target.of("limitranges"), target.of("priorityclasses.scheduling.k8s.io"))
