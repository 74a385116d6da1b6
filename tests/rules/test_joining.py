"""What one edit would mend is told once, under the edit; what takes two edits stands apart."""

from __future__ import annotations

import re

import pytest
import yaml

import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.causes import Cause, written
from seatrial.rules.finding import Fact, Finding
from seatrial.rules.joining import Joint, agreed, joined
from seatrial.rules.looking import found, together
from seatrial.world.world import World

SHOP = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      serviceAccountName: api
      containers:
        - name: api
          image: ghcr.io/acme/api:1.4.0
          ports: [{name: http, containerPort: 3000}]
          envFrom: [{configMapRef: {name: settings}}]
          readinessProbe: {httpGet: {path: /ready, port: http}}
          livenessProbe: {httpGet: {path: /live, port: http}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: api, namespace: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {LEVEL: info}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: http}]}
---
{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {type: ExternalName, externalName: a.example}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: shop}
spec:
  rules:
    - host: shop.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {name: http}}}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec: {hosts: [api], http: [{route: [{destination: {host: api, port: {number: 80}}}]}]}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: api, namespace: shop}
spec: {selector: {matchLabels: {app: api}}, endpoints: [{port: http}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: api, namespace: shop}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: api}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec: {podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress], ingress: [{ports: [{port: http}]}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api, namespace: shop}
spec: {minReplicas: 2, maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}}
"""
SERVICE = "kind: Service\nmetadata: {name: api,"


def world_of(text: str) -> World:
    return World(yaml.safe_load_all(text))


def told(world: World) -> list[Cause]:
    """The causes of severity error or warning, those with symptoms first of all."""
    findings = found(world, live=False)
    causes = written(findings, joined(world, findings))
    return [one for one in causes if one.symptoms]


def changed(wrong: str, instead: str) -> World:
    assert wrong in SHOP
    return world_of(SHOP.replace(wrong, instead))


@pytest.mark.parametrize(
    ("wrong", "instead", "fix", "rules"),
    [
        (SERVICE, SERVICE.replace("api,", "apii,"), "Rename Service apii to api", ["missing-service", "missing-service"]),
        (
            SERVICE + " namespace: shop",
            SERVICE + " namespace: shpo",
            "Put Service api into namespace shop",
            ["missing-service", "missing-service", "monitor-selects-nothing", "selects-elsewhere"],
        ),
        (
            "kind: Deployment\nmetadata: {name: api, namespace: shop}",
            "kind: Deployment\nmetadata: {name: api, namespace: shpo}",
            "Put Deployment api into namespace shop",
            ["missing-account", "missing-config", "missing-target", *["selects-elsewhere"] * 3],
        ),
        (
            "    metadata: {labels: {app: api}}",
            "    metadata: {labels: {app: apii}}",
            "Set app: api in the labels of the pods of Deployment api",
            ["budget-protects-nothing", "policy-protects-nothing", "selector-of-others", "service-selects-no-pods"],
        ),
        (
            "[{name: http, containerPort",
            "[{name: htpp, containerPort",
            "Call the port of container api in Deployment api http",
            ["policy-port-closed", "probe-port-unknown", "probe-port-unknown", "target-port-unknown"],
        ),
        (
            "[{name: http, port: 80",
            "[{name: web, port: 80",
            "Call the port of Service api http",
            ["backend-port-unknown", "monitor-port-unknown"],
        ),
    ],
)
def test_one_word_mistyped_is_one_cause_and_the_fix_is_that_word(wrong: str, instead: str, fix: str, rules: list[str]) -> None:
    (cause,) = told(changed(wrong, instead))
    assert cause.finding.fix.startswith(fix)
    assert sorted(one.rule for one in (cause.finding, *cause.symptoms)) == rules


def test_a_world_without_a_fault_has_nothing_to_join() -> None:
    assert joined(world_of(SHOP), found(world_of(SHOP), live=False)) == []


def test_what_several_need_and_nobody_has_is_missing_once() -> None:
    missing = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {LEVEL: info}}\n---\n"
    second = SHOP.split("---")[0].replace("name: api", "name: web").replace("app: api", "app: web")
    (cause,) = told(world_of(SHOP.replace(missing, "") + "---\n" + second.replace("serviceAccountName: web", "")))
    assert [one.refs[0].name for one in (cause.finding, *cause.symptoms)] == ["api", "web"]
    assert cause.finding.rule == "missing-config" and cause.finding.fix.startswith("Add it")


def test_two_words_mistyped_are_two_causes() -> None:
    text = SHOP.replace("    metadata: {labels: {app: api}}", "    metadata: {labels: {app: apii}}")
    text = text.replace("[{name: http, port: 80", "[{name: web, port: 80")
    assert len(told(world_of(text))) == 2


def test_a_finding_whose_own_patch_mends_another_is_why_the_other_is() -> None:
    """replicas: 2 beside an autoscaler of at least 3, under a budget that keeps 2: without the 2 the budget lets one go."""
    text = SHOP.replace("spec:\n  selector: {matchLabels", "spec:\n  replicas: 2\n  selector: {matchLabels", 1)
    text = text.replace("maxUnavailable: 1", "minAvailable: 2").replace("minReplicas: 2", "minReplicas: 3")
    (cause,) = told(world_of(text))
    assert cause.finding.rule == "replicas-beside-autoscaler" and cause.finding.fix == "Take replicas out of the workload."
    assert [one.rule for one in cause.symptoms] == ["budget-against-minimum"]


def test_an_edit_that_would_break_something_else_joins_nothing() -> None:
    """Another workload has the labels that are asked for, and keeps its pods."""
    other = SHOP.split("---")[0].replace("{name: api, namespace", "{name: web, namespace").replace("{app: api}", "{app: web}")
    text = re.sub(r"(selector|podSelector): \{(matchLabels: \{)?app: api\}", r"\1: {\2app: nobody}", SHOP) + "---\n" + other
    world = world_of(text)
    for joint in joined(world, found(world, live=False)):
        assert "Deployment web" not in joint.fix


def finding(rule: str, name: str) -> Finding:
    return Finding(rule, "error", f"{rule} of {name}", (), (Fact("x", f"{name}.yaml:1"),))


def test_findings_of_several_environments_are_joined_where_they_are_joined_in_each() -> None:
    head, one, other = finding("head", "a"), finding("one", "b"), finding("other", "c")
    variants = {"staging": [head, one, other], "production": [head, one, other]}
    joints = {"staging": [Joint(head, (one, other), "Edit it.")], "production": [Joint(head, (one,), "Edit it.")]}
    shown, kept = agreed(together(variants), joints, lambda each, _: each)
    (cause, alone) = written(shown, kept)
    assert (cause.finding.rule, [each.rule for each in cause.symptoms], alone.finding.rule) == ("head", ["one"], "other")
    assert cause.finding.fix == "", "the edit was said to mend the other, too"


def test_of_two_errors_that_to_which_more_leads_is_told_first() -> None:
    """Nothing leads to a Deployment of its own; an Ingress, its Service and an autoscaler lead to the other."""
    alone = SHOP.split("---")[0].replace("name: api", "name: alone").replace("app: api", "app: alone")
    text = f"{alone.replace(': http, containerPort', ': web, containerPort')}---\n{SHOP}".replace(
        "/ready, port: http", "/ready, port: htpp"
    )
    world = world_of(text)
    findings = [one for one in found(world, live=False) if one.rule == "probe-port-unknown"]
    assert findings[0].refs[0].name == "alone"
    assert written(findings, worlds=[world])[0].finding.refs[0].name == "api"
