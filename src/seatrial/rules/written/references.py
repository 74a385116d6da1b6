# ruff: noqa: E501 - a line of the table is one saying
"""References to what is not there: objects, keys, subsets, ports' owners; and calls to Services that nobody has.

A ConfigMap or Secret that is not among the files may be in the cluster already, so its absence is a warning; a key that an
object of the files does not have, or a Service behind an Ingress, is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.slips import meant
from seatrial.rules.written.between import is_job, out, steps, tell_of
from seatrial.rules.written.between import together as may_be_same
from seatrial.rules.written.examples import container, manifest, together
from seatrial.rules.written.reading import items, mapping, strings, text
from seatrial.rules.written.selection import ABOUT_PODS, WITHOUT_PODS
from seatrial.rules.written.telling import Path, put
from seatrial.world.graph import Reference
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.once import once
from seatrial.world.paths import at
from seatrial.world.world import World

_NEVER = "The pods wait in CreateContainerConfigError or ContainerCreating, and never start."
_MAP = manifest("v1", "ConfigMap", "data: {LEVEL: info}")
_ENV = "env: [{name: LEVEL, valueFrom: {configMapKeyRef: {name: api, key: %s}}}]"
_SERVICE = manifest("v1", "Service", "spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: http}]}")
_PODS = container("ports: [{name: http, containerPort: 8080}]")
_INGRESS = (
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: api\n  namespace: shop\n"
    "spec: {ingressClassName: nginx, tls: [{hosts: [a.example], secretName: t}], rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: {name: http}}}}]}}]}\n"
)
_EXTERNAL = manifest(
    "external-secrets.io/v1",
    "ExternalSecret",
    "spec: {refreshInterval: 1h, secretStoreRef: {name: aws, kind: ClusterSecretStore}, target: {name: api}, data: [{secretKey: password, remoteRef: {key: db}}]}",
)
_ENV_KEY = "env: [{name: DB, valueFrom: {secretKeyRef: {name: api, key: %s}}}]"
_VIRTUAL = "spec: {hosts: [api], http: [{route: [{destination: {host: api, subset: canary}, weight: 100}]}]}"
_HPA = "spec: {minReplicas: 2, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %s}, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}"
_AUTHORIZED = manifest(
    "monitoring.coreos.com/v1",
    "ServiceMonitor",
    "spec: {selector: {matchLabels: {app: api}}, endpoints: [{port: http, basicAuth: {username: {name: scrape, key: user}, password: {name: scrape, key: pass}}}]}",
)
_RESOURCES = "resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 128Mi}}"

RULES = (
    Rule("missing-config", "warning", "needs a ConfigMap that is not there", _NEVER,
         "Add it, correct the name, or set optional: true where the process can do without.",
         container(_ENV % "LEVEL"), together(_MAP, container(_ENV % "LEVEL"))),
    Rule("missing-secret", "warning", "needs a Secret that nobody makes", _NEVER,
         "Add an ExternalSecret or a sealed one for it, or correct the name.",
         container(_ENV_KEY % "password"), together(_EXTERNAL, container(_ENV_KEY % "password"))),
    Rule("missing-key", "error", "needs a key that its ConfigMap or Secret does not have", _NEVER,
         "Add the key, or correct its name.",
         together(_MAP, container(_ENV % "LOG_LEVEL")), together(_MAP, container(_ENV % "LEVEL"))),
    Rule("missing-external-key", "error", "needs a key that its ExternalSecret will not write", _NEVER + " The Secret is there, and looks right in every list.",
         "Add the key to the ExternalSecret's data, or correct its name.",
         together(_EXTERNAL, container(_ENV_KEY % "passwd")), together(_EXTERNAL, container(_ENV_KEY % "password"))),
    Rule("missing-service", "error", "leads to a Service that is not there", "Every request on this way is answered with 503 (or 502).",
         "Add the Service, or correct the name.",
         together(_SERVICE, _PODS, _INGRESS % "apii"), together(_SERVICE, _PODS, _INGRESS % "api")),
    Rule("missing-target", "error", "scales what is not there", "Nothing is ever scaled: FailedGetScale, for ever.",
         "Correct the target's kind and name.",
         together(container(_RESOURCES), manifest("autoscaling/v2", "HorizontalPodAutoscaler", _HPA % "apii")),
         together(container(_RESOURCES), manifest("autoscaling/v2", "HorizontalPodAutoscaler", _HPA % "api"))),
    Rule("missing-subset", "error", "sends requests to a subset that nobody defines", "Envoy has no such cluster: every request on this route is answered with 503.",
         "Add a DestinationRule for the host with the subset, or take the subset out.",
         together(_SERVICE, _PODS, manifest("networking.istio.io/v1", "VirtualService", _VIRTUAL)),
         together(_SERVICE, _PODS, manifest("networking.istio.io/v1", "VirtualService", _VIRTUAL), manifest("networking.istio.io/v1", "DestinationRule", "spec: {host: api, subsets: [{name: canary, labels: {app: api}}]}"))),
    Rule("missing-claim", "warning", "mounts a claim that is not there", "The pods stay Pending until somebody makes it.",
         "Add the PersistentVolumeClaim, or use volumeClaimTemplates of a StatefulSet.",
         container("volumeMounts: [{name: d, mountPath: /d}]", pod="volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]"),
         together(manifest("v1", "PersistentVolumeClaim", "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}", name="data"), container("volumeMounts: [{name: d, mountPath: /d}]", pod="volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]"))),
    Rule("missing-account", "warning", "runs as a service account that is not there", "No pod is created: `serviceaccount not found`, told only in the ReplicaSet's events.",
         "Add the ServiceAccount, or correct the name.",
         container("", pod="serviceAccountName: api"), together(manifest("v1", "ServiceAccount", ""), container("", pod="serviceAccountName: api"))),
    Rule("missing-role", "warning", "gives a role that is not there, or gives it to nobody", "What it should allow is forbidden, which shows only when the process first asks.",
         "Correct the name and namespace of the role or the account.",
         manifest("rbac.authorization.k8s.io/v1", "RoleBinding", "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}\nsubjects: [{kind: ServiceAccount, name: default2}]"),
         together(manifest("v1", "ServiceAccount", ""), manifest("rbac.authorization.k8s.io/v1", "Role", "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]"), manifest("rbac.authorization.k8s.io/v1", "RoleBinding", "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: api}\nsubjects: [{kind: ServiceAccount, name: api}]"))),
    Rule("missing-analysis", "error", "is judged by an analysis that is not there", "The Rollout is InvalidSpec, or stops at the step and is rolled back.",
         "Add the AnalysisTemplate, or correct the name (and clusterScope).",
         manifest("argoproj.io/v1alpha1", "Rollout", "spec: {replicas: 10, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'r.example/web:1'}]}}, strategy: {canary: {steps: [{setWeight: 20}, {analysis: {templates: [{templateName: errors}]}}]}}}"),
         together(manifest("argoproj.io/v1alpha1", "AnalysisTemplate", "spec: {metrics: [{name: up, successCondition: 'len(result) == 0 || result[0] > 0', provider: {prometheus: {address: 'http://prometheus.monitoring:9090', query: 'up{job=\"web-canary\"}'}}}]}", name="errors"), manifest("argoproj.io/v1alpha1", "Rollout", "spec: {replicas: 10, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'r.example/web:1'}]}}, strategy: {canary: {steps: [{setWeight: 20}, {analysis: {templates: [{templateName: errors}]}}]}}}"))),
    Rule("missing-gateway", "warning", "belongs to a gateway, store, issuer or route that is not there", "Its controller waits for the other object and does nothing.",
         "Add it, or correct its name, kind and namespace.",
         together(_SERVICE, _PODS, manifest("networking.istio.io/v1", "VirtualService", "spec: {hosts: [a.example], gateways: [shopp], http: [{route: [{destination: {host: api}}]}]}"), manifest("networking.istio.io/v1", "Gateway", "spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: t}, hosts: [a.example]}]}", name="shop")),
         together(_SERVICE, _PODS, manifest("networking.istio.io/v1", "VirtualService", "spec: {hosts: [a.example], gateways: [shop], http: [{route: [{destination: {host: api}}]}]}"), manifest("networking.istio.io/v1", "Gateway", "spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: t}, hosts: [a.example]}]}", name="shop"))),
    Rule("call-nobody", "warning", "calls a Service that is not there", "The name does not resolve: `no such host`, at the first call or in the middle of a release.",
         "Correct the name (and the namespace after the dot).",
         together(_SERVICE, _PODS, container("env: [{name: API_URL, value: 'http://apii:80'}]").replace("name: api\n  namespace", "name: web\n  namespace").replace("app: api", "app: web")),
         together(_SERVICE, _PODS, container("env: [{name: API_URL, value: 'http://api:80'}]").replace("name: api\n  namespace", "name: web\n  namespace").replace("app: api", "app: web"))),
    Rule("missing-other", "note", "names an object that is not there", "It may be in the cluster already; if not, its controller waits or refuses.",
         "Add it, or correct the name.",
         _AUTHORIZED,
         together(manifest("v1", "Secret", "stringData: {user: prometheus, pass: …}", name="scrape"), _AUTHORIZED)),
)  # fmt: skip

#: (relation, kind of the target) or relation -> rule. What is not here, or a class or a node, is the cluster's own.
#: Relations whose name may be corrected where another one is near.
CORRECTED = frozenset(
    {"backend", "scale-target", "env", "envFrom", "volume", "service-account", "role", "analysis", "gateway", "issuer", "store"}
)
BY_RELATION: dict[tuple[str, str], str] = {
    **{(relation, "ConfigMap"): "missing-config" for relation in ("env", "envFrom", "volume")},
    **{(relation, "Secret"): "missing-secret" for relation in ("env", "envFrom", "volume")},
    ("volume", "PersistentVolumeClaim"): "missing-claim",
    ("volume", "SecretProviderClass"): "missing-gateway",
    ("service-account", "ServiceAccount"): "missing-account",
    **{(relation, "Service"): "missing-service" for relation in ("backend", "canary-service", "stable-service")},
    **{(relation, "ServiceImport"): "" for relation in ("backend",)},
    ("role", "Role"): "missing-role",
    ("subject", "ServiceAccount"): "missing-role",
    ("subset", "DestinationRule"): "missing-subset",
    ("analysis", "AnalysisTemplate"): "missing-analysis",
    ("traffic", "VirtualService"): "missing-gateway",
    ("traffic", "DestinationRule"): "missing-gateway",
    ("traffic", "Ingress"): "missing-gateway",
    ("traffic", "HTTPRoute"): "missing-gateway",
    ("store", "SecretStore"): "missing-gateway",
    ("issuer", "Issuer"): "missing-gateway",
    ("auth", "TriggerAuthentication"): "missing-gateway",
    ("gateway", "Gateway"): "missing-gateway",
    ("database", "Cluster"): "missing-gateway",
    ("auth", "Secret"): "missing-other",
    ("credentials", "Secret"): "missing-other",
}
#: Kinds that files seldom hold, because a platform team has them: only told when the world has one of another name.
ELSEWHERE = frozenset({"Gateway", "SecretStore", "Issuer", "SecretProviderClass"})


@check("*", rules=RULES)
def missing(world: World, obj: Obj) -> Iterator[Finding]:
    """What an object names and is not there; each name once, whatever names it."""
    graph, told = world.graph, set()
    for reference in graph.out(ref_of(obj)):
        target = reference.target
        if reference.relation == "owner" or (target, reference.key) in told:
            continue
        if not graph.is_there(target):
            rule = _rule(world, reference)
            key = reference.key if rule == "missing-subset" else ""
            if rule and (target, key) not in told:
                told.add((target, key))
                yield _absent(world, obj, reference, rule)
        elif reference.key and not reference.optional:
            finding = _key(world, obj, reference)
            if finding is not None:
                told.add((target, reference.key))
                yield finding


def _rule(world: World, reference: Reference) -> str:
    """The rule that a missing target breaks; "" where it is none of ours, or likely to be somewhere else."""
    target = reference.target
    if reference.relation == "call":
        return "call-nobody" if _is_known(world, target) and not _is_left_out(world, target) else ""
    if reference.optional:
        return ""
    if reference.relation == "scale-target":
        return "missing-target" if reference.source.kind != "VerticalPodAutoscaler" else "missing-gateway"
    if target.kind in ELSEWHERE and next(world.of(target.kind), None) is None:
        return ""
    if target.kind == "Gateway" and target.namespace != reference.source.namespace and not _is_known(world, target):
        return ""
    if reference.relation == "role" and target.namespace == "kube-system" and target.namespace != "":
        return ""  # Kubernetes' own, such as extension-apiserver-authentication-reader
    if target.kind == "Secret" and target.name in once(world, _said_by_jobs):
        return ""
    if _is_left_out(world, target) or (target.kind == "Service" and _is_operated(world, target)):
        return ""
    if reference.relation == "subject" and target.namespace != reference.source.namespace and not _is_known(world, target):
        return ""  # an account of another namespace, which was not loaded
    if (
        reference.relation == "backend"
        and reference.source.kind in ("VirtualService", "HTTPRoute", "GRPCRoute")
        and _is_outside(world, reference)
    ):
        return ""
    return BY_RELATION.get((reference.relation, target.kind), "")


def _is_operated(world: World, target: Ref) -> bool:
    """Whether a Service may be an operator's: it has the name of a custom resource of its namespace, or is named after it,
    `shop-es-http` for `shop`.
    """
    spaces = (space for name, space in once(world, _custom) if target.name == name or target.name.startswith(f"{name}-"))
    return any(may_be_same(space, target.namespace) for space in spaces)


def _custom(world: World) -> list[tuple[str, str]]:
    """The custom resources, as (name, namespace), whose operators make pods and Services, and the releases of charts."""
    return [
        (ref.name, text(mapping(world.get(ref) or {}, "spec"), "targetNamespace") or ref.namespace)
        for ref in world.refs()
        if ref.kind in RELEASES or ("." in ref.group and not ref.group.endswith(WITHOUT_PODS) and ref.kind not in ABOUT_PODS)
    ]


#: What installs a chart under its own name: Flux's, and k3s'.
RELEASES = frozenset({"HelmRelease", "HelmChart"})


def _is_left_out(world: World, target: Ref) -> bool:
    """Whether an object is one of a chart that another depends on, and that was not loaded: by their names."""
    return any(chart in target.name for chart in world.facts.get("without", ()))


def _said_by_jobs(world: World) -> frozenset[str]:
    """The words in the arguments of Jobs, which make Secrets (certificates of webhooks) by name."""
    return frozenset(
        word.rpartition("=")[2]
        for template in world.graph.templates
        if is_job(template)
        for each in items(template.spec, "containers")
        for word in (*strings(each, "command"), *strings(each, "args"))
    )


def _is_outside(world: World, reference: Reference) -> bool:
    """Whether a route's host is one of the world outside (it has dots), or of a namespace that was not loaded."""
    target = reference.target
    return "." in target.name or (target.namespace != reference.source.namespace and not _is_known(world, target))


def _namespaces(world: World) -> frozenset[str]:
    """The namespaces of which the world has Services."""
    return frozenset(ref_of(each).namespace for each in world.of("Service"))


def _is_known(world: World, target: Ref) -> bool:
    """Whether the world has Services of the target's namespace, so that one more would be among them."""
    return target.namespace in once(world, _namespaces)


def _absent(world: World, obj: Obj, reference: Reference, rule: str) -> Finding:
    target = reference.target
    others = [ref_of(each).name for each in world.of(target.kind) if ref_of(each).namespace in (target.namespace, "")]
    near = get_close_matches(target.name, others, n=1, cutoff=0.75)
    words = f"names {target}" + (f"; there is {near[0]}" if near else "")
    another = _of_another_kind(world, reference) if rule == "missing-target" else None
    if another is not None:
        words, near = f"names {target}; there is {another.kind} {another.name}", [another.name]
    abroad = sorted(
        {ref_of(each).namespace for each in world.of(target.kind) if ref_of(each).name == target.name} - {"", target.namespace}
    )
    if abroad and not near:
        words += f"; there is one in {abroad[0]}"
    severity: Severity | None = None if _is_complete(world, reference) else "warning"
    if reference.relation == "backend" and target.namespace != reference.source.namespace:
        severity = "warning"  # of another namespace, of which the files may hold a part
    if rule == "missing-service" and not near and _is_split(world, obj, reference):
        severity = "warning"  # a step of a canary, beside a Service that was applied before it
    if rule == "missing-target" and not near:
        # the workload may be applied from elsewhere, and one of an operator's that nothing here is of surely is
        custom = "." in target.group and target.kind != "Rollout" and next(world.of(target.kind), None) is None
        severity = "note" if custom else "warning"
    if rule == "missing-subset":
        words = f"subset: {reference.key}; no DestinationRule for its host"
    ops = []
    at = steps(reference.path)
    if another is not None:
        kind = world.get(another) or {}
        ops = [put(obj, (*at[:-1], field), kind.get(field)) for field in ("apiVersion", "kind")]
    elif near and _is_slip(target.name, near[0]) and reference.relation in CORRECTED and reference.target.kind != "Secret":
        host = reference.path.endswith(".host")
        ops = [put(obj, at, near[0])] if not host and ref_of(obj) == reference.source and _plain(obj, reference) else []
    if severity is not None and RULES_BY_ID[rule].severity != "error":
        severity = None
    return tell_of(world, rule, obj, reference.path, words, ops=ops, severity=severity, title=_title(rule, reference))


def _of_another_kind(world: World, reference: Reference) -> Ref | None:
    """The workload of the name that is meant, where the reference names another kind of workload."""
    target = reference.target
    found = (each.ref for each in world.graph.templates if each.ref.name == target.name and each.ref.kind != target.kind)
    return next((ref for ref in found if ref.kind in SCALED and ref.namespace == target.namespace), None)


def _is_slip(wrong: str, right: str) -> bool:
    """Whether two names differ in so little that one is the other, mistyped: `fronted`, but not `backend`, for `frontend`."""
    while wrong and right and wrong[0] == right[0]:
        wrong, right = wrong[1:], right[1:]
    while wrong and right and wrong[-1] == right[-1]:
        wrong, right = wrong[:-1], right[:-1]
    return max(len(wrong), len(right)) <= 3


#: Kinds whose replicas an autoscaler may set.
SCALED = ("Deployment", "StatefulSet", "Rollout", "ReplicaSet")
RULES_BY_ID = {rule.id: rule for rule in RULES}


def _is_complete(world: World, reference: Reference) -> bool:
    """Whether the world has others of the kind beside the missing one; a single manifest says nothing of what is around it."""
    kind = {"missing-subset": "Service"}.get(
        BY_RELATION.get((reference.relation, reference.target.kind), ""), reference.target.kind
    )
    return any(ref_of(each).namespace == reference.target.namespace for each in world.of(kind))


def _is_split(world: World, obj: Obj, reference: Reference) -> bool:
    """Whether a route gives a share of its requests to the one Service that the namespace has here, and another to a missing one."""
    namespace = reference.target.namespace
    here = [ref for each in world.of("Service") if (ref := ref_of(each)).namespace == namespace]
    rule = at(obj, reference.path.partition(".backendRefs")[0]) if ".backendRefs" in reference.path else None
    return len(here) == 1 and any(one.get("name") == here[0].name and "weight" in one for one in items(rule, "backendRefs"))


def _plain(obj: Obj, reference: Reference) -> bool:
    """Whether the place holds the name and nothing else."""
    return bool(at(obj, reference.path) == reference.target.name)


def _title(rule: str, reference: Reference) -> str:
    verb = {
        "missing-config": "needs", "missing-secret": "needs", "missing-claim": "mounts", "missing-account": "runs as",
        "missing-service": "leads to", "missing-target": "scales", "missing-analysis": "is judged by", "call-nobody": "calls",
        "missing-role": "names", "missing-gateway": "names", "missing-other": "names",
    }.get(rule)  # fmt: skip
    if rule == "missing-subset":
        return f"sends requests to the subset {reference.key}, which nobody defines"
    target = reference.target
    who = "which nobody makes" if rule == "missing-secret" else "which is not there"
    return f"{verb} {target.kind} {target.name}, {who}"


def _key(world: World, obj: Obj, reference: Reference) -> Finding | None:
    """A key that the target does not have, or a subset that its DestinationRule does not define."""
    if reference.relation == "subset":
        return _subset(world, obj, reference)
    if reference.target.kind not in ("ConfigMap", "Secret"):
        return None
    keys = world.graph.keys(reference.target)
    if keys is None or reference.key in keys or _fills_later(world, reference.target):
        return None
    near = get_close_matches(reference.key, keys, n=1, cutoff=0.6)
    has = ", ".join(sorted(keys)[:8]) or "no keys"
    makers = [
        maker
        for maker in world.graph.makers(reference.target)
        if maker.source.kind in ("ExternalSecret", "ClusterExternalSecret")
    ]
    rule = "missing-external-key" if makers else "missing-key"
    source = makers[0].source if makers else reference.target
    words = f"key: {reference.key}; {source.kind} {source.name} has {has}" + (f"; {near[0]} was meant?" if near else "")
    also = [(source, makers[0].path if makers else "data", f"keys: {has}")]
    title = f"needs the key {reference.key}, which {source.kind} {source.name} {'will not write' if makers else 'does not have'}"
    right, at = meant(str(reference.key), keys), (*steps(reference.path)[:-1], "key")
    beside = reference.relation == "env" and ref_of(obj) == reference.source and _value(obj, at) == reference.key
    ops = [put(obj, at, right)] if right and beside and not reference.optional else []
    return tell_of(world, rule, obj, reference.path, words, also=also, title=title, ops=ops)


def _value(obj: Obj, at: Path) -> object:
    here: Any = obj
    for step in at:
        here = (
            here.get(step) if isinstance(here, dict) else here[step] if isinstance(here, list) and isinstance(step, int) else None
        )
    return here


def _fills_later(world: World, target: Ref) -> bool:
    """Whether something fills the object when it runs: an empty one, or one that asks for it by an annotation."""
    found = world.get(target)
    if found is None:
        return False
    return not any(found.get(part) for part in ("data", "stringData", "binaryData")) or bool(
        (found["metadata"].get("annotations") or {}).get("reflector.v1.k8s.emberstack.com/reflects")
    )


def _subset(world: World, obj: Obj, reference: Reference) -> Finding | None:
    rule = world.get(reference.target)
    defined = [each.get("name") for each in (rule or {}).get("spec", {}).get("subsets") or () if isinstance(each, dict)]
    if rule is None or reference.key in defined:
        return None
    words = f"subset: {reference.key}; {reference.target} has {', '.join(map(str, defined)) or 'no subsets'}"
    also = [(reference.target, "spec.subsets", f"subsets: {', '.join(map(str, defined)) or 'none'}")]
    return tell_of(world, "missing-subset", obj, reference.path, words, also=also, title=_title("missing-subset", reference))


def named(world: World, obj: Obj, relation: str) -> list[Ref]:
    """What an object names in one way, where it is there."""
    return [reference.target for reference in out(world, obj, relation) if reference.target in world]
