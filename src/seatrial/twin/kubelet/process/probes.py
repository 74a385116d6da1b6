"""HTTP and TCP probes that really probe, in the words of the kubelet (pkg/probe/http, pkg/probe/tcp, and Go's net package)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping

import httptools

from seatrial.twin.kubelet.runtime import ProbeResult
from seatrial.twin.network import low_ports

Done = Callable[[ProbeResult], None]

MAX_BODY = 10 * 1024  # bytes
MAX_REDIRECTS = 10
USER_AGENT = "kube-probe/1.36"


def tcp(loop: asyncio.AbstractEventLoop, address: str, port: int, timeout: float, done: Done) -> None:
    """Whether somebody listens there. `timeout` in seconds."""
    late = f"dial tcp {host_port(address, port)}: i/o timeout"
    Call(loop, timeout, done, lambda: _connects(loop, address, port), lambda: ProbeResult(False, late))


async def _connects(loop: asyncio.AbstractEventLoop, address: str, port: int) -> ProbeResult:
    try:
        transport, _ = await loop.create_connection(asyncio.Protocol, address, low_ports.actual(address, port))
    except OSError as error:
        return ProbeResult(False, dial_error(address, port, error))
    transport.abort()
    return ProbeResult(True)


def http(
    loop: asyncio.AbstractEventLoop,
    address: str,
    port: int,
    path: str,
    scheme: str,
    headers: Mapping[str, str],
    timeout: float,
    done: Done,
) -> None:
    """Whether a GET is answered with 200 to 399, following redirects on the same host. `timeout` in seconds."""
    url = f"{scheme}://{host_port(address, port)}/{path.removeprefix('/')}"
    late = f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    Call(loop, timeout, done, lambda: _get(loop, address, port, path, scheme, headers), lambda: ProbeResult(False, late))


class Call:
    """One probe under way: gives its answer once, at the latest, when its time is up, that of `late`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeout: float,
        done: Done,
        ask: Callable[[], asyncio._CoroutineLike[ProbeResult]],
        late: Callable[[], ProbeResult],
    ) -> None:
        self._done = done
        self._task = loop.create_task(ask())
        self._task.add_done_callback(self._answered)
        self._timer = loop.call_later(timeout, lambda: self._answer(late()))

    def _answered(self, task: asyncio.Task[ProbeResult]) -> None:
        if not task.cancelled():
            error = task.exception()
            self._answer(ProbeResult(False, str(error)) if error else task.result())

    def _answer(self, result: ProbeResult) -> None:
        self._timer.cancel()
        self._task.cancel()
        done, self._done = self._done, _nobody
        done(result)


def _nobody(_result: ProbeResult) -> None:
    """Takes the answers of a call that has given its own."""


async def _get(
    loop: asyncio.AbstractEventLoop, address: str, port: int, path: str, scheme: str, headers: Mapping[str, str]
) -> ProbeResult:
    for _ in range(MAX_REDIRECTS):
        url = f"{scheme}://{host_port(address, port)}/{path.removeprefix('/')}"
        tls, where = _tls() if scheme == "https" else None, low_ports.actual(address, port)
        try:
            transport, response = await loop.create_connection(lambda: _Response(loop), address, where, ssl=tls)
        except ssl.SSLError:
            return ProbeResult(False, f'Get "{url}": http: server gave HTTP response to HTTPS client')
        except OSError as error:
            return ProbeResult(False, f'Get "{url}": {dial_error(address, port, error)}')
        try:
            transport.write(request(address, port, path, headers))
            problem = await response.complete
        finally:
            transport.abort()
        if problem:
            return ProbeResult(False, f'Get "{url}": {problem}')
        target = _same_host(response, address, port, scheme)
        if target is None:
            return _verdict(response)
        path = target
    return ProbeResult(False, f'Get "{url}": stopped after {MAX_REDIRECTS} redirects')


def request(address: str, port: int, path: str, headers: Mapping[str, str]) -> bytes:
    given = {name.lower(): value for name, value in headers.items()}
    lines = [f"GET /{path.removeprefix('/')} HTTP/1.1", f"Host: {given.pop('host', host_port(address, port))}"]
    lines.append(f"User-Agent: {given.pop('user-agent', USER_AGENT)}")
    accept = given.pop("accept", "*/*")
    if accept:
        lines.append(f"Accept: {accept}")
    lines += [f"{name.title()}: {value}" for name, value in given.items()]
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode("utf-8", "surrogateescape")


class _Response(asyncio.Protocol):
    """Reads one answer. `complete` is its result: "" or what was wrong with it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.complete: asyncio.Future[str] = loop.create_future()
        self.location, self.body = "", bytearray()
        self._parser = httptools.HttpResponseParser(self)
        self._first = b""

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    def data_received(self, data: bytes) -> None:
        self._first = self._first or data[:40]
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            shown = self._first.split(b"\n")[0].decode(errors="replace").rstrip("\r")
            self._end(f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{shown}"')

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"location":
            self.location = value.decode(errors="replace")

    def on_body(self, data: bytes) -> None:
        self.body += data
        if len(self.body) >= MAX_BODY:
            self._end("")

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self._end("")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._parser.get_status_code() >= 200 and self._first and self.body:
            self._end("")  # an answer without a length ends with its connection
        else:
            self._end("read: connection reset by peer" if isinstance(exc, ConnectionResetError) else "EOF")

    def _end(self, problem: str) -> None:
        if not self.complete.done():
            self.complete.set_result(problem)


def _verdict(response: _Response) -> ProbeResult:
    if 200 <= response.status < 400:
        return ProbeResult(True)
    return ProbeResult(False, f"HTTP probe failed with statuscode: {response.status}")


def _same_host(response: _Response, address: str, port: int, scheme: str) -> str | None:
    """The path of a redirect to where the answer came from; the kubelet takes any other redirect for a success."""
    if response.status not in (301, 302, 303, 307, 308) or not response.location:
        return None
    origin = f"{scheme}://{host_port(address, port)}"
    if response.location.startswith(origin + "/"):
        return response.location[len(origin) :]
    return response.location if response.location.startswith("/") and not response.location.startswith("//") else None


def dial_error(address: str, port: int, error: OSError) -> str:
    """A failed connection as Go prints it: `dial tcp 127.0.0.1:80: connect: connection refused`."""
    import errno
    import os

    words = os.strerror(error.errno).lower() if error.errno else str(error)
    if error.errno == errno.ETIMEDOUT:
        return f"dial tcp {host_port(address, port)}: i/o timeout"
    return f"dial tcp {host_port(address, port)}: connect: {words}"


def host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _tls() -> ssl.SSLContext:
    """Certificates are not verified, as the kubelet does not (pkg/probe/http/http.go)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
