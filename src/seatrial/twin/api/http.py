"""Requests and responses of the API server, and how they cross ASGI: bodies with a limit, query, negotiation.

Nothing here knows Kubernetes' resources; what to answer is for the other modules of this package.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qsl

import orjson

from seatrial.twin import errors
from seatrial.twin.registry.options import SYSTEM, Options
from seatrial.world.admission.causes import Cause
from seatrial.world.objects import Obj

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

#: The most a request body may have, in bytes (apiserver: MaxRequestBodyBytes).
MOST_BYTES = 3 * 1024 * 1024
#: Seconds that a body may take to come (apiserver: --request-timeout).
BODY_SECONDS = 60.0

JSON_TYPE = b"application/json"
_NO_QUERY: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class User:
    """`extra`: what else is known of who asks, by key."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[bytes, bytes]
    body: bytes
    user: User
    receive: Receive
    scope: Scope
    warnings: list[str] = field(default_factory=list)

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    def flag(self, name: str) -> bool:
        """A boolean of the query, as strconv.ParseBool reads it."""
        return self.query.get(name, "") in ("true", "1", "t", "T", "TRUE", "True")

    def options(self) -> Options:
        """The query parameters of a write."""
        query, user = self.query, self.user
        dry_run = query.get("dryRun", "")
        if dry_run not in ("", "All"):
            cause = Cause("FieldValueNotSupported", f'Unsupported value: "{dry_run}": supported values: "All"', "dryRun")
            raise errors.invalid("meta.k8s.io", "CreateOptions", "", [cause])
        return Options(
            user=user.name,
            groups=user.groups,
            manager=query.get("fieldManager") or default_manager(self.header(b"user-agent")),
            dry_run=dry_run == "All",
            field_validation=query.get("fieldValidation") or "Warn",
            force=self.flag("force"),
            warnings=self.warnings,
        )


@lru_cache(64)
def default_manager(agent: str) -> str:
    """Who writes without a fieldManager: the user agent up to the first slash (handlers/create.go, managerOrUserAgent)."""
    return agent.split("/", 1)[0][:128] or "unknown"


@dataclass(slots=True)
class Response:
    status: int
    body: bytes
    content_type: bytes = JSON_TYPE
    headers: Headers = field(default_factory=list)

    async def send(self, send: Send) -> None:
        headers = [(b"content-type", self.content_type), (b"content-length", b"%d" % len(self.body)), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


@dataclass(slots=True)
class Streamed(Response):
    """A response whose body is made while it is sent: `parts` are made one at a time, as fast as the client reads them."""

    parts: Iterable[bytes] = ()

    async def send(self, send: Send) -> None:
        headers = [(b"content-type", self.content_type), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0)  # others have their turn, and what was sent is on its way
        await send({"type": "http.response.body", "body": b""})


class Answer(Protocol):
    """What a handler returns: a Response, or something that streams."""

    async def send(self, send: Send) -> None: ...


def json_response(status: int, obj: object) -> Response:
    return Response(status, orjson.dumps(obj))


def text_response(status: int, text: str) -> Response:
    return Response(status, text.encode(), b"text/plain; charset=utf-8")


def error_response(error: errors.ApiError) -> Response:
    response = json_response(error.code, error.status())
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry:
        response.headers.append((b"retry-after", str(retry).encode()))
    return response


def parse_query(raw: bytes) -> dict[str, str]:
    """The first value of each parameter."""
    if not raw:
        return _NO_QUERY
    query: dict[str, str] = {}
    for key, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        query.setdefault(key, value)
    return query


_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)


def whole(text: str) -> int:
    """A number of the query, as strconv.ParseInt reads it for an int64. Raises ApiError (400)."""
    if not _WHOLE.fullmatch(text):
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    number = int(text) if len(text) < 40 else 2**63
    if not -(2**63) <= number < 2**63:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number


class TooLarge(Exception):  # noqa: N818
    """The body passes the limit."""


class TooSlow(Exception):  # noqa: N818
    """The body did not come within the time that a request has."""


class Gone(Exception):  # noqa: N818
    """The client went away before its body was complete."""


async def read_body(receive: Receive, announced: bytes = b"", limit: int = MOST_BYTES) -> bytes:
    """The body, of `announced` bytes where the client says so. Raises TooLarge, TooSlow, Gone."""
    if len(announced) > 6 and int(announced) > limit:  # a number: the parser of the protocol saw to it
        raise TooLarge
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise TooLarge
        return body
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _rest(message, receive, limit)
    except TimeoutError:
        raise TooSlow from None


async def _rest(message: Mapping[str, Any], receive: Receive, limit: int) -> bytes:
    chunks, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


# negotiation


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the client takes: `encoding` json or yaml; `form` "", Table, PartialObjectMetadata …, in `version` of `group`."""

    encoding: str = "json"
    form: str = ""
    version: str = ""
    group: str = ""


_DEFAULT = Accepted()
_ENCODINGS = {"application/json": "json", "application/yaml": "yaml", "*/*": "json", "application/*": "json"}


@lru_cache(128)
def negotiate(header: str) -> Accepted | None:
    """The first thing in an Accept header that we can give; None when there is nothing."""
    if not header:
        return _DEFAULT
    for clause in header.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        encoding = _ENCODINGS.get(media)
        if encoding is None:
            continue
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        form = given.get("as", "")
        if form and not _served(form, given):
            continue
        return Accepted(encoding, form, given.get("v", ""), given.get("g", ""))
    return None


_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


def _served(form: str, given: dict[str, str]) -> bool:
    if form == "APIGroupDiscoveryList":
        return given.get("g") == "apidiscovery.k8s.io" and given.get("v") == "v2"
    return form in _FORMS and given.get("g") == "meta.k8s.io" and given.get("v") == "v1"


def encode(obj: Obj, accepted: Accepted) -> Response:
    if accepted.encoding == "yaml":
        return Response(200, to_yaml(obj), b"application/yaml")
    return Response(200, orjson.dumps(obj))


def to_yaml(obj: Obj) -> bytes:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(obj, Dumper=dumper, sort_keys=True, default_flow_style=False, width=2**20)
    return text.encode()


__all__ = ["SYSTEM", "Accepted", "Answer", "Request", "Response", "User"]
