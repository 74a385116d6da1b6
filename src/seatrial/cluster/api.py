"""The API of a cluster beyond following objects: what it serves, objects of any kind, dry runs, and who may do what.

A thin layer of plain requests over the connection of `client`: plain dictionaries in and out.  A request that the cluster could
not take just now (429, 500, 502, 503, 504, a connection that broke) is made again for `PATIENCE` seconds where making it twice
does no harm; what it refused for good is a `Refused` with its code and words.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from seatrial.cluster.client import Client, ClusterError
from seatrial.cluster.kubeconfig import plain
from seatrial.world.objects import Obj, Ref, group_of, name_of, namespace_of

#: Seconds for which a cluster that does not answer is asked again, and between two tries.
PATIENCE, PAUSE = 30.0, 0.25
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
#: What a server-side apply of a wrong type is answered with, as a 500: asking again changes nothing.
_FINAL = ("failed to create typed patch object", "failed to create manager for existing fields")
#: What does not go away by asking again: no such host, certificates that do not fit, no TLS at the other end.
_NEVER = ("Name or service not known", "nodename nor servname", "certificate", "CERTIFICATE", "WRONG_VERSION_NUMBER")
#: What to ask oneself of a cluster that is not reached.
_ASK = ". Does it run? Is a VPN missing?"
_ELSE = ": does something else than a cluster answer here?"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
#: Everything that is served in two answers, where the cluster knows how (Kubernetes 1.30); else older documents, one a version.
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

Objects = list[Obj]


class Refused(ClusterError):  # noqa: N818 - an answer, not a fault of ours
    """The cluster said no. `code` is the HTTP status, `reason` Kubernetes' word for it, `causes` the details."""

    def __init__(self, doing: str, code: int, status: Mapping[str, Any]) -> None:
        self.code, self.reason = code, str(status.get("reason") or "")
        details = status.get("details")
        self.words = str(status.get("message") or f"HTTP {code}")
        if code == 401:
            self.words += ": the credentials of the kubeconfig are not, or no longer, valid there; log in again"
        self.causes: list[Obj] = (details.get("causes") if isinstance(details, dict) else None) or []
        super().__init__(f"{doing}: {self.words}")


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind as it is served."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of its collection, or of one object."""
        start = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{start}{where}/{self.plural}" + (f"/{name}" if name else "")


Resources = list[Resource]

NAMESPACES = Resource("", "v1", "Namespace", "namespaces", False)
NODES = Resource("", "v1", "Node", "nodes", False)
PODS = Resource("", "v1", "Pod", "pods", True)
SECRETS = Resource("", "v1", "Secret", "secrets", True)
CONFIGMAPS = Resource("", "v1", "ConfigMap", "configmaps", True)
QUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas", True)
LIMIT_RANGES = Resource("", "v1", "LimitRange", "limitranges", True)
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", True)
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", False)


@dataclass(frozen=True)
class Served:
    """What a cluster serves, by API version and kind."""

    version: str  # of the server: v1.36.2
    resources: Mapping[tuple[str, str], Resource]
    group_versions: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()  # group versions that exist and could not be read: an aggregated API that is down

    def of(self, obj: Mapping[str, Any]) -> Resource | None:
        return self.resources.get((str(obj.get("apiVersion", "")), str(obj.get("kind", ""))))

    def of_ref(self, ref: Ref) -> Resource | None:
        """A kind of a group in whatever version is served."""
        return self._by_kind.get((ref.group, ref.kind))

    @cached_property
    def _by_kind(self) -> dict[tuple[str, str], Resource]:
        return {(resource.group, resource.kind): resource for resource in reversed(list(self.resources.values()))}

    def versions_of(self, group: str, kind: str) -> list[str]:
        """The API versions in which a kind of a group is served."""
        return [r.api_version for r in self.resources.values() if (r.group, r.kind) == (group, kind)]


@dataclass
class Api:
    """Requests to one cluster. Every call raises ClusterError (Refused when the cluster answered no).

    `sleep` and `now` are seconds of a clock that does not jump.
    """

    client: Client
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = time.monotonic
    patience: float = PATIENCE
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(16))

    async def request(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        content: str = "application/json",
        accept: str = "application/json",
        again: bool | None = None,
    ) -> Any:
        """One request, made again when the cluster could not take it; `again` says whether that is harmless (reading is)."""
        import orjson

        sent: dict[str, Any] = {"params": dict(params or {}), "headers": {"Accept": accept}}
        if body is not None:
            sent = {**sent, "content": orjson.dumps(body), "headers": {"Accept": accept, "Content-Type": content}}
        harmless = method == "GET" if again is None else again
        end = self.now() + self.patience
        while True:
            try:
                async with self._gate:
                    return await self._once(method, path, doing, sent)
            except _NotNowError as error:
                # 429 and 503 with no work done are safe for every request; the rest only where twice is as good as once
                if not (harmless or error.untouched) or self.now() + error.wait > end:
                    raise error.told from None
                await self.sleep(error.wait)

    async def _once(self, method: str, path: str, doing: str, sent: Mapping[str, Any]) -> Any:
        import httpx2
        import orjson
        from lightkube.core.exceptions import ConfigError

        from seatrial.cluster.login import LoginError

        try:
            answer = await self.client.http.request(method, path, **sent)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            told = ClusterError(f"{doing}: {_where(self.client)} is not reached: {_why(error)}")
            if any(words in str(error) for words in _NEVER):
                raise told from None
            raise _NotNowError(told, PAUSE, untouched=True) from None
        except httpx2.TimeoutException:
            told = ClusterError(f"{doing}: {_where(self.client)} gives no answer")
            raise _NotNowError(told, PAUSE) from None
        except httpx2.HTTPError as error:
            raise _NotNowError(ClusterError(f"{doing}: {_why(error)}"), PAUSE) from None
        except LoginError as error:
            words = f"no credentials for {_where(self.client)}: the command of the kubeconfig {error}"
            raise ClusterError(f"{doing}: {words}") from None
        except (ConfigError, OSError, ValueError) as error:
            raise ClusterError(f"{doing}: no credentials for {_where(self.client)}: {_brief(error)}") from None
        if answer.status_code < 300:
            try:
                said = orjson.loads(answer.content)
            except orjson.JSONDecodeError:
                said = None
            if not isinstance(said, dict):
                raise ClusterError(f"{doing}: the answer is no object in JSON{_ELSE}")
            return said
        if answer.status_code < 400:
            raise ClusterError(f"{doing}: the answer leads elsewhere, to {plain(answer.headers.get('Location', '?'))}{_ELSE}")
        refused = Refused(doing, answer.status_code, _status(answer))
        if answer.status_code in _TRANSIENT and not any(words in refused.words for words in _FINAL):
            wait = answer.headers.get("Retry-After", "")
            raise _NotNowError(refused, float(wait) if wait.isdigit() else PAUSE, answer.status_code in (429, 503))
        raise refused

    async def get(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """An object, or None where there is none."""
        doing = f"reading {resource.kind} {name}" + (f" in {namespace}" if resource.namespaced else "")
        try:
            found: Obj = await self.request("GET", resource.path(namespace, name), doing=doing)
        except Refused as refused:
            if refused.code == 404:
                return None
            raise
        return found

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        keep: Callable[[Obj], Obj] | None = None,
    ) -> Objects:
        """The objects of a namespace, or of all; `labels` and `fields` are selectors as kubectl takes them.

        `keep` makes each object small as its page comes, where only a part is needed of many.
        """
        doing = f"listing {resource.plural}" + (f" in {namespace}" if namespace else "")
        params = {"limit": "500"}
        params |= {"labelSelector": labels} if labels else {}
        params |= {"fieldSelector": fields} if fields else {}
        found: list[Obj] = []
        while True:
            try:
                answer = await self.request("GET", resource.path(namespace), doing=doing, params=params)
            except Refused as refused:
                if refused.code != 410 or "continue" not in params:
                    raise
                # the pages have expired in between: all of it at once, as client-go does (tools/pager)
                found = []
                params = {key: value for key, value in params.items() if key not in ("continue", "limit")}
                continue
            if not isinstance(answer.get("items") or [], list) or "items" not in answer:
                raise ClusterError(f"{doing}: the answer is no list{_ELSE}")
            head = {"apiVersion": resource.api_version, "kind": resource.kind}
            page = ({**head, **item} for item in answer.get("items") or ())
            found += map(keep, page) if keep else page
            following = (answer.get("metadata") or {}).get("continue")
            if not following:
                return found
            params["continue"] = following

    async def create(self, resource: Resource, obj: Obj, *, again: bool = False) -> Obj:
        """Create an object; `again`: also after an answer was lost, for whoever knows their own object when it is there (409)."""
        doing = f"creating {resource.kind} {name_of(obj)}"
        made: Obj = await self.request("POST", resource.path(namespace_of(obj)), doing=doing, body=obj, again=again)
        return made

    async def replace(self, resource: Resource, obj: Obj, *, again: bool = False) -> Obj:
        """Replace an object as it was read: refused with 409 where somebody changed it since; `again` as in `create`."""
        path, doing = resource.path(namespace_of(obj), name_of(obj)), f"updating {resource.kind} {name_of(obj)}"
        done: Obj = await self.request("PUT", path, doing=doing, body=obj, again=again)
        return done

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object; one that is not there is fine."""
        try:
            await self.request("DELETE", resource.path(namespace, name), doing=f"deleting {resource.kind} {name}", again=True)
        except Refused as refused:
            if refused.code != 404:
                raise

    async def apply(self, resource: Resource, obj: Obj, *, manager: str, force: bool = False, dry_run: bool = False) -> Obj:
        """Server-side apply; with `dry_run` the object as it would be. A conflict is Refused with code 409."""
        params = {"fieldManager": manager, "force": str(force).lower()} | ({"dryRun": "All"} if dry_run else {})
        path = resource.path(namespace_of(obj), name_of(obj))
        doing = f"applying {resource.kind} {name_of(obj)}"
        done: Obj = await self.request("PATCH", path, doing=doing, params=params, body=obj, content=_APPLY, again=True)
        return done

    async def merge(self, resource: Resource, namespace: str, name: str, patch: Obj) -> Obj:
        """A merge patch."""
        path, doing = resource.path(namespace, name), f"patching {resource.kind} {name}"
        done: Obj = await self.request("PATCH", path, doing=doing, body=patch, content=_MERGE, again=True)
        return done

    async def patch(self, resource: Resource, namespace: str, name: str, operations: Objects) -> Obj:
        """A JSON patch (RFC 6902). It is not made again: twice may be more than once."""
        path, doing = resource.path(namespace, name), f"patching {resource.kind} {name}"
        done: Obj = await self.request("PATCH", path, doing=doing, body=operations, content=_JSON_PATCH)
        return done

    async def may(self, verb: str, resource: Resource, namespace: str, name: str = "") -> bool:
        """Whether we may do this (SelfSubjectAccessReview); a plural may name a subresource (`pods/log`)."""
        plural, _, subresource = resource.plural.partition("/")
        wanted = {"verb": verb, "group": resource.group, "resource": plural}
        wanted |= {"subresource": subresource} if subresource else {}
        wanted |= {"namespace": namespace} if resource.namespaced else {}
        wanted |= {"name": name} if name else {}
        body = {
            "apiVersion": ACCESS_REVIEWS.api_version,
            "kind": ACCESS_REVIEWS.kind,
            "spec": {"resourceAttributes": wanted},
        }
        path = ACCESS_REVIEWS.path()
        answer = await self.request("POST", path, doing=f"asking whether we may {verb} {resource.plural}", body=body, again=True)
        return bool((answer.get("status") or {}).get("allowed"))

    async def served(self) -> Served:
        """Everything that is served: two answers where the cluster aggregates them, else group version by group version."""
        doing = "asking what the cluster serves"
        try:
            found = await self._served(doing)
        except (AttributeError, KeyError, TypeError):
            raise ClusterError(f"{doing}: the answer cannot be read{_ELSE}") from None
        if not found.resources:
            raise ClusterError(f"{doing}: it serves nothing{_ELSE}")
        return found

    async def _served(self, doing: str) -> Served:
        said, core, groups = await asyncio.gather(
            self.request("GET", "/version", doing="asking for the version of the cluster"),
            self.request("GET", "/api", doing=doing, accept=_DISCOVERY),
            self.request("GET", "/apis", doing=doing, accept=_DISCOVERY),
        )
        version = str(said.get("gitVersion", ""))
        if core.get("kind") == groups.get("kind") == "APIGroupDiscoveryList":
            return _aggregated(version, [*(core.get("items") or ()), *(groups.get("items") or ())])
        names = [f"/api/{one}" for one in core.get("versions") or ["v1"]]
        for group in groups.get("groups") or ():
            preferred = (group.get("preferredVersion") or {}).get("groupVersion")
            versions = [one["groupVersion"] for one in group.get("versions") or ()]
            names += [f"/apis/{one}" for one in sorted(versions, key=lambda one: one != preferred)]
        lists = await asyncio.gather(*(self._group_version(name) for name in names))
        resources = {(r.api_version, r.kind): r for found in lists for r in found or ()}
        unread = tuple(name for name, found in zip(names, lists, strict=True) if found is None)
        every = frozenset(name.removeprefix("/apis/").removeprefix("/api/") for name in names)
        return Served(version, resources, every, unread)

    async def _group_version(self, path: str) -> Resources | None:
        try:
            answer = await self.request("GET", path, doing=f"asking what {path} serves", again=False)
        except ClusterError:
            return None  # an aggregated API whose server is down; who needs it is told
        group, _, version = path.removeprefix("/apis/").removeprefix("/api/").rpartition("/")
        return [
            Resource(group, version, one["kind"], one["name"], bool(one["namespaced"]), tuple(one.get("verbs") or ()))
            for one in answer.get("resources") or ()
            if "/" not in one["name"]
        ]

    async def live(self, wanted: Iterable[tuple[Resource, str, str]]) -> dict[Ref, Obj]:
        """The objects that are there, of those wanted as (resource, namespace, name): one list where many are of a kind."""
        by_place: dict[tuple[Resource, str], list[str]] = {}
        for resource, namespace, name in wanted:
            by_place.setdefault((resource, namespace if resource.namespaced else ""), []).append(name)
        found = await asyncio.gather(*(self._live(r, namespace, names) for (r, namespace), names in by_place.items()))
        return {Ref(group_of(obj), obj["kind"], namespace_of(obj), name_of(obj)): obj for objects in found for obj in objects}

    async def _live(self, resource: Resource, namespace: str, names: Sequence[str]) -> Sequence[Obj]:
        # a namespace's Secrets hold every revision of every release: those are read one by one
        if len(names) > 6 and resource != SECRETS:
            wanted = frozenset(names)
            return [obj for obj in await self.list(resource, namespace) if name_of(obj) in wanted]
        objects = await asyncio.gather(*(self.get(resource, namespace, name) for name in names))
        return [obj for obj in objects if obj is not None]


class _NotNowError(Exception):
    """A request that may be made again after `wait` seconds; `untouched`: the cluster did nothing with it."""

    def __init__(self, told: ClusterError, wait: float, untouched: bool = False) -> None:
        super().__init__(str(told))
        self.told, self.wait, self.untouched = told, wait, untouched


def _aggregated(version: str, groups: Iterable[Obj]) -> Served:
    """What aggregated discovery says (apidiscovery/v2); versions come in their group's order of preference."""
    resources: dict[tuple[str, str], Resource] = {}
    every, unread = set[str](), list[str]()
    for group in groups:
        name = str((group.get("metadata") or {}).get("name") or "")
        for served in group.get("versions") or ():
            api_version = f"{name}/{served['version']}" if name else str(served["version"])
            every.add(api_version)
            if served.get("freshness") == "Stale":  # an aggregated API whose server is down: what it had is not what it has
                unread.append(f"/apis/{api_version}")
                continue
            for one in served.get("resources") or ():
                kind = str((one.get("responseKind") or {}).get("kind") or "")
                verbs, namespaced = tuple(one.get("verbs") or ()), one.get("scope") == "Namespaced"
                if kind:
                    found = Resource(name, str(served["version"]), kind, str(one["resource"]), namespaced, verbs)
                    resources.setdefault((api_version, kind), found)
    return Served(version, resources, frozenset(every), tuple(unread))


def _status(answer: Any) -> Mapping[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        text = answer.text.strip()
        if text[:1] == "<":  # a proxy's page, a log-in, another server
            return {"message": f"the answer is a web page (HTTP {answer.status_code}){_ELSE}"}
        return {"message": text[:300]}
    return said if isinstance(said, dict) else {}


def _where(client: Client) -> str:
    return getattr(client, "where", "the cluster")


def _brief(error: Exception) -> str:
    """What is wrong with credentials that cannot be sent; what a codec quotes of them is left out."""
    return "they hold what no request can" if isinstance(error, UnicodeError) else " ".join(str(error).split())[:400]


def _of_tls(error: ssl.SSLError) -> str:
    """What went wrong with certificates, or that there is no TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}): see certificate-authority of the kubeconfig's cluster"
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS there: is the address right, and does it begin with https?"
    return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"


def _why(error: Exception) -> str:
    below: BaseException | None = error
    while below is not None:  # the library says that all attempts failed; each attempt says why
        if isinstance(below, BaseExceptionGroup):
            below = below.exceptions[0]
        if isinstance(below, ssl.SSLError):
            return _of_tls(below)
        if isinstance(below, OSError) and below.strerror and "All connection attempts" not in str(below):
            return os.strerror(below.errno) + _ASK if below.errno and below.errno > 0 else below.strerror + _ASK
        below = below.__cause__ or below.__context__
    return str(error) or type(error).__name__
