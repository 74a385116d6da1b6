"""A cluster's API for whoever follows it: plain dictionaries in, plain dictionaries out, over lightkube.

lightkube brings kubeconfig, exec credentials, TLS and streaming; here it is made to read lists and then follow them
without a gap, and to say what went wrong in words.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seatrial.world.objects import Obj, labels_of, namespace_of

Lines = list[str]


class ClusterError(Exception):
    """The cluster could not be asked, or refused; the message says which and what it said.

    `code` is the HTTP status of its answer, 0 where there was none.
    """

    code: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    group: str
    version: str
    kind: str
    plural: str


PODS = Kind("", "v1", "Pod", "pods")
EVENTS = Kind("", "v1", "Event", "events")
SECRETS = Kind("", "v1", "Secret", "secrets")
SERVICES = Kind("", "v1", "Service", "services")
INGRESSES = Kind("networking.k8s.io", "v1", "Ingress", "ingresses")
DEPLOYMENTS = Kind("apps", "v1", "Deployment", "deployments")
REPLICASETS = Kind("apps", "v1", "ReplicaSet", "replicasets")
STATEFULSETS = Kind("apps", "v1", "StatefulSet", "statefulsets")
JOBS = Kind("batch", "v1", "Job", "jobs")


@cache
def _resource(kind: Kind) -> Any:
    from lightkube.generic_resource import create_namespaced_resource

    return create_namespaced_resource(kind.group, kind.version, kind.kind, kind.plural)


class Client:
    """The objects of one cluster. Every call raises ClusterError; a missing object is None, not an error."""

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        import httpx2
        from lightkube import AsyncClient
        from lightkube.core.exceptions import ConfigError

        from seatrial.cluster.kubeconfig import KubeconfigError, of_certificates, plain, read

        try:
            config, proxy = read(Path(kubeconfig) if kubeconfig else None, context)
            self._client = AsyncClient(config, proxy=proxy)
        except ssl.SSLError as error:
            raise ClusterError(f"reading the kubeconfig: {of_certificates(error)}") from None
        except (httpx2.InvalidURL, ImportError):
            raise ClusterError("reading the kubeconfig: its proxy-url is none that is known here: http://HOST:PORT is") from None
        except (ConfigError, KubeconfigError, OSError, ValueError) as error:
            raise ClusterError(f"reading the kubeconfig: {error}") from None
        if config.user is not None and config.user.exec is not None:
            self.http.auth = _login(config.user.exec)
        through = f", by way of the proxy {plain(proxy)}" if proxy else ""
        #: The cluster as a sentence names it.
        self.where = f"the cluster at {plain(config.cluster.server)} (context {config.context_name}{through})"

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context."""
        return str(self._client.namespace or "default")

    @property
    def http(self) -> Any:
        """The connection itself, an `httpx2.AsyncClient` with the cluster's address and our credentials."""
        return self._client._client._client

    async def get(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        from lightkube import ApiError

        try:
            found = await self._client.get(_resource(kind), name, namespace=namespace)
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise _said(f"reading {kind.kind} {name} in {namespace}", error) from None
        return dict(found)

    async def list(self, kind: Kind, namespace: str) -> tuple[list[Obj], str]:
        """The objects of a namespace (of all for `*`), and the resourceVersion from which a watch goes on."""
        import httpx2
        from lightkube import ApiError

        try:
            answer = self._client.list(_resource(kind), namespace=namespace)
            objects = [_whole(obj, kind) async for obj in answer]
        except ApiError as error:
            raise _said(f"listing {kind.plural} in {namespace}", error) from None
        except httpx2.HTTPError as error:
            raise ClusterError(f"listing {kind.plural} in {namespace}: {error}") from None
        return objects, answer.resourceVersion or ""

    async def follow(self, kind: Kind, namespace: str) -> AsyncIterator[tuple[str, Obj]]:
        """What is there (as ADDED), then every change as it comes, for ever; a watch that ends is taken up again."""
        import httpx2
        from lightkube import ApiError

        while True:
            objects, version = await self.list(kind, namespace)
            for obj in objects:
                yield "ADDED", obj
            try:
                async for change, obj in self._client.watch(_resource(kind), namespace=namespace, resource_version=version):
                    yield change, _whole(obj, kind)
            except ApiError as error:
                if error.status.code != 410:  # the history no longer reaches back: list again
                    raise _said(f"watching {kind.plural} in {namespace}", error) from None
            except httpx2.HTTPError as error:
                raise ClusterError(f"watching {kind.plural} in {namespace}: {error}") from None

    async def logs(self, namespace: str, pod: str, container: str, lines: int = 20) -> Lines:
        """The end of a container's log; nothing when it has none."""
        from lightkube import ApiError

        try:
            answer = self._client.log(pod, namespace=namespace, container=container, tail_lines=lines)
            return [line.rstrip("\n") async for line in answer]
        except ApiError:
            return []

    async def apply_namespace(self, namespace: Obj) -> None:
        """Make a namespace, or bring the labels of one that is there up to date (server-side apply)."""
        from lightkube import ApiError
        from lightkube.resources.core_v1 import Namespace

        try:
            wanted: Any = Namespace.from_dict(namespace)
            await self._client.apply(wanted, field_manager="seatrial", force=True)
        except ApiError as error:
            raise _said(f"applying namespace {namespace['metadata']['name']}", error) from None

    async def delete_namespace(self, name: str) -> None:
        """Delete a namespace and return when it is gone; one that is not there is fine."""
        from lightkube import ApiError
        from lightkube.resources.core_v1 import Namespace

        wanted: dict[str, Any] = {"metadata.name": name}
        try:
            await self._client.delete(Namespace, name)
            while True:
                there = self._client.list(Namespace, fields=wanted)
                if not [namespace async for namespace in there]:
                    return
                async for change, _ in self._client.watch(Namespace, fields=wanted, resource_version=there.resourceVersion):
                    if change == "DELETED":
                        return
        except ApiError as error:
            if error.status.code != 404:
                raise _said(f"deleting namespace {name}", error) from None

    async def releases(self) -> set[tuple[str, str]]:
        """The Helm releases of the cluster, as (namespace, name)."""
        found = self._client.list(_resource(SECRETS), namespace="*", labels={"owner": "helm"})
        return {(namespace_of(obj), labels_of(obj).get("name", "")) async for obj in found}

    async def close(self) -> None:
        await self._client.aclose()


def _login(command: Any) -> Any:
    from seatrial.cluster.login import Login

    variables = {each.name: each.value for each in command.env or ()}
    return Login([command.command, *(command.args or ())], {**os.environ, **variables})


def _whole(obj: Any, kind: Kind) -> Obj:
    """Items of a list come without their type; with it they are what a get answers."""
    version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    return {"apiVersion": version, "kind": kind.kind, **obj}


def _said(doing: str, error: Any) -> ClusterError:
    told = ClusterError(f"{doing}: {error.status.message or error}")
    told.code = int(error.status.code or 0)
    return told
