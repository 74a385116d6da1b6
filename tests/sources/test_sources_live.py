"""A live namespace as a world: on a twin, and on a cluster by script that forbids."""

import asyncio
from typing import Any

import httpx2
import pytest

from seatrial.cluster.api import Refused
from seatrial.cluster.client import Client
from seatrial.sources.live import live
from seatrial.world.objects import Ref

MANIFEST = """
apiVersion: v1
kind: Secret
metadata: {name: creds}
stringData: {password: hunter2, tls.crt: public}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: nginx
          envFrom: [{secretRef: {name: creds}}, {configMapRef: {name: gone}}]
"""


def test_a_namespace_is_read_with_what_is_outside_of_any_and_without_values_of_secrets(twin):
    twin.kubectl("create", "namespace", "sources-live")
    twin.kubectl("apply", "-n", "sources-live", "-f", "-", stdin=MANIFEST)

    async def read() -> Any:
        client = Client(kubeconfig=twin.running.kubeconfig)
        try:
            return await live(client, ["sources-live"])
        finally:
            await client.close()

    loaded = asyncio.run(read())
    world = loaded.world
    assert "hunter2" not in str(list(world)) and "aHVudGVyMg" not in str(list(world))
    secret = world.find("Secret", "sources-live", "creds")
    assert sorted(secret["data"]) == ["password", "tls.crt"] and secret["data"]["tls.crt"]
    assert world.find("Node", "", next(obj["metadata"]["name"] for obj in world.of("Node")))
    assert {ref.namespace for ref in world.refs()} <= {"", "sources-live"}
    assert world.facts["version"].startswith("v1.")
    missing = [one.target.name for one in world.graph.dangling() if one.source.kind == "Deployment"]
    assert missing == ["gone"]
    assert [template.ref for template in world.graph.templates] == [Ref("apps", "Deployment", "sources-live", "web")]


class Scripted:
    """A cluster that serves Pods and Secrets, and lets nobody list Secrets. It stands for the connection and for its client."""

    def __init__(self) -> None:
        self.http = self

    async def request(self, method: str, path: str, **_: Any) -> httpx2.Response:
        served = [{"name": name, "kind": kind, "namespaced": True, "verbs": ["list"]} for name, kind in
                  (("pods", "Pod"), ("secrets", "Secret"))]  # fmt: skip
        answers = {
            "/version": {"gitVersion": "v1.36.0"},
            "/api": {"versions": ["v1"]},
            "/apis": {"groups": []},
            "/api/v1": {"resources": served},
            "/api/v1/namespaces/shop/pods": {"items": [{"metadata": {"name": "web", "namespace": "shop"}, "spec": {}}]},
        }
        if path in answers:
            return httpx2.Response(200, json=answers[path])
        return httpx2.Response(403, json={"kind": "Status", "reason": "Forbidden", "message": 'secrets is forbidden: User "me"'})


def test_a_kind_that_may_not_be_read_is_told_and_the_rest_is_read():
    loaded = asyncio.run(live(Scripted(), ["shop"]))  # type: ignore[arg-type]
    assert [ref.name for ref in loaded.world.refs()] == ["web"]
    (problem,) = loaded.problems
    assert str(problem) == "cluster: you may not list, in shop: secrets"
    assert problem.severity == "warning"


def test_who_may_not_even_list_pods_is_refused() -> None:
    """Else a namespace of which nothing is seen would be a namespace that is well."""
    with pytest.raises(Refused, match="secrets is forbidden"):
        asyncio.run(live(Scripted(), ["other"]))  # type: ignore[arg-type]


class Logging(Scripted):
    """A cluster of three pods of one workload, of which one is not ready; it notes whose log was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def request(self, method: str, path: str, **_: Any) -> httpx2.Response:
        known = {
            "/apis": {"groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]}]},
            "/apis/apps/v1": {
                "resources": [{"name": "statefulsets", "kind": "StatefulSet", "namespaced": True, "verbs": ["list"]}]
            },
            "/apis/apps/v1/namespaces/shop/statefulsets": {
                "items": [{"metadata": {"name": "web", "namespace": "shop", "uid": "s-1"}}]
            },
        }
        if path in known:
            return httpx2.Response(200, json=known[path])
        if not path.endswith("/pods"):
            return await super().request(method, path)
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "s-1", "controller": True}
        pods = [
            {
                "metadata": {"name": f"web-{number}", "namespace": "shop", "uid": f"p-{number}", "ownerReferences": [owner]},
                "spec": {"containers": [{"name": "web"}]},
                "status": {
                    "containerStatuses": [{"name": "web", "ready": number < 2, "restartCount": 0, "state": {"running": {}}}]
                },
            }
            for number in range(3)
        ]
        return httpx2.Response(200, json={"items": pods})

    async def get(self, path: str, **_: Any) -> httpx2.Response:
        self.asked.append(path.split("/")[-2])
        return httpx2.Response(200, text="ERROR no more room\n")


def test_logs_are_read_of_what_is_not_ready_and_of_one_pod_of_a_workload_that_seems_well():
    cluster = Logging()
    loaded = asyncio.run(live(cluster, ["shop"]))  # type: ignore[arg-type]
    assert cluster.asked == ["web-2", "web-0"]
    assert {key.pod.name for key in loaded.world.logs} == {"web-0", "web-2"}


class Silent(Logging):
    """The same, whose logs may not be read."""

    async def get(self, path: str, **_: Any) -> httpx2.Response:
        return httpx2.Response(403, json={"kind": "Status", "reason": "Forbidden", "message": "pods/log is forbidden"})


def test_logs_that_may_not_be_read_are_told_once():
    loaded = asyncio.run(live(Silent(), ["shop"]))  # type: ignore[arg-type]
    told = [one for one in loaded.problems if "logs" in one.text]
    assert [str(one) for one in told] == ["cluster: you may not read the logs of 2 containers"]
    assert "pods/log" in told[0].hint and not loaded.world.logs


def test_who_may_read_one_namespace_and_asks_for_all_is_told_to_name_it():
    with pytest.raises(Refused, match="name a namespace that you may read: -n NAMESPACE"):
        asyncio.run(live(Scripted()))  # type: ignore[arg-type]
