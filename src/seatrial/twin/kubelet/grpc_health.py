"""What gRPC probes ask and what they say of the answer: messages of grpc.health.v1.Health/Check, and the kubelet's words.

Pure; the connection is for `process.grpc`.  Follows pkg/probe/grpc/grpc.go, and grpc-go for the words of its errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import unquote

from seatrial.twin.kubelet.runtime import ProbeResult

PATH = "/grpc.health.v1.Health/Check"

SERVING = "SERVING"
#: HealthCheckResponse.ServingStatus, by number.
_STATUSES = ("UNKNOWN", SERVING, "NOT_SERVING", "SERVICE_UNKNOWN")

#: The names grpc-go has for status codes (codes/code_string.go), by number.
_CODES = (
    *("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied"),
    *("ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable"),
    *("DataLoss", "Unauthenticated"),
)
#: What an HTTP status without a gRPC status stands for (internal/transport/http_util.go).
_OF_HTTP = {
    400: "Internal",
    401: "Unauthenticated",
    403: "PermissionDenied",
    404: "Unimplemented",
    429: "Unavailable",
    502: "Unavailable",
    503: "Unavailable",
    504: "Unavailable",
}


def request(service: str) -> bytes:
    """A HealthCheckRequest, framed as gRPC sends it; "" asks for the server as a whole."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def verdict(headers: Mapping[str, str], body: bytes, timeout: float) -> ProbeResult:
    """What a whole answer says: its headers and trailers, and the data between."""
    if "grpc-status" not in headers:
        return _of_http(headers.get(":status", ""))
    number = headers["grpc-status"]
    code = _CODES[int(number)] if number.isdecimal() and int(number) < len(_CODES) else f"Code({number})"
    if code != "OK":
        return failed(code, unquote(headers.get("grpc-message", "")), timeout)
    return answered(_serving_status(body))


def _of_http(status: str) -> ProbeResult:
    number = int(status) if status.isdecimal() else 0
    words = HTTPStatus(number).phrase if number in {each.value for each in HTTPStatus} else ""
    if number == 200:
        return failed("Unknown", "server closed the stream without sending trailers", 0.0)
    said = f"unexpected HTTP status code received from server: {number} ({words})"
    return failed(_OF_HTTP.get(number, "Unknown"), said, 0.0)


def _serving_status(body: bytes) -> str:
    message = body[5 : 5 + int.from_bytes(body[1:5], "big")]
    number = message[1] if len(message) > 1 and message[0] == 0x08 else 0
    return _STATUSES[number] if number < len(_STATUSES) else str(number)


# the kubelet's words


def answered(status: str) -> ProbeResult:
    return ProbeResult(True) if status == SERVING else ProbeResult(False, f'service unhealthy (responded with "{status}")')


def failed(code: str, message: str, timeout: float) -> ProbeResult:
    """A call that ended with an error; `timeout` in seconds."""
    if code == "Unimplemented":
        protocol = "the grpc health protocol (grpc.health.v1.Health)"
        return ProbeResult(False, f"error: this server does not implement {protocol}: {message}")
    if code == "DeadlineExceeded":
        return too_slow(timeout)
    return ProbeResult(False, f"error: health rpc probe failed: rpc error: code = {code} desc = {message}")


def too_slow(timeout: float) -> ProbeResult:
    return ProbeResult(False, f"timeout: health rpc did not complete within {_duration(timeout)}")


def unreachable(address: str, port: int, timeout: float) -> ProbeResult:
    """Nobody who speaks HTTP/2 was there in time: a refused connection is tried again until then."""
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    within = _duration(timeout)
    return ProbeResult(False, f'timeout: failed to connect service "{where}" within {within}: context deadline exceeded')


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:g}m{rest:g}s" if minutes else f"{rest:g}s"
