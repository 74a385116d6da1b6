# ruff: noqa: E501 - a line of the table is one saying
"""What selectors choose: nothing, too much, or what another selector has chosen already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, Severity, check
from seatrial.rules.slips import meant
from seatrial.rules.written.between import is_job, names, out, steps, tell_of
from seatrial.rules.written.between import together as may_be_same
from seatrial.rules.written.examples import container, job, manifest, together
from seatrial.rules.written.reading import items, mapping, strings, text
from seatrial.rules.written.telling import Operation, brief, put
from seatrial.world.graph import PodTemplate
from seatrial.world.objects import Obj, Ref, annotations_of, labels_of, ref_of
from seatrial.world.once import once
from seatrial.world.world import World


def _service(selector: str) -> str:
    return manifest("v1", "Service", f"spec: {{selector: {selector}, ports: [{{name: http, port: 80, targetPort: http}}]}}")


def _budget(selector: str, name: str = "api") -> str:
    return manifest(
        "policy/v1", "PodDisruptionBudget", f"spec: {{maxUnavailable: 1, selector: {{matchLabels: {selector}}}}}", name=name
    )


def _policy(
    selector: str, rest: str = "policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]"
) -> str:
    return manifest("networking.k8s.io/v1", "NetworkPolicy", f"spec: {{podSelector: {{matchLabels: {selector}}}, {rest}}}")


_PODS = container("ports: [{name: http, containerPort: 8080}]")
_JOB = job().replace("  template:\n    spec:", "  template:\n    metadata:\n      labels: {app: api}\n    spec:")
_WEB = (
    container("", spec="replicas: 3").replace("name: api\n  namespace", "name: web\n  namespace").replace("app: api", "app: web")
)
_MONITOR = "spec: {selector: {matchLabels: {app: %s}}, endpoints: [{port: http}]}"
_LABELLED = _service("{app: api}").replace("  namespace: shop\n", "  namespace: shop\n  labels: {app: api}\n")

RULES = (
    Rule("service-selects-no-pods", "error", "selects no pods", "It has no endpoints: every request is refused, while all pods are ready.",
         "Let the selector be labels that the pods' template has.",
         together(_PODS, _service("{app: backend}")), together(_PODS, _service("{app: api}"))),
    Rule("service-selects-jobs", "warning", "sends requests to the pods of jobs, too", "A migration or a nightly run gets a share of the requests while it lives, and answers none.",
         "Give the pods that serve a label of their own (app.kubernetes.io/component), and select by it.",
         together(_PODS, _JOB, _service("{app: api}")), together(_PODS, job(), _service("{app: api}"))),
    Rule("service-selects-several", "warning", "sends requests to pods of several workloads", "Which one answers is chance, unless they are versions of one another.",
         "Give each workload a label of its own, and select by it.",
         together(_PODS, _PODS.replace("name: api\n  namespace", "name: web\n  namespace").replace("containerPort: 8080", "containerPort: 3000"), _service("{app: api}")), together(_PODS, _service("{app: api}"))),
    Rule("budget-protects-nothing", "warning", "protects no pods", "Its selector fits no workload: a drain may take all replicas at once.",
         "Let the selector be labels that the pods' template has.",
         together(_PODS, _budget("{app: backend}")), together(_PODS, _budget("{app: api}"))),
    Rule("budgets-overlap", "error", "shares its pods with another budget", "A pod under two budgets cannot be evicted at all (500: more than one PodDisruptionBudget): drains hang.",
         "Keep one of them.",
         together(_PODS, _budget("{app: api}"), _budget("{app: api}", "api-2")), together(_PODS, _budget("{app: api}"))),
    Rule("budget-of-several", "warning", "counts the pods of several workloads together", "Its bound holds for all of them in one: one workload may lose all its pods while the others are whole.",
         "Make a budget for each workload.",
         together(container("", spec="replicas: 3"), container("", spec="replicas: 3").replace("name: api\n  namespace", "name: web\n  namespace"), _budget("{app: api}")),
         together(container("", spec="replicas: 3"), _WEB, _budget("{app: api}"), _budget("{app: web}").replace("name: api\n  namespace", "name: web\n  namespace"))),
    Rule("policy-protects-nothing", "warning", "is for no pods", "Its podSelector fits no workload: what it should limit or allow is not.",
         "Let podSelector be labels that the pods' template has.",
         together(_PODS, _policy("{app: backend}")), together(_PODS, _policy("{app: api}"))),
    Rule("policy-peer-nobody", "warning", "names a peer that is nobody", "The selector fits no workload of its namespace: the call that it should let through is cut.",
         "Let the peer's podSelector be labels that its pods' template has.",
         together(_PODS, _policy("{app: api}", "policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]")), together(_PODS, _policy("{app: api}"))),
    Rule("monitor-selects-nothing", "warning", "watches no Service or pods", "Nothing is scraped, and no alert says so. (A ServiceMonitor looks at the labels of the Service, not of its pods.)",
         "Give the Service the label, or select by one that it has.",
         together(_PODS, _service("{app: api}"), manifest("monitoring.coreos.com/v1", "ServiceMonitor", _MONITOR % "api")),
         together(_PODS, _LABELLED, manifest("monitoring.coreos.com/v1", "ServiceMonitor", _MONITOR % "api"))),
    Rule("monitor-unseen", "warning", "is not chosen by any Prometheus", "No Prometheus here selects it: nothing is scraped, no rule of it is loaded, and nothing says so.",
         "Give it the label that the Prometheus asks for (release: … with kube-prometheus-stack).",
         together(_PODS, _LABELLED, manifest("monitoring.coreos.com/v1", "ServiceMonitor", _MONITOR % "api"), manifest("monitoring.coreos.com/v1", "Prometheus", "spec: {serviceMonitorSelector: {matchLabels: {release: main}}, serviceMonitorNamespaceSelector: {}}")),
         together(_PODS, _LABELLED, manifest("monitoring.coreos.com/v1", "ServiceMonitor", _MONITOR % "api"), manifest("monitoring.coreos.com/v1", "Prometheus", "spec: {serviceMonitorSelector: {}, serviceMonitorNamespaceSelector: {}}"))),
    Rule("selectors-overlap", "warning", "selects the pods of another workload", "An autoscaler of one counts the pods of both, and so does whoever selects as it does; pods whose owner is gone are adopted by either, and deleted as one too many.",
         "Give each workload a label of its own in selector and template.",
         together(_PODS, _PODS.replace("name: api\n  namespace", "name: web\n  namespace")),
         together(_PODS, _PODS.replace("name: api\n  namespace", "name: web\n  namespace").replace("app: api", "app: web"))),
)  # fmt: skip

#: Labels that controllers give to pods, and no template has.
CONTROLLERS_LABELS = frozenset(
    {
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-name",
        "batch.kubernetes.io/job-completion-index",
        "job-name",
        "controller-revision-hash",
        "pod-template-hash",
        "rollouts-pod-template-hash",
    }
)
#: Groups of custom resources that make no pods of their own, and kinds of the others that do not.
WITHOUT_PODS = (
    ".k8s.io",
    "argoproj.io",
    "istio.io",
    "keda.sh",
    "external-secrets.io",
    "cert-manager.io",
    "traefik.io",
    "toolkit.fluxcd.io",
)
ABOUT_PODS = frozenset({"ServiceMonitor", "PodMonitor", "PrometheusRule", "Probe", "ScrapeConfig", "AlertmanagerConfig"})
CONTROLLERS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout")


def _chosen(world: World, obj: Obj, relation: str = "selects") -> list[PodTemplate]:
    """The pod templates that an object selects, each once."""
    refs = dict.fromkeys(reference.target for reference in out(world, obj, relation))
    return [template for ref in refs for template in world.graph.templates_of(ref)]


def _populated(world: World) -> frozenset[str]:
    """The namespaces of which the world has workloads."""
    return frozenset(template.ref.namespace for template in world.graph.templates)


def _has_workloads(world: World, ref: Ref) -> bool:
    spaces = once(world, _populated)
    return ref.namespace in spaces or "" in spaces or (not ref.namespace and bool(spaces))


def _operated(world: World) -> frozenset[tuple[str, str]]:
    """The names of custom resources, and their kinds: operators label with them the pods that they make."""
    own = [
        ref for ref in world.refs() if "." in ref.group and not ref.group.endswith(WITHOUT_PODS) and ref.kind not in ABOUT_PODS
    ]
    return frozenset((ref.name, "") for ref in own) | frozenset((ref.kind.lower(), "kind") for ref in own)


def _made_elsewhere(world: World, obj: Obj) -> bool:
    """Whether the pods may be an operator's: the world has a custom resource in the namespace that is no workload we know."""
    selector = mapping(obj, "spec", "selector")
    if CONTROLLERS_LABELS & selector.keys():
        return True
    if any((str(value), kind) in once(world, _operated) for value in selector.values() for kind in ("", "kind")):
        return True
    words = " ".join(f"{key}={value}" for key, value in selector.items()).lower()
    hints = (
        "acme.cert-manager.io",
        "cnpg.io",
        "operator.prometheus",
        "strimzi",
        "elasticsearch.k8s",
        "rabbitmq",
        "alertmanager",
        "prometheus=",
        "istio=",
        "gateway",
        "k8s-app=",
        "component=kube",
    )
    return any(hint in words for hint in hints)


@check("Service", rules=RULES[:3])
def services(world: World, obj: Obj) -> Iterator[Finding]:
    """The pods behind a Service."""
    ref, selector = ref_of(obj), mapping(obj, "spec", "selector")
    if ref.group or not selector or text(obj, "spec", "type") == "ExternalName":
        return
    chosen = _chosen(world, obj)
    if not chosen:
        if _has_workloads(world, ref) and not _made_elsewhere(world, obj):
            if any(_labels_itself(world, each, selector) for each in _here(world, ref)) or _is_for_a_stage(world, ref, selector):
                return
            near = _nearest(world, ref, selector)
            words = f"selector: {_pairs(selector)}" + (
                f"; pods of {near.ref.kind} {near.ref.name} have {_pairs(near.labels)}" if near else ""
            )
            also = [(near.written, near.labels_path, f"labels: {_pairs(near.labels)}")] if near else []
            severity: Severity | None = None if near and _is_meant(world, ref, selector, near) else "warning"
            ops = _corrected(world, obj, "spec.selector", selector, near)
            yield tell_of(world, "service-selects-no-pods", obj, "spec.selector", words, also=also, severity=severity, ops=ops)
        return
    jobs = [template for template in chosen if is_job(template) and not _is_test(world, template)]
    serving = [template for template in chosen if not is_job(template)]
    if jobs and serving:
        also = [(template.written, template.labels_path, f"labels: {_pairs(template.labels)}") for template in jobs[:3]]
        words = f"selector: {_pairs(selector)}; it fits {names(template.ref for template in jobs)}"
        yield tell_of(world, "service-selects-jobs", obj, "spec.selector", words, also=also)
    if len({_what(template) for template in serving}) > 1:
        also = [(template.written, template.labels_path, f"labels: {_pairs(template.labels)}") for template in serving[:4]]
        words = f"selector: {_pairs(selector)}; it fits {names(template.ref for template in serving)}"
        yield tell_of(world, "service-selects-several", obj, "spec.selector", words, also=also)


def _is_test(world: World, template: PodTemplate) -> bool:
    """Whether a pod is a test of a chart, which runs when somebody asks for it."""
    return "test" in annotations_of(world.get(template.ref) or {}).get("helm.sh/hook", "")


def _what(template: PodTemplate) -> tuple[object, ...]:
    """What a workload runs: versions of one application have the same ports and the same image but for its tag."""
    return tuple(
        (
            text(each, "image").partition("@")[0].rpartition(":")[0],
            tuple(str(port.get("containerPort")) for port in items(each, "ports")),
        )
        for each in items(template.spec, "containers")
    )


def _pairs(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in labels.items()) or "none"


def _here(world: World, ref: Ref) -> list[PodTemplate]:
    """The workloads that a Service could be for."""
    return [each for each in world.graph.templates if may_be_same(each.ref.namespace, ref.namespace) and not is_job(each)]


def _is_meant(world: World, ref: Ref, selector: dict[str, str], near: PodTemplate) -> bool:
    """Whether a Service can be for no other workload than the nearest: one of its name, or one that nobody serves and that fits
    but for one label. Else what it is for may be switched off.
    """
    if near.ref.name == ref.name:
        return True
    wrong = [key for key, value in selector.items() if near.labels.get(key) != value]
    served = any(one.relation == "selects" and one.source.kind == "Service" for one in world.graph.into(near.ref))
    return len(wrong) <= 1 and not served


def _is_for_a_stage(world: World, ref: Ref, selector: dict[str, str]) -> bool:
    """Whether a Service is for the pods of one stage of a Rollout (its canary, its preview, an experiment), which are labelled so."""
    for rollout in world.of("Rollout"):
        if may_be_same(ref_of(rollout).namespace, ref.namespace):
            pods = labels_of(mapping(rollout, "spec", "template"))
            canary, both = mapping(rollout, "spec", "strategy", "canary"), mapping(rollout, "spec", "strategy", "blueGreen")
            stages = [mapping(canary, f"{stage}Metadata") for stage in ("canary", "stable")]
            stages += [mapping(both, f"{stage}Metadata") for stage in ("preview", "active")]
            for step in items(canary, "steps"):
                stages += [mapping(each, "metadata") for each in items(step, "experiment", "templates")]
            if any(selector.items() <= {**pods, **mapping(stage, "labels")}.items() for stage in stages if stage):
                return True
    return False


def _labels_itself(world: World, template: PodTemplate, selector: dict[str, str]) -> bool:
    """Whether a workload fits but for labels that it has not, and may give to its pods: a database says so which is primary."""
    wrong = [key for key, value in selector.items() if template.labels.get(key) != value]
    if not wrong or len(wrong) == len(selector) or any(key in template.labels for key in wrong):
        return False
    account = str(template.spec.get("serviceAccountName") or template.spec.get("serviceAccount") or "default")
    spaces = once(world, _labellers).get(account, ())
    return any(may_be_same(space, template.ref.namespace) for space in spaces)


def _labellers(world: World) -> dict[str, set[str]]:
    """The service accounts that may change pods: name -> their namespaces."""
    able = {ref_of(role) for kind in ("Role", "ClusterRole") for role in world.of(kind) if _changes_pods(role)}
    found: dict[str, set[str]] = defaultdict(set)
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for binding in world.of(kind):
            if any(reference.target in able for reference in out(world, binding, "role")):
                for subject in items(binding, "subjects"):
                    found[text(subject, "name")].add(text(subject, "namespace") or ref_of(binding).namespace)
    return found


def _changes_pods(role: Obj) -> bool:
    return any(
        {"pods", "*"} & set(strings(rule, "resources")) and {"patch", "update", "*"} & set(strings(rule, "verbs"))
        for rule in items(role, "rules")
    )


def _nearest(world: World, ref: Ref, selector: dict[str, str]) -> PodTemplate | None:
    """The workload that was probably meant: it shares a label with the selector, or its name with the Service."""
    scored = [
        (sum(1 for key, value in selector.items() if each.labels.get(key) == value) + 2 * (each.ref.name == ref.name), each)
        for each in _here(world, ref)
    ]
    best = max(scored, key=lambda pair: pair[0], default=(0, None))
    return best[1] if best[0] else None


def _corrected(world: World, obj: Obj, path: str, pairs: dict[str, str], near: PodTemplate | None) -> list[Operation]:
    """What corrects the one label of a selector that is mistyped. Where others select by it too, or the workload is called so,
    it is the pods' label that is wrong, which a person has to see.
    """
    wrong = [key for key, value in pairs.items() if near is not None and near.labels.get(key) != value]
    if near is None or len(wrong) != 1 or not isinstance(pairs[wrong[0]], str) or pairs[wrong[0]] == near.ref.name:
        return []
    (key,), ref = wrong, ref_of(obj)
    rest = {name: value for name, value in pairs.items() if name != key}
    fitting = [each for each in _here(world, ref) if rest.items() <= each.labels.items()]
    right = meant(pairs[key], {str(each.labels[key]) for each in fitting if key in each.labels})
    alone = once(world, _asked_for).get((key, pairs[key]), 0) < 2
    return [put(obj, (*steps(path), key), right)] if right and right == near.labels.get(key) and alone else []


def _asked_for(world: World) -> dict[tuple[str, str], int]:
    """How many objects select by a label."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for obj in world.of("Service", "PodDisruptionBudget", "NetworkPolicy"):
        chosen = mapping(obj, "spec", "podSelector") or mapping(obj, "spec", "selector")
        for key, value in (mapping(chosen, "matchLabels") or chosen).items():
            if isinstance(value, str):
                found[key, value] += 1
    return found


@check("PodDisruptionBudget", rules=RULES[3:6])
def budgets(world: World, obj: Obj) -> Iterator[Finding]:
    """The pods under a budget."""
    ref = ref_of(obj)
    selector = mapping(obj, "spec", "selector")
    if not selector:
        return
    chosen = [template for template in _chosen(world, obj) if not is_job(template)]
    pairs = mapping(selector, "matchLabels")
    if not chosen:
        if _has_workloads(world, ref) and not _made_elsewhere(world, {"spec": {"selector": pairs}}):
            near = _nearest(world, ref, pairs)
            also = [(near.written, near.labels_path, f"labels: {_pairs(near.labels)}")] if near else []
            words, ops = f"selector: {_pairs(pairs)}", _corrected(world, obj, "spec.selector.matchLabels", pairs, near)
            yield tell_of(world, "budget-protects-nothing", obj, "spec.selector", words, also=also, ops=ops)
        return
    if len({template.ref for template in chosen}) > 1:
        words = f"selector: {_pairs(pairs)}; it fits {names(template.ref for template in chosen)}"
        yield tell_of(
            world,
            "budget-of-several",
            obj,
            "spec.selector",
            words,
            also=[(chosen[1].written, chosen[1].labels_path, f"labels: {_pairs(chosen[1].labels)}")],
        )
    others = {other for template in chosen for other in once(world, _budgets_of)[template.ref] if other != ref}
    for other in sorted(others):
        if ref < other:
            also = [(other, "spec.selector", "selects the same pods")]
            yield tell_of(
                world,
                "budgets-overlap",
                obj,
                "spec.selector",
                f"{other} selects pods of {names(template.ref for template in chosen)} too",
                also=also,
            )


def _budgets_of(world: World) -> dict[Ref, list[Ref]]:
    """The budgets of each workload."""
    found: dict[Ref, list[Ref]] = defaultdict(list)
    for budget in world.of("PodDisruptionBudget"):
        for template in _chosen(world, budget):
            if len(world.graph.templates_of(template.ref)) == 1:  # of several that one object holds, each may have its own
                found[template.ref].append(ref_of(budget))
    return found


@check("NetworkPolicy", rules=RULES[6:8])
def policies(world: World, obj: Obj) -> Iterator[Finding]:
    """The pods that a policy is for, and those that it names as peers in their own namespace."""
    ref = ref_of(obj)
    if not _has_workloads(world, ref):
        return
    chooses, pairs = mapping(obj, "spec", "podSelector"), mapping(obj, "spec", "podSelector", "matchLabels")
    if chooses and not _chosen(world, obj) and not _made_elsewhere(world, {"spec": {"selector": pairs}}):
        near = _nearest(world, ref, pairs)
        also = [(near.written, near.labels_path, f"labels: {_pairs(near.labels)}")] if near else []
        words = f"podSelector: {_pairs(pairs) if pairs else brief(chooses)}"
        ops = _corrected(world, obj, "spec.podSelector.matchLabels", pairs, near)
        yield tell_of(world, "policy-protects-nothing", obj, "spec.podSelector", words, also=also, ops=ops)
    reached = {reference.path for reference in out(world, obj, "allows-from", "allows-to")}
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for place, rule in enumerate(items(obj, "spec", direction)):
            for nth, peer in enumerate(items(rule, side)):
                at = f"spec.{direction}[{place}].{side}[{nth}].podSelector"
                labels = mapping(peer, "podSelector", "matchLabels")
                if (
                    labels
                    and "namespaceSelector" not in peer
                    and at not in reached
                    and not _made_elsewhere(world, {"spec": {"selector": labels}})
                ):
                    ops = _corrected(world, obj, f"{at}.matchLabels", labels, _nearest(world, ref, labels))
                    yield tell_of(world, "policy-peer-nobody", obj, at, f"podSelector: {_pairs(labels)}", ops=ops)


@check("ServiceMonitor", "PodMonitor", rules=RULES[8:10])
def monitors(world: World, obj: Obj) -> Iterator[Finding]:
    """What a monitor watches, and who reads the monitor."""
    ref, selector = ref_of(obj), mapping(obj, "spec", "selector")
    labels = mapping(selector, "matchLabels")
    kind = "Service" if obj.get("kind") == "ServiceMonitor" else "pods"
    elsewhere = mapping(obj, "spec", "namespaceSelector")
    if labels and not elsewhere and not next(out(world, obj, "monitors"), None):
        same = [each for each in world.of("Service") if may_be_same(ref_of(each).namespace, ref.namespace)]
        if (same if kind == "Service" else _has_workloads(world, ref)) and not _made_elsewhere(
            world, {"spec": {"selector": labels}}
        ):
            watched = (
                next((each for each in same if mapping(each, "spec", "selector").items() >= labels.items()), None)
                if kind == "Service"
                else None
            )
            also = [(ref_of(watched), "metadata.labels", f"labels: {_pairs(labels_of(watched))}")] if watched else []
            yield tell_of(world, "monitor-selects-nothing", obj, "spec.selector", f"selector: {_pairs(labels)}", also=also)
    servers = list(world.of("Prometheus"))
    field = "serviceMonitorSelector" if obj.get("kind") == "ServiceMonitor" else "podMonitorSelector"
    if servers and not any(reference.relation == "monitors" for reference in world.graph.into(ref)):
        wanted = mapping(servers[0], "spec", field, "matchLabels")
        if wanted and not any(labels_of(obj).get(key) == value for key, value in wanted.items()):
            also = [(ref_of(servers[0]), f"spec.{field}", f"asks for {_pairs(wanted)}")]
            yield tell_of(world, "monitor-unseen", obj, "metadata.labels", f"labels: {_pairs(labels_of(obj))}", also=also)


@check(*CONTROLLERS, rules=RULES[10:])
def controllers(world: World, obj: Obj) -> Iterator[Finding]:
    """Whether a workload's selector fits another one's pods."""
    ref, pairs = ref_of(obj), mapping(obj, "spec", "selector", "matchLabels")
    if not pairs or items(obj, "spec", "selector", "matchExpressions"):
        return
    index = once(world, _by_pairs)
    candidates = min((index.get((ref.kind, ref.namespace, str(pair)), []) for pair in pairs.items()), key=len)
    for other in candidates:
        if other.ref <= ref:
            continue
        if pairs.items() <= other.labels.items():
            also = [(other.written, other.labels_path, f"labels: {_pairs(other.labels)}")]
            yield tell_of(
                world,
                "selectors-overlap",
                obj,
                "spec.selector",
                f"selector: {_pairs(pairs)}; it fits the pods of {names([other.ref])}",
                also=also,
            )


def _by_pairs(world: World) -> dict[tuple[object, ...], list[PodTemplate]]:
    """The workloads by their kind and each of their pods' labels."""
    found: dict[tuple[object, ...], list[PodTemplate]] = defaultdict(list)
    for template in world.graph.templates:
        for pair in template.labels.items():
            found[template.ref.kind, template.ref.namespace, str(pair)].append(template)
    return found
