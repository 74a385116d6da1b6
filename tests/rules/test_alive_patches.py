"""What a machine may mend of what runs: a name, a port, a label or a class that can be meant in one way only."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

import seatrial.rules.alive  # noqa: F401 - enters the rules
from seatrial.rules.finding import Finding
from seatrial.rules.looking import found
from seatrial.rules.mending import mend
from seatrial.world.world import World

BASE = """
- {apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: front, namespace: shop, uid: d}
  spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}}}
- apiVersion: apps/v1
  kind: ReplicaSet
  metadata:
    name: front-1
    namespace: shop
    uid: r
    ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: front, uid: d, controller: true}]
  spec: {replicas: 1, selector: {matchLabels: {app: web}}}
- apiVersion: v1
  kind: Pod
  metadata:
    name: front-1-a
    namespace: shop
    uid: p
    labels: {app: web}
    ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: front-1, uid: r, controller: true}]
  spec: {containers: [{name: web, image: "a/b:1", ports: [{name: http, containerPort: 8080}]}]}
  status:
    phase: Running
    conditions: [{type: Ready, status: "True"}]
    containerStatuses: [{name: web, ready: true, state: {running: {}}}]
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: shop}
  spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""
INGRESS = """
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: {name: web, namespace: shop}
  spec:
    ingressClassName: nginx
    rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: &to {service: {name: web, port: {number: 80}}}},
                                             {path: /b, pathType: Prefix, backend: *to}]}}]
"""
SCALED = """
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata: {name: web, namespace: shop}
  spec: {minReplicas: 2, maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: fronnt}}
  status:
    conditions: [{type: AbleToScale, status: "False", reason: FailedGetScale, message: 'deployments "fronnt" not found'}]
"""


def find(world: World) -> list[Finding]:
    return found(world, live=True)


@pytest.mark.parametrize(
    ("rule", "more", "wrong", "right"),
    [
        ("ingress-port-missing", INGRESS, "number: 80", "number: 8080"),
        ("ingress-service-missing", INGRESS, "service: {name: web", "service: {name: webb"),
        ("ingress-class-missing", INGRESS, "ingressClassName: nginx", "ingressClassName: ngnix"),
        ("service-selects-nothing", "", "selector: {app: web}, ports", "selector: {app: wbe}, ports"),
    ],
)
def test_what_can_be_meant_in_one_way_is_mended(rule: str, more: str, wrong: str, right: str) -> None:
    sound = yaml.safe_load(BASE + more)
    world = World(yaml.safe_load((BASE + more).replace(wrong, right)))
    before = find(world)
    assert rule in {one.rule for one in before}
    assert rule not in {one.rule for one in find(World(sound))}
    assert list(mend(world, before, find).world) == sound


def test_an_autoscaler_is_pointed_at_its_target() -> None:
    world = World(yaml.safe_load(BASE + SCALED))
    before = find(world)
    assert "hpa-target-missing" in {one.rule for one in before}
    after: dict[str, Any] = list(mend(world, before, find).world)[-1]
    assert after["spec"]["scaleTargetRef"]["name"] == "front"


def test_a_selector_is_left_where_the_pods_may_have_the_wrong_label() -> None:
    text = BASE.replace("app: web", "app: frnt").replace("selector: {app: frnt}, ports", "selector: {app: front}, ports")
    (finding,) = [one for one in find(World(yaml.safe_load(text))) if one.rule == "service-selects-nothing"]
    assert finding.patch is None
