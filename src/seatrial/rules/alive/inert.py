# ruff: noqa: E501 - a line of the table is one saying
"""Objects that do nothing and say nothing: suspended, without a node, a scheduler, a pod or a Service to work with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from seatrial.rules.alive.pods import condition, is_going, is_over, is_ready, one_of, refs, seconds_between
from seatrial.rules.alive.telling import status, told
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, Ref, dig, labels_of, name_of, namespace_of, ref_of
from seatrial.world.scheduling.plugins.node_affinity import allows
from seatrial.world.world import World, short

RULES = {
    rule.id: rule
    for rule in (
        Rule("inert-cronjob", "note", "a CronJob is suspended", "Nothing of it runs until somebody resumes it, and nobody is told.",
             "Set spec.suspend to false where its work is wanted."),
        Rule("inert-paused", "note", "a Deployment is paused with a change that is not rolled out", "What was changed since does not run.",
             "`kubectl rollout resume`, where the change is wanted."),
        Rule("inert-daemonset", "warning", "a DaemonSet finds no node for its pods", "It runs nowhere, and counts as complete.",
             "Correct nodeSelector or affinity of its template, or label the nodes."),
        Rule("inert-scheduler", "error", "a pod waits for a scheduler that does not run", "It is Pending for ever, without a word.",
             "Leave out schedulerName, or start the scheduler of that name."),
        Rule("inert-budget", "note", "a PodDisruptionBudget covers no pod that is there", "Whom it should protect can all be evicted at once.",
             "Let its selector and the labels of the pods say the same."),
        Rule("inert-headless", "warning", "a StatefulSet's Service does not exist", "Its pods have no names of their own: who calls `db-0.db` finds nobody.",
             "Create the headless Service of spec.serviceName with the labels of the pods."),
        Rule("inert-webhook", "error", "an admission webhook must be asked, and nobody answers", "Every object that it is for is refused until it answers.",
             "Start what should answer, or delete the configuration; failurePolicy: Ignore, or a namespaceSelector, keeps it from stopping others."),
    )
}  # fmt: skip
#: Seconds after which a pod that no scheduler has looked at is told of.
PATIENCE = 30.0


@check("CronJob", rules=[RULES["inert-cronjob"]], live=True)
def suspended(world: World, obj: Obj) -> Iterator[Finding]:
    if dig(obj, "spec.suspend") is True:
        last = dig(obj, "status.lastScheduleTime")
        facts = [status(world, obj, "spec.suspend", f"suspend: true; it ran last {f'at {last}' if last else 'never'}")]
        yield told(RULES["inert-cronjob"], f"{short(obj)} is suspended", [obj], facts)


@check("Deployment", rules=[RULES["inert-paused"]], live=True)
def paused(world: World, obj: Obj) -> Iterator[Finding]:
    wanted, updated = dig(obj, "spec.replicas", 1), dig(obj, "status.updatedReplicas", 0)
    if dig(obj, "spec.paused") is True and updated < wanted:
        facts = [status(world, obj, "spec.paused", f"paused: true; {updated} of {wanted} pods have the present template")]
        yield told(
            RULES["inert-paused"], f"{short(obj)} is paused, and {wanted - updated} of its pods are not as it says", [obj], facts
        )


@check("DaemonSet", rules=[RULES["inert-daemonset"]], live=True)
def nowhere(world: World, obj: Obj) -> Iterator[Finding]:
    nodes = list(world.of("Node"))
    if not nodes or dig(obj, "status.desiredNumberScheduled", 0) or dig(obj, "status.observedGeneration") is None:
        return
    spec = dig(obj, "spec.template.spec", {})
    asked = [f"{key}={value}" for key, value in dig(spec, "nodeSelector", {}).items()]
    fitting = [node for node in nodes if allows(spec, name_of(node), labels_of(node))]
    why = (
        f"none of {len(nodes)} nodes has {', '.join(asked) or 'the labels of its affinity'}"
        if not fitting
        else "the nodes that it could use have taints that it does not tolerate"
    )
    facts = [status(world, obj, "spec.template.spec.nodeSelector", f"it asks for nodes with {', '.join(asked)}")] if asked else []
    facts.append(status(world, obj, "status.desiredNumberScheduled", "desiredNumberScheduled: 0"))
    yield told(RULES["inert-daemonset"], f"{short(obj)} runs on no node: {why}", [obj], facts)


@check("Pod", rules=[RULES["inert-scheduler"]], live=True)
def unseen(world: World, pod: Obj) -> Iterator[Finding]:
    """A pod without a node that no scheduler has said anything of, for longer than a scheduler takes."""
    now, name = world.facts.get("now"), dig(pod, "spec.schedulerName", "default-scheduler")
    if (
        now is None
        or is_going(pod)
        or is_over(pod)
        or dig(pod, "spec.nodeName")
        or condition(pod, "PodScheduled")
        or dig(pod, "spec.schedulingGates")
    ):
        return
    age = seconds_between(dig(pod, "metadata.creationTimestamp"), datetime.fromtimestamp(now, UTC).isoformat())
    if age is None or age < PATIENCE or name == "default-scheduler":
        return
    facts = [
        status(world, pod, "spec.schedulerName", f"schedulerName: {name}"),
        Fact(f"for {age:.0f} s nobody has looked for a node for it"),
    ]
    yield told(
        RULES["inert-scheduler"],
        f"{one_of(world, pod)} waits for scheduler {name}, which does not act",
        refs(world, pod),
        facts,
    )


@check("PodDisruptionBudget", rules=[RULES["inert-budget"]], live=True)
def uncovered(world: World, obj: Obj) -> Iterator[Finding]:
    space, selector = namespace_of(obj), dig(obj, "spec.selector", {})
    there = any(namespace_of(pod) == space for pod in world.of("Pod"))
    if not selector or not there or world.selected("Pod", space, selector) or world.graph.pods(ref_of(obj)):
        return
    words = ", ".join(f"{key}={value}" for key, value in dig(selector, "matchLabels", {}).items())
    facts = [status(world, obj, "spec.selector", f"selector: {words or selector}")]
    yield told(RULES["inert-budget"], f"{short(obj)} protects nobody: no pod has {words or 'its labels'}", [obj], facts)


@check("StatefulSet", rules=[RULES["inert-headless"]], live=True)
def nameless(world: World, obj: Obj) -> Iterator[Finding]:
    name, space = dig(obj, "spec.serviceName"), namespace_of(obj)
    known = world.facts.get("complete") or any(namespace_of(each) == space for each in world.of("Service"))
    if name and known and world.find("Service", space, str(name), "") is None:
        facts = [status(world, obj, "spec.serviceName", f"serviceName: {name}")]
        yield told(RULES["inert-headless"], f"{short(obj)} has no Service {name}, which gives its pods their names", [obj], facts)


@check("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", rules=[RULES["inert-webhook"]], live=True)
def deaf(world: World, obj: Obj) -> Iterator[Finding]:
    """A webhook that must be asked, whose Service is not there or has nobody ready behind it."""
    for number, hook in enumerate(obj.get("webhooks") or ()):
        where = dig(hook, "clientConfig.service", {})
        if not where or hook.get("failurePolicy", "Fail") != "Fail" or not _is_known(world, str(where.get("namespace"))):
            continue
        service = world.find("Service", str(where.get("namespace")), str(where.get("name")), "")
        called = f"Service {where.get('name')} in namespace {where.get('namespace')}"
        why, about = _why(world, service, called)
        if why:
            facts = [
                status(
                    world,
                    obj,
                    f"webhooks[{number}].clientConfig.service",
                    f"{hook.get('name')} is at {called}; failurePolicy: Fail; it is for {_rules(hook)}",
                )
            ]
            yield told(RULES["inert-webhook"], f"{short(obj)} lets nobody pass: {why}", [obj, *about], facts)


def _is_known(world: World, namespace: str) -> bool:
    """Whether the Services of a namespace were read: not where a diagnosis looks at others only. A whole cluster has `kubernetes`."""
    whole = world.find("Service", "default", "kubernetes", "") is not None
    return whole or any(namespace_of(each) == namespace for each in world.of("Service", "Pod", "ServiceAccount", "ConfigMap"))


def _why(world: World, service: Obj | None, called: str) -> tuple[str, list[Obj | Ref]]:
    if service is None:
        return f"{called} does not exist", []
    selector: Mapping[str, str] | None = dig(service, "spec.selector")
    pods = world.selected("Pod", namespace_of(service), selector) if selector else []
    if selector and not any(map(is_ready, pods)):
        return f"nobody is ready behind {called}", [service]
    return "", []


def _rules(hook: Mapping[str, object]) -> str:
    rules = hook.get("rules")
    told_ = [
        f"{'/'.join(each.get('operations') or ())} of {', '.join(each.get('resources') or ())}"
        for each in (rules if isinstance(rules, list) else ())
    ]
    return "; ".join(told_) or "what it says"
