"""Pods and claims that the namespace's limit ranges and its pod security level would refuse."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.release.findings import found, listed
from seatrial.release.preflight.pods import every_template, pod_of
from seatrial.release.preflight.target import Target
from seatrial.rules.finding import Fact, Finding
from seatrial.world.admission import limits, pod_security
from seatrial.world.objects import Obj, Ref, dig, name_of, ref_of


def limited(target: Target) -> Iterator[Finding]:
    ranges = target.limit_ranges
    if not ranges:
        return
    names = ", ".join(name_of(one) for one in ranges)
    alike: dict[tuple[str, str], list[tuple[str, Ref]]] = {}
    for obj, pod in _pods(target):
        for words in limits.refusals("pods", pod, ranges):
            alike.setdefault(("pods", words), []).append((f"{obj['kind']} {name_of(obj)}", ref_of(obj)))
    for obj in target.plan.objects:
        for claim in dig(obj, "spec.volumeClaimTemplates", []) if obj["kind"] == "StatefulSet" else _claim(obj):
            for words in limits.refusals("persistentvolumeclaims", claim, ranges):
                who = f"{obj['kind']} {name_of(obj)}"
                alike.setdefault((f"claim {name_of(claim)}", words), []).append((who, ref_of(obj)))
    for (what, words), several in alike.items():
        title = f"limit range {names} refuses {what} of {listed(who for who, _ in several)}: {words}"
        yield found("limit-range", title, refs=(*dict.fromkeys(ref for _, ref in several), *map(ref_of, ranges)))


def _claim(obj: Obj) -> list[Obj]:
    return [obj] if obj["kind"] == "PersistentVolumeClaim" else []


def secure(target: Target) -> Iterator[Finding]:
    policy, _ = pod_security.policy_of(target.namespace_labels)
    alike: dict[str, list[Obj]] = {}
    for obj, pod in _pods(target):
        alike.setdefault(pod_security.details(policy.enforce.violations(pod)), []).append(obj)
    alike.pop("", None)
    label = f"{pod_security.PREFIX}enforce={policy.enforce.level}"
    for details, several in alike.items():
        who = listed(f"{obj['kind']} {name_of(obj)}" for obj in several)
        yield found(
            "pod-security",
            f'pods of {who} violate PodSecurity "{policy.enforce}": {details}',
            refs=map(ref_of, several),
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
            yield obj, pod_of(obj, template, target.limit_ranges, target.of("priorityclasses.scheduling.k8s.io"))
