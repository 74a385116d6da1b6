"""Heads of HTTP/1.1 messages: what a request must be like to be passed on, and how heads are written.

Parsing is httptools' work, and strict already; what is checked here is checked again because a disagreement between two
parsers about where a message ends lets one client's bytes become another's request (RFC 9112, 11.2).  A message is never
passed on as it came: heads are written anew and bodies framed anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much, and how long, one client may ask for. Bytes and seconds."""

    head: int = 32 * 1024
    target: int = 8 * 1024
    headers: int = 128
    pipelined: int = 1000
    replay: int = 64 * 1024  # of a request's body, kept so that it can be sent to another pod
    connections: int = 4096
    head_seconds: float = 30.0
    idle_seconds: float = 75.0
    body_seconds: float = 60.0
    connect_seconds: float = 2.0
    answer_seconds: float = 60.0
    linger_seconds: float = 2.0
    attempts: int = 3


class Refusal(Exception):  # noqa: N818 - it is an answer
    """A request that is answered with an error by the ingress itself."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


#: Meant for the next hop alone (RFC 9110, 7.6.1), and two that are such by habit.
HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"))

#: Said by us, whatever the client says: a client must not make up where it comes from.
FORWARDED = frozenset(
    (
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-forwarded-scheme",
        b"x-real-ip",
    )
)

#: May be sent again when a connection broke before an answer (RFC 9110, 9.2.2).
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))

_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    """A request's head, checked. `length` None and `chunked` False is a request without a body."""

    method: bytes
    target: bytes  # in origin form: /path?query, or *
    version: str
    headers: Headers
    host: str  # without the port, in lower case
    authority: bytes  # the host as it was sent
    length: int | None
    chunked: bool
    keep_alive: bool
    websocket: bool
    expects_continue: bool

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.length)


def tokens(headers: Headers, name: bytes) -> list[bytes]:
    """The comma-separated members of all headers of this name, in lower case."""
    values = [value for key, value in headers if key.lower() == name]
    return [token for value in values for part in value.split(b",") if (token := part.strip().lower())]


def check_request(method: bytes, target: bytes, version: str, headers: Headers, limits: Limits) -> Request:
    """A request that may be passed on; header names are in lower case. Raises Refusal."""
    if version not in ("1.1", "1.0"):
        raise Refusal(505, f"HTTP/{version} is not spoken here; HTTP/1.1 is.")
    if method == b"CONNECT":
        raise Refusal(405, "This is a reverse proxy: it connects to the Services of the cluster, and to nothing else.")
    if len(target) > limits.target:
        raise Refusal(414, f"The request's target is longer than {limits.target} bytes.")
    if len(headers) > limits.headers or sum(len(name) + len(value) for name, value in headers) > limits.head:
        raise Refusal(431, f"The request has more than {limits.headers} headers, or more than {limits.head} bytes of them.")
    target, authority = _authority(target, version, headers)
    length, chunked = _framing(version, headers)
    connection = tokens(headers, b"connection")
    websocket = version == "1.1" and method == b"GET" and b"upgrade" in connection
    websocket = websocket and tokens(headers, b"upgrade") == [b"websocket"]
    if (length or chunked) and b"upgrade" in connection and any(name == b"upgrade" for name, _ in headers):
        raise Refusal(400, "A request that asks for another protocol must not have a body.")
    return Request(
        method=method,
        target=target,
        version=version,
        headers=headers,
        host=_host_name(authority),
        authority=authority,
        length=length,
        chunked=chunked,
        keep_alive=b"close" not in connection and (version == "1.1" or b"keep-alive" in connection),
        websocket=websocket,
        expects_continue=version == "1.1" and tokens(headers, b"expect") == [b"100-continue"],
    )


def _framing(version: str, headers: Headers) -> tuple[int | None, bool]:
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings:
        if lengths or version == "1.0" or [coding.strip().lower() for coding in codings] != [b"chunked"]:
            raise Refusal(400, "It is not clear where the request ends: Transfer-Encoding may be `chunked`, and must be alone.")
        return None, True
    if not lengths:
        return None, False
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise Refusal(400, "It is not clear where the request ends: Content-Length must be one number.")
    return int(lengths[0]), False


def _authority(target: bytes, version: str, headers: Headers) -> tuple[bytes, bytes]:
    """The target in origin form, and the host that the request is for."""
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise Refusal(400, "A request must have one Host header.")
    host = hosts[0] if hosts else b""
    scheme, separator, rest = target.partition(b"://")
    if separator and scheme.lower() in (b"http", b"https"):
        host, slash, path = rest.partition(b"/")
        host, question, query = host.partition(b"?")
        target = slash + path if slash else b"/" + question + query
    elif not target.startswith(b"/") and target != b"*":
        raise Refusal(400, "The request's target is neither a path nor a URL.")
    if any(character in host for character in b" \t,/\\@?#<>\"'`"):
        raise Refusal(400, "The Host header is not a host.")
    return target.partition(b"#")[0], host


def _host_name(authority: bytes) -> str:
    text = authority.decode("latin-1").lower()
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0].rstrip(".")


def upstream_head(request: Request, client: str, port: int, request_id: bytes) -> bytes:
    """The head that a pod gets: one request on its connection, and where it comes from."""
    dropped = HOP_BY_HOP | FORWARDED | set(tokens(request.headers, b"connection"))
    dropped |= {b"host", b"content-length", b"expect", b"x-request-id"}
    address = client.encode()
    lines = [
        (b"host", request.authority),
        *((name, value) for name, value in request.headers if name not in dropped),
        (b"x-request-id", request_id),
        (b"x-real-ip", address),
        (b"x-forwarded-for", address),
        (b"x-forwarded-host", request.authority),
        (b"x-forwarded-port", b"%d" % port),
        (b"x-forwarded-proto", b"http"),
    ]
    if request.chunked:
        lines.append((b"transfer-encoding", b"chunked"))
    elif request.length is not None:
        lines.append((b"content-length", b"%d" % request.length))
    if request.websocket:
        lines += [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    else:
        lines.append((b"connection", b"close"))
    return b"%s %s HTTP/1.1\r\n" % (request.method, request.target) + _lines(lines)


def response_headers(headers: Headers) -> Headers:
    """What of a pod's headers goes to the client; how the body is framed is said anew."""
    dropped = HOP_BY_HOP | {b"content-length"} | set(tokens(headers, b"connection"))
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def response_head(status: int, reason: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"HTTP/1.1 %d %s\r\n" % (status, reason or _REASONS.get(status, "").encode()) + _lines(headers)


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%s: %s\r\n" % header for header in headers]) + b"\r\n"


def has_no_body(method: bytes, status: int) -> bool:
    """Whether an answer ends with its head, whatever that says about a length."""
    return method == b"HEAD" or status in (204, 304) or status < 200


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
