# ruff: noqa: E501 - what the API server says is one line
"""An admission webhook that nobody answers refuses what it is for, in the words of the API server; one that is answered does not."""

from __future__ import annotations

from typing import Any

import pytest
from admitted import pod, refused, registry, send

from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj

GROUP = "admissionregistration.k8s.io"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
FAILED = 'Internal error occurred: failed calling webhook "guard.example.com": failed to call webhook: Post "https://guard.safe.svc:443/look?timeout=5s": '


def hook(**more: Any) -> Obj:
    client = {"service": {"name": "guard", "namespace": "safe", "path": "/look"}}
    given = {"name": "guard.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 5}
    return {**given, "clientConfig": client, "rules": [RULE], **more}


def guarded(*hooks: Obj, kind: str = "ValidatingWebhookConfiguration") -> Registry:
    to = registry("safe")
    send(to, {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": "guard"}, "webhooks": list(hooks)})
    return to


def service(**spec: Any) -> Obj:
    ports = [{"port": 443, "targetPort": 8443}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "guard", "namespace": "safe"},
        "spec": {"selector": {"app": "guard"}, "ports": ports, **spec},
    }


def endpoints(ready: bool) -> Obj:
    metadata = {"name": "guard-1", "namespace": "safe", "labels": {"kubernetes.io/service-name": "guard"}}
    ends = [{"addresses": ["10.1.2.3"], "conditions": {"ready": ready}}]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": ends,
    }


@pytest.mark.parametrize("kind", ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"])
def test_whose_service_is_not_there(kind: str) -> None:
    assert refused(guarded(hook(), kind=kind), pod(), user="ann") == FAILED + 'service "guard" not found'


def test_behind_whose_service_nobody_is_ready() -> None:
    to = guarded(hook())
    address = send(to, service())["spec"]["clusterIP"]
    send(to, endpoints(ready=False))
    assert refused(to, pod(), user="ann") == FAILED + f"dial tcp {address}:443: connect: connection refused"


def test_whose_service_has_another_port() -> None:
    to = guarded(hook())
    send(to, service(ports=[{"port": 80}]))
    assert refused(to, pod(), user="ann") == FAILED + 'no service port 443 found for service "guard"'


def test_that_is_answered_lets_pass() -> None:
    to = guarded(hook())
    send(to, service())
    send(to, endpoints(ready=True))
    assert send(to, pod(), user="ann")


@pytest.mark.parametrize(
    "more",
    [
        {"failurePolicy": "Ignore"},
        {"namespaceSelector": {"matchLabels": {"guarded": "yes"}}},
        {"objectSelector": {"matchLabels": {"guarded": "yes"}}},
        {"rules": [{**RULE, "resources": ["services"]}]},
        {"rules": [{**RULE, "operations": ["UPDATE"]}]},
        {"rules": [{**RULE, "scope": "Cluster"}]},
    ],
    ids=[
        "that may fail",
        "for other namespaces",
        "for other objects",
        "for another kind",
        "for updates",
        "for what is in no namespace",
    ],
)
def test_that_is_not_for_it_is_not_asked(more: dict[str, Any]) -> None:
    assert send(guarded(hook(**more)), pod(), user="ann")


def test_the_control_plane_is_refused_pods_and_goes_on_otherwise() -> None:
    to = guarded(hook(rules=[{**RULE, "resources": ["*"]}]))
    assert refused(to, pod(), user="system:kube-controller-manager").startswith(FAILED)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "builder"}}
    assert send(to, account, user="system:kube-controller-manager")
