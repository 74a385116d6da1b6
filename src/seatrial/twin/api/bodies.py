"""Request bodies into objects: JSON, YAML or protobuf, checked against the type that the path serves.

A body that cannot be read is refused with Kubernetes' words; unknown fields are refused, warned of or dropped as
`fieldValidation` says.  What comes out has the form in which the server stores objects.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from seatrial.twin import errors
from seatrial.twin.api.http import Request
from seatrial.twin.registry.resources import Resource
from seatrial.world import schema
from seatrial.world.objects import Obj, depth

PROTOBUF = "application/vnd.kubernetes.protobuf"
_JSON = ("application/json", "")
_YAML = ("application/yaml", "application/x-yaml", "text/yaml")
_ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
#: Deeper documents than this are refused: nothing could write them out again.
_DEEPEST = 200
_SUMMARY = 30
#: The most values that a document with aliases may come to.
_MOST_VALUES = 400_000
#: YAML of more bytes than this is read beside the event loop: it takes some 2 s a MiB.
_LARGE = 64 * 1024
_APPLY = "application/apply-patch+yaml"
_INDENTED = re.compile(rb"[ \t?:-]+")


class ReadYaml(bytes):
    """A body of YAML, and what came of reading it: a value, or the words of a ValueError."""

    value: Any = None
    error: str = ""


#: One document at a time: others would only wait for the same interpreter, and all of them need memory.
_READER = ThreadPoolExecutor(1, "yaml")


async def read_aside(request: Request) -> None:
    """Read a large body of YAML in a thread, so that other requests are served meanwhile; other bodies stay as they are."""
    body = request.body
    if len(body) <= _LARGE or body[:1] == b"{" or media_type(request) not in (*_YAML, _APPLY):
        return
    made = ReadYaml(body)
    try:
        made.value = await asyncio.get_running_loop().run_in_executor(_READER, parse_yaml, body)
    except ValueError as error:
        made.error = str(error)
    request.body = made


def media_type(request: Request) -> str:
    return request.header(b"content-type").split(";", 1)[0].strip().lower()


def read(request: Request, kind: Resource) -> Obj:
    """The object in the body of a create or update, of the kind that the path serves. Raises ApiError (400, 415)."""
    media = media_type(request)
    obj = decode(request.body, media, kind.kind)
    if not isinstance(obj, dict):
        raise _unrecognized(kind.kind, _not_a_map(obj), request.body)
    return checked(obj, kind, request, request.body if media in _JSON else b"")


def decode(body: bytes, media: str, kind: str) -> Any:
    """What a body holds, unchecked; `kind` is for the words of a refusal. Raises ApiError (400, 415)."""
    if media == PROTOBUF:
        return _protobuf(body)
    if media in _JSON:
        return _json(body, kind)
    if media in _YAML:
        return _yaml(body, kind)
    raise unsupported(_ACCEPTED)


def checked(obj: Obj, kind: Resource, request: Request, body: bytes = b"") -> Obj:
    """The object as the server keeps it, when it is one of `kind`. Raises ApiError (400)."""
    fit(obj, kind)
    validation = request.query.get("fieldValidation") or "Warn"
    problems = problems_of(obj, kind, body if validation != "Ignore" else b"")
    refusal = undecodable(problems, strict=validation == "Strict")
    if refusal is not None:
        raise refusal
    if validation == "Warn":
        request.warnings.extend(problems.strict)
    obj = schema.normalise(obj, kind.custom.shape if kind.custom else None)
    if not isinstance(obj.get("metadata"), dict):
        obj["metadata"] = {}
    return obj


def problems_of(obj: Obj, kind: Resource, body: bytes = b"") -> schema.Problems:
    """What is wrong with the document. Of a custom resource only the metadata is decoded: the rest is validated, later."""
    if kind.custom is None:
        return schema.check(obj, None, body)
    problems = schema.check(obj, kind.custom.shape, body)
    outer = {key: obj[key] for key in ("apiVersion", "kind", "metadata") if key in obj}
    problems.error = schema.check(outer, schema.custom()).error
    return problems


def undecodable(problems: schema.Problems, strict: bool = True) -> errors.ApiError | None:
    """The 400 that a create or update is answered with; unknown and duplicate fields count only when `strict`."""
    why = problems.error or (problems.strict_message() if strict and problems.strict else None)
    if why is None:
        return None
    kind, version = problems.kind, problems.version
    return errors.bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


def wrong_kind(obj: Obj, expected_version: str, expected_kind: str) -> errors.ApiError | None:
    """The refusal of an object whose apiVersion or kind is not what the request's path serves, None when it fits."""
    api_version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    if (api_version, kind) == (expected_version, expected_kind):
        return None
    version = api_version.rpartition("/")[2]
    type_name = schema.type_of(api_version, kind)
    if type_name is None:
        scheme = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
        why = f'no kind "{kind}" is registered for version "{api_version}" in scheme "{scheme}"'
        return errors.bad_request(f'{kind} in version "{version}" cannot be handled as a {expected_kind}: {why}')
    if api_version != expected_version:
        return errors.bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version ({expected_version})"
        )
    package = (schema.type_of(expected_version, expected_kind) or type_name).split(".")[-3]
    why = f"converting ({version}.{kind}) to ({package}.{expected_kind}): unknown conversion"
    return errors.bad_request(f'{kind} in version "{version}" cannot be handled as a {expected_kind}: {why}')


def fit(obj: Obj, kind: Resource) -> None:
    """Complete the apiVersion and kind of an object from what the path serves. Raises ApiError (400) for another kind."""
    if not obj.get("apiVersion"):
        obj["apiVersion"] = kind.api_version
    if not obj.get("kind"):
        obj["kind"] = kind.kind
    wrong = wrong_kind(obj, kind.api_version, kind.kind)
    if wrong is not None:
        raise wrong
    if obj.get("metadata") is None:
        obj["metadata"] = {}


def parse(body: bytes) -> Any:
    """JSON of any shape. Raises ValueError with the words of Go's decoder."""
    if not body.strip():
        raise ValueError("unexpected end of JSON input")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(_words(body, error)) from None
    return _shallow(body, value)


def _shallow(body: bytes, value: Any) -> Any:
    if body.count(b"{") + body.count(b"[") > _DEEPEST and depth(value) > _DEEPEST:
        raise ValueError("exceeded max depth")
    return value


def unsupported(accepted: str) -> errors.ApiError:
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return errors.ApiError(415, "UnsupportedMediaType", message)


def _json(body: bytes, kind: str) -> Any:
    try:
        return parse(body)
    except ValueError as error:
        raise _unrecognized(kind, f"couldn't get version/kind; json parse error: {error}", body) from None


def _yaml(body: bytes, kind: str) -> Any:
    try:
        return parse_yaml(body)
    except ValueError as error:
        raise _unrecognized(kind, f"error parsing YAML: {error}", body) from None


def parse_yaml(body: bytes) -> Any:
    """The first document of a YAML stream (JSON is YAML too), with dates left as text. Raises ValueError."""
    if isinstance(body, ReadYaml):
        if body.error:
            raise ValueError(body.error)
        return body.value
    if body[:1] == b"{":
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
        else:
            return _shallow(body, value)
    import yaml

    try:
        _check_nesting(body)
        value = yaml.load(body, Loader=_loader())  # noqa: S506 - derived from the safe loader
        if b"&" in body and not _bounded(value):
            raise ValueError("yaml: document contains excessive aliasing")
        return orjson.loads(orjson.dumps(value))
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, TypeError, orjson.JSONDecodeError) as error:
        raise ValueError(str(error).replace("\n", " ")) from None


def _check_nesting(body: bytes) -> None:
    """Refuse YAML that nests deep before it is loaded: the loader recurses in C, and would take the process with it.

    Nesting needs a bracket or an indentation of its own a level, so most documents need not be looked at twice.
    """
    import yaml

    if body.count(b"[") + body.count(b"{") + max(map(len, _INDENTED.findall(body)), default=0) < _DEEPEST // 2:
        return
    level = 0
    for event in yaml.parse(body, Loader=_loader()):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
            if level > _DEEPEST:
                raise ValueError("exceeded max depth")
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1


def _bounded(value: Any) -> bool:
    """Whether a document stays small when every alias is written out."""
    waiting, left = [value], _MOST_VALUES
    while waiting:
        item = waiting.pop()
        if isinstance(item, (dict, list)):
            left -= len(item)
            if left < 0:
                return False
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return True


_LOADER: list[Any] = []


def _loader() -> Any:
    if not _LOADER:
        import yaml

        without_dates = {
            first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
        base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        _LOADER.append(type("Loader", (base,), {"yaml_implicit_resolvers": without_dates}))
    return _LOADER[0]


def _protobuf(body: bytes) -> Obj:
    from seatrial.twin.api import protobuf

    try:
        obj: Obj = protobuf.decode(body)
        return obj
    except ValueError as error:
        raise errors.bad_request(f"the object provided is unrecognized: {error}") from None


def _unrecognized(kind: str, why: str, body: bytes) -> errors.ApiError:
    return errors.bad_request(f"the object provided is unrecognized (must be of type {kind}): {why} ({_summary(body)})")


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    more = " ..." if len(body) > _SUMMARY else ""
    shown = body[:_SUMMARY]
    return (shown.decode("utf-8", "replace") if body[:1] == b"{" else shown.hex()) + more


def _not_a_map(value: object) -> str:
    what = {list: "array", str: "string", bool: "bool", int: "number", float: "number"}.get(type(value), "null")
    go = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    return f"couldn't get version/kind; json parse error: json: cannot unmarshal {what} into Go value of type {go}"


def _words(body: bytes, error: orjson.JSONDecodeError) -> str:
    """What Go says of broken JSON: where it ends too early, or the character it did not expect."""
    text = body.decode("utf-8", "replace").rstrip()
    if error.pos >= len(text):
        return "unexpected end of JSON input"
    return f"invalid character {text[error.pos]!r} looking for beginning of value"
