# ruff: noqa: E501 - a line of the table is one saying
"""Policies that say who may come in, and by a single word forbid their pods to reach anybody."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.between import out, tell_of
from seatrial.rules.written.calls import governing
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.reading import items, mapping, strings, text
from seatrial.world.objects import Obj, ref_of
from seatrial.world.patterns import pattern
from seatrial.world.world import World


def _policy(types: str) -> str:
    rules = f"podSelector: {{matchLabels: {{app: api}}}}, policyTypes: {types}, ingress: [{{from: [{{podSelector: {{matchLabels: {{app: api}}}}}}]}}]"
    return manifest("networking.k8s.io/v1", "NetworkPolicy", f"spec: {{{rules}}}")


RULE = Rule(
    "policy-egress-forgotten",
    "note",  # some pods only answer; calls that are declared and cut are errors of their own
    "says who may come in, and lets its pods reach nobody",
    "Egress among policyTypes without egress rules cuts every call of these pods, DNS included.",
    "Take Egress out of policyTypes, or say whom they may reach: DNS first.",
    together(container(""), _policy("[Ingress, Egress]")),
    together(container(""), _policy("[Ingress]")),
)
#: Images of what is called and calls nobody.
STORES = pattern(r"redis|valkey|postgres|mysql|mariadb|mongo|memcached|rabbitmq|kafka|minio")


@check("NetworkPolicy", rules=[RULE])
def forgotten(world: World, obj: Obj) -> Iterator[Finding]:
    """A policy that lets some in and governs the way out, too, where neither it nor another one lets its pods out."""
    spec = mapping(obj, "spec")
    if "Egress" not in strings(spec, "policyTypes") or not items(spec, "ingress") or not mapping(spec, "podSelector"):
        return
    chosen = dict.fromkeys(reference.target for reference in out(world, obj, "selects"))
    templates = [template for ref in chosen for template in world.graph.templates_of(ref)]
    if templates:
        shut = any(
            not any(items(each, "spec", "egress") for each in governing(world, template, "egress"))
            and not all(STORES.search(text(each, "image")) for each in items(template.spec, "containers"))
            for template in templates
        )
    else:  # its pods are in other files: only what is said beside it counts
        space = ref_of(obj).namespace
        beside = (each for each in world.of("NetworkPolicy") if ref_of(each).namespace == space)
        shut = not any(items(each, "spec", "egress") for each in beside)
    if shut:
        yield tell_of(world, RULE.id, obj, "spec.policyTypes", "policyTypes: Egress, no egress rules")
