"""gRPC probes that really ask: one call of grpc.health.v1.Health/Check over cleartext HTTP/2.

What is asked and how answers are worded is in `grpc_health`; this module has the connection.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from seatrial.twin.kubelet import grpc_health
from seatrial.twin.kubelet.process.probes import USER_AGENT, Call, Done, host_port
from seatrial.twin.kubelet.runtime import ProbeResult
from seatrial.twin.network import low_ports

#: Seconds before a connection that failed is tried again, and by how much they grow (grpc-go, backoff/backoff.go).
RETRY, RETRY_GROWTH = 1.0, 1.6
MAX_BODY = 64 * 1024  # bytes


def check(loop: asyncio.AbstractEventLoop, address: str, port: int, service: str, timeout: float, done: Done) -> None:
    """Whether the server calls a service healthy; "" is the server itself. `timeout` in seconds."""
    asking = _Asking(loop, address, port, service, timeout)
    Call(loop, timeout, done, asking.ask, asking.late)


class _Asking:
    """One probe, over as many connections as it takes until one speaks HTTP/2."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str, port: int, service: str, timeout: float) -> None:
        self._loop, self._address, self._port = loop, address, port
        self._service, self._timeout = service, timeout
        self._talk: _Talk | None = None

    def late(self) -> ProbeResult:
        if self._talk is not None and self._talk.greeted:
            return grpc_health.too_slow(self._timeout)
        return grpc_health.unreachable(self._address, self._port, self._timeout)

    async def ask(self) -> ProbeResult:
        wait = RETRY
        while True:
            with suppress(OSError):
                found = await self._try()
                if found is not None:
                    return found
            await asyncio.sleep(wait)
            wait *= RETRY_GROWTH

    async def _try(self) -> ProbeResult | None:
        """The answer over one connection; None when it never came to speak HTTP/2. Raises OSError."""
        authority = host_port(self._address, self._port)
        where = low_ports.actual(self._address, self._port)
        transport, talk = await self._loop.create_connection(
            lambda: _Talk(self._loop, authority, self._service, self._timeout), self._address, where
        )
        self._talk = talk
        try:
            return await talk.result
        finally:
            transport.abort()


class _Talk(asyncio.Protocol):
    """One connection with one call. `result` is None when the server never said that it speaks HTTP/2."""

    def __init__(self, loop: asyncio.AbstractEventLoop, authority: str, service: str, timeout: float) -> None:
        self.result: asyncio.Future[ProbeResult | None] = loop.create_future()
        self.greeted = False
        self._authority, self._service, self._timeout = authority, service, timeout
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._transport: asyncio.WriteTransport | None = None
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are none by inheritance
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                self._heard(event)
            self._flush()
        except (ProtocolError, UnicodeError) as error:
            self._broken(f"connection error: desc = {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._broken(f"error reading from server: {'connection reset by peer' if exc else 'EOF'}")

    def _heard(self, event: Event) -> None:
        match event:
            case RemoteSettingsChanged() if not self.greeted:
                self.greeted = True
                self._call()
            case ResponseReceived() | TrailersReceived():
                self._headers |= {_text(name): _text(value) for name, value in event.headers or ()}
            case DataReceived():
                self._body += (event.data or b"")[: MAX_BODY - len(self._body)]
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, 1)
            case StreamEnded():
                self._end(grpc_health.verdict(self._headers, bytes(self._body), self._timeout))
            case StreamReset():
                if "grpc-status" in self._headers:
                    self._end(grpc_health.verdict(self._headers, bytes(self._body), self._timeout))
                self._broken(f"stream terminated by RST_STREAM with error code: {_name(event.error_code)}")
            case ConnectionTerminated():
                self._broken(f"closing transport due to: received prior goaway: code: {_name(event.error_code)}")

    def _call(self) -> None:
        headers = [(":method", "POST"), (":scheme", "http"), (":path", grpc_health.PATH), (":authority", self._authority)]
        headers += [("content-type", "application/grpc"), ("user-agent", USER_AGENT), ("te", "trailers")]
        headers.append(("grpc-timeout", f"{max(1, round(self._timeout * 1000))}m"))
        self._h2.send_headers(1, headers)
        self._h2.send_data(1, grpc_health.request(self._service), end_stream=True)

    def _broken(self, message: str) -> None:
        self._end(grpc_health.failed("Unavailable", message, self._timeout) if self.greeted else None)

    def _end(self, result: ProbeResult | None) -> None:
        if not self.result.done():
            self.result.set_result(result)

    def _flush(self) -> None:
        if self._transport is not None and (data := self._h2.data_to_send()):
            self._transport.write(data)


def _text(part: str | bytes) -> str:
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def _name(code: object) -> str:
    return str(getattr(code, "name", code))
