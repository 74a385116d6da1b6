"""The API server without a socket: requests are calls of the ASGI application, on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from seatrial.twin.admission.chain import standard
from seatrial.twin.api.app import Api
from seatrial.twin.api.authentication import admin
from seatrial.twin.clock import VirtualClock
from seatrial.twin.rbac import policy
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import ResourceTable, builtin_resources
from seatrial.twin.store import Store
from seatrial.world.objects import Obj

TOKEN = "secret"
CONFIG_MAPS = "/api/v1/namespaces/shop/configmaps"
PODS = "/api/v1/namespaces/shop/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"


@dataclass
class Reply:
    status: int
    headers: dict[str, list[str]]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def warnings(self) -> list[str]:
        return self.headers.get("warning", [])


class Client:
    """A client of one API server, with the administrator's token unless told otherwise.

    `roles`: the cluster has the roles and bindings that every cluster begins with.
    """

    def __init__(self, history: int = 20_000, roles: bool = False, **options: Any) -> None:
        self.clock = VirtualClock()
        self.registry = Registry(Store(history=history), self.clock, ResourceTable(builtin_resources()), 1, admission=standard())
        self.api = Api(self.registry, {TOKEN: admin()}, **options)
        self.registry.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        if roles:
            policy.install(self.registry)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}}
        self.registry.create("serviceaccounts", account)

    def __call__(self, method: str, path: str, body: Any = None, *, type_: str = "application/json", **headers: str) -> Reply:
        return asyncio.run(self.call(method, path, body, type_=type_, **headers))

    async def call(self, method: str, path: str, body: Any = None, *, type_: str = "application/json", **headers: str) -> Reply:
        stream = Stream(self, method, path, body, type_=type_, **headers)
        await stream.task
        return Reply(stream.status, stream.headers, bytes(stream.body))

    def get(self, path: str, **headers: str) -> Reply:
        return self("GET", path, **headers)

    def create(self, path: str, obj: Obj) -> Obj:
        reply = self("POST", path, obj)
        assert reply.status == 201, reply.text
        return dict(reply.json)


class Stream:
    """A request under way: what has come of its response so far."""

    def __init__(
        self, client: Client, method: str, path: str, body: Any = None, *, type_: str = "application/json", **headers: str
    ) -> None:
        self.status, self.headers, self.body = 0, dict[str, list[str]](), bytearray()
        path, _, query = path.partition("?")
        sent = {"authorization": f"Bearer {TOKEN}", "user-agent": "test/1", "content-type": type_, **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "query_string": query.encode(),
            "headers": [(key.replace("_", "-").encode(), value.encode()) for key, value in sent.items() if value],
        }
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        self._messages = [{"type": "http.request", "body": raw, "more_body": False}]
        self._gone = asyncio.Event()
        self.hold: asyncio.Event | None = None
        self.task = asyncio.ensure_future(client.api(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop(0)
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if self.hold is not None:
            await self.hold.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for key, value in message["headers"]:
                self.headers.setdefault(key.decode(), []).append(value.decode())
        else:
            self.body += message.get("body", b"")

    def leave(self) -> None:
        """Close the connection from the client's side."""
        self._gone.set()

    @property
    def events(self) -> list[tuple[str, Obj]]:
        """The lines of a watch: type and object."""
        lines = [orjson.loads(line) for line in bytes(self.body).splitlines()]
        return [(line["type"], line["object"]) for line in lines]

    @property
    def names(self) -> list[tuple[str, str]]:
        return [(type_, obj["metadata"].get("name", "")) for type_, obj in self.events]


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


def config_map(name: str = "conf", labels: dict[str, str] | None = None, **data: str) -> Obj:
    metadata: Obj = {"name": name, "labels": labels} if labels else {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deployment(name: str = "web", replicas: int = 2) -> Obj:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def pod(name: str = "web", containers: tuple[str, ...] = ("c",)) -> Obj:
    listed = [{"name": container, "image": "busybox"} for container in containers]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": listed}}


class LogFiles:
    """Logs as a kubelet keeps them, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def log_path(self, pod_uid: str, container: str, attempt: int) -> str | None:
        return str(self.folder / f"{container}.{attempt}")

    def write(self, container: str, attempt: int, *lines: str) -> None:
        with (self.folder / f"{container}.{attempt}").open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
