# ruff: noqa: E501 - rows of tables
"""Quotas, limit ranges, pod security and nodes before a rollout: what it needs at its peak, and what would be refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from harbour import deployment, findings, node, quota, rows, running, target
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.release.preflight.quota import peak

STRICT = "strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}"
LOOSE = "strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 1}}"
OLD, NEW = deployment(replicas=4, image="web:1", cpu="500m"), deployment(replicas=4, image="web:2", cpu="500m")


def strict(text: str) -> str:
    return text.replace("selector:", f"{STRICT}, selector:")


def loose(text: str) -> str:
    return text.replace("selector:", f"{LOOSE}, selector:")


# quotas


def test_a_surge_for_which_a_quota_has_no_room_is_an_error_where_no_pod_may_be_missing() -> None:
    at = target(strict(NEW), strict(OLD), quota(used="{pods: '4', requests.cpu: '2'}", pods="4", requests_cpu="2"))
    assert [(one.severity, one.details["resource"]) for one in findings(at, "quota-exceeded")] == [
        ("error", "pods"),
        ("error", "requests.cpu"),
    ]
    assert rows(at, "Quota")["pods"] == ("4", "4", "0", "1")
    assert rows(at, "Quota")["requests.cpu"] == ("2", "2", "0", "500m")


def test_it_is_a_warning_where_the_rollout_can_go_on_with_one_pod_less() -> None:
    at = target(loose(NEW), loose(OLD), quota(used="{pods: '4'}", pods="4"))
    assert [one.severity for one in findings(at, "quota-exceeded")] == ["warning"]


def test_with_room_for_the_surge_there_is_nothing_to_say() -> None:
    assert findings(target(strict(NEW), strict(OLD), quota(used="{pods: '4'}", pods="5")), "quota-exceeded") == []


def test_what_only_grows_needs_no_surge() -> None:
    at = target(strict(OLD.replace("replicas: 4", "replicas: 6")), strict(OLD), quota(used="{pods: '4'}", pods="6"))
    assert rows(at, "Quota")["pods"] == ("6", "4", "2", "2")
    assert findings(at, "quota-exceeded") == []


def test_recreated_pods_take_the_place_of_the_old_ones() -> None:
    recreate = "strategy: {type: Recreate}"
    at = target(
        *(deployment(replicas=4, image=image, spec=recreate) for image in ("web:2", "web:1")), quota(used="{pods: '4'}", pods="4")
    )
    assert findings(at, "quota-exceeded") == []


def test_a_limit_range_fills_in_what_a_container_leaves_open() -> None:
    limits = "---\n{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, default: {cpu: 800m}, defaultRequest: {cpu: 300m}}]}}"
    at = target(deployment(replicas=2), "", quota(requests_cpu="1", limits_cpu="1") + limits)
    assert rows(at, "Quota")["requests.cpu"][-1] == "600m"
    assert rows(at, "Quota")["limits.cpu"][-1] == "1600m"


def test_a_container_that_does_not_state_what_a_quota_counts_is_refused() -> None:
    (found,) = findings(target(deployment(), "", quota(limits_memory="1Gi")), "quota-unstated")
    assert "limits.memory for: c" in found.title


SCOPES = {
    "best effort": ("scopes: [BestEffort]", deployment(), "3"),
    "not best effort": ("scopes: [NotBestEffort]", deployment(), "0"),
    "priority": (
        "scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [high]}]}",
        deployment(pod="priorityClassName: high"),
        "3",
    ),
    "another priority": (
        "scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [high]}]}",
        deployment(),
        "0",
    ),
}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_quota_counts_only_the_pods_of_its_scope(scope: str) -> None:
    spec, wanted, needed = SCOPES[scope]
    assert rows(target(wanted, "", quota(spec=spec, pods="10")), "Quota")["pods"][-1] == needed


def workload(kind: str, image: str, **spec: Any) -> str:
    import json

    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    api = "argoproj.io/v1alpha1" if kind == "Rollout" else "batch/v1" if kind == "Job" else "apps/v1"
    body = {"template": template, **({} if kind == "Job" else {"selector": {"matchLabels": {"app": "w"}}}), **spec}
    status = {"desiredNumberScheduled": 6} if kind == "DaemonSet" else {}
    return "\n---\n" + json.dumps({"apiVersion": api, "kind": kind, "metadata": {"name": "w"}, "spec": body, "status": status})


#: kind and strategy -> how many more pods a new image needs at the peak, beside those that run.
PEAKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "stateful": ("StatefulSet", {"replicas": 4}, "0"),
    "partition": ("StatefulSet", {"replicas": 4, "updateStrategy": {"rollingUpdate": {"partition": 3}}}, "0"),
    "daemons": ("DaemonSet", {}, "0"),
    "daemons with surge": ("DaemonSet", {"updateStrategy": {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}}}, "3"),
    "canary": ("Rollout", {"replicas": 8, "strategy": {"canary": {"maxSurge": 2}}}, "2"),
    "routed canary": ("Rollout", {"replicas": 8, "strategy": {"canary": {"trafficRouting": {"nginx": {}}}}}, "8"),
    "blue-green": ("Rollout", {"replicas": 8, "strategy": {"blueGreen": {}}}, "8"),
}


@pytest.mark.parametrize("name", PEAKS)
def test_the_peak_of_each_kind(name: str) -> None:
    kind, spec, needed = PEAKS[name]
    at = target(workload(kind, "w:2", **spec), workload(kind, "w:1", **spec), quota(pods="100"))
    assert rows(at, "Quota")["pods"][-1] == needed


def test_hooks_before_the_rollout_and_the_rollout_do_not_add_up() -> None:
    hook = "\n---\n{apiVersion: batch/v1, kind: Job, metadata: {name: %s, annotations: {helm.sh/hook: %s}}, spec: {parallelism: 2, completions: 2, template: {spec: {containers: [{name: c, image: 'j:1'}]}}}}"
    early, late = hook % ("a", "pre-install"), hook % ("b", "post-install")
    assert rows(target(deployment(replicas=3) + early, "", quota(pods="9")), "Quota")["pods"][-1] == "3"
    assert rows(target(deployment(replicas=3) + late, "", quota(pods="9")), "Quota")["pods"][-1] == "5"


def test_objects_are_counted_with_helms_own_record() -> None:
    config = "\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"
    service = "\n---\n{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {type: LoadBalancer, ports: [{port: 80}]}}"
    at = target(config + service, "", quota(configmaps="5", secrets="5", services_loadbalancers="0", count__services="3"))
    counted = {name: row[-1] for name, row in rows(at, "Quota").items()}
    assert counted == {"configmaps": "1", "secrets": "1", "services.loadbalancers": "1", "count/services": "1"}
    assert [one.details["resource"] for one in findings(at, "quota-exceeded")] == ["services.loadbalancers"]


def test_the_maximum_of_an_autoscaler_is_a_note() -> None:
    scaler = "\n---\n{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: w}, spec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 10}}"
    (found,) = findings(target(deployment() + scaler, "", quota(pods="6")), "quota-at-maximum")
    assert found.severity == "note"
    assert "10 pods of 6 free" in found.title


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))
def test_the_peak_is_the_highest_point_of_every_way_to_roll(before: int, after: int, surge: int, old: int, new: int) -> None:
    """Played step by step: any number of new pods beside any number of old ones, never more than replicas + surge."""
    most = max(
        x * new + y * old - before * old
        for x in range(after + 1)
        for y in range(before + 1)
        if x + y <= max(after + surge, before) and (x == 0 or x + y <= after + surge)
    )
    assert peak({"cpu": Fraction(old)}, {"cpu": Fraction(new)}, before, after, surge)["cpu"] == max(0, most)


def test_an_autoscalers_minimum_is_what_comes_where_nobody_says_a_number() -> None:
    scaler = "\n---\n{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: w}, spec: {scaleTargetRef: {kind: Deployment, name: web}, minReplicas: 4, maxReplicas: 4}}"
    at = target(deployment().replace("replicas: 3, ", "") + scaler, "", quota(pods="9"))
    assert rows(at, "Quota")["pods"][-1] == "4"


def test_a_quota_that_the_release_brings_counts_from_the_beginning() -> None:
    pods = running("other", "other", "a")
    at = target(deployment(replicas=3) + quota(pods="3").replace("status:", "more:"), "", node("a") + pods)
    assert rows(at, "Quota")["pods"] == ("3", "1", "2", "3")
    smaller = target(deployment(replicas=3) + quota(pods="2"), "", quota(used="{pods: '1'}", pods="9"))
    assert rows(smaller, "Quota")["pods"] == ("2", "1", "1", "3")


# limit ranges and pod security

BOUNDS = {
    "max": ("{type: Container, max: {cpu: 1}}", "resources: {limits: {cpu: 2}}", "maximum cpu usage per Container is 1, but limit is 2"),
    "min": ("{type: Container, min: {cpu: 200m}}", "resources: {requests: {cpu: 100m}}", "minimum cpu usage per Container is 200m, but request is 100m"),
    "ratio": ("{type: Container, maxLimitRequestRatio: {cpu: 2}}", "resources: {requests: {cpu: 100m}, limits: {cpu: 500m}}", "provided ratio is 5"),
    "pod": ("{type: Pod, max: {memory: 1Gi}}", "resources: {limits: {memory: 2Gi}}", "maximum memory usage per Pod is 1Gi"),
}  # fmt: skip


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_limit_range_refuses_in_its_own_words(bound: str) -> None:
    item, resources, words = BOUNDS[bound]
    limits = f"---\n{{apiVersion: v1, kind: LimitRange, metadata: {{name: l}}, spec: {{limits: [{item}]}}}}"
    (found,) = findings(target(deployment(more=resources), "", limits), "limit-range")
    assert words in found.title


def test_a_claim_may_be_too_large() -> None:
    limits = "---\n{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: PersistentVolumeClaim, max: {storage: 1Gi}}]}}"
    claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {resources: {requests: {storage: 2Gi}}}}"
    (found,) = findings(target(claim, "", limits), "limit-range")
    assert "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi" in found.title


def test_the_level_of_the_namespace_is_held_against_the_pods() -> None:
    namespace = (
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: baseline}}}"
    )
    assert findings(target(deployment(), "", namespace), "pod-security") == []
    (found,) = findings(target(deployment(pod="hostNetwork: true"), "", namespace), "pod-security")
    assert 'violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)' in found.title


def test_a_level_that_the_release_brings_counts_already() -> None:
    wanted = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    assert len(findings(target(deployment(), wanted_namespace=wanted), "pod-security")) == 1


# nodes


def test_pods_that_fit_nowhere_are_told_in_the_schedulers_words() -> None:
    at = target(deployment(cpu="3", replicas=3), "", node("a") + node("b"))
    (found,) = findings(at, "node-room")
    assert found.severity == "error"
    assert found.title == "1 pod of Deployment web would fit on no node: 0/2 nodes are available: 2 Insufficient cpu"
    assert rows(at, "Room")["cpu"] == ("8", "0", "8", "4", "9")


def test_a_surge_that_has_no_room_is_an_error_only_where_no_pod_may_be_missing() -> None:
    pods = "".join(running(f"web-{number}", "web", "a") for number in range(4))
    new, old = (deployment(replicas=4, cpu="1", image=image) for image in ("web:2", "web:1"))
    assert len(findings(target(strict(new), strict(old), node("a") + pods), "node-room")) == 1
    assert findings(target(loose(new), loose(old), node("a") + pods), "node-room") == []
    assert findings(target(strict(new), strict(old), node("a") + node("b", cpu="1") + pods), "node-room") == []


def test_what_others_run_takes_room() -> None:
    other = running("other", "other", "a", cpu="3500m", namespace="elsewhere")
    (found,) = findings(target(deployment(replicas=1, cpu="1"), "", node("a") + other), "node-room")
    assert "1 Insufficient cpu" in found.title


#: What keeps a pod from the nodes -> the pod, the nodes, the words.
KEPT_OUT = {
    "taint": (deployment(), node("a", taints="{key: gpu, effect: NoSchedule}"), "1 node(s) had untolerated taint(s)"),
    "selector": (deployment(pod="nodeSelector: {disk: ssd}"), node("a"), "1 node(s) didn't match Pod's node affinity/selector"),
    "spread": (
        deployment(replicas=2, pod="topologySpreadConstraints: [{maxSkew: 1, minDomains: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}]"),
        node("a", labels="zone: a"), "1 node(s) didn't match pod topology spread constraints"),
    "neighbours": (
        deployment(replicas=2, pod="affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}]}}"),
        node("a"), "1 node(s) didn't match pod anti-affinity rules"),
    "volume": (
        deployment(pod="volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]"),
        node("a", labels="zone: a")
        + "---\n{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {volumeName: pv}}"
        + "\n---\n{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [b]}]}]}}}}",
        "1 node(s) had volume node affinity conflict"),
}  # fmt: skip


@pytest.mark.parametrize("why", KEPT_OUT)
def test_what_keeps_pods_from_nodes_is_named(why: str) -> None:
    wanted, cluster, words = KEPT_OUT[why]
    (found,) = findings(target(wanted, "", cluster), "node-room")
    assert words in found.title


def test_where_something_adds_nodes_it_is_a_warning() -> None:
    for at in (
        target(deployment(cpu="9"), "", node("a"), groups=("karpenter.sh/v1",)),
        target(
            deployment(cpu="9"),
            "",
            node("a")
            + "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: cluster-autoscaler-status, namespace: kube-system}}",
        ),
    ):
        (found,) = findings(at, "node-room")
        assert found.severity == "warning"
        assert found.evidence[-1].text.endswith("may add nodes")


def test_a_pod_of_higher_priority_may_take_anothers_place() -> None:
    high = "---\n{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 1000}"
    others = running("low", "low", "a", cpu="4", namespace="elsewhere")
    (found,) = findings(
        target(deployment(replicas=1, cpu="1", pod="priorityClassName: high"), "", node("a") + high + others), "node-room"
    )
    assert found.severity == "warning"


def test_a_daemon_needs_a_place_on_every_node_that_will_have_it() -> None:
    daemon = deployment(cpu="3").replace("Deployment", "DaemonSet").replace("replicas: 3, ", "")
    closed = node("c", cpu="1", taints="{key: gpu, effect: NoSchedule}")
    (found,) = findings(target(daemon, "", node("a") + node("b", cpu="2") + closed), "node-room")
    assert found.title == "1 pod of DaemonSet web would not fit on its node: b: Insufficient cpu"


def test_nodes_that_may_not_be_read_are_said_to_be_unchecked() -> None:
    at = target(deployment(cpu="900"))
    hidden = {key: value for key, value in at.lists.items() if key != "nodes"}
    at = target(deployment(cpu="900"), unread={"nodes": "nodes is forbidden"})
    object.__setattr__(at, "lists", hidden)
    assert findings(at, "node-room") == []
    assert rows(at, "Preflight")["nodes"] == ("not checked", "nodes: nodes is forbidden")


def test_where_an_autoscaler_may_hide_it_is_a_warning() -> None:
    (found,) = findings(target(deployment(cpu="9"), "", node("a"), unread={"deployments.apps": "forbidden"}), "node-room")
    assert found.severity == "warning"


def test_pods_of_another_scheduler_are_not_foretold() -> None:
    assert findings(target(deployment(cpu="9", pod="schedulerName: mine"), "", node("a")), "node-room") == []


def test_what_the_release_takes_away_makes_room_in_the_end() -> None:
    old, new = deployment("old", replicas=4, cpu="1"), deployment("new", replicas=4, cpu="1")
    pods = "".join(running(f"old-{number}", "old", "a") for number in range(4))
    at = target(new, old, node("a") + pods + quota(used="{pods: '4'}", pods="6"))
    assert findings(at, "node-room") == []
    assert [one.severity for one in findings(at, "quota-exceeded")] == ["warning"]
    kept = target(new + old, old, node("a") + pods + quota(used="{pods: '4'}", pods="6"))
    assert {(one.rule, one.severity) for one in findings(kept)} == {("node-room", "error"), ("quota-exceeded", "error")}


def test_a_replica_goes_where_its_volume_is() -> None:
    import json

    body = {"replicas": 1, "selector": {"matchLabels": {"app": "db"}}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    sets = [
        json.dumps(
            {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "metadata": {"name": "db"},
                "spec": {
                    **body,
                    "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}},
                },
            }
        )
        for image in ("db:2", "db:1")
    ]
    claim = "\n---\n{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data-db-0}, spec: {volumeName: pv}}"
    volume = "\n---\n{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [%s]}]}]}}}}"
    nodes = node("a", labels="zone: a") + node("b", labels="zone: b", taints="{key: gpu, effect: NoSchedule}")
    assert findings(target(*sets, nodes + claim + volume % "a"), "node-room") == []
    (found,) = findings(target(*sets, nodes + claim + volume % "b"), "node-room")
    assert "1 node(s) had untolerated taint(s), 1 node(s) had volume node affinity conflict" in found.title
