"""The API server as an ASGI application: who asks, what for, may they, and the answer.

`Api` routes; what to answer is for the other modules.  A refusal is a Status with the code of Kubernetes, a mistake of
ours a Status 500 whose cause goes to the log alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from seatrial.twin import errors
from seatrial.twin.api import bodies, discovery, fields, impersonation, listing
from seatrial.twin.api.authentication import MASTERS, Authenticator
from seatrial.twin.api.authorization import Action, Authorizer
from seatrial.twin.api.executing import Commands
from seatrial.twin.api.http import (
    Answer,
    Gone,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    TooLarge,
    TooSlow,
    User,
    error_response,
    json_response,
    negotiate,
    parse_query,
    read_body,
    text_response,
)
from seatrial.twin.api.logs import Logs
from seatrial.twin.api.metrics import Metrics, Usage
from seatrial.twin.api.objects import Objects
from seatrial.twin.api.openapi_routes import OpenApi
from seatrial.twin.api.paths import Target, target_of
from seatrial.twin.api.reviews import Reviews
from seatrial.twin.api.streams import Streams
from seatrial.twin.api.subresources import Subresources
from seatrial.twin.api.watching import Watches
from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import Resource
from seatrial.world.objects import Obj

log = logging.getLogger(__name__)

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
#: What everybody may ask, whatever roles there are (apiserver: --authorization-always-allow-paths).
_HEALTH = ("/healthz", "/livez", "/readyz")
_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
_ENDPOINTS_ARE_OLD = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


class Api:
    """`users`: bearer tokens and whose they are; `logs`, `commands`, `usage`: the kubelet's part; `ready`: for /readyz."""

    def __init__(
        self,
        registry: Registry,
        users: Mapping[str, User],
        *,
        logs: Logs | None = None,
        commands: Commands | None = None,
        usage: Usage | None = None,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.registry = registry
        self.authenticator = Authenticator(registry, users)
        self.authorizer = Authorizer(registry)
        self.watches = Watches(registry)
        self._ready = ready
        self._objects = Objects(registry)
        self._subresources = Subresources(registry, self._objects, logs)
        self._streams = Streams(registry, self._user, self.authorizer, logs, commands)
        self._reviews = Reviews(registry, self.authenticator, self.authorizer)
        self._discovery = discovery.Discovery(registry.resources)
        self._openapi = OpenApi(registry.resources, self._custom_schema)
        self._metrics = Metrics(registry, usage)
        self._handlers: dict[str, Callable[..., Answer]] = {
            "get": self._objects.get,
            "list": self._objects.list,
            "create": self._objects.create,
            "update": self._objects.update,
            "patch": self._objects.patch,
            "delete": self._objects.delete,
            "deletecollection": self._objects.delete_collection,
        }

    def close(self) -> None:
        """End all watches: their clients see a response that is complete."""
        self.watches.close()

    def _custom_schema(self, api_version: str, kind: str) -> Obj | None:
        resource = self.registry.resources.of_kind(api_version, kind)
        return resource.custom.schema if resource and resource.custom else None

    # ASGI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await self._answer(scope, receive)
            if answer is not None:
                await answer.send(send)
        elif scope["type"] == "websocket":
            await self._streams.serve(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        request: Request | None = None
        try:
            headers = dict(scope["headers"])
            body = await read_body(receive, headers.get(b"content-length", b"")) if scope["method"] in _WITH_BODY else b""
            query = parse_query(scope["query_string"])
            user = self._user(scope, headers)
            request = Request(scope["method"], scope["path"], query, headers, body, user, receive, scope)
            if body:
                await bodies.read_aside(request)
            answer = self._route(request)
        except ApiError as error:
            answer = error_response(error)
        except TooLarge:
            message = "Request entity too large: limit is 3145728"
            answer = error_response(ApiError(413, "RequestEntityTooLarge", message))
        except TooSlow:
            message = "Timeout: request did not complete within the allotted timeout"
            answer = error_response(ApiError(504, "Timeout", message))
        except Gone:
            return None
        except Exception as error:
            log.exception("%s %s failed", scope["method"], scope["path"])
            answer = error_response(errors.internal(type(error).__name__))
        if request is not None and request.warnings and isinstance(answer, Response):
            answer.headers.extend((b"warning", _warning(text)) for text in request.warnings)
        return answer

    def _user(self, scope: Scope, headers: Mapping[bytes, bytes]) -> User:
        """Who asks, or whom they act as. Raises ApiError."""
        user = self.authenticator.user(scope, headers)
        if b"impersonate-user" in headers or b"impersonate-group" in headers or b"impersonate-uid" in headers:
            return impersonation.impersonated(user, scope["headers"], self.authorizer)
        return user

    # routing

    def _route(self, request: Request) -> Answer:
        target = target_of(request.path)
        if target is not None:
            if target.group == "metrics.k8s.io":
                return self._usage(request, target)
            kind = self.registry.resources.at(target.group, target.version, target.plural)
            if kind is not None and kind.served:
                return self._resource(request, kind, target)
            self._authorize(request, target, _verb(request, target))
            return _not_found()
        return self._no_resource(request)

    def _usage(self, request: Request, target: Target) -> Answer:
        if MASTERS not in request.user.groups:
            self._authorize(request, target, _verb(request, target))
        return self._metrics.answer(request, target)

    def _resource(self, request: Request, kind: Resource, target: Target) -> Answer:
        accepted = negotiate(request.header(b"accept"))
        if accepted is None:
            raise _not_acceptable()
        verb = _verb(request, target)
        if MASTERS not in request.user.groups:
            self._authorize(request, target, verb)
        if kind.custom is not None and kind.custom.warning:
            request.warnings.append(kind.custom.warning)
        if kind.id == "endpoints":
            request.warnings.append(_ENDPOINTS_ARE_OLD)
        if target.subresource:
            if target.subresource not in kind.subresources:
                return _not_found()
            return self._subresources.answer(request, kind, target, accepted)
        if verb not in kind.verbs:
            raise errors.method_not_allowed()
        if verb == "watch":
            return self.watches.open(request, listing.scope_of(request, kind, target.namespace, target.name), accepted)
        if verb == "create":
            return self._create(request, kind, target, accepted)
        return self._handlers[verb](request, kind, target, accepted)

    def _create(self, request: Request, kind: Resource, target: Target, accepted: Any) -> Answer:
        if target.name or (kind.namespaced and not target.namespace and kind.verbs != ("create",)):
            raise errors.method_not_allowed()
        if self._reviews.answers(kind):
            return self._reviews.answer(request, kind, target)
        if kind.id == "bindings":
            binding = bodies.read(request, kind)
            return self._subresources.bind(request, binding, target.namespace, binding["metadata"].get("name", ""))
        return self._objects.create(request, kind, target, accepted)

    def _authorize(self, request: Request, target: Target, verb: str) -> None:
        """Raises ApiError (403). A namespace is in itself, and a list of one object is about that object."""
        resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
        namespace, name = target.namespace, target.name
        if target.plural == "namespaces" and not target.group:
            namespace = name
        if not name and verb in ("list", "watch"):
            name = fields.name_asked(request.query.get("fieldSelector", ""))
        self.authorizer.require(request.user, Action(verb, target.group, resource, namespace, name))

    def _no_resource(self, request: Request) -> Answer:
        path = request.path
        if path not in _HEALTH:
            self.authorizer.require(request.user, Action(request.method.lower(), path=path))
        if path.startswith(_HEALTH):
            return text_response(200, "ok") if self._ready() else text_response(500, "starting")
        if path.rstrip("/") == "/version":
            return discovery.version_response()
        if path.startswith("/openapi"):
            return self._openapi.answer(request) or _not_found()
        accepted = negotiate(request.header(b"accept"))
        if accepted is None:
            raise _not_acceptable()
        found = self._discovery.answer(path, accepted)
        if found is not None:
            return found
        if path == "/":
            return json_response(200, {"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})
        return _not_found()


def _verb(request: Request, target: Target) -> str:
    verb = _VERBS.get(request.method)
    if verb is None:
        raise errors.method_not_allowed()
    if verb == "get":
        if target.watch or (request.query.get("watch") in ("true", "1") and not target.subresource):
            return "watch"
        return verb if target.name else "list"
    if target.name:
        return verb
    if verb == "delete":
        return "deletecollection"
    if verb != "create":
        raise errors.method_not_allowed()
    return verb


def _not_found() -> Response:
    return text_response(404, "404 page not found\n")


def _not_acceptable() -> ApiError:
    known = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    message = f"only the following media types are accepted: {known}"
    return ApiError(406, "NotAcceptable", message)


def _warning(text: str) -> bytes:
    """A Warning header (RFC 7234): 299, nobody in particular, and the text in quotes."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'.encode()
