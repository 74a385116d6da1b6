# ruff: noqa: E501 - a line of the table is one saying
"""Namespaces and what they hold everybody to: pod security labels, quotas, limit ranges."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.slips import meant
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.reading import amount, items, mapping
from seatrial.rules.written.telling import put, tell
from seatrial.world.objects import Obj, labels_of, name_of
from seatrial.world.world import World

_REFUSED = "The API server refuses the object."
_ENFORCE = "pod-security.kubernetes.io/enforce"


def _space(labels: str) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {labels}\n"


def _quota(hard: str) -> str:
    return manifest("v1", "ResourceQuota", f"spec: {{hard: {hard}}}")


def _limits(limits: str) -> str:
    return manifest("v1", "LimitRange", f"spec: {{limits: [{limits}]}}")


RULES = (
    Rule("pod-security-unset", "note", "holds its pods to no Pod Security profile", "Privileged pods and host paths are let in, whoever applies them.",
         f"Label it {_ENFORCE}: restricted (or baseline).",
         _space("{}"), _space("{pod-security.kubernetes.io/enforce: restricted}")),
    Rule("pod-security-level", "error", "names a Pod Security level that does not exist", "The API server refuses the Namespace (`must be one of privileged, baseline, restricted`); one that has it already is held to restricted.",
         "The levels are privileged, baseline and restricted.",
         _space("{pod-security.kubernetes.io/enforce: strict}"), _space("{pod-security.kubernetes.io/enforce: restricted}")),
    Rule("pod-security-privileged", "warning", "lets privileged pods in, by its own label", "Whoever may create a pod there has the node.",
         "Use baseline or restricted, and a namespace of its own for what needs more.",
         _space("{pod-security.kubernetes.io/enforce: privileged}"), _space("{pod-security.kubernetes.io/enforce: baseline}")),
    Rule("quota-amount", "error", "has a bound that is no quantity", _REFUSED,
         "Write 4, 500m, 8Gi.",
         _quota("{limits.memory: 8GB}"), _quota("{limits.memory: 8Gi}")),
    Rule("quota-order", "warning", "allows more requests than limits", "Limits are never below requests: the bound of requests can never be reached.",
         "Let the bound of limits be at least that of requests.",
         _quota("{requests.memory: 16Gi, limits.memory: 8Gi}"), _quota("{requests.memory: 8Gi, limits.memory: 16Gi}")),
    Rule("quota-zero", "warning", "has room for no pods", "Everything in the namespace is refused from its next restart on.",
         "Raise the bound, or delete the namespace.",
         _quota("{pods: '0'}"), _quota("{pods: '20'}")),
    Rule("limit-range-order", "error", "has bounds that contradict one another", _REFUSED,
         "min ≤ defaultRequest ≤ default ≤ max.",
         _limits("{type: Container, default: {memory: 2Gi}, max: {memory: 1Gi}}"), _limits("{type: Container, default: {memory: 512Mi}, max: {memory: 1Gi}}")),
    Rule("limit-range-amount", "error", "has a bound that is no quantity", _REFUSED,
         "Write 500m, 512Mi.",
         _limits("{type: Container, default: {memory: 512MB}}"), _limits("{type: Container, default: {memory: 512Mi}}")),
    Rule("constraints-privileged", "warning", "lets privileged pods in", "Whoever may use these constraints of OpenShift may run a pod that is root on its node.",
         "Set allowPrivilegedContainer: false, and keep the exception in constraints of its own, for one service account.",
         manifest("security.openshift.io/v1", "SecurityContextConstraints", "allowPrivilegedContainer: true", namespace=""),
         manifest("security.openshift.io/v1", "SecurityContextConstraints", "allowPrivilegedContainer: false", namespace="")),
)  # fmt: skip

SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease", "default"})
LEVELS = ("privileged", "baseline", "restricted")
ORDER = ("min", "defaultRequest", "default", "max")


@check("Namespace", rules=RULES[:3])
def namespace(world: World, obj: Obj) -> Iterator[Finding]:
    """The Pod Security labels of a namespace."""
    labels, at = labels_of(obj), ("metadata", "labels", _ENFORCE)
    if str(mapping(obj, "metadata").get("name")) in SYSTEM:
        return
    level = labels.get(_ENFORCE)
    if level is None:
        yield tell(world, "pod-security-unset", obj, at, f"{_ENFORCE}: not set")
    elif level == "privileged":
        yield tell(world, "pod-security-privileged", obj, at, f"{_ENFORCE}: privileged")
    for mode in ("enforce", "audit", "warn"):
        key = f"pod-security.kubernetes.io/{mode}"
        if key in labels and labels[key] not in LEVELS:
            right = meant(str(labels[key]), LEVELS)
            ops = [put(obj, ("metadata", "labels", key), right)] if right else []
            yield tell(world, "pod-security-level", obj, ("metadata", "labels", key), f"{mode}: {labels[key]}", ops=ops)


@check("ResourceQuota", rules=RULES[3:6])
def quota(world: World, obj: Obj) -> Iterator[Finding]:
    """A quota by itself; whether what is to run fits is for the rules of quota arithmetic."""
    hard, at = mapping(obj, "spec", "hard"), ("spec", "hard")
    for name, written in hard.items():
        if amount(written) is None:
            yield tell(world, "quota-amount", obj, (*at, str(name)), f"{name}: {written}")
    for resource in ("cpu", "memory"):
        asked = amount(hard.get(f"requests.{resource}", hard.get(resource)))
        most = amount(hard.get(f"limits.{resource}"))
        if asked is not None and most is not None and asked > most:
            yield tell(
                world,
                "quota-order",
                obj,
                (*at, f"limits.{resource}"),
                f"requests.{resource}: {hard.get(f'requests.{resource}', hard.get(resource))}, limits.{resource}: {hard[f'limits.{resource}']}",
            )
    if amount(hard.get("pods")) == 0 and not items(obj, "spec", "scopeSelector", "matchExpressions"):
        yield tell(world, "quota-zero", obj, (*at, "pods"), f"pods: 0 in {name_of(obj)}")


@check("LimitRange", rules=RULES[6:8])
def limit_range(world: World, obj: Obj) -> Iterator[Finding]:
    """A limit range by itself."""
    for place, limit in enumerate(items(obj, "spec", "limits")):
        resources = {str(name) for bound in ORDER for name in mapping(limit, bound)}
        for resource in sorted(resources):
            given = [(bound, mapping(limit, bound)[resource]) for bound in ORDER if resource in mapping(limit, bound)]
            at = ("spec", "limits", place)
            for bound, written in given:
                if amount(written) is None:
                    yield tell(world, "limit-range-amount", obj, (*at, bound, resource), f"{bound}.{resource}: {written}")
            known = [(bound, written, amount(written)) for bound, written in given]
            for (low, first, lower), (high, second, upper) in pairwise(known):
                if lower is not None and upper is not None and lower > upper:
                    ops = [put(obj, (*at, high, resource), first)] if high == "max" else []
                    yield tell(
                        world,
                        "limit-range-order",
                        obj,
                        (*at, high, resource),
                        f"{low}.{resource}: {first}, {high}.{resource}: {second}",
                        ops=ops,
                    )
                    break


@check("SecurityContextConstraints", rules=RULES[8:])
def constraints(world: World, obj: Obj) -> Iterator[Finding]:
    """What OpenShift has for Pod Security labels."""
    if obj.get("allowPrivilegedContainer") is True and name_of(obj) != "privileged":  # OpenShift brings that one
        at = ("allowPrivilegedContainer",)
        yield tell(world, "constraints-privileged", obj, at, "allowPrivilegedContainer: true", ops=[put(obj, at, False)])
