"""Platforms that people built by hand and wrote about, with their mistakes: each is found at its line, and nothing else is.

The manifests below seeds/ hold what the documents' authors had (names, fields, structure); what they did not print is filled in
as they describe it.  A row is a rule, file:line, and the mistake; rows of notes stand apart, because notes may be more.
"""

from functools import cache
from pathlib import Path

import pytest

import seatrial.rules.written  # noqa: F401 - enters the rules
from seatrial.rules.looking import found, together
from seatrial.sources import load

SEEDS = Path(__file__).parent / "seeds"
MISTAKES = {
    "devops-challenge-eks": [
        ("image-invalid", "app.yaml:16", "a placeholder for the account is left in the image"),
        ("image-invalid", "app.yaml:41", "and here"),
        ("route-default-missing", "route.yaml:9", "whoever sends no header gets 404"),
        ("missing-subset", "route.yaml:16", "v2 without a DestinationRule"),
        ("missing-subset", "route.yaml:21", "v1 likewise"),
    ],
    "kaiko-gitops": [
        ("rbac-secrets", "base/access.yaml:11", "the process may read every secret, and needs none: they come as variables"),
        ("replicas-beside-autoscaler", "base/deployment.yaml:7", "each sync sets back what the autoscaler has set"),
        ("dns-blocked", "base/policies.yaml:6", "default-deny, and nobody may ask for names"),
        ("budget-against-minimum", "base/scaling.yaml:18", "50 % of one replica in dev: the node cannot be drained"),
    ],
    "tbyte-a1-microservices": [
        ("analysis-of-both", "analysis.yaml:30", "the error rate is that of old and new together"),
        ("replicas-beside-autoscaler", "backend.yaml:7", "replicas, and KEDA"),
        ("privilege-escalation", "backend.yaml:22", "the frontend is hardened, the backend is not"),
        ("replicas-beside-autoscaler", "frontend.yaml:8", "replicas, and an autoscaler"),
        ("canary-route-unnamed", "frontend.yaml:33", "two routes, and no word which one is shifted"),
        ("canary-route-missing", "frontend.yaml:33", "two Services for the controller, one host in the route"),
        ("port-privileged", "frontend.yaml:45", "user 101 on port 80"),
        ("read-only-root-writes", "frontend.yaml:61", "nginx has no room for its cache and its pid"),
        ("call-blocked-leaving", "frontend.yaml:77", "the backend listens on 3000, the policy lets 8080 out"),
        ("two-autoscalers", "scaling.yaml:25", "an HPA and a ScaledObject for one Rollout"),
        ("missing-subset", "traffic.yaml:15", "canary without a DestinationRule"),
        ("missing-subset", "traffic.yaml:20", "stable likewise"),
        ("policy-namespace-label", "traffic.yaml:41", "no namespace has the label `name` by itself"),
        ("proxy-blocked", "traffic.yaml:44", "the sidecar may not ask its control plane"),
        ("policy-port-closed", "traffic.yaml:49", "8080 is nobody's port"),
    ],
    "tbyte-technical": [
        ("analysis-argument-self", "analysis.yaml:10", "an argument that is itself is never resolved"),
        ("call-nobody", "analysis.yaml:19", "a Prometheus of another name"),
        ("analysis-empty-result", "analysis.yaml:20", "no series, no result[0]"),
        ("call-blocked-leaving", "backend.yaml:25", "Egress is governed and nothing allowed: no database"),
        ("call-blocked-arriving", "backend.yaml:25", "nor does the database let the backend in"),
        ("disk-in-the-way", "database.yaml:38", "a database as a Deployment that rolls over its only disk"),
        ("missing-service", "frontend.yaml:15", "the canary's Service is nowhere"),
        ("rollout-coarse", "frontend.yaml:17", "10 % of two pods, without a route"),
        ("privilege-escalation", "frontend.yaml:33", "not switched off"),
        ("port-privileged", "frontend.yaml:36", "user 101 on port 80"),
        ("call-blocked-leaving", "frontend.yaml:38", "the frontend may call nobody"),
        ("call-blocked-arriving", "frontend.yaml:38", "nor may anybody call the backend but a gateway, on port 80"),
        ("missing-target", "frontend.yaml:74", "the autoscaler is for a Deployment, what runs is a Rollout"),
        ("kubelet-config-unread", "kubelet.yaml:8", "the kubelet reads no ConfigMap"),
        ("policy-namespace-label", "policy.yaml:16", "no namespace has the label `name` by itself"),
    ],
    "tekmetric-platform": [
        ("label-invalid", "app.yaml:9", "a + in a label"),
        ("image-invalid", "app.yaml:24", "a + in a tag"),
        ("env-template-left", "app.yaml:30", "Helm renders no values"),
        ("call-nobody", "app.yaml:32", "the collector is in another namespace"),
        ("read-only-root-writes", "app.yaml:54", "a JVM without /tmp"),
        ("hook-before-its-needs", "migration.yaml:21", "the migration runs before its Secret is there"),
        ("scrape-blocked", "monitoring.yaml:7", "only the ingress controller's namespace is let in"),
        ("monitor-port-unknown", "monitoring.yaml:13", "otel-metrics is a port of nobody"),
        ("promql-unscoped", "monitoring.yaml:27", "errors of whom"),
        ("alert-rate-of-errors", "monitoring.yaml:27", "errors a second, called a rate of errors"),
        ("promql-limit-zero", "monitoring.yaml:31", "no limit is 0: always above 90 %"),
        ("promql-cadvisor", "monitoring.yaml:31", "pods and pause containers count too"),
        ("promql-unscoped", "monitoring.yaml:31", "memory of whom"),
        ("policy-namespace-label", "network.yaml:14", "no namespace has the label `name` by itself"),
        ("two-autoscalers-vertical", "scaling.yaml:22", "one by number and one by size, both by CPU"),
        ("two-autoscalers", "scaling.yaml:30", "an HPA and a ScaledObject for one Deployment"),
    ],
}  # fmt: skip
NOTED = {
    "devops-challenge-eks": [("api-deprecated", "route.yaml:1"), ("liveness-missing", "app.yaml:15")],
    "kaiko-gitops": [("secret-in-files", "base/config.yaml:5"), ("no-autoscaler-target-replicas", "base/deployment.yaml:7")],
    "tbyte-a1-microservices": [
        ("policy-dns-tcp", "traffic.yaml:53"),
        ("analysis-blind", "analysis.yaml:30"),
        ("analysis-divides-by-zero", "analysis.yaml:30"),
        ("spread-missing", "frontend.yaml:40"),
    ],
    "tbyte-technical": [
        ("policy-egress-forgotten", "policy.yaml:11"),
        ("no-budget", "backend.yaml:6"),
        ("liveness-missing", "database.yaml:21"),
    ],
    "tekmetric-platform": [
        ("startup-delay-twice", "app.yaml:40"),
        ("alert-without-severity", "monitoring.yaml:26"),
        ("alert-without-severity", "monitoring.yaml:30"),
    ],
}


@cache
def told(document):
    """(rule, file:line) -> the finding, of every environment of a document's manifests."""
    loaded = load([str(SEEDS / document)])
    assert not loaded.problems
    findings = together({name: found(world, live=False) for name, world in loaded.worlds.items()})
    return {(one.rule, one.evidence[0].source.split(f"{document}/")[-1]): one for one, _ in findings}


@pytest.mark.parametrize(
    ("document", "rule", "where", "mistake"), [(key, *row) for key, rows in MISTAKES.items() for row in rows]
)
def test_a_mistake_is_told_at_its_line_with_a_fix(document, rule, where, mistake):
    assert (rule, where) in told(document), f"{mistake}: {rule} is not told at {where}"
    finding = told(document)[rule, where]
    assert finding.fix and finding.cause


@pytest.mark.parametrize(("document", "rule", "where"), [(key, *row) for key, rows in NOTED.items() for row in rows])
def test_what_is_no_fault_but_unwise_is_noted(document, rule, where):
    assert told(document)[rule, where].severity == "note"


@pytest.mark.parametrize("document", sorted(MISTAKES))
def test_nothing_is_told_that_is_no_mistake(document):
    known = {row[:2] for row in MISTAKES[document]}
    false = {key: one.title for key, one in told(document).items() if one.severity != "note" and key not in known}
    assert not false


def test_the_autoscaler_of_what_became_a_rollout_is_led_to_the_rollout():
    finding = told("tbyte-technical")["missing-target", "frontend.yaml:74"]
    assert [(each["path"], each["value"]) for each in finding.patch[0]["operations"]] == [
        ("/spec/scaleTargetRef/apiVersion", "argoproj.io/v1alpha1"),
        ("/spec/scaleTargetRef/kind", "Rollout"),
    ]
