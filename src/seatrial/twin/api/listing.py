"""Lists: selectors, pages, versions in the past, and the three forms a list can take (objects, metadata, table)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from seatrial.twin import errors
from seatrial.twin.api import fields, tables
from seatrial.twin.api.http import Accepted, Request, Response, Streamed, to_yaml, whole
from seatrial.twin.errors import ApiError
from seatrial.twin.registry.conversion import convert
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import Resource
from seatrial.twin.store import Expired, Store
from seatrial.world import selectors
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj, labels_of

Predicate = Callable[[Obj], bool]

#: Lists of more objects are sent while they are encoded, so many objects at a time: the client reads the first meanwhile.
LARGE, PIECE = 500, 100


@dataclass(frozen=True, slots=True)
class Scope:
    """What a list or watch is about: a resource in one version, a namespace (None: all), one name or all, and a predicate."""

    kind: Resource
    namespace: str | None
    wanted: Predicate | None

    def takes(self, obj: Obj) -> bool:
        if self.namespace is not None and obj["metadata"].get("namespace", "") != self.namespace:
            return False
        return self.wanted is None or self.wanted(obj)


def scope_of(request: Request, kind: Resource, namespace: str, name: str = "") -> Scope:
    """What the query's selectors leave. Raises ApiError (400)."""
    predicates: list[Predicate] = []
    labels = request.query.get("labelSelector")
    if labels:
        predicates.append(_labels(labels))
    wanted = request.query.get("fieldSelector")
    if wanted:
        predicates.append(fields.parse(wanted, kind))
    if name:
        predicates.append(lambda obj: bool(obj["metadata"]["name"] == name))
    predicate: Predicate | None = None
    if len(predicates) == 1:
        predicate = predicates[0]
    elif predicates:
        predicate = lambda obj: all(one(obj) for one in predicates)  # noqa: E731
    return Scope(kind, namespace if kind.namespaced and namespace else None, predicate)


def _labels(text: str) -> Predicate:
    try:
        matches = selectors.parse(text)
    except ValueError as error:
        raise errors.bad_request(str(error)) from None
    return lambda obj: matches(labels_of(obj))


# objects


def list_response(registry: Registry, request: Request, scope: Scope, accepted: Accepted) -> Response:
    store, query = registry.store, request.query
    limit = max(0, whole(query.get("limit") or "0"))
    check_versions(query, store)
    if query.get("continue"):
        version, after = _read_token(query["continue"])
        objects = snapshot(store, scope, version)
        if query.get("resourceVersion") not in (None, "", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        objects = [obj for obj in objects if _position(obj) > after]
    else:
        version, objects = _start(store, scope, query)
    metadata: Obj = {"resourceVersion": str(version)}
    if limit and len(objects) > limit:
        remaining, objects = len(objects) - limit, objects[:limit]
        metadata["continue"] = _token(version, _position(objects[-1]))
        if scope.wanted is None:
            metadata["remainingItemCount"] = remaining
    return shaped(registry, request, scope.kind, objects, metadata, accepted)


def _start(store: Store, scope: Scope, query: dict[str, str]) -> tuple[int, list[Obj]]:
    exact = query.get("resourceVersionMatch") == "Exact"
    old_limit = query.get("limit") and not query.get("resourceVersionMatch")
    asked = query.get("resourceVersion")
    if asked and asked != "0" and (exact or old_limit):
        return int(asked), snapshot(store, scope, int(asked))
    return store.version, current(store, scope)


def current(store: Store, scope: Scope) -> list[Obj]:
    objects = store.list(scope.kind.id, scope.namespace)
    wanted = scope.wanted
    return objects if wanted is None else [obj for obj in objects if wanted(obj)]


def snapshot(store: Store, scope: Scope, version: int) -> list[Obj]:
    """The objects as they were at a version, in order. Raises ApiError (410) when the history does not reach so far."""
    if version == store.version:
        return current(store, scope)
    try:
        changes = store.since(scope.kind.id, version)
    except Expired:
        raise errors.gone("The provided continue parameter is too old to display a consistent list result.") from None
    objects = {_position(obj): obj for obj in store.list(scope.kind.id)}
    for change in reversed(changes):
        if change.old is None:
            objects.pop(_position(change.object), None)
        else:
            objects[_position(change.old)] = change.old
    return [objects[key] for key in sorted(objects) if scope.takes(objects[key])]


def _position(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _token(version: int, after: tuple[str, str]) -> str:
    raw = orjson.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(after) + "\0"})
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        content = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = content["start"].rstrip("\0").partition("/")
        return int(content["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise errors.bad_request("continue key is not valid: illegal continue token") from None


# versions


#: The most digits of a resourceVersion: it has 64 bits.
_DIGITS = 19


def check_versions(query: dict[str, str], store: Store) -> None:
    """The rules of resourceVersion and resourceVersionMatch (meta/internalversion/validation). Raises ApiError."""
    version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    if version and (not version.isdecimal() or not version.isascii() or len(version) > _DIGITS):
        wrong = "value out of range" if version.isdecimal() and version.isascii() else "invalid syntax"
        why = f'Invalid value: "{version}": strconv.ParseUint: parsing "{version}": {wrong}'
        raise errors.invalid("meta.k8s.io", "ListOptions", "", [Cause("FieldValueInvalid", why, "resourceVersion")])
    if match and "sendInitialEvents" not in query:
        _check_match(version, match)
    if version and int(version) > store.version and (match or "watch" not in query):
        message = f"Too large resource version: {version}, current: {store.version}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        raise ApiError(504, "Timeout", f"Timeout: {message}", {"causes": [cause], "retryAfterSeconds": 1})


def _check_match(version: str, match: str) -> None:
    if not version:
        raise _invalid_options(
            "resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if match not in ("Exact", "NotOlderThan"):
        raise _invalid_options(
            "resourceVersionMatch", f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        )
    if match == "Exact" and version == "0":
        why = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise _invalid_options("resourceVersionMatch", why)


def _invalid_options(field: str, message: str) -> ApiError:
    reason = "FieldValueForbidden" if message.startswith("Forbidden") else "FieldValueNotSupported"
    return errors.invalid("meta.k8s.io", "ListOptions", "", [Cause(reason, message, field)])


def check_initial_events(query: dict[str, str]) -> None:
    """The rules of sendInitialEvents. Raises ApiError (422)."""
    if "sendInitialEvents" not in query:
        if query.get("resourceVersionMatch"):
            why = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            raise _invalid_options("resourceVersionMatch", why)
    elif query.get("resourceVersionMatch") != "NotOlderThan":
        why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise _invalid_options("resourceVersionMatch", why)


# forms


def shaped(
    registry: Registry, request: Request, kind: Resource, objects: Sequence[Obj], metadata: Obj, accepted: Accepted
) -> Response:
    """A list in the form the client asked for."""
    if accepted.form == "Table":
        table = tables.table(kind, objects, registry.clock.now(), request.query.get("includeObject", "Metadata"))
        table["metadata"] = metadata
        return Response(200, orjson.dumps(table))
    if accepted.form.startswith("PartialObjectMetadata"):
        items = [tables.metadata_only(obj) for obj in objects]
        document = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items}
        return Response(200, orjson.dumps(document))
    if accepted.encoding == "yaml":
        document = {
            "apiVersion": kind.api_version,
            "kind": kind.list_kind,
            "metadata": metadata,
            "items": [convert(obj, kind) for obj in objects],
        }
        return Response(200, to_yaml(document), b"application/yaml")
    head = orjson.dumps({"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata})
    if len(objects) > LARGE and all(obj.get("apiVersion") == kind.api_version for obj in objects):
        return Streamed(200, b"", parts=_pieces(registry.store, kind, head, objects))
    items_json = b",".join([encoded(registry.store, kind, obj) for obj in objects])
    return Response(200, b'%s,"items":[%s]}' % (head[:-1], items_json))


def _pieces(store: Store, kind: Resource, head: bytes, objects: Sequence[Obj]) -> Iterator[bytes]:
    """The JSON of a list, some hundred KiB at a time. What changes meanwhile is told as it was when the list was asked for."""
    yield head[:-1] + b',"items":['
    for start in range(0, len(objects), PIECE):
        piece = b",".join([_as_listed(store, kind, obj) for obj in objects[start : start + PIECE]])
        yield b"," + piece if start else piece
    yield b"]}"


def _as_listed(store: Store, kind: Resource, obj: Obj) -> bytes:
    """Only the encoding of what is still there is kept."""
    if store.get(kind.id, *_position(obj)) is obj:
        return store.encoded(kind.id, obj)
    return orjson.dumps(obj)


def encoded(store: Store, kind: Resource, obj: Obj) -> bytes:
    """The JSON of a stored object in the version of `kind`; the store keeps that of its own version."""
    if obj.get("apiVersion") == kind.api_version:
        return store.encoded(kind.id, obj)
    return orjson.dumps(convert(obj, kind))
