"""Rules between objects, where an example of one fault says too little: environments, sums, namespaces, several policies."""

from functools import partial

import yaml

import seatrial.rules.alive
import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.looking import found
from seatrial.world.world import World

findings = partial(found, live=False)


def workload(name, *, kind="Deployment", version="apps/v1", replicas=None, container=None, **spec):
    made = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": name, "image": "r.example/a:1", **(container or {})}]},
    }
    made["spec"] = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    if replicas is not None:
        made["spec"]["replicas"] = replicas
    return made


def service(name, port=80, target=8080, namespace="shop", selects=None):
    ports = [{"name": "http", "port": port, "targetPort": target}]
    spec = {"selector": {"app": selects or name}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def policy(name, text):
    spec = {"podSelector": {"matchLabels": {"app": name}}, **yaml.safe_load(text)}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


def budget(name, **bound):
    spec = {**bound, "selector": {"matchLabels": {"app": name}}}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


def found(*objects, rule):
    return [finding for finding in findings(World(objects)) if finding.rule == rule]


def listens(port):
    return {"ports": [{"name": "http", "containerPort": port}]}


def calls(url):
    return {"env": [{"name": "API_URL", "value": url}]}


DNS = "{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}"


def test_a_budget_of_half_blocks_the_drain_of_one_replica_and_not_of_two():
    assert found(workload("web", replicas=1), budget("web", minAvailable="50%"), rule="budget-of-one")
    for rule in ("budget-of-one", "budget-blocks-drain"):
        assert not found(workload("web", replicas=2), budget("web", minAvailable="50%"), rule=rule)


def test_a_budget_is_held_against_the_replicas_of_a_rollout_too():
    rollout = workload("web", kind="Rollout", version="argoproj.io/v1alpha1", replicas=2, strategy={"canary": {}})
    blocked = found(rollout, budget("web", minAvailable=2), rule="budget-blocks-drain")
    assert "2 − 2 = 0 may go" in blocked[0].evidence[0].text


def test_a_call_is_cut_where_the_policy_names_the_port_of_the_service_instead_of_the_pods():
    world = [workload("api", container=listens(8080)), service("api"), workload("web", container=calls("http://api"))]
    rules = "{policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: %d}]}, %s]}"
    wrong, right = policy("web", rules % (80, DNS)), policy("web", rules % (8080, DNS))
    blocked = found(*world, wrong, rule="call-blocked-leaving")
    assert blocked[0].title.startswith("Deployment web: calls Deployment api")
    assert not found(*world, right, rule="call-blocked-leaving")


def test_policies_add_up_so_that_a_second_one_may_open_what_the_first_leaves_closed():
    world = [workload("api", container=listens(8080)), service("api"), workload("web", container=calls("http://api:80"))]
    closed = policy("api", "{policyTypes: [Ingress], ingress: []}")
    opened = policy("api", "{policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}")
    opened["metadata"]["name"] = "api-from-web"
    assert found(*world, closed, rule="call-blocked-arriving")
    assert not found(*world, closed, opened, rule="call-blocked-arriving")


def test_a_policy_that_opens_everything_leaving_lets_names_be_asked_for():
    assert not found(workload("web"), policy("web", "{policyTypes: [Egress], egress: [{}]}"), rule="dns-blocked")
    peer = "{policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]}"
    assert found(workload("web"), policy("web", peer), rule="dns-blocked")


def test_a_quota_is_reckoned_with_the_surge_of_one_rollout_at_a_time():
    resources = {"resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "500m"}}}
    two = [workload(name, replicas=2, container=resources) for name in ("web", "api")]

    def quota(cpu):
        return {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "q", "namespace": "shop"},
            "spec": {"hard": {"requests.cpu": cpu}},
        }

    assert found(*two, quota("1900m"), rule="quota-too-small")[0].details["steady"] == 2.0
    assert found(*two, quota("2"), rule="quota-no-surge")[0].details["surge"] == 0.5
    assert not [rule for rule in ("quota-too-small", "quota-no-surge") if found(*two, quota("2500m"), rule=rule)]


def test_a_call_to_a_service_of_another_namespace_is_told_with_the_namespace_that_has_it():
    collector = service("collector", namespace="observability")
    lost = found(workload("web", container=calls("http://collector:80")), service("web"), collector, rule="call-nobody")
    assert "there is one in observability" in lost[0].evidence[0].text


def test_an_object_without_a_namespace_is_in_the_one_it_will_be_applied_to():
    web, front = workload("web", container=listens(8080)), service("web")
    del web["metadata"]["namespace"], front["metadata"]["namespace"]
    assert not found(web, front, rule="service-selects-no-pods")


def test_pods_that_another_object_of_the_world_made_are_not_told_again():
    deployment = workload("web", container={"securityContext": {"privileged": True}})
    deployment["metadata"]["uid"] = "1"
    replica_set = workload("web-5d", kind="ReplicaSet", container={"securityContext": {"privileged": True}})
    replica_set["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1", "controller": True}
    ]
    assert len(found(deployment, replica_set, rule="privileged")) == 1


def test_a_kind_that_nobody_knows_is_looked_at_when_it_has_pods_where_workloads_have_them():
    custom = workload("web", kind="CloneSet", version="apps.kruise.io/v1alpha1", container={"image": "nginx"})
    assert found(custom, rule="image-tag-missing")
