"""Symptoms stand under the cause that explains them; what has nothing to do with it stands alone."""

from __future__ import annotations

from typing import Any

from seatrial.rules.causes import causes, merge, written
from seatrial.rules.finding import Fact, Finding
from seatrial.world.objects import Obj, Ref, ref_of
from seatrial.world.world import World


def an(kind: str, name: str, owner: Obj | None = None, **more: Any) -> Obj:
    version = {"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "Ingress": "networking.k8s.io/v1"}.get(kind, "v1")
    metadata: Obj = {"name": name, "namespace": "shop", "uid": f"{kind}-{name}", "labels": {"app": name.split("-")[0]}}
    if owner:
        reference = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        metadata["ownerReferences"] = [{**reference, "controller": True}]
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def stack(name: str) -> list[Obj]:
    """A Deployment with a ReplicaSet and a pod, a Service of it and an Ingress to that."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
    deployment = an("Deployment", name, spec={"selector": {"matchLabels": {"app": name}}, "template": template})
    replicas = an("ReplicaSet", f"{name}-1", deployment, spec={"template": template})
    pod = an("Pod", f"{name}-1-a", replicas, spec={"nodeName": "n1", "containers": [{"name": "main", "image": "x"}]})
    service = an("Service", name, spec={"selector": {"app": name}, "ports": [{"port": 80}]})
    backend = {"service": {"name": name, "port": {"number": 80}}}
    rule = {"host": "h", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return [deployment, replicas, pod, service, an("Ingress", name, spec={"rules": [rule]})]


def finding(rule: str, *objects: Obj, **more: Any) -> Finding:
    return Finding(
        rule, more.pop("severity", "error"), f"{rule} of {objects[0]['metadata']['name']}", tuple(map(ref_of, objects)), **more
    )


def test_a_quota_explains_the_deadline_the_service_and_the_ingress() -> None:
    objects = stack("web")
    deployment, replicas, _, service, ingress = objects
    told = [
        finding("ingress-unavailable", ingress),
        finding("service-no-endpoints", service),
        finding("deadline-exceeded", deployment),
        finding("refused-quota", deployment, replicas),
    ]
    (cause,) = causes(World(objects), told)
    assert cause.finding.rule == "refused-quota"
    assert [one.rule for one in cause.symptoms] == ["deadline-exceeded", "service-no-endpoints", "ingress-unavailable"]


def test_two_faults_are_two_causes_and_the_one_with_more_symptoms_comes_first() -> None:
    objects = [*stack("web"), *stack("api")]
    web, api, service = objects[0], objects[5], objects[8]
    told = [finding("image-not-found", web), finding("crash-exit", api), finding("service-no-endpoints", service)]
    first, second = causes(World(objects), told)
    assert (first.finding.rule, [one.rule for one in first.symptoms]) == ("crash-exit", ["service-no-endpoints"])
    assert (second.finding.rule, second.symptoms) == ("image-not-found", ())


def test_what_is_written_wrong_follows_from_nothing_and_explains_what_comes_of_it() -> None:
    objects = stack("web")
    told = [
        finding("refused-quota", objects[0]),
        finding("service-port-unknown", objects[3], objects[0]),
        finding("ingress-refused", objects[4], objects[3], objects[0]),
    ]
    found = causes(World(objects), told)
    assert {one.finding.rule: [each.rule for each in one.symptoms] for one in found} == {
        "refused-quota": [],
        "service-port-unknown": ["ingress-refused"],
    }


def test_a_node_explains_what_is_on_it() -> None:
    objects = stack("web")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n1"}}
    told = [finding("evicted", objects[0], objects[2]), finding("node-disk-pressure", node)]
    (cause,) = causes(World([*objects, node]), told)
    assert (cause.finding.rule, [one.rule for one in cause.symptoms]) == ("node-disk-pressure", ["evicted"])


def test_a_note_explains_nothing() -> None:
    objects = stack("web")
    told = [finding("probe-fails", objects[0], objects[2], severity="note"), finding("deadline-exceeded", objects[0])]
    assert len(causes(World(objects), told)) == 2


def test_a_container_does_not_explain_its_neighbour() -> None:
    objects = stack("web")
    told = [
        finding("crash-exit", objects[0], objects[2], details={"container": "a"}),
        finding("crash-dependency", objects[0], objects[2], details={"container": "b"}),
    ]
    assert len(causes(World(objects), told)) == 2


def test_circles_end() -> None:
    """Two objects that own each other, as only a broken dump has them."""
    a, b = an("Pod", "a"), an("Pod", "b")
    a["metadata"]["ownerReferences"] = [{"uid": "Pod-b", "kind": "Pod", "name": "b", "controller": True}]
    b["metadata"]["ownerReferences"] = [{"uid": "Pod-a", "kind": "Pod", "name": "a", "controller": True}]
    (cause,) = causes(World([a, b]), [finding("crash-exit", a), finding("deadline-exceeded", b)])
    assert cause.finding.rule == "crash-exit"


def test_pods_stricken_alike_are_told_once() -> None:
    deployment, pods = an("Deployment", "web"), [an("Pod", "a"), an("Pod", "b")]
    (merged,) = merge([finding("crash-exit", deployment, pod) for pod in pods])
    assert merged.refs == tuple(map(ref_of, [deployment, *pods]))


def test_of_what_is_written_each_line_counts_and_errors_come_first() -> None:
    deployment = an("Deployment", "web")
    told = [
        finding("image-no-tag", deployment, severity="warning", evidence=(Fact("x", f"a.yaml:{line}"),)) for line in (1, 2, 2)
    ]
    told.append(finding("probe-port", deployment))
    assert [cause.finding for cause in written(told)] == [told[3], told[0], told[1]]


def test_a_finding_about_nothing_known_stands() -> None:
    lost = Finding("crash-exit", "error", "lost", (Ref("", "Pod", "shop", "gone"),))
    assert [cause.finding for cause in causes(World(), [lost])] == [lost]
