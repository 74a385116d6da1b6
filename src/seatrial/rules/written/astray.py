# ruff: noqa: E501 - a line of the table is one saying
"""Selectors that would fit, were they in the namespace of the pods; those that fit nothing at all are for the rules of selection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.between import names, out, tell_of
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.reading import mapping
from seatrial.rules.written.telling import brief
from seatrial.world.graph import PodTemplate
from seatrial.world.objects import Obj, ref_of
from seatrial.world.once import once
from seatrial.world.selectors import matches
from seatrial.world.world import World

_SPEC = "spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: http}]}"
_PODS = container("ports: [{name: http, containerPort: 8080}]")

RULES = (
    Rule("selects-elsewhere", "warning", "selects by labels that only pods of another namespace have", "A selector reaches no further than its namespace: a Service has no endpoints, a budget and a policy protect nobody.",
         "Put it into the namespace of the pods.",
         together(_PODS, manifest("v1", "Service", _SPEC, namespace="web")), together(_PODS, manifest("v1", "Service", _SPEC))),
)  # fmt: skip

#: Kind -> where its selector is, and whether it is of the plain kind.
SELECTORS = {
    "Service": ("spec.selector", True),
    "PodDisruptionBudget": ("spec.selector", False),
    "NetworkPolicy": ("spec.podSelector", False),
}


def _by_namespace(world: World) -> dict[str, list[PodTemplate]]:
    found: dict[str, list[PodTemplate]] = defaultdict(list)
    for template in world.graph.templates:
        found[template.ref.namespace].append(template)
    return found


@check(*SELECTORS, rules=RULES)
def astray(world: World, obj: Obj) -> Iterator[Finding]:
    """A selector in a namespace without workloads, while those of another one fit it."""
    ref, (path, plain) = ref_of(obj), SELECTORS[str(obj["kind"])]
    spaces = once(world, _by_namespace)
    selector = mapping(obj, *path.split("."))
    if ref.group not in ("", "policy", "networking.k8s.io") or not ref.namespace or not selector:
        return
    if ref.namespace in spaces or "" in spaces or next(out(world, obj, "selects"), None) is not None:
        return
    others = [each for ones in spaces.values() for each in ones if _fits(selector, each.labels, plain)]
    if others:
        found = sorted({each.ref.namespace for each in others})
        words = (
            f"selector: {brief(selector)}; {names(each.ref for each in others[:3])} in {' and '.join(found[:3])} has these labels"
        )
        also = [(each.written, each.labels_path, f"labels: {brief(each.labels)}") for each in others[:1]]
        yield tell_of(world, "selects-elsewhere", obj, path, words, also=also)


def _fits(selector: Obj, labels: dict[str, str], plain: bool) -> bool:
    if plain:
        return selector.items() <= labels.items()
    try:
        return matches(selector, labels)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        return False  # a malformed selector is for the rules of shapes
