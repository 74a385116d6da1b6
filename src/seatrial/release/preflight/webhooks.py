"""Admission webhooks that must answer before an object of the release is let in, and that nothing stands behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seatrial.cluster.api import Resource, Served
from seatrial.release.findings import found
from seatrial.release.plan import Plan
from seatrial.rules.finding import Fact, Finding
from seatrial.world.objects import Obj, dig, labels_of, name_of, ref_of
from seatrial.world.selectors import matches

if TYPE_CHECKING:
    from seatrial.release.preflight.target import Target

CONFIGURATIONS = (
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
)
PODS = Resource("", "v1", "Pod", "pods", True)


def concerned(plan: Plan, served: Served) -> list[tuple[Resource, Obj, str]]:
    """What admission will see of a release: resources, objects and operations, pods of its workloads among them."""
    wanted = {ref_of(obj): obj for obj in plan.objects}
    seen = [
        (resource, wanted[change.ref], "CREATE" if change.action == "add" else "UPDATE")
        for change in plan.changes
        if change.ref in wanted and (resource := served.of(wanted[change.ref])) is not None
    ]
    seen += [(resource, hook, "CREATE") for hook in plan.hooks if (resource := served.of(hook)) is not None]
    rolling = {change.ref for change in plan.changes if change.rolls or change.action == "add"}
    for obj in (*plan.objects, *plan.hooks):
        template = dig(obj, "spec.template")
        if dig(template, "spec.containers") and (ref_of(obj) in rolling or obj in plan.hooks):
            seen.append((PODS, {**template, "metadata": template.get("metadata") or {}}, "CREATE"))
    return seen


def asked(webhook: Obj, resource: Resource, operation: str) -> bool:
    """Whether a webhook's rules are about an operation on a resource."""
    return any(
        _in(rule.get("apiGroups"), resource.group)
        and _in(rule.get("apiVersions"), resource.version)
        and _in(rule.get("operations"), operation)
        and any(one in ("*", "*/*", resource.plural) for one in rule.get("resources") or ())
        for rule in webhook.get("rules") or ()
    )


def _in(names: list[str] | None, name: str) -> bool:
    return any(one in ("*", name) for one in names or ())


def check(target: Target) -> Iterator[Finding]:
    seen = concerned(target.plan, target.served)
    for key in CONFIGURATIONS:
        for configuration in target.of(key):
            for webhook in configuration.get("webhooks") or ():
                yield from _check(target, configuration, webhook, seen)


def _check(target: Target, configuration: Obj, webhook: Obj, seen: list[tuple[Resource, Obj, str]]) -> Iterator[Finding]:
    service = dig(webhook, "clientConfig.service")
    if not service or webhook.get("failurePolicy", "Fail") != "Fail":
        return
    if target.endpoints.get((service["namespace"], service["name"]), True):
        return
    if not matches(webhook.get("namespaceSelector") or {}, target.namespace_labels):
        return
    selector = webhook.get("objectSelector") or {}
    stopped = [(r, o) for r, o, operation in seen if asked(webhook, r, operation) and matches(selector, labels_of(o))]
    if not stopped:
        return
    kinds = ", ".join(sorted({resource.plural for resource, _ in stopped}))
    where = f"Service {service['name']} in {service['namespace']}"
    yield found(
        "webhook-down",
        f"webhook {webhook.get('name', '')} must admit {kinds}, and {where} has no ready endpoint",
        refs=(ref_of(configuration),),
        evidence=[
            Fact(f"failurePolicy {webhook.get('failurePolicy', 'Fail')}", f"{configuration['kind']} {name_of(configuration)}"),
            Fact("no endpoint is ready", where),
        ],
        objects=len(stopped),
    )
