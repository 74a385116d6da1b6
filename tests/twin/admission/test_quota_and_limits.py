"""Quotas and limit ranges: what they add, what they refuse and what they count, in the recorded words of session 03."""

from __future__ import annotations

import pytest
from admitted import container, pod, refused, registry, send

from seatrial.twin.controllers.quota import observed
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj, clone

LIMITS = {
    "type": "Container",
    "default": {"cpu": "200m", "memory": "64Mi"},
    "defaultRequest": {"cpu": "100m", "memory": "32Mi"},
    "max": {"cpu": "1", "memory": "128Mi"},
    "min": {"cpu": "10m"},
}


def quota(to: Registry, name: str = "team", scopes: list[str] | None = None, **spec: object) -> None:
    """A quota, counted as its controller would."""
    more = {"scopes": scopes} if scopes else {}
    metadata = {"name": name, "namespace": "default"}
    send(to, {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {**more, **spec}})
    count(to, name)


def count(to: Registry, name: str = "team") -> None:
    stored = to.get("resourcequotas", "default", name)
    used = observed(to, stored)
    to.update_status("resourcequotas", {**stored, "status": {"hard": stored["spec"]["hard"], "used": used}})


def used(to: Registry, name: str = "team") -> Obj:
    return to.get("resourcequotas", "default", name)["status"]["used"]


def limit_range(to: Registry, *limits: Obj) -> None:
    metadata = {"name": "defaults", "namespace": "default"}
    send(to, {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": list(limits)}})


def config_map(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


@pytest.fixture
def session() -> Registry:
    """The namespace of session 03: one quota, one limit range, one pod."""
    to = registry()
    send(to, config_map("kube-root-ca.crt"))
    quota(to, hard={"pods": "3", "requests.cpu": "500m", "limits.memory": "256Mi", "count/configmaps": "2"})
    limit_range(to, LIMITS)
    return to


# limit ranges


def test_a_container_gets_the_requests_and_limits_of_the_limit_range(session: Registry) -> None:
    made = send(session, pod("plain"))
    wanted = {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m", "memory": "32Mi"}}
    assert made["spec"]["containers"][0]["resources"] == wanted
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c"
    )
    assert made["status"]["qosClass"] == "Burstable"


def test_a_container_beyond_the_limit_range_is_refused(session: Registry) -> None:
    greedy = pod("greedy", containers=[container(resources={"limits": {"memory": "200Mi"}})])
    assert refused(session, greedy) == (
        'pods "greedy" is forbidden: maximum memory usage per Container is 128Mi, but limit is 200Mi'
    )


def test_every_bound_that_is_broken_is_told() -> None:
    to = registry()
    limit_range(to, {"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "64Mi"}, "maxLimitRequestRatio": {"cpu": "2"}})
    asked = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "2"}}
    assert refused(to, pod(containers=[container(resources=asked)])) == (
        'pods "web" is forbidden: [minimum memory usage per Container is 64Mi, but request is 32Mi,'
        " maximum cpu usage per Container is 1, but limit is 2,"
        " cpu max limit to request ratio per Container is 2, but provided ratio is 20.000000]"
    )


def test_limits_of_whole_pods_and_of_claims() -> None:
    to = registry()
    limit_range(to, {"type": "Pod", "max": {"cpu": "1"}}, {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}})
    half = container(resources={"limits": {"cpu": "600m"}})
    assert refused(to, pod(containers=[half, {**half, "name": "d"}])) == (
        'pods "web" is forbidden: maximum cpu usage per Pod is 1, but limit is 1200m'
    )
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    assert refused(to, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"}, "spec": claim}) == (
        'persistentvolumeclaims "d" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi'
    )


# quotas


def test_what_would_exceed_a_quota_is_refused_and_not_counted(session: Registry) -> None:
    send(session, pod("plain"))
    second = pod("second", containers=[container(resources={"limits": {"memory": "128Mi", "cpu": "450m"}})])
    assert refused(session, second) == (
        'pods "second" is forbidden: exceeded quota: team, requested: requests.cpu=450m, used: requests.cpu=100m,'
        " limited: requests.cpu=500m"
    )
    assert used(session) == {"pods": "1", "requests.cpu": "100m", "limits.memory": "64Mi", "count/configmaps": "1"}


def test_pods_are_counted_until_there_is_room_for_no_more(session: Registry) -> None:
    for name in ("a", "b", "c"):
        send(session, pod(name))
    assert refused(session, pod("d")) == (
        'pods "d" is forbidden: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3'
    )
    assert (used(session)["requests.cpu"], used(session)["limits.memory"]) == ("300m", "192Mi")


def test_objects_are_counted(session: Registry) -> None:
    send(session, config_map("one"))
    assert refused(session, config_map("two")) == (
        'configmaps "two" is forbidden: exceeded quota: team, requested: count/configmaps=1, used: count/configmaps=2,'
        " limited: count/configmaps=2"
    )


def test_a_dry_run_is_checked_and_not_counted(session: Registry) -> None:
    for _ in range(5):
        send(session, pod("plain"), dry_run=True)
    assert used(session)["pods"] == "0"


def test_a_pod_must_say_what_a_quota_counts() -> None:
    to = registry()
    quota(to, hard={"requests.cpu": "1", "limits.memory": "1Gi"})
    two = [container("a", resources={"requests": {"cpu": "1m"}}), container("b")]
    assert refused(to, pod(containers=two)) == (
        'pods "web" is forbidden: failed quota: team: must specify limits.memory for: a,b; requests.cpu for: b'
    )


def test_a_quota_that_is_not_counted_yet_refuses_nothing_and_one_without_usage_refuses_all() -> None:
    to = registry()
    metadata = {"name": "team", "namespace": "default"}
    send(to, {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "0"}}})
    send(to, pod())
    stored = to.get("resourcequotas", "default", "team")
    to.update_status("resourcequotas", {**stored, "status": {"hard": {"pods": "5"}, "used": {}}})
    assert refused(to, pod("b")) == 'pods "b" is forbidden: status unknown for quota: team, resources: pods'


@pytest.mark.parametrize(
    ("scope", "counted", "left_out"),
    [
        ("BestEffort", pod("x"), pod("y", containers=[container(resources={"requests": {"cpu": "1m"}})])),
        ("NotBestEffort", pod("x", containers=[container(resources={"requests": {"cpu": "1m"}})]), pod("y")),
        ("Terminating", pod("x", activeDeadlineSeconds=60), pod("y")),
        ("NotTerminating", pod("x"), pod("y", activeDeadlineSeconds=60)),
        ("PriorityClass", pod("x", priorityClassName="system-node-critical"), pod("y")),
    ],
)
def test_a_quota_with_a_scope_counts_only_what_is_in_it(scope: str, counted: Obj, left_out: Obj) -> None:
    to = registry()
    quota(to, scopes=[scope], hard={"pods": "1"})
    send(to, left_out)
    assert used(to) == {"pods": "0"}
    send(to, counted)
    assert used(to) == {"pods": "1"}


def test_a_scope_selector_names_priority_classes() -> None:
    to = registry()
    rule = {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}
    quota(to, hard={"pods": "1"}, scopeSelector={"matchExpressions": [rule]})
    send(to, pod("a", priorityClassName="system-cluster-critical"))
    send(to, pod("b", priorityClassName="system-node-critical"))
    assert used(to) == {"pods": "1"}


def test_a_service_that_grows_node_ports_is_charged_for_them() -> None:
    to = registry()
    quota(to, hard={"services": "2", "services.nodeports": "1"})
    made = send(to, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    assert used(to) == {"services": "1", "services.nodeports": "0"}
    grown = clone(made)
    grown["spec"]["type"] = "NodePort"
    to.update("services", grown)
    assert used(to) == {"services": "1", "services.nodeports": "1"}


def test_claims_are_counted_by_size_and_class() -> None:
    to = registry()
    key = "gold.storageclass.storage.k8s.io/requests.storage"
    quota(to, hard={"persistentvolumeclaims": "2", "requests.storage": "10Gi", key: "5Gi"})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "4Gi"}}, "storageClassName": "gold"}
    send(to, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": spec})
    assert used(to) == {"persistentvolumeclaims": "1", "requests.storage": "4Gi", key: "4Gi"}
    assert refused(to, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "b"}, "spec": spec}) == (
        'persistentvolumeclaims "b" is forbidden: exceeded quota: team,'
        f" requested: {key}=4Gi, used: {key}=4Gi, limited: {key}=5Gi"
    )


def test_what_has_ended_is_no_longer_counted_but_still_an_object() -> None:
    to = registry()
    quota(to, hard={"pods": "5", "count/pods": "5"})
    made = send(to, pod())
    to.update_status("pods", {**made, "status": {**made["status"], "phase": "Succeeded"}})
    count(to)
    assert used(to) == {"pods": "0", "count/pods": "1"}
