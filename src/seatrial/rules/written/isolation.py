# ruff: noqa: E501 - a line of the table is one saying
"""Workloads that no policy is for, or none in one direction; what policies let through is for the rules of calls."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.between import tell_of
from seatrial.rules.written.calls import governing
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.reading import items
from seatrial.world.objects import Obj, ref_of
from seatrial.world.world import World

_API = container("ports: [{name: http, containerPort: 8080}]")
_POLICY = manifest(
    "networking.k8s.io/v1",
    "NetworkPolicy",
    "spec: {podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}",
)

RULES = (
    Rule("pod-not-isolated", "note", "is open to every pod of the cluster", "No NetworkPolicy selects it: whoever takes over any pod reaches its ports.",
         "Add a policy that lets its callers in, and nobody else.",
         _API, together(_API, _POLICY)),
    Rule("egress-open", "note", "may reach everything", "No NetworkPolicy governs what leaves it: whoever takes it over reaches every pod, the node's metadata and the internet.",
         "Add Egress to a policy of it, and let through DNS and what it calls.",
         together(_API, _POLICY), together(_API, _POLICY.replace("policyTypes: [Ingress]", "policyTypes: [Ingress, Egress], egress: [{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]"))),
)  # fmt: skip

#: Whoever makes pods that a policy can be for.
KINDS = (
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "Job",
    "CronJob",
    "Rollout",
)


@check(*KINDS, rules=RULES)
def isolated(world: World, obj: Obj) -> Iterator[Finding]:
    """Workloads with ports that no policy is for; and those whose policies forget one direction, or that have no ports."""
    for template in world.graph.templates_of(ref_of(obj))[:1]:
        serves = any(items(each, "ports") for each in items(template.spec, "containers"))
        arriving, leaving = (governing(world, template, direction) for direction in ("ingress", "egress"))
        if serves and not arriving and template.spec.get("hostNetwork") is not True:
            yield tell_of(world, "pod-not-isolated", obj, template.spec_path, "no NetworkPolicy selects its pods")
        elif not leaving:
            yield tell_of(world, "egress-open", obj, template.spec_path, "no NetworkPolicy of its pods has Egress")
