# ruff: noqa: E501 - rows of tables
"""What is there and what is not, what cannot be changed, who must agree, and what we may do, before anything is changed."""

from __future__ import annotations

import pytest
from harbour import deployment, findings, objects, rows, served, target

from seatrial.cluster.records import Record
from seatrial.release.findings import RULES
from seatrial.release.preflight import Target
from seatrial.release.preflight.permissions import needed
from seatrial.world.objects import Obj, ref_of

CONFIG = "\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {LEVEL: info}}"
SECRET = "\n---\n{apiVersion: v1, kind: Secret, metadata: {name: keys}, stringData: {KEY: x}}"
FROM_KEY = "env: [{name: X, valueFrom: {configMapKeyRef: {name: settings, key: LEVEL}}}]"


# references

#: what a pod needs -> the pod's or container's part, the rule, a piece of the title.
MISSING = {
    "config map": ({"more": FROM_KEY}, "reference-missing", "Deployment web needs ConfigMap settings in shop, which does not exist"),
    "key": ({"more": FROM_KEY.replace("LEVEL", "level")}, "reference-key-missing", "needs key level of ConfigMap settings in shop, which it does not have"),
    "secret": ({"more": "envFrom: [{secretRef: {name: keys}}]"}, "reference-missing", "Secret keys"),
    "volume": ({"pod": "volumes: [{name: v, projected: {sources: [{secret: {name: keys}}]}}]"}, "reference-missing", "Secret keys"),
    "claim": ({"pod": "volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]"}, "reference-missing", "PersistentVolumeClaim data"),
    "service account": ({"pod": "serviceAccountName: api"}, "reference-missing", "ServiceAccount api"),
    "priority": ({"pod": "priorityClassName: high"}, "reference-missing", "PriorityClass high, which"),
}  # fmt: skip


@pytest.mark.parametrize("what", MISSING)
def test_what_pods_need_and_is_nowhere_is_found(what: str) -> None:
    parts, rule, words = MISSING[what]
    config = CONFIG if what == "key" else ""
    (found,) = findings(target(deployment(**parts), "", config), "reference-missing", "reference-key-missing")
    assert (found.rule, found.severity) == (rule, "error")
    assert words in found.title


def test_what_is_in_the_release_or_live_or_optional_is_no_finding() -> None:
    wanted = deployment(more=FROM_KEY)
    optional = wanted.replace("key: LEVEL", "key: LEVEL, optional: true")
    for at in (target(wanted + CONFIG), target(wanted, "", CONFIG), target(optional)):
        assert findings(at, "reference-missing", "reference-key-missing") == []


def test_what_a_controller_makes_of_the_release_is_there() -> None:
    external = (
        "\n---\n{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: keys}, spec: {target: {name: keys}}}"
    )
    assert findings(target(deployment(more="envFrom: [{secretRef: {name: keys}}]") + external), "reference-missing") == []


def test_what_the_release_takes_away_is_missed() -> None:
    wanted = deployment(more=FROM_KEY)
    (found,) = findings(target(wanted, wanted + CONFIG), "reference-missing")
    assert found.title.endswith("which this release takes away")


def test_a_pull_secret_that_is_missing_is_a_warning() -> None:
    (found,) = findings(target(deployment(pod="imagePullSecrets: [{name: registry}]")), "reference-missing")
    assert found.severity == "warning"


def test_what_nobody_may_look_up_is_not_called_missing() -> None:
    at = target(deployment(more="envFrom: [{secretRef: {name: keys}}]"), unread={"secrets keys": "secrets is forbidden"})
    object.__setattr__(at, "named", {})
    assert findings(at, "reference-missing") == []
    assert rows(at, "Preflight")["references"] == ("not checked", "secrets keys: secrets is forbidden")


HOOK = (
    "\n---\n{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, annotations: {helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-weight: '0'}},"
    " spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'm:1', envFrom: [{configMapRef: {name: settings}}]}]}}}}"
)  # fmt: skip
HOOKED = CONFIG.replace(
    "name: settings}", "name: settings, annotations: {helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-weight: '-5'}}"
)


def test_a_hook_that_runs_before_what_it_needs_is_found() -> None:
    (found,) = findings(target(CONFIG + HOOK), "hook-too-early")
    assert found.title == "Job migrate needs ConfigMap settings in shop, which comes only after the hook has run"
    assert findings(target(HOOKED + HOOK), "hook-too-early", "reference-missing") == []
    assert findings(target(CONFIG + HOOK, CONFIG), "hook-too-early") == []


# what cannot be changed

STATEFUL = (
    "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: db}}, spec: {{replicas: {replicas}, serviceName: {service}, selector: {{matchLabels: {{app: db}}}},"
    " volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{resources: {{requests: {{storage: {size}}}}}}}}}], template: {{spec: {{containers: [{{name: c, image: 'db:1'}}]}}}}}}}}"
)
JOB = "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: {containers: [{name: c, image: 'j:%s'}]}}}}"
#: what changes -> before, after, the path that is named, and a piece of the way out.
FIXED = {
    "selector": (deployment(), deployment().replace("matchLabels: {app: web}", "matchLabels: {app: web, tier: a}"), "spec.selector.matchLabels.tier", "delete the object"),
    "claims": (STATEFUL.format(replicas=1, service="db", size="1Gi"), STATEFUL.format(replicas=1, service="db", size="2Gi"), "spec.volumeClaimTemplates[data].spec.resources.requests.storage", "kubectl delete statefulset db -n shop --cascade=orphan"),
    "service name": (STATEFUL.format(replicas=1, service="db", size="1Gi"), STATEFUL.format(replicas=1, service="dbs", size="1Gi"), "spec.serviceName", "--cascade=orphan"),
    "job": (JOB % 1, JOB % 2, "spec.template.spec.containers[c].image", "make it a hook"),
    "address": ("{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.0.0.1}}", "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: None}}", "spec.clusterIP", "leave spec.clusterIP out"),
    "sealed": (CONFIG.replace(" data:", " immutable: true, data:"), CONFIG.replace(" data:", " immutable: true, data:").replace("info", "debug"), "data.LEVEL", "another name"),
    "role": ("{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: r}, roleRef: {name: a}}", "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: r}, roleRef: {name: b}}", "roleRef.name", "delete the object"),
}  # fmt: skip


@pytest.mark.parametrize("what", FIXED)
def test_a_field_that_cannot_be_changed_is_found_with_the_way_out(what: str) -> None:
    before, after, path, way = FIXED[what]
    (found,) = findings(target(after, before), "field-immutable")
    assert path in found.title
    assert way in found.fix


def test_what_can_be_changed_is_left_alone() -> None:
    before, after = STATEFUL.format(replicas=1, service="db", size="1Gi"), STATEFUL.format(replicas=3, service="db", size="1Gi")
    assert findings(target(after.replace("db:1", "db:2"), before), "field-immutable") == []
    assert findings(target(deployment(image="web:2"), deployment()), "field-immutable") == []


def test_what_the_cluster_refuses_is_told_in_its_words() -> None:
    said = 'Service "s" is invalid: spec.ports: Required value'
    at = target("{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {}}", refused=said)
    (found,) = findings(at, "object-refused")
    assert found.title == "the cluster refuses Service s: spec.ports: Required value"


def test_an_object_of_somebody_else_is_not_taken_over() -> None:
    at = target(
        CONFIG,
        CONFIG.replace(
            "name: settings}",
            "name: settings, annotations: {meta.helm.sh/release-name: other, meta.helm.sh/release-namespace: shop}}",
        ),
    )
    plan = at.plan
    object.__setattr__(plan, "before", frozenset())
    (found,) = findings(at, "not-ours")
    assert found.title == "ConfigMap settings is there already, and is of release other in shop"
    object.__setattr__(plan, "before", frozenset({ref_of(objects(CONFIG)[0])}))
    assert findings(at, "not-ours") == []


# kinds


def test_kinds_and_versions_that_are_not_served_or_on_their_way_out() -> None:
    old = "{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: p}}"
    (found,) = findings(target(old), "kind-not-served", "api-deprecated")
    assert (found.rule, found.fix) == ("kind-not-served", "write it as policy/v1")
    endpoints = "{apiVersion: v1, kind: Endpoints, metadata: {name: e}}"
    (found,) = findings(target(endpoints), "kind-not-served", "api-deprecated")
    assert (found.rule, found.fix) == ("api-deprecated", "write discovery.k8s.io/v1 (EndpointSlice)")
    custom = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}}"
    (found,) = findings(target(custom), "kind-not-served")
    assert found.cause == "its custom resource definition is not installed"
    brought = "\n---\n{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.example.com}, spec: {group: example.com, names: {kind: Widget}}}"
    assert findings(target(custom + brought), "kind-not-served") == []


def test_a_custom_resource_says_itself_which_of_its_versions_goes() -> None:
    versions = "[{name: v1alpha1, served: true, deprecated: true, deprecationWarning: 'use v1'}, {name: v1, served: true}]"
    definition = f"{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: rollouts.argoproj.io}}, spec: {{versions: {versions}}}}}"
    rollout = "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: web}, spec: {}}"
    (found,) = findings(target(rollout, "", definition), "api-deprecated")
    assert (found.title, found.fix) == ("Rollout web is written as argoproj.io/v1alpha1: use v1", "write argoproj.io/v1")


# webhooks

WEBHOOK = (
    "{{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {{name: guard}}, webhooks: [{{name: guard.example.com, failurePolicy: {policy},"
    " clientConfig: {{service: {{namespace: guard, name: guard}}}}, namespaceSelector: {selector}, rules: [{{apiGroups: ['{group}'], apiVersions: ['*'], operations: [CREATE], resources: ['{plural}']}}]}}]}}"
)


def webhook(policy: str = "Fail", selector: str = "{}", group: str = "", plural: str = "pods", ready: bool = False) -> Target:
    text = WEBHOOK.format(policy=policy, selector=selector, group=group, plural=plural)
    return target(deployment(), "", text, endpoints={("guard", "guard"): ready})


def test_a_webhook_that_must_answer_and_cannot_stops_the_pods() -> None:
    (found,) = findings(webhook(), "webhook-down")
    assert found.title == "webhook guard.example.com must admit pods, and Service guard in guard has no ready endpoint"


def test_webhooks_that_do_not_stand_in_the_way() -> None:
    for at in (
        webhook(policy="Ignore"), webhook(ready=True), webhook(group="apps", plural="daemonsets"),
        webhook(selector="{matchLabels: {guarded: 'yes'}}"),
    ):  # fmt: skip
        assert findings(at, "webhook-down") == []


# images


def test_images_without_a_tag_of_their_own() -> None:
    for image, count in (
        ("web", 1),
        ("web:latest", 1),
        ("localhost:5000/web", 1),
        ("web:1.2", 0),
        (f"web@sha256:{'a' * 64}", 0),
        (f"web:latest@sha256:{'a' * 64}", 0),
    ):
        assert len(findings(target(deployment(image=image)), "image-latest", "image-name")) == count, image
    (found,) = findings(target(deployment(image="Web:1:2")), "image-name")
    assert found.severity == "error"


def test_the_table_says_how_images_are_named_and_that_no_registry_was_asked() -> None:
    at = target(deployment(image=f"web@sha256:{'a' * 64}") + deployment("api", image="api:1"))
    assert rows(at, "Preflight")["images"] == ("ok", "1 by digest, 1 by tag; registries are not asked")


# permissions


def test_what_we_may_not_do_is_one_finding_with_the_role_that_would_do() -> None:
    at = target(deployment())
    wanted = needed(at.plan, at.served)
    at = target(
        deployment(),
        denied={(one.verb, one.resource): one.why for one in wanted if one.resource.plural in ("deployments", "pods/log")},
    )
    (found,) = findings(at, "not-permitted")
    assert found.severity == "error"
    assert {fact.text for fact in found.evidence} == {
        "create, get, patch deployments.apps: for the objects", "list, watch deployments.apps: for following the rollout", "get pods/log: for telling why it fails",
    }  # fmt: skip
    assert {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]} in found.details["rules"]
    assert "kubectl create role seatrial-2 -n shop --verb=get --resource=pods/log" in found.fix


def test_what_only_tells_more_is_a_warning() -> None:
    at = target(deployment())
    at = target(
        deployment(),
        denied={(one.verb, one.resource): one.why for one in needed(at.plan, at.served) if one.resource.plural == "events"},
    )
    (found,) = findings(at, "not-permitted")
    assert found.severity == "warning"


def test_everything_a_release_does_is_asked_for() -> None:
    at = target(deployment() + CONFIG + HOOK, SECRET)
    asked = {(one.verb, one.resource.plural) for one in needed(at.plan, at.served)}
    assert asked >= {
        ("create", "deployments"), ("watch", "deployments"), ("create", "configmaps"), ("delete", "secrets"), ("create", "jobs"), ("update", "secrets"),
        ("create", "leases"), ("update", "leases"), ("watch", "pods"), ("watch", "replicasets"), ("list", "events"), ("get", "pods/log"),
    }  # fmt: skip


# releases


def record(status: str) -> Record:
    return Record("shop", "shop", 3, status, {}, {}, {"info": {"last_deployed": "2026-01-01T00:00:00Z"}})


def test_a_stuck_release_and_a_namespace_that_goes() -> None:
    (found,) = findings(target(CONFIG, last=record("pending-upgrade")), "release-pending")
    assert found.title == "Helm's revision 3 of shop is stuck in pending-upgrade"
    going = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, deletionTimestamp: '2026-01-01T00:00:00Z'}}"
    assert len(findings(target(CONFIG, "", going), "namespace-going")) == 1


def test_another_release_in_progress_is_told_with_its_owner() -> None:
    lease: Obj = {
        "metadata": {"name": "seatrial-shop", "annotations": {"seatrial.dev/owner": "anna", "seatrial.dev/host": "ci", "seatrial.dev/phase": "watch"}},
        "spec": {"holderIdentity": "anna@ci-1", "renewTime": "2026-01-01T00:00:00.000000Z", "acquireTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 20},
    }  # fmt: skip
    born = 1767225600.0
    (found,) = findings(target(CONFIG, lock=lease, now=born + 5), "release-in-progress")
    assert found.title.startswith("shop is being released by anna on ci")
    assert findings(target(CONFIG, lock=lease, now=born + 60), "release-in-progress") == []


def test_a_neighbour_that_is_under_way_is_a_note() -> None:
    pending = [{"metadata": {"name": "sh.helm.release.v1.api.v2", "labels": {"name": "api", "status": "pending-upgrade"}}}]
    (found,) = findings(target(CONFIG, lists={"pending": pending}), "neighbour-pending")
    assert found.severity == "note"


def test_a_deadline_shorter_than_a_pods_start_is_found() -> None:
    slow = "startupProbe: {httpGet: {port: 80}, periodSeconds: 10, failureThreshold: 60}"
    (found,) = findings(target(deployment(more=slow)), "deadline-short")
    assert found.title == "a pod of Deployment web may take 665 s, and Kubernetes gives up after 600 s"
    assert findings(target(deployment(more=slow, spec="progressDeadlineSeconds: 900")), "deadline-short") == []


def test_a_workload_that_is_broken_already_and_stays_as_it_is() -> None:
    status = ", status: {observedGeneration: 1, replicas: 3, updatedReplicas: 3, availableReplicas: %d}}"
    live = deployment().rstrip().removesuffix("}").replace("metadata: {name: web}", "metadata: {name: web, generation: 1}", 1)
    (found,) = findings(target(deployment(), live + status % 1), "not-well-now")
    assert found.title == "Deployment web is not well now, and this release does not change its pods"
    assert found.evidence[0].text == "1 of 3 ready"
    assert findings(target(deployment(image="web:2"), live + status % 1), "not-well-now") == []
    assert findings(target(deployment(), live + status % 3), "not-well-now") == []


# the whole


def test_every_rule_says_what_it_costs_and_what_mends_it() -> None:
    assert all(rule.title and rule.costs and rule.fix for rule in RULES.values())


def test_all_checks_are_made_whatever_the_others_find() -> None:
    at = target(
        deployment(image="Web:1:2", more=FROM_KEY) + "\n---\n{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}}"
    )
    assert {one.rule for one in findings(at)} == {"image-name", "reference-missing", "kind-not-served", "node-room"}
    assert len(rows(at, "Preflight")) == 13
    assert served().of({"apiVersion": "v1", "kind": "Pod"}) is not None


# what only looks wrong


def test_what_something_in_the_release_may_make_is_a_warning() -> None:
    needs = deployment(more="envFrom: [{secretRef: {name: keys}}]")
    certgen = "\n---\n{apiVersion: batch/v1, kind: Job, metadata: {name: certgen, annotations: {helm.sh/hook: pre-install}}, spec: {template: {spec: {containers: [{name: c, image: 'g:1', args: ['create', '--secret-name=keys']}]}}}}"
    custom = "\n---\n{apiVersion: external-secrets.io/v1, kind: Generator, metadata: {name: g}, spec: {writeTo: keys}}"
    for maker, name in ((certgen, "Job certgen"), (custom, "Generator g")):
        (found,) = findings(target(needs + maker), "reference-missing")
        assert (found.severity, found.cause) == ("warning", f"{name} speaks of it, and may make it")
    provided = "\n---\n{apiVersion: secrets-store.csi.x-k8s.io/v1, kind: SecretProviderClass, metadata: {name: aws}, spec: {secretObjects: [{secretName: keys}]}}"
    assert findings(target(needs + provided), "reference-missing") == []


def test_a_refusal_for_want_of_what_the_release_brings_itself_is_none() -> None:
    scaled = "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: web}, spec: {}}" + deployment("api")
    said = 'admission webhook "vscaledobject.kb.io" denied the request: deployments.apps "%s" not found'
    for name, kinds in (("api", set()), ("other", {"ScaledObject"})):
        refused = {one.refs[0].kind for one in findings(target(scaled, refused=said % name), "object-refused")}
        assert refused - {"Deployment"} == kinds


def test_helm_3_creates_what_is_new_without_patching_it() -> None:
    at = target(deployment())
    assert ("patch", "deployments") in {(one.verb, one.resource.plural) for one in needed(at.plan, at.served)}
    assert ("patch", "deployments") not in {
        (one.verb, one.resource.plural) for one in needed(at.plan, at.served, server_side=False)
    }


def test_an_image_that_a_mesh_puts_in_is_not_looked_at() -> None:
    assert findings(target(deployment(image="auto")), "image-latest", "image-name") == []
