# ruff: noqa: E501 - a line of the table is one saying
"""Pods that the API server refuses to a controller: quota, limit ranges, pod security, service accounts, webhooks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.alive.pods import condition
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world import quantity
from seatrial.world.objects import Obj, Ref, dig, namespace_of, ref_of
from seatrial.world.world import World, event_count, event_time, short

_NONE = "No pod of the new version is made at all: nothing crashes, nothing logs, the rollout only stands still."

RULES = {
    rule.id: rule
    for rule in (
        Rule("refused-quota", "error", "a quota has no room for a pod", _NONE,
             "Raise the quota, lower requests or replicas, or let the rollout go without surge (maxSurge: 0, maxUnavailable: 1)."),
        Rule("refused-quota-unset", "error", "a quota counts a resource that the pod does not state", _NONE,
             "Give every container requests and limits for it, or the namespace a LimitRange with defaults."),
        Rule("refused-limit-range", "error", "a limit range forbids what a container asks for", _NONE,
             "Bring requests and limits between the LimitRange's min and max, or change the LimitRange."),
        Rule("refused-pod-security", "error", "the namespace's pod security level forbids the pod", _NONE,
             "Set what the message names in the pod's and containers' securityContext, or lower the namespace's enforce label."),
        Rule("refused-service-account", "error", "the pod's service account does not exist", _NONE,
             "Create the ServiceAccount in the namespace, or correct serviceAccountName."),
        Rule("refused-priority-class", "error", "the pod's priority class does not exist", _NONE,
             "Create the PriorityClass, or correct priorityClassName."),
        Rule("refused-webhook", "error", "an admission webhook refuses the pod", _NONE, "Change what the webhook's message names."),
        Rule("refused-webhook-down", "warning", "an admission webhook does not answer", _NONE,
             "Repair what stands behind the webhook; failurePolicy: Ignore lets pods through while it is down."),
        Rule("refused-invalid", "error", "the pod is not valid", _NONE, "Correct the field that the message names."),
        Rule("refused", "error", "the API server refuses the pod", _NONE, "The message says why."),
    )
}  # fmt: skip

#: What admission says -> rule, the first that matches (pkg/controller, plugin/pkg/admission and their error texts).
WORDS = tuple(
    (rule, re.compile(words))
    for rule, words in (
        ("refused-quota-unset", r"failed quota: (?P<quota>\S+): must specify (?P<what>.+)"),
        ("refused-quota", r"exceeded quota: (?P<quota>[^,]+), requested: (?P<requested>\S+), used: (?P<used>\S+), limited: (?P<limited>\S+)"),
        ("refused-limit-range", r"(?:minimum|maximum|max limit to request ratio) .*(?:usage|per (?:Container|Pod)|ratio)"),
        ("refused-pod-security", r"violates PodSecurity \"(?P<level>[^\"]+)\": (?P<what>.*)"),
        ("refused-webhook-down", r"failed calling webhook \"(?P<what>[^\"]+)\""),
        ("refused-webhook", r"admission webhook \"(?P<what>[^\"]+)\" denied|denied by|ValidatingAdmissionPolicy"),
        ("refused-service-account", r"serviceaccount \"(?P<what>[^\"]+)\" not found"),
        ("refused-priority-class", r"no PriorityClass with name (?P<what>\S+)"),
        ("refused-invalid", r"is invalid:|Invalid value|Unsupported value|Required value"),
        ("refused", r"."),
    )
)  # fmt: skip
#: What controllers say before the reason itself.
_FORBIDDEN = re.compile(r"^(?:Error creating: |create Pod \S+ in \w+ \S+ failed error: )?(?:pods? \"[^\"]*\" is forbidden: )?")


@check("ReplicaSet", "StatefulSet", "DaemonSet", "Job", rules=RULES.values(), live=True)
def refused(world: World, obj: Obj) -> Iterator[Finding]:
    """A controller that cannot make its pods, by its condition (ReplicaSets) or by its last event (all others)."""
    fact, count = _refusal(world, obj)
    if fact is None:
        return
    words = _FORBIDDEN.sub("", fact.text)
    rule_id, parts = _told(words)
    rule = RULES[rule_id]
    root = world.root(obj)
    severity = rule.severity
    facts = [fact]
    if rule_id == "refused-quota":
        room, more = _room(world, namespace_of(obj), parts)
        facts += more
        severity = "warning" if room else "error"
    refs: tuple[Ref, ...] = (ref_of(root), ref_of(obj)) if root is not obj else (ref_of(obj),)
    if rule_id == "refused-webhook-down":
        refs += tuple(
            ref_of(each) for each in world.of(*CONFIGURATIONS) if parts["what"] in map(_hook, each.get("webhooks") or ())
        )
    title = f"{short(root)} gets no pods: {_WORDS.get(rule_id, '{words}').format(words=words, **parts)}"
    details = {"count": count, **{key: value for key, value in parts.items() if value}}
    yield Finding(rule_id, severity, title, refs, tuple(facts), rule.title, rule.fix, details=details)


_WORDS = {
    "refused-quota": "quota {quota} is full ({requested} wanted, {used} of {limited} used)",
    "refused-quota-unset": "quota {quota} counts what is not stated: {what}",
    "refused-pod-security": "pod security level {level} forbids {what}",
    "refused-service-account": "service account {what} does not exist",
    "refused-priority-class": "priority class {what} does not exist",
    "refused-webhook-down": "webhook {what} does not answer",
}


#: Where webhooks are written down.
CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


def _hook(webhook: Obj) -> str:
    return str(webhook.get("name"))


def _refusal(world: World, obj: Obj) -> tuple[Fact | None, int]:
    """What was said when the last pod was refused, and how often; None when pods have been made since, or are all there."""
    if obj["kind"] == "ReplicaSet":
        failure = condition(obj, "ReplicaFailure")
        if failure.get("status") != "True" or failure.get("reason") != "FailedCreate":
            return None, 0
        count = sum(event_count(event) for event in world.events(obj, "FailedCreate"))
        return Fact(str(failure.get("message", "")), world.source(ref_of(obj), "status.conditions[ReplicaFailure]")), max(
            1, count
        )
    failed, made = world.events(obj, "FailedCreate"), world.events(obj, "SuccessfulCreate")
    if not failed or _has_all(obj) or (made and event_time(made[-1]) > event_time(failed[-1])):
        return None, 0
    return Fact(str(failed[-1].get("message", "")), f"event of {ref_of(obj)}"), event_count(failed[-1])


def _has_all(obj: Obj) -> bool:
    status = obj.get("status") or {}
    if obj["kind"] == "DaemonSet":
        return bool(status.get("currentNumberScheduled", 0) >= status.get("desiredNumberScheduled", 1))
    if obj["kind"] == "Job":
        return bool(status.get("active", 0) or status.get("succeeded", 0) or status.get("completionTime"))
    current = status.get("replicas", 0) >= dig(obj, "spec.replicas", 1)
    return bool(current and status.get("updatedReplicas", 0) >= dig(obj, "spec.replicas", 1))


def _told(words: str) -> tuple[str, dict[str, str]]:
    for rule, pattern in WORDS:
        found = pattern.search(words)
        if found:
            parts = dict.fromkeys(("quota", "requested", "used", "limited", "level", "what"), "")
            return rule, parts | {key: value for key, value in found.groupdict().items() if value}
    return "refused", dict.fromkeys(("quota", "requested", "used", "limited", "level", "what"), "")


def _room(world: World, namespace: str, parts: dict[str, str]) -> tuple[bool, list[Fact]]:
    """Whether the quota, as it is now, has room for what was refused; and the arithmetic."""
    quota = world.find("ResourceQuota", namespace, parts["quota"])
    if quota is None:
        return False, []
    room, facts = True, []
    for asked in parts["requested"].split(","):
        name, _, amount = asked.partition("=")
        hard, used = dig(quota, "status.hard", {}).get(name), dig(quota, "status.used", {}).get(name, "0")
        if hard is None:
            continue
        fits = quantity.parse(used) + quantity.parse(amount) <= quantity.parse(hard)
        room = room and fits
        words = f"{name}: {used} of {hard} used now, {amount} more {'fits' if fits else 'does not fit'}"
        facts.append(Fact(words, world.source(ref_of(quota), "status")))
    return room and bool(facts), facts
