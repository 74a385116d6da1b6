"""What we must be allowed to do: for the objects themselves, for Helm's records, for the lock, and to follow what comes of it.

Each need is one verb on one kind with its reason.  They are told in one finding, with the rules of a Role that would do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.cluster.api import LEASES, QUOTAS, Resource, Served
from seatrial.cluster.records import driver
from seatrial.release.findings import found
from seatrial.release.plan import Plan
from seatrial.rules.finding import Fact, Finding

if TYPE_CHECKING:
    from seatrial.release.preflight.target import Target

PODS = Resource("", "v1", "Pod", "pods", True)
LOGS = Resource("", "v1", "Pod", "pods/log", True)
EVENTS = Resource("", "v1", "Event", "events", True)
JOBS = Resource("batch", "v1", "Job", "jobs", True)
REPLICASETS = Resource("apps", "v1", "ReplicaSet", "replicasets", True)
ANALYSES = Resource("argoproj.io", "v1alpha1", "AnalysisRun", "analysisruns", True)

#: What each action on an object needs: Helm reads it, then patches, creates or deletes.
_VERBS = {"add": ("get", "create", "patch"), "change": ("get", "patch"), "remove": ("get", "delete")}
_HOOK_VERBS = ("get", "create", "delete", "watch")
#: Kinds whose progress is followed.
_FOLLOWED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "Rollout"})
#: Why something is needed -> whether the release can do without.
OBJECTS, RECORDS, LOCK, WATCH, TELL = "the objects", "Helm's records", "the lock", "following the rollout", "telling why it fails"
PRUNE = "taking old records of Helm's away"
OPTIONAL = frozenset({TELL, PRUNE})


@dataclass(frozen=True, slots=True)
class Needed:
    verb: str
    resource: Resource
    namespace: str
    why: str


def needed(plan: Plan, served: Served, *, server_side: bool = True) -> list[Needed]:
    """Every verb on every kind, once. `server_side`: Helm applies on the server, and patches what is new as well."""
    wanted: dict[tuple[str, Resource, str], str] = {}

    def add(why: str, verbs: Iterable[str], resource: Resource, namespace: str = plan.namespace) -> None:
        for verb in verbs:
            wanted.setdefault((verb, resource, namespace if resource.namespaced else ""), why)

    for change in plan.changes:
        resource = served.of_ref(change.ref)
        if resource is not None:
            verbs = _VERBS[change.action] if server_side or change.action != "add" else ("get", "create")
            add(OBJECTS, verbs, resource, change.ref.namespace or plan.namespace)
    for hook in plan.hooks:
        if (resource := served.of(hook)) is not None:
            add(OBJECTS, _HOOK_VERBS, resource, hook["metadata"].get("namespace") or plan.namespace)
    add(RECORDS, ("get", "list", "create", "update"), driver())
    add(PRUNE, ("delete",), driver())
    add(LOCK, ("get", "create", "update"), LEASES)
    for resource in _followed(plan, served):
        add(WATCH, ("list", "watch"), resource)
    for resource in (EVENTS, QUOTAS):
        add(TELL, ("list", "watch"), resource)
    add(TELL, ("get",), LOGS)
    return [Needed(verb, resource, namespace, why) for (verb, resource, namespace), why in wanted.items()]


def _followed(plan: Plan, served: Served) -> list[Resource]:
    objects = [*plan.objects, *plan.hooks]
    kinds = {obj["kind"] for obj in objects if obj["kind"] in _FOLLOWED}
    resources = {resource for obj in objects if obj["kind"] in kinds and (resource := served.of(obj)) is not None}
    resources |= {PODS} if kinds else set()
    resources |= {REPLICASETS} if kinds & {"Deployment", "Rollout"} else set()
    resources |= {ANALYSES} if "Rollout" in kinds and served.versions_of("argoproj.io", "AnalysisRun") else set()
    return sorted(resources, key=lambda one: (one.group, one.plural))


def check(target: Target) -> Iterator[Finding]:
    denied = target.denied
    if not denied:
        return
    lacking = {key: why for key, why in denied.items() if why not in OPTIONAL}
    several = sorted({_named(resource) for _, resource in lacking or denied})
    verbs = sorted({verb for verb, _ in lacking or denied})
    namespace = target.plan.namespace
    what = f"{', '.join(verbs)} {', '.join(several)}"
    facts = []
    for why in (OBJECTS, RECORDS, LOCK, WATCH, PRUNE, TELL):
        for resource in sorted({resource for (_, resource), reason in denied.items() if reason == why}, key=_named):
            missing = sorted(verb for (verb, one), reason in denied.items() if one == resource and reason == why)
            facts.append(Fact(f"{', '.join(missing)} {_named(resource)}: for {why}", "SelfSubjectAccessReview"))
    yield found(
        "not-permitted",
        f"we may not {what} in {namespace}" if lacking else f"we may not {what} in {namespace}: the release can do without",
        evidence=facts,
        cause="No role that is bound to us allows it.",
        fix=f"somebody who may runs: {' && '.join(_commands(denied, namespace))}; and binds it to us",
        severity="error" if lacking else "warning",
        rules=_rules(denied),
    )


def _commands(denied: Iterable[tuple[str, Resource]], namespace: str) -> Iterator[str]:
    """How kubectl makes roles that allow it: one for each set of verbs."""
    by_verbs: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    verbs: dict[Resource, set[str]] = {}
    for verb, resource in denied:
        verbs.setdefault(resource, set()).add(verb)
    for resource, wanted in sorted(verbs.items(), key=lambda one: _named(one[0])):
        by_verbs.setdefault((resource.namespaced, tuple(sorted(wanted))), []).append(_named(resource))
    for number, ((namespaced, wanted_verbs), resources) in enumerate(by_verbs.items(), 1):
        role = f"role seatrial-{number} -n {namespace}" if namespaced else f"clusterrole seatrial-{number}"
        yield f"kubectl create {role} --verb={','.join(wanted_verbs)} --resource={','.join(resources)}"


def _named(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _rules(denied: Iterable[tuple[str, Resource]]) -> list[dict[str, list[str]]]:
    """The rules of a Role that allows it, kinds with the same verbs together."""
    verbs: dict[Resource, set[str]] = {}
    for verb, resource in denied:
        verbs.setdefault(resource, set()).add(verb)
    together: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for resource, wanted in verbs.items():
        together.setdefault((resource.group, tuple(sorted(wanted))), set()).add(resource.plural)
    return [
        {"apiGroups": [group], "resources": sorted(plurals), "verbs": list(wanted)}
        for (group, wanted), plurals in sorted(together.items())
    ]
