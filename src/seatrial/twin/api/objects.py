"""Create, get, update, patch and delete over HTTP: decode, call the registry, and shape the answer."""

from __future__ import annotations

import json
from typing import Any

import orjson

from seatrial.twin import errors
from seatrial.twin.admission.plugins.namespaces import may_delete
from seatrial.twin.api import bodies, listing, tables
from seatrial.twin.api.http import Accepted, Request, Response, json_response, to_yaml, whole
from seatrial.twin.api.paths import Target
from seatrial.twin.merge.structured import go_text
from seatrial.twin.registry import patching
from seatrial.twin.registry.conversion import convert
from seatrial.twin.registry.registry import Options, Registry
from seatrial.twin.registry.resources import Resource
from seatrial.world import schema
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj

_PATCHES = (patching.JSON, patching.MERGE, patching.STRATEGIC, patching.APPLY)


class Objects:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    # reading

    def get(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        obj = self._registry.get(kind.id, target.namespace, target.name)
        if not accepted.form and accepted.encoding == "json":
            return Response(200, listing.encoded(self._registry.store, kind, obj))
        return self.shaped(request, kind, obj, accepted)

    def list(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        scope = listing.scope_of(request, kind, target.namespace)
        return listing.list_response(self._registry, request, scope, accepted)

    # writing

    def create(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        options = request.options()
        obj = bodies.read(request, kind)
        self._place(kind, target, obj)
        stored = self._registry.create(kind.id, self._inward(kind, obj), options)
        return self._written(request, kind, stored, accepted, options, 201)

    def update(self, request: Request, kind: Resource, target: Target, accepted: Accepted, subresource: str = "") -> Response:
        options = request.options()
        obj = bodies.read(request, kind)
        self._place(kind, target, obj)
        stored = self._registry.update(kind.id, self._inward(kind, obj), options, subresource)
        return self._written(request, kind, stored, accepted, options, 200)

    def patch(self, request: Request, kind: Resource, target: Target, accepted: Accepted, subresource: str = "") -> Response:
        media = bodies.media_type(request)
        if media not in _PATCHES or (media == patching.STRATEGIC and schema.type_of(kind.api_version, kind.kind) is None):
            known = [patch for patch in _PATCHES if patch != patching.STRATEGIC or schema.type_of(kind.api_version, kind.kind)]
            raise bodies.unsupported(", ".join(known))
        options = request.options()
        if media == patching.APPLY:
            return self._apply(request, kind, target, accepted, options, subresource)
        old = self._registry.get(kind.id, target.namespace, target.name)
        patch = _patch_of(request)
        new = self._checked(request, kind, patching.patched(convert(old, kind), patch, media), patch, media)
        self._place(kind, target, new)
        stored = self._registry.update(kind.id, self._inward(kind, new), options, subresource)
        return self._written(request, kind, stored, accepted, options, 200)

    def _apply(
        self, request: Request, kind: Resource, target: Target, accepted: Accepted, options: Options, subresource: str
    ) -> Response:
        if not request.query.get("fieldManager"):
            cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
            raise errors.invalid("meta.k8s.io", "PatchOptions", "", [cause])
        try:
            wanted = bodies.parse_yaml(request.body)
        except ValueError as error:
            raise errors.bad_request(f"error decoding YAML: {error}") from None
        if not isinstance(wanted, dict):
            raise errors.bad_request("error decoding YAML: the document is not an object")
        bodies.fit(wanted, kind)  # neither checked nor normalised: what it does not say is not applied
        if kind is not self._registry.resources.stored(kind.id) and kind.custom is None:
            wanted = bodies.checked(wanted, kind, request)  # only a whole object can be converted to the version that is stored
        self._place(kind, target, wanted)
        stored, new = self._registry.apply(kind.id, self._inward(kind, wanted), options, subresource)
        return self._written(request, kind, stored, accepted, options, 201 if new else 200)

    def _checked(self, request: Request, kind: Resource, obj: Obj, patch: Any, media: str) -> Obj:
        """A patched object, when it still is one of its kind. Raises ApiError (422)."""
        strategic = media == patching.STRATEGIC
        problems = schema.restore(obj) if strategic else bodies.problems_of(obj, kind)
        validation = request.query.get("fieldValidation") or "Warn"
        why = problems.error or (problems.strict_message() if validation == "Strict" and problems.strict else None)
        if why is not None:
            shown = json.dumps(go_text(patch) if strategic else orjson.dumps(obj).decode(), ensure_ascii=False)
            raise errors.invalid("", "", "", [Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", "patch")])
        if validation == "Warn":
            request.warnings.extend(problems.strict)
        obj = schema.normalise(obj, kind.custom.shape if kind.custom else None)
        if (obj.get("apiVersion"), obj.get("kind")) != (kind.api_version, kind.kind):
            raise errors.bad_request("the API version or kind of an object cannot be changed by a patch")
        return obj

    # deleting

    def delete(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        options, wanted = request.options(), self._delete_options(request)
        if kind.id == "namespaces":
            may_delete(target.name)
        preconditions = wanted.get("preconditions") or {}
        obj = self._registry.delete(
            kind.id,
            target.namespace,
            target.name,
            grace=wanted.get("gracePeriodSeconds"),
            propagation=wanted.get("propagationPolicy"),
            uid=preconditions.get("uid"),
            version=preconditions.get("resourceVersion"),
            options=options,
        )
        gone = not options.dry_run and self._registry.is_gone(kind.id, obj)
        if gone and not self._registry.strategy(kind.id).returns_deleted:
            return json_response(200, _deleted(kind, obj))
        return self.shaped(request, kind, obj, accepted)

    def delete_collection(self, request: Request, kind: Resource, target: Target, accepted: Accepted) -> Response:
        options, wanted = request.options(), self._delete_options(request)
        scope = listing.scope_of(request, kind, target.namespace)
        objects = self._registry.delete_collection(
            kind.id,
            scope.namespace,
            scope.takes,
            grace=wanted.get("gracePeriodSeconds"),
            propagation=wanted.get("propagationPolicy"),
            options=options,
        )
        metadata = {"resourceVersion": str(self._registry.store.version)}
        items = [convert(obj, kind) for obj in objects]
        return json_response(200, {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata, "items": items})

    def _delete_options(self, request: Request) -> Obj:
        """DeleteOptions from the body, or from the query when there is none. Raises ApiError."""
        wanted: Obj = {}
        if request.body:
            media = bodies.media_type(request)
            read = bodies.decode(request.body, media, "DeleteOptions")
            if not isinstance(read, dict):
                raise errors.bad_request("the object provided is unrecognized (must be of type DeleteOptions)")
            wanted = read
        else:
            query = request.query
            if query.get("gracePeriodSeconds"):
                wanted["gracePeriodSeconds"] = whole(query["gracePeriodSeconds"])
            for key in ("propagationPolicy", "orphanDependents"):
                if query.get(key):
                    wanted[key] = query[key]
        _check_delete_options(wanted)
        return wanted

    # shaping

    def _written(self, request: Request, kind: Resource, obj: Obj, accepted: Accepted, options: Options, status: int) -> Response:
        if accepted.form or accepted.encoding != "json":
            response = self.shaped(request, kind, obj, accepted)
            response.status = status
            return response
        if options.dry_run or obj.get("apiVersion") != kind.api_version or self._registry.is_gone(kind.id, obj):
            return json_response(status, convert(obj, kind))
        return Response(status, self._registry.store.encoded(kind.id, obj))

    def shaped(self, request: Request, kind: Resource, obj: Obj, accepted: Accepted) -> Response:
        """One object in the form the client asked for."""
        if accepted.form == "Table":
            include = request.query.get("includeObject", "Metadata")
            table = tables.table(kind, [obj], self._registry.clock.now(), include)
            table["metadata"] = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            return json_response(200, table)
        if accepted.form.startswith("PartialObjectMetadata"):
            return json_response(200, tables.metadata_only(obj))
        shown = convert(obj, kind)
        if accepted.encoding == "yaml":
            return Response(200, to_yaml(shown), b"application/yaml")
        return json_response(200, shown)

    def _inward(self, kind: Resource, obj: Obj) -> Obj:
        return convert(obj, self._registry.resources.stored(kind.id))

    def _place(self, kind: Resource, target: Target, obj: Obj) -> None:
        """Name and namespace of the path, which those of the body must not contradict. Raises ApiError (400)."""
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict):
            raise errors.bad_request("metadata must be an object")
        if target.name:
            if not metadata.get("name"):
                metadata["name"] = target.name
            elif metadata["name"] != target.name:
                message = f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
                raise errors.bad_request(message)
        if not kind.namespaced:
            metadata.pop("namespace", None)
        elif metadata.get("namespace") in (None, ""):
            metadata["namespace"] = target.namespace
        elif metadata["namespace"] != target.namespace:
            raise errors.bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _patch_of(request: Request) -> Any:
    try:
        return bodies.parse(request.body)
    except ValueError as error:
        raise errors.bad_request(f"error decoding patch: {error}") from None


_POLICIES = ("Background", "Foreground", "Orphan")


def _check_delete_options(wanted: Obj) -> None:
    if wanted.get("orphanDependents") is not None:
        orphan = str(wanted.pop("orphanDependents")).lower() == "true"
        wanted["propagationPolicy"] = "Orphan" if orphan else "Background"
    policy = wanted.get("propagationPolicy")
    if policy is not None and policy not in _POLICIES:
        said = ", ".join(f'"{known}"' for known in ("Foreground", "Background", "Orphan"))
        message = f'Unsupported value: "{policy}": supported values: {said}, "nil"'
        raise errors.invalid("meta.k8s.io", "DeleteOptions", "", [Cause("FieldValueNotSupported", message, "propagationPolicy")])
    grace = wanted.get("gracePeriodSeconds")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise errors.bad_request("gracePeriodSeconds must be a whole number")


def _deleted(kind: Resource, obj: Obj) -> Obj:
    details = {"name": obj["metadata"]["name"], "group": kind.group, "kind": kind.plural, "uid": obj["metadata"]["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }
