"""Subresources that are more than a part of their object: scale, eviction, binding, token, log, finalize, approval."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from seatrial.twin import errors
from seatrial.twin.api import bodies, containers, executing, forwarding, logs
from seatrial.twin.api.http import Accepted, Answer, Request, Response, json_response
from seatrial.twin.api.objects import Objects
from seatrial.twin.api.paths import Target
from seatrial.twin.registry import patching
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import Resource
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj, dig

Handler = Callable[[Request, Resource, Target, Accepted], Answer]

_SCALE = Resource("autoscaling", "v1", "Scale", "scales")
_EVICTION = Resource("policy", "v1", "Eviction", "evictions")
_BINDING = Resource("", "v1", "Binding", "bindings")
_TOKEN = Resource("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests")
_CREATED: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class Subresources:
    def __init__(self, registry: Registry, objects: Objects, log_files: logs.Logs | None) -> None:
        self._registry, self._objects, self._logs = registry, objects, log_files
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "status"): objects.get,
            ("PUT", "status"): partial(objects.update, subresource="status"),
            ("PATCH", "status"): partial(objects.patch, subresource="status"),
            ("GET", "scale"): self._get_scale,
            ("PUT", "scale"): self._put_scale,
            ("PATCH", "scale"): self._patch_scale,
            ("POST", "eviction"): self._evict,
            ("POST", "binding"): self._bind,
            ("POST", "token"): self._token,
            ("GET", "log"): self._log,
            ("GET", "exec"): self._plain_exec,
            ("POST", "exec"): self._plain_exec,
            ("GET", "attach"): self._plain_attach,
            ("POST", "attach"): self._plain_attach,
            ("GET", "portforward"): self._plain_forward,
            ("POST", "portforward"): self._plain_forward,
            ("PUT", "finalize"): self._finalize,
            ("GET", "approval"): objects.get,
            ("PUT", "approval"): partial(objects.update, subresource="status"),
            ("PATCH", "approval"): partial(objects.patch, subresource="status"),
        }
        for part in ("ephemeralcontainers", "resize"):
            self._handlers["GET", part] = objects.get
            self._handlers["PUT", part] = partial(objects.update, subresource=part)
            self._handlers["PATCH", part] = partial(objects.patch, subresource=part)

    def answer(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Answer:
        """Raises ApiError (405) for a method that the subresource has not."""
        handler = self._handlers.get((request.method, target.subresource))
        if handler is None:
            raise errors.method_not_allowed()
        return handler(request, kind, target, accepted)

    # scale

    def _get_scale(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        return json_response(200, self._registry.scale(kind.id, target.namespace, target.name))

    def _put_scale(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        return self._set_scale(request, kind, target, bodies.read(request, _SCALE))

    def _patch_scale(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        media = bodies.media_type(request)
        try:
            patch = bodies.parse_yaml(request.body) if media == patching.APPLY else bodies.parse(request.body)
        except ValueError as error:
            raise errors.bad_request(f"error decoding patch: {error}") from None
        current = self._registry.scale(kind.id, target.namespace, target.name)
        patched = patching.patched(current, patch, patching.MERGE if media == patching.APPLY else media)
        return self._set_scale(request, kind, target, patched)

    def _set_scale(self, request: Request, kind: Resource, target: Target, scale: Obj) -> Response:
        replicas = dig(scale, "spec.replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            why = f"Invalid value: {replicas}: must be greater than or equal to 0"
            cause = Cause("FieldValueInvalid", why, "spec.replicas")
            raise errors.invalid("autoscaling", "Scale", target.name, [cause])
        version = dig(scale, "metadata.resourceVersion", "")
        options = request.options()
        return json_response(200, self._registry.set_scale(kind.id, target.namespace, target.name, replicas, options, version))

    # pods

    def _evict(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        eviction = bodies.read(request, _EVICTION)
        name = eviction["metadata"].get("name")
        if name and name != target.name:
            raise errors.bad_request("name in URL does not match name in Eviction object")
        wanted = eviction.get("deleteOptions") or {}
        grace, uid = wanted.get("gracePeriodSeconds"), dig(wanted, "preconditions.uid")
        self._registry.evict(target.namespace, target.name, grace=grace, uid=uid, options=request.options())
        return json_response(201, _CREATED)

    def _bind(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        return self.bind(request, bodies.read(request, _BINDING), target.namespace, target.name)

    def bind(self, request: Request, binding: Obj, namespace: str, name: str) -> Response:
        """A Binding, at its pod or in the collection of bindings."""
        where = binding.get("target") or {}
        if where.get("kind") not in (None, "", "Node") or not where.get("name"):
            cause = Cause("FieldValueRequired", "Required value", "target.name")
            raise errors.invalid("", "Binding", name, [cause])
        self._registry.bind(namespace, name, where["name"], request.options())
        return json_response(201, _CREATED)

    def _log(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Answer:
        pod = self._registry.get("pods", target.namespace, target.name)
        return logs.answer(self._registry, self._logs, request, pod)

    def _plain_exec(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Answer:
        """A stream is had by a WebSocket alone; what stands against it is told all the same."""
        executing.command_of(request.scope["query_string"], self._registry.get("pods", target.namespace, target.name))
        raise executing.no_upgrade()

    def _plain_attach(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Answer:
        pod = self._registry.get("pods", target.namespace, target.name)
        containers.running(pod, request.query.get("container", ""))
        raise executing.no_upgrade()

    def _plain_forward(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Answer:
        forwarding.address_of(self._registry.get("pods", target.namespace, target.name))
        raise executing.no_upgrade()

    # the others

    def _token(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        wanted = bodies.read(request, _TOKEN)
        return json_response(201, self._registry.token(target.namespace, target.name, wanted, request.options()))

    def _finalize(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        namespace = bodies.read(request, kind)
        namespace["metadata"].setdefault("name", target.name)
        return self._objects.shaped(request, kind, self._registry.finalize(namespace, request.options()), accepted)
