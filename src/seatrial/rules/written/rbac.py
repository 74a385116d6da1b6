# ruff: noqa: E501 - a line of the table is one saying
"""Roles and bindings: what they allow that nobody should have, and what they allow nobody because of a slip."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.written.examples import manifest
from seatrial.rules.written.reading import items, mapping, strings, text
from seatrial.rules.written.telling import Path, put, tell
from seatrial.world.objects import Obj
from seatrial.world.world import World

_RBAC = "rbac.authorization.k8s.io/v1"
_REFUSED = "The API server refuses the object."


def _role(rule: str, kind: str = "Role") -> str:
    return manifest(_RBAC, kind, f"rules: [{rule}]", namespace="" if kind.startswith("Cluster") else "shop")


def _binding(role: str, subject: str, kind: str = "ClusterRoleBinding") -> str:
    body = f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\nsubjects: [{subject}]"
    return manifest(_RBAC, kind, body, namespace="" if kind.startswith("Cluster") else "shop")


_FINE = _role("{apiGroups: [''], resources: [configmaps], verbs: [get, list, watch]}")
_ACCOUNT = "{kind: ServiceAccount, name: api, namespace: shop}"

RULES = (
    Rule("rbac-wildcard", "warning", "allows everything of a sort", "It allows what does not exist yet: new kinds, new verbs, secrets among them.",
         "List the resources and verbs that are used.",
         _role("{apiGroups: ['*'], resources: ['*'], verbs: ['*']}"), _FINE),
    Rule("rbac-secrets", "warning", "may read every secret", "Whoever takes over its pod has all passwords and tokens of the namespace, or of the cluster.",
         "Name the secrets in resourceNames, with the verb get only; mount what the pod itself needs.",
         _role("{apiGroups: [''], resources: [secrets], verbs: [get, list]}"), _role("{apiGroups: [''], resources: [secrets], resourceNames: [api], verbs: [get]}")),
    Rule("rbac-escalation", "warning", "may give itself more than it has", "The verbs escalate, bind and impersonate make a cluster administrator of whoever has them.",
         "Take the verbs out.",
         _role("{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [bind, escalate]}"), _FINE),
    Rule("rbac-exec", "warning", "may enter pods", "Who may exec, attach, forward ports or proxy into pods has everything that those pods have.",
         "Take pods/exec, pods/attach, pods/portforward and the proxies out.",
         _role("{apiGroups: [''], resources: [pods/exec], verbs: [create]}"), _FINE),
    Rule("rbac-tokens", "warning", "may make tokens of others", "With serviceaccounts/token it becomes any service account there.",
         "Take it out, or name the accounts in resourceNames.",
         _role("{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}"), _FINE),
    Rule("rbac-webhooks", "warning", "may rewrite what others apply", "Admission webhooks see and change every object of the cluster.",
         "Leave webhook configurations to the platform.",
         _role("{apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [create, update]}", "ClusterRole"), _FINE),
    Rule("rbac-create-pods", "note", "may create pods", "A pod can mount every secret of its namespace and use every service account there.",
         "Leave workloads to the pipeline, unless this is an operator.",
         _role("{apiGroups: [''], resources: [pods], verbs: [create]}"), _FINE),
    Rule("rbac-group", "warning", "names an API group that does not exist", "The rule matches nothing: what it should allow is forbidden.",
         "The core group is \"\"; others stand without a version (apps, batch).",
         _role("{apiGroups: [v1], resources: [pods], verbs: [get]}"), _FINE),
    Rule("rbac-resource-group", "warning", "looks for a resource in the wrong API group", "The rule matches nothing: what it should allow is forbidden.",
         "Put the resource into a rule with its own group.",
         _role("{apiGroups: [''], resources: [deployments], verbs: [get]}"), _role("{apiGroups: [apps], resources: [deployments], verbs: [get]}")),
    Rule("rbac-resource-name", "warning", "names a resource by its kind", "Resources are plural and lower-case (deployments, not Deployment): the rule matches nothing.",
         "Write the resource's name as `kubectl api-resources` shows it.",
         _role("{apiGroups: [apps], resources: [Deployment], verbs: [get]}"), _role("{apiGroups: [apps], resources: [deployments], verbs: [get]}")),
    Rule("rbac-verb", "warning", "has a verb that no request has", "read, write, edit and the like are no verbs: what they should allow is forbidden.",
         "The verbs are get, list, watch, create, update, patch, delete and deletecollection.",
         _role("{apiGroups: [''], resources: [pods], verbs: [read]}"), _FINE),
    Rule("rbac-cluster-admin", "warning", "makes a cluster administrator", "Whoever takes over its pod has the whole cluster.",
         "Bind a role with what it uses.",
         _binding("cluster-admin", _ACCOUNT), _binding("view", _ACCOUNT)),
    Rule("rbac-everybody", "error", "gives rights to everybody", "Requests without a login are allowed: the API server is open to whoever reaches it.",
         "Bind to named groups and service accounts.",
         _binding("edit", "{kind: Group, name: 'system:unauthenticated', apiGroup: rbac.authorization.k8s.io}"), _binding("view", _ACCOUNT)),
    Rule("rbac-default-account", "warning", "gives rights to the default service account", "Every pod of the namespace that names no account of its own has them.",
         "Make a service account for the workload that needs them.",
         _binding("edit", "{kind: ServiceAccount, name: default, namespace: shop}", "RoleBinding"), _binding("edit", _ACCOUNT, "RoleBinding")),
    Rule("rbac-subject", "error", "binds a subject that cannot be", _REFUSED,
         "A service account has a namespace and no apiGroup; users and groups have the apiGroup rbac.authorization.k8s.io.",
         _binding("view", "{kind: ServiceAccount, name: api}"), _binding("view", _ACCOUNT)),
    Rule("rbac-rule-empty", "error", "has a rule that allows nothing", _REFUSED,
         "Give each rule verbs, and apiGroups with resources (or nonResourceURLs).",
         _role("{resources: [pods], verbs: [get]}"), _FINE),
    Rule("rbac-certificates", "warning", "may approve certificates", "A certificate says who somebody is: who may approve one for the group system:masters is a cluster administrator.",
         "Take certificatesigningrequests/approval and the verbs approve and sign out, or name the signers in resourceNames.",
         _role("{apiGroups: [certificates.k8s.io], resources: [certificatesigningrequests/approval], verbs: [update]}", "ClusterRole"), _FINE),
    Rule("rbac-volumes", "note", "may make persistent volumes", "A volume may be any folder of a node: with a claim for it, a pod reads and writes there.",
         "Leave volumes to their provisioner, and let workloads make claims.",
         _role("{apiGroups: [''], resources: [persistentvolumes], verbs: [create]}", "ClusterRole"), _role("{apiGroups: [''], resources: [persistentvolumeclaims], verbs: [create]}")),
    Rule("rbac-service-status", "note", "may say where a Service is", "Who writes services/status gives a Service any address, and takes what others send there.",
         "Leave it to the controller of load balancers.",
         _role("{apiGroups: [''], resources: [services/status], verbs: [patch]}", "ClusterRole"), _FINE),
)  # fmt: skip

VERBS = frozenset(
    [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
        "use",
        "bind",
        "escalate",
        "impersonate",
        "approve",
        "sign",
        "attest",
        "proxy",
        "*",
        "impersonate-on:user-info",
        "arbitrary-user",
    ]
)
_CORE = "pods services configmaps secrets serviceaccounts namespaces nodes events persistentvolumeclaims persistentvolumes endpoints resourcequotas limitranges replicationcontrollers"
_OTHERS = {
    "apps": "deployments statefulsets daemonsets replicasets controllerrevisions",
    "batch": "jobs cronjobs",
    "autoscaling": "horizontalpodautoscalers",
    "networking.k8s.io": "ingresses networkpolicies ingressclasses",
    "policy": "poddisruptionbudgets",
    "rbac.authorization.k8s.io": "roles rolebindings clusterroles clusterrolebindings",
    "coordination.k8s.io": "leases",
    "storage.k8s.io": "storageclasses csidrivers csinodes volumeattachments",
}
#: resource -> the groups that serve it (also those of old, of the metrics API, of events).
GROUP = {name: {group} for group, names in {"": _CORE, **_OTHERS}.items() for name in names.split()}
for _name, _also in (("events", "events.k8s.io"), ("pods", "metrics.k8s.io"), ("nodes", "metrics.k8s.io"), ("ingresses", "extensions"),
                     ("deployments", "extensions"), ("daemonsets", "extensions"), ("replicasets", "extensions"),
                     ("networkpolicies", "extensions"), ("networkpolicies", "crd.projectcalico.org"), ("nodes", "karpenter.sh"),
                     ("jobs", "batch.volcano.sh"), ("leases", "")):  # fmt: skip
    GROUP[_name].add(_also)
#: Ways into pods.
ENTERING = frozenset(
    {"pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers", "services/proxy", "nodes/proxy"}
)
#: Roles and bindings that Kubernetes makes and keeps itself.
_KEPT = frozenset({"cluster-admin", "admin", "edit", "view"})
#: What Kubernetes gives to whoever has logged in.
_ANYBODYS = frozenset({"system:basic-user", "system:discovery", "system:public-info-viewer"})
_WRITE = frozenset({"create", "update", "patch", "*"})
_READ = frozenset({"get", "list", "watch", "*"})


@check("Role", "ClusterRole", rules=RULES[:7] + RULES[16:])
def reach(world: World, obj: Obj) -> Iterator[Finding]:
    """What a role allows that hardly anybody should have."""
    if _is_kept(obj):
        return
    for place, rule in enumerate(items(obj, "rules")):
        verbs, resources, groups = set(strings(rule, "verbs")), set(strings(rule, "resources")), set(strings(rule, "apiGroups"))
        at: Path = ("rules", place)
        stars = [f"{field}: *" for field, given in (("verbs", verbs), ("resources", resources)) if "*" in given]
        if stars:
            yield tell(world, "rbac-wildcard", obj, at, ", ".join(stars))
            continue
        if "*" in groups:
            yield tell(world, "rbac-wildcard", obj, at, "apiGroups: *", severity="note")
        core = bool(groups & {"", "*"})
        named = bool(strings(rule, "resourceNames"))
        if core and "secrets" in resources and verbs & _READ and not named:
            severity: Severity | None = "note" if _is_controllers(obj) else None
            words = f"secrets: {', '.join(sorted(verbs & _READ))}"
            yield tell(world, "rbac-secrets", obj, at, words, severity=severity)
        more = verbs & {"escalate", "bind", "impersonate"}
        if more and not named:
            yield tell(world, "rbac-escalation", obj, at, f"verbs: {', '.join(sorted(more))}")
        entering = resources & ENTERING
        if core and entering and verbs & (_WRITE | {"get"}):
            yield tell(world, "rbac-exec", obj, at, f"resources: {', '.join(sorted(entering))}")
        if core and "serviceaccounts/token" in resources and verbs & _WRITE and not named:
            yield tell(world, "rbac-tokens", obj, at, "resources: serviceaccounts/token")
        hooks = resources & {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"}
        if hooks and verbs & _WRITE and not named:
            yield tell(world, "rbac-webhooks", obj, at, f"resources: {', '.join(sorted(hooks))}")
        if core and "pods" in resources and verbs & {"create", "*"}:
            yield tell(world, "rbac-create-pods", obj, at, "resources: pods, verbs: create")
        if core and "persistentvolumes" in resources and verbs & {"create", "*"}:
            yield tell(world, "rbac-volumes", obj, at, "resources: persistentvolumes, verbs: create")
        if core and "services/status" in resources and verbs & {"update", "patch", "*"}:
            yield tell(world, "rbac-service-status", obj, at, "resources: services/status")
        approves = "certificatesigningrequests/approval" in resources and verbs & _WRITE
        signs = "signers" in resources and verbs & {"approve", "sign"}
        if groups & {"certificates.k8s.io", "*"} and (approves or signs) and not named:
            words = f"resources: {', '.join(sorted(resources))}, verbs: {', '.join(sorted(verbs))}"
            yield tell(world, "rbac-certificates", obj, at, words)


def _is_kept(obj: Obj) -> bool:
    """Whether Kubernetes brings a role or binding itself, as it is in a dump of a cluster."""
    name = text(obj, "metadata", "name")
    mine = mapping(obj, "metadata", "labels").get("kubernetes.io/bootstrapping") == "rbac-defaults"
    binds = str(obj.get("kind")).endswith("Binding")
    named = name in _KEPT or name.startswith("system:controller:")
    return mine or (name.startswith("system:") if binds else named and obj.get("kind") == "ClusterRole")


def _is_controllers(role: Obj) -> bool:
    """Whether a role is that of a controller of custom resources, most of which are given their passwords in Secrets by name."""
    groups = (group for rule in items(role, "rules") for group in strings(rule, "apiGroups"))
    return any("." in group and not group.endswith(".k8s.io") for group in groups)


@check("Role", "ClusterRole", rules=RULES[7:11] + RULES[15:16])
def slips(world: World, obj: Obj) -> Iterator[Finding]:
    """What a role should allow, and does not because of how it is written."""
    allowed = {
        resource
        for rule in items(obj, "rules")
        for resource in strings(rule, "resources")
        if GROUP.get(resource.partition("/")[0], set()) & set(strings(rule, "apiGroups"))
    }
    for place, rule in enumerate(items(obj, "rules")):
        at: Path = ("rules", place)
        groups, resources = strings(rule, "apiGroups"), strings(rule, "resources")
        if not strings(rule, "verbs") or not ((groups and resources) or strings(rule, "nonResourceURLs")):
            yield tell(world, "rbac-rule-empty", obj, at, f"a rule without {_lacks(rule)}")
            continue
        for group in groups:
            if "/" in group or group in ("v1", "core", "core/v1"):
                ops = [put(obj, (*at, "apiGroups"), [_group(each) for each in groups])]
                yield tell(world, "rbac-group", obj, (*at, "apiGroups"), f"apiGroups: {group}", ops=ops)
                break
        else:
            yield from _resources(world, obj, at, groups, resources, allowed)
        for verb in strings(rule, "verbs"):
            if (
                verb not in VERBS
                and verb.lower() not in ("sync", "override")
                and ":" not in verb
                and set(groups) <= {"", *GROUP_NAMES}
            ):
                yield tell(world, "rbac-verb", obj, (*at, "verbs"), f"verbs: {verb}")


GROUP_NAMES = frozenset(_OTHERS)


def _resources(world: World, obj: Obj, at: Path, groups: list[str], resources: list[str], allowed: set[str]) -> Iterator[Finding]:
    for resource in resources:
        name = resource.partition("/")[0]
        if name != name.lower():
            yield tell(world, "rbac-resource-name", obj, (*at, "resources"), f"resources: {resource}")
        elif (
            name in GROUP
            and "*" not in groups
            and set(groups) <= {"", *GROUP_NAMES}
            and not GROUP[name] & set(groups)
            and resource not in allowed
        ):
            right = " or ".join(sorted(GROUP[name])) or '""'
            words = f"{resource} in {', '.join(group or chr(34) * 2 for group in groups)}; it is in {right}"
            yield tell(world, "rbac-resource-group", obj, (*at, "resources"), words)


def _lacks(rule: Obj) -> str:
    return " and ".join(field for field in ("apiGroups", "resources", "verbs") if not strings(rule, field)) or "verbs"


def _group(group: str) -> str:
    return "" if group in ("v1", "core", "core/v1") else group.partition("/")[0]


@check("RoleBinding", "ClusterRoleBinding", rules=RULES[11:15])
def bindings(world: World, obj: Obj) -> Iterator[Finding]:
    """Who is given what."""
    kept = _is_kept(obj)
    role = text(mapping(obj, "roleRef"), "name")
    for place, subject in enumerate(items(obj, "subjects")):
        at: Path = ("subjects", place)
        kind, name = text(subject, "kind"), text(subject, "name")
        if name in ("system:unauthenticated", "system:anonymous") and role not in (
            "system:public-info-viewer",
            "system:discovery",
        ):
            severity: Severity = "error" if role in ("cluster-admin", "admin", "edit", "view") else "warning"
            yield tell(world, "rbac-everybody", obj, at, f"{kind} {name} becomes {role}", severity=severity)
        elif name == "system:authenticated" and role in ("cluster-admin", "admin", "edit"):
            yield tell(world, "rbac-everybody", obj, at, f"{kind} {name} becomes {role}")
        elif name == "system:authenticated" and obj.get("kind") == "ClusterRoleBinding" and role not in _ANYBODYS:
            severity = "note" if _only_reads(world, role) else "warning"
            yield tell(world, "rbac-everybody", obj, at, f"{kind} {name} becomes {role}", severity=severity)
        elif role == "cluster-admin" and name != "system:masters" and not kept:
            inside = obj.get("kind") == "RoleBinding"
            title = "gives every right in its namespace" if inside else ""
            yield tell(world, "rbac-cluster-admin", obj, at, f"{kind} {name} becomes cluster-admin", title=title)
        if kind == "ServiceAccount" and name == "default" and not kept:
            yield tell(world, "rbac-default-account", obj, at, f"ServiceAccount default becomes {role}")
        lost = kind == "ServiceAccount" and obj.get("kind") == "ClusterRoleBinding" and not text(subject, "namespace")
        if lost or kind not in ("ServiceAccount", "User", "Group") or not name:
            words = f"{kind} {name}: namespace not set" if lost else f"kind: {kind or 'not set'}, name: {name or 'not set'}"
            yield tell(world, "rbac-subject", obj, at, words)


def _only_reads(world: World, role: str) -> bool:
    """Whether a role is here, and lets nobody do more than read what is no secret."""
    known = world.find("ClusterRole", "", role)
    return known is not None and all(
        set(strings(rule, "verbs")) <= {"get", "list", "watch"}
        and not {"*", "secrets", "pods/*", "nodes/*"} & set(strings(rule, "resources"))
        for rule in items(known, "rules")
    )
