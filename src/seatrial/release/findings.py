# ruff: noqa: E501 - a line of the table is one saying
"""What may be found before a release begins: one rule a finding, with what it costs and what mends it; `preflight` checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seatrial.rules.finding import Fact, Finding, Rule, Severity
from seatrial.world.objects import Ref

_REFUSED = "Helm stops in the middle: some objects are new, others old, and the release is failed."
_NO_PODS = "The pods are refused one by one: nothing crashes, nothing logs, the rollout only stands still."
_WAITS = "Pods wait for ever for a node; the rollout stands still, or runs with fewer replicas than it should."
_STUCK = "Pods of the new version wait for ever before their first line of log."

RULES = {
    rule.id: rule
    for rule in (
        # room
        Rule("quota-exceeded", "error", "a quota has no room for the rollout at its peak", _NO_PODS,
             "raise the quota, ask for less, or lower maxSurge (with maxUnavailable above 0)"),
        Rule("quota-unstated", "error", "a quota counts a resource that a container does not state", _NO_PODS,
             "give the containers requests and limits for it, or the namespace a LimitRange with defaults"),
        Rule("quota-at-maximum", "note", "a quota has no room for what the autoscaler may ask for", "Under load the pods that are needed most are refused.",
             "raise the quota, or lower maxReplicas"),
        Rule("limit-range", "error", "a limit range forbids what a pod or claim asks for", _NO_PODS,
             "bring requests and limits between the LimitRange's min and max, or change the LimitRange"),
        Rule("pod-security", "error", "the namespace's pod security level forbids a pod", _NO_PODS,
             "set what is named in the pod's and containers' securityContext, or lower the namespace's enforce label"),
        Rule("node-room", "error", "pods fit on no node", _WAITS,
             "add nodes or larger ones, lower requests, replicas or maxSurge, or correct what keeps the pods from the nodes"),
        # what is served and allowed
        Rule("kind-not-served", "error", "the cluster does not serve a kind", _REFUSED, "install what brings the kind, or leave it out"),
        Rule("api-deprecated", "warning", "an API version is on its way out", "The release fails after an upgrade of the cluster.",
             "write the object in the version that is named; kubectl convert helps"),
        Rule("not-permitted", "error", "we may not do what the release needs", _REFUSED, "bind a role with these rules to us"),
        Rule("object-refused", "error", "the cluster refuses an object", _REFUSED, "change what the message names"),
        Rule("field-immutable", "error", "a field would change that cannot be changed", _REFUSED,
             "keep the field as it is, or delete the object first and let the release make it anew"),
        Rule("field-owned", "error", "a field is managed by somebody else", _REFUSED, "leave the field to its manager, or take it over with --force-conflicts"),
        Rule("not-ours", "error", "an object is there already, and is not of this release", _REFUSED,
             "give it another name, delete it, or let the release adopt it: label app.kubernetes.io/managed-by=Helm, annotations meta.helm.sh/release-name and …/release-namespace"),
        Rule("webhook-down", "error", "an admission webhook that must answer cannot", _REFUSED,
             "bring up what stands behind the webhook; failurePolicy: Ignore lets objects through while it is down"),
        # what has to be there
        Rule("reference-missing", "error", "something that pods need does not exist", _STUCK, "create it before the release, add it to the release, or mark the reference optional"),
        Rule("reference-key-missing", "error", "a key that pods need is not in its ConfigMap or Secret", _STUCK, "add the key, or correct its name; keys are case-sensitive"),
        Rule("hook-too-early", "error", "a hook needs something that comes only after it", "The hook's pod never starts, and the release waits for it until its timeout.",
             "make what it needs a hook of the same event with a lower helm.sh/hook-weight, or let the hook run after (post-install, post-upgrade)"),
        Rule("image-latest", "warning", "an image has no tag of its own", "What runs is not what was tested, and a rollback brings nothing back.",
             "name the image by a tag that does not move, best by its digest"),
        Rule("image-name", "error", "an image's name cannot be read", _STUCK, "correct the reference: registry/name:tag, in lower case"),
        # what is under way
        Rule("release-pending", "error", "Helm's record of the release is stuck in a pending state", "As long as it is pending, Helm refuses every upgrade.",
             "seatrial release … --recover takes it for failed and goes on"),
        Rule("release-in-progress", "warning", "this release is in progress elsewhere", "The two would undo one another's work.", "wait for it; the lock is given when it ends"),
        Rule("neighbour-pending", "note", "another release of the namespace is under way", "It takes room that was counted as free.", "wait for it if room is scarce"),
        Rule("not-well-now", "warning", "a workload is not well, and is not changed", "It ends the release, and going back to the version before does not mend it.",
             "mend it first, or let this release change it"),
        Rule("namespace-going", "error", "the namespace is being deleted", _REFUSED, "wait until it is gone, or release to another one"),
        # what was given
        Rule("secrets-unreadable", "error", "a secrets file cannot be decrypted", "Nothing is released: the chart cannot be rendered without its secrets.",
             "let somebody who has a key add yours (`.sops.yaml`, then `sops updatekeys`), or get one of the keys it is encrypted for"),
        Rule("values-schema", "error", "a value is not what the chart's schema asks for", "Nothing is released: Helm does not render the chart.", "correct the value at the line that is named, or the schema where it is too narrow"),
        Rule("deadline-short", "warning", "Kubernetes gives a rollout up before its pods may be ready", "The rollout is called failed while it is only slow.",
             "raise progressDeadlineSeconds above the time that a pod may take"),
    )
}  # fmt: skip


def found(
    rule: str,
    title: str,
    *,
    refs: Iterable[Ref] = (),
    evidence: Iterable[Fact] = (),
    cause: str = "",
    fix: str = "",
    severity: Severity | None = None,
    **details: Any,
) -> Finding:
    """A finding of a rule: its severity and fix are the rule's unless they are given."""
    known = RULES[rule]
    return Finding(
        rule, severity or known.severity, title, tuple(refs), tuple(evidence), cause or known.title, fix or known.fix,
        details=details,
    )  # fmt: skip


#: Names that a title lists before it counts.
MOST_NAMED = 3


def listed(names: Iterable[str]) -> str:
    """`Deployment a, Deployment b and 4 more`: each once."""
    every = list(dict.fromkeys(names))
    shown = ", ".join(every[:MOST_NAMED])
    return f"{shown} and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else shown
