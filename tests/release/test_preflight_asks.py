"""What a preflight asks of a running twin: everything once, and the rest where something may not be seen."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from harbour import deployment, findings, rows

from seatrial.cluster.api import Api
from seatrial.cluster.client import Client
from seatrial.release import plan as planning
from seatrial.release.preflight import Target
from seatrial.release.preflight.asking import observe

CONFIG = "\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {LEVEL: info}}"
PORTLESS = "\n---\n{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 99999, targetPort: 80}]}}"
WANTED = deployment(
    more="envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: absent}}]", pod="serviceAccountName: api"
)


def observed(twin: Any, namespace: str, rendered: str, user: str = "") -> tuple[Target, Counter[str]]:
    """A target as it is observed, and every object and list that was read for it."""
    read: Counter[str] = Counter()

    async def run() -> Target:
        client = Client(Path(twin.running.kubeconfig))
        if user:
            client.http.headers["Impersonate-User"] = user
        api = Api(client)
        request = api.request

        async def noted(method: str, path: str, **more: Any) -> Any:
            if method == "GET":
                read[f"{path} {json.dumps(more.get('params') or {})}"] += 1
            return await request(method, path, **more)

        api.request = noted  # type: ignore[method-assign]
        try:
            served = await api.served()
            plan = await planning.observe(api, served, "shop", namespace, rendered, None, str, server_side=True)
            return await observe(api, served, plan, None)
        finally:
            await client.close()

    return asyncio.run(run()), read


@pytest.fixture
def place(twin: Any, request: pytest.FixtureRequest) -> str:
    name = f"preflight-{request.node.name.replace('_', '-')[5:30].strip('-')}"
    twin.kubectl("create", "namespace", name)
    return name


def test_everything_is_read_once(twin: Any, place: str) -> None:
    twin.kubectl("-n", place, "create", "quota", "small", "--hard=pods=2")
    at, read = observed(twin, place, WANTED + CONFIG)
    assert {path: number for path, number in read.items() if number > 1} == {}
    assert not at.unread
    assert {one.rule for one in findings(at)} == {"quota-exceeded", "reference-missing"}
    assert {one.title.partition(" needs ")[2] for one in findings(at, "reference-missing")} == {
        f"Secret absent in {place}, which does not exist",
        f"ServiceAccount api in {place}, which does not exist",
    }
    assert rows(at, "Quota")["pods"] == ("2", "0", "2", "3")


def test_new_objects_are_tried_and_nothing_is_made(twin: Any, place: str) -> None:
    at, _ = observed(twin, place, CONFIG + PORTLESS)
    (found,) = findings(at, "object-refused")
    assert found.title.startswith("the cluster refuses Service s: spec.ports[0].port: Invalid value: 99999")
    assert "settings" not in twin.kubectl("-n", place, "get", "configmaps", "-o", "name")


def test_what_we_may_not_see_is_said_and_the_rest_is_checked(twin: Any, place: str) -> None:
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "create"]},
        {"apiGroups": [""], "resources": ["resourcequotas", "limitranges"], "verbs": ["list"]},
    ]
    bind = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "dev"}}
    bind["subjects"] = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "dev"}]  # type: ignore[assignment]
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "dev", "namespace": place}}
    documents = [{**head, "kind": "Role", "rules": rules}, {**head, "kind": "RoleBinding", **bind}]
    twin.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    twin.kubectl("-n", place, "create", "quota", "small", "--hard=pods=2")

    at, _ = observed(twin, place, deployment(more="envFrom: [{secretRef: {name: absent}}]"), user="dev")
    assert {one.rule for one in findings(at)} == {"quota-exceeded", "not-permitted"}
    (denied,) = findings(at, "not-permitted")
    assert "patch deployments.apps: for the objects" in [fact.text for fact in denied.evidence]
    table = rows(at, "Preflight")
    assert table["nodes"] == ("not checked", "we may not list nodes, pods")
    assert table["references"] == ("not checked", "we may not get secrets")
